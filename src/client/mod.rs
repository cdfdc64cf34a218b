//! The client: routes each event to the part that owns the rule, and collects the effects.
//!
//! Holds no rule itself but the order in which the parts are asked. `hub` routes what the hub says, `life` what
//! the connection lives through.

mod hub;
mod life;

use crate::config::Config;
use crate::connection::Connection;
use crate::connection::Status;
use crate::connection::Tried;
use crate::connection::token::Tokens;
use crate::context::hello;
use crate::ids::{ConnectionId, From, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::{Event, Run};
use crate::interface::publication::{Publication, PublishRefusal};
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::publish::durable::WipeScope;
use crate::subscription::{Subscriptions, Wanted};
use crate::time::Time;

/// The parts of a client that an event of the connection is handled with.
macro_rules! turn {
    ($client:ident, $now:ident, $effects:ident) => {
        &mut $crate::context::Turn {
            now: $now,
            rng: &mut $client.rng,
            metrics: &mut $client.metrics,
            effects: $effects,
            session: $client.session.as_deref(),
            subscriptions: &$client.subscriptions,
            tokens: &mut $client.tokens,
        }
    };
}

use turn;

/// What a part handles an event with.
macro_rules! context {
    ($client:ident, $now:ident, $effects:ident) => {
        &mut $crate::context::Context {
            now: $now,
            rng: &mut $client.rng,
            metrics: &mut $client.metrics,
            effects: $effects,
        }
    };
}

use context;

/// What subscriptions ask the hub again with.
macro_rules! asking {
    ($client:ident, $now:ident, $records:ident) => {
        &mut $crate::subscription::Asking {
            now: $now,
            rng: &mut $client.rng,
            metrics: &mut $client.metrics,
            records: &mut $records,
        }
    };
}

use asking;

/// A client of one hub.
#[derive(Debug)]
pub struct Client {
    rng: fastrand::Rng,
    connection: Connection,
    session: Option<String>,
    subscriptions: Subscriptions,
    publisher: Publisher,
    tokens: Tokens,
    metrics: Metrics,
    /// What users were last told of [`Self::repeat_at`].
    repeat_at_told: Option<Time>,
    repeats_seen: u64,
}

impl Client {
    /// A client that does nothing until [`Event::Start`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let publisher = Publisher::new(config, &mut rng);
        Self {
            rng,
            connection: Connection::new(config),
            session: None,
            subscriptions: Subscriptions::default(),
            publisher,
            tokens: Tokens::new(config.has_tokens),
            metrics: Metrics::default(),
            repeat_at_told: None,
            repeats_seen: 0,
        }
    }

    /// What the client is doing, for users.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.connection.status();
        if let Status::Connected { repeat_at, .. } = &mut status {
            *repeat_at = self.repeat_at();
        }
        status
    }

    /// When the client next asks again for something because of what the hub said (rule R7).
    fn repeat_at(&self) -> Option<Time> {
        let parts = [
            self.connection.repeat_at(),
            self.publisher.repeat_at(),
            self.subscriptions.deadline(),
        ];
        parts.into_iter().flatten().min()
    }

    /// The counters as of `now`.
    #[must_use]
    pub fn metrics(&self, now: Time) -> Metrics {
        self.metrics.at(now)
    }

    /// The last tries of transports, oldest first.
    pub fn tried(&self) -> impl Iterator<Item = &Tried> {
        self.connection.tried()
    }

    /// Whether the hub has said welcome over this connection, and it is the one that counts.
    #[must_use]
    pub fn is_established(&self, connection: ConnectionId) -> bool {
        self.connection.established() == Some(connection)
    }

    /// Whether short polls are the best transport now, because every subscription is passive.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.connection.is_quiet()
    }

    /// What a post of publications begins with (rule T1).
    #[must_use]
    pub fn hello(&self) -> String {
        let mut records = String::new();
        hello(self.session.as_deref(), None, None, &mut records);
        records
    }

    /// What requests over HTTP show the hub.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.tokens.shown()
    }

    /// Rows without a verdict, of all clients of the same storage.
    #[must_use]
    pub fn outbox_rows(&self) -> u64 {
        self.publisher.rows()
    }

    /// Whether no publication waits for a verdict or a place, as far as storage has been looked at.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.publisher.is_idle()
    }

    /// Whether publications wait for something that only the user can bring: a dead letter to be taken away, room on the disk, storage
    /// that opens.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.publisher.is_stopped()
    }

    /// The identity of the outbox, empty before storage has told it. A publication's id is this, a colon, and its row.
    #[must_use]
    pub fn producer(&self) -> &str {
        self.publisher.producer(false)
    }

    /// The identity of the outbox in memory, for what storage could not take; its rows are numbered from [`crate::MEMORY_ROWS`] on.
    #[must_use]
    pub fn spare_producer(&self) -> &str {
        self.publisher.producer(true)
    }

    /// When [`Event::Deadline`] is wanted. Changes with every event.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        // A timer would keep what the client is part of: a page's memory, a process.
        if self.connection.is_closed_by_user() {
            return None;
        }
        let parts = [
            self.connection.deadline(),
            self.publisher.deadline(),
            self.subscriptions.deadline(),
            self.connection.established().and(self.tokens.deadline()),
        ];
        parts.into_iter().flatten().min()
    }

    /// The one door in. `now` never goes back; effects are appended in the order in which they must be done.
    pub fn handle(&mut self, now: Time, event: Event<'_>, effects: &mut Vec<Effect>) {
        self.route(now, event, effects);
        // Most clients never wait so, and looking for it costs a look at each subscription.
        let repeats = std::mem::replace(&mut self.repeats_seen, self.metrics.repeats);
        if repeats != self.metrics.repeats || self.repeat_at_told.is_some() {
            let connected = self.connection.established();
            let repeat_at = connected.and_then(|_| self.repeat_at());
            if std::mem::replace(&mut self.repeat_at_told, repeat_at) != repeat_at {
                effects.push(Effect::StatusChanged);
            }
        }
    }

    fn route(&mut self, now: Time, event: Event<'_>, effects: &mut Vec<Effect>) {
        let mut records = String::new();
        match event {
            Event::Messages {
                connection,
                no,
                run,
            } => self.messages(now, connection, no, run, effects),
            Event::Heard {
                connection,
                has_more,
                bytes,
            } => self.heard(now, connection, (bytes, has_more), effects),
            Event::Record { connection, text } => self.record(now, connection, text, effects),
            Event::Subscribe {
                no,
                topic,
                from,
                is_passive,
            } => {
                let wanted = Wanted {
                    topic,
                    from,
                    is_passive,
                    producer: None,
                };
                self.subscriptions.add(no, &wanted, &mut records);
                self.tell(&records, effects);
                self.set_demand(now);
            }
            Event::Follow { no, topic } => {
                let wanted = Wanted {
                    topic,
                    from: From::Live,
                    is_passive: false,
                    producer: Some(self.publisher.producer(false)),
                };
                self.subscriptions.add(no, &wanted, &mut records);
                self.tell(&records, effects);
                self.set_demand(now);
            }
            Event::Snapshot {
                connection,
                no,
                run,
                seq,
                chain,
            } => {
                if self.connection.established() == Some(connection) {
                    self.connection.heard(now, effects);
                    self.progressed();
                    let snapshot = (seq, chain);
                    let is_news = self
                        .subscriptions
                        .snapshot(connection, no, run, snapshot, effects);
                    if is_news {
                        self.connection.news();
                    }
                }
            }
            Event::Resync { no } => {
                let asking = asking!(self, now, records);
                self.subscriptions.resync(no, asking, effects);
                self.tell(&records, effects);
            }
            Event::Unsubscribe { no } => {
                self.subscriptions.remove(no, &mut records, effects);
                self.tell(&records, effects);
                self.set_demand(now);
            }
            Event::Passive { no, is_passive } => {
                self.subscriptions.set_passive(no, is_passive);
                self.set_demand(now);
            }
            Event::Publish(new) => self.publish(now, &new, effects),
            Event::Restore {
                row,
                attempts,
                publication,
            } => self.publisher.restore(now, row, attempts, &publication),
            Event::PostFailed {
                connection,
                floor_ms,
            } => {
                if self.connection.established() == Some(connection) {
                    let context = context!(self, now, effects);
                    self.publisher.post_failed(context, floor_ms);
                }
            }
            Event::Stored { answer } => {
                self.publisher.stored(context!(self, now, effects), answer);
                self.subscriptions
                    .set_producer(self.publisher.producer(false));
                self.pump(now, effects);
            }
            Event::StorageEnded => {
                self.publisher.storage_ended();
                self.pump(now, effects);
            }
            Event::Leader { is_granted } => {
                self.publisher.granted(is_granted);
                self.pump(now, effects);
            }
            Event::TabMessage {
                producer,
                tab_message,
            } => {
                let context = context!(self, now, effects);
                self.publisher.heard(context, producer, tab_message);
                self.pump(now, effects);
            }
            Event::Wiped {
                is_done,
                last,
                at_ms,
                machine_ms,
            } => {
                if let Some(connection) = self.connection.established() {
                    effects.push(Effect::DropPosts { connection });
                }
                let scope = WipeScope::new(now, last, at_ms, machine_ms);
                let context = context!(self, now, effects);
                self.publisher.wiped(context, scope, is_done);
                self.pump(now, effects);
            }
            Event::Cancel { n } => {
                self.publisher.cancel(context!(self, now, effects), n);
                self.pump(now, effects);
            }
            event => self.connection_event(now, event, effects),
        }
    }

    /// The common case of [`Event::Messages`] without time and effects, because it comes so often: a run that is next in its
    /// stream is to be delivered as it is. Where this says false, the event is still to be handled. It sends no ping that is due:
    /// only a host whose timers are in time may ask.
    pub fn deliver_next(&mut self, connection: ConnectionId, no: TopicNo, run: &Run) -> bool {
        self.connection.noticed(connection)
            && self
                .subscriptions
                .deliver_next(connection, no, run, &mut self.metrics)
    }

    /// What is urgent may have changed.
    fn set_demand(&mut self, now: Time) {
        self.connection
            .set_demand(now, self.subscriptions.are_passive());
        self.metrics.degraded(now, self.connection.is_degraded());
    }

    /// Tells the hub of subscriptions at once, where something can follow a hello; else the next one will.
    fn tell(&mut self, records: &str, effects: &mut Vec<Effect>) {
        if records.is_empty() {
            return;
        }
        for connection in self.connection.greeted() {
            effects.push(Effect::Send {
                connection,
                records: records.to_owned(),
            });
        }
        self.connection.subscriptions_changed();
    }

    fn pump(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let posting_at = self.connection.is_posting().then_some(now);
        let connection = self.connection.established();
        let context = context!(self, now, effects);
        self.publisher.pump(context, connection, posting_at);
    }

    fn publish(&mut self, now: Time, new: &Publication<'_>, effects: &mut Vec<Effect>) {
        if self.connection.is_closed_by_user() {
            effects.push(Effect::PublishRefused {
                request: new.request,
                why: PublishRefusal::Closed,
            });
            return;
        }
        self.publisher.publish(context!(self, now, effects), new);
        self.pump(now, effects);
    }
}
