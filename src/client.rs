//! The client: routes each event to the part that owns the rule, and collects the effects.
//!
//! Holds no rule itself but the order in which the parts are asked.

use crate::codes;
use crate::config::Config;
use crate::connection::{Connection, Reason, Status};
use crate::effect::{Effect, Outcome, PublishRefusal};
use crate::event::{Event, HubLimits, NewPublication};
use crate::frame::{ToClient, ToHub, VERSION};
use crate::ids::ConnectionId;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::subscription::Subscriptions;
use crate::time::Time;

/// Name and version told in the hello.
const CLIENT: &str = concat!("longhaul/", env!("CARGO_PKG_VERSION"));

/// A client of one hub.
#[derive(Debug)]
pub struct Client {
    rng: fastrand::Rng,
    connection: Connection,
    session: Option<String>,
    hub_limits: HubLimits,
    subscriptions: Subscriptions,
    outbox: Outbox,
    metrics: Metrics,
}

impl Client {
    /// A client that does nothing until [`Event::Start`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let producer = producer_id(&mut rng);
        Self {
            rng,
            connection: Connection::new(config),
            session: None,
            hub_limits: HubLimits::default(),
            subscriptions: Subscriptions::default(),
            outbox: Outbox::new(producer, config.outbox),
            metrics: Metrics::default(),
        }
    }

    /// What the client is doing, for users.
    #[must_use]
    pub fn status(&self) -> Status {
        self.connection.status()
    }

    /// The counters as of `now`.
    #[must_use]
    pub fn metrics(&self, now: Time) -> Metrics {
        self.metrics.at(now)
    }

    /// Rows without a verdict.
    #[must_use]
    pub fn outbox_rows(&self) -> usize {
        self.outbox.rows()
    }

    /// The identity of this client's outbox. A publication's id is this, a colon, and its row.
    #[must_use]
    pub fn producer(&self) -> &str {
        self.outbox.producer()
    }

    /// When [`Event::Deadline`] is wanted. Changes with every event.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match (self.connection.deadline(), self.outbox.deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The one door in. `now` never goes back; effects are appended in the order in which they must be done.
    pub fn handle(&mut self, now: Time, event: Event<'_>, effects: &mut Vec<Effect>) {
        match event {
            Event::Messages {
                connection,
                no,
                run,
            } => {
                if self.connection.established() == Some(connection) {
                    self.connection.heard(now);
                    self.subscriptions
                        .receive(connection, no, run, &mut self.metrics, effects);
                }
            }
            Event::Record { connection, text } => self.record(now, connection, text, effects),
            Event::Start => {
                self.metrics.started(now);
                self.connection.start(now, &mut self.metrics, effects);
            }
            Event::Deadline => self.tick(now, effects),
            Event::Opened { connection } => {
                if self.connection.opened(now, connection) {
                    self.greet(connection, effects);
                }
            }
            Event::Garbage { connection, what } => {
                if self.connection.is_current(connection) {
                    self.give_up(now, codes::BAD_FRAME, what, effects);
                }
            }
            Event::Ended {
                connection,
                code,
                reason,
            } => {
                if self.connection.is_current(connection) {
                    let reason = Reason {
                        close_code: code,
                        detail: reason.to_owned(),
                    };
                    self.outbox.connection_lost();
                    self.connection
                        .ended(now, reason, &mut self.rng, &mut self.metrics, effects);
                }
            }
            Event::Subscribe { no, topic, from } => {
                let greeted = self.connection.greeted();
                self.subscriptions.add(no, topic, from, greeted, effects);
            }
            Event::Unsubscribe { no } => {
                let greeted = self.connection.greeted();
                self.subscriptions.remove(no, greeted, effects);
            }
            Event::Publish(new) => self.publish(now, &new, effects),
            Event::Reconnect => {
                self.outbox.connection_lost();
                self.connection.reconnect(now, &mut self.metrics, effects);
            }
            Event::Online(is_online) => {
                self.connection
                    .online(now, is_online, &mut self.rng, effects);
            }
            Event::Close => self.connection.close(now, &mut self.metrics, effects),
        }
    }

    /// Hello and all subs in one frame, so that a subscription takes one round trip (rule C2).
    fn greet(&self, connection: ConnectionId, effects: &mut Vec<Effect>) {
        let mut records = String::new();
        ToHub::Hello {
            version: VERSION,
            client: Some(CLIENT),
            session: self.session.as_deref(),
            token: None,
        }
        .encode(&mut records);
        self.subscriptions.ask_all(&mut records);
        effects.push(Effect::Send {
            connection,
            records,
        });
    }

    fn record(
        &mut self,
        now: Time,
        connection: ConnectionId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        if !self.connection.is_current(connection) {
            return;
        }
        match ToClient::decode(text) {
            Ok(ToClient::Welcome(welcome)) => {
                if self
                    .connection
                    .welcomed(now, &welcome, &mut self.metrics, effects)
                {
                    self.session = Some(welcome.session.to_owned());
                    self.hub_limits.told(&welcome);
                    self.outbox.pump(connection, &mut self.metrics, effects);
                } else {
                    self.give_up(now, codes::BAD_FRAME, "a second welcome", effects);
                }
            }
            Ok(_) if self.connection.established().is_none() => {
                self.give_up(
                    now,
                    codes::BAD_FRAME,
                    "a record before the welcome",
                    effects,
                );
            }
            Ok(record) => {
                self.connection.heard(now);
                self.routed(now, connection, record, effects);
            }
            Err(error) => self.give_up(now, codes::BAD_FRAME, error.field(), effects),
        }
    }

    fn routed(
        &mut self,
        now: Time,
        connection: ConnectionId,
        record: ToClient<'_>,
        effects: &mut Vec<Effect>,
    ) {
        match record {
            ToClient::Subscribed(start) => {
                self.subscriptions
                    .begin(connection, &start, None, &mut self.metrics, effects);
            }
            ToClient::ResumeFailed { reason, start } => {
                self.subscriptions.begin(
                    connection,
                    &start,
                    Some(reason),
                    &mut self.metrics,
                    effects,
                );
            }
            ToClient::Refused { no, code, message } => effects.push(Effect::Refused {
                no,
                code: code.to_owned(),
                message: message.to_owned(),
            }),
            ToClient::Ack {
                producer,
                n,
                epoch,
                seq,
                duplicate,
            } => {
                let outcome = Outcome::Acked {
                    epoch,
                    seq,
                    duplicate,
                };
                self.outbox
                    .settle(now, producer, n, outcome, &mut self.metrics, effects);
                self.outbox.pump(connection, &mut self.metrics, effects);
            }
            ToClient::Nack {
                producer,
                n,
                code: code @ ("out_of_order" | "busy"),
                ..
            } => {
                self.outbox
                    .send_again(now, producer, n, code == "busy", &mut self.rng);
                self.outbox.pump(connection, &mut self.metrics, effects);
            }
            ToClient::Nack {
                producer,
                n,
                code,
                message,
            } => {
                let outcome = Outcome::Dead {
                    code: code.to_owned(),
                    message: message.to_owned(),
                };
                self.outbox
                    .settle(now, producer, n, outcome, &mut self.metrics, effects);
                self.outbox.pump(connection, &mut self.metrics, effects);
            }
            ToClient::Ping { t } => {
                let mut records = String::new();
                ToHub::Pong { t }.encode(&mut records);
                effects.push(Effect::Send {
                    connection,
                    records,
                });
            }
            ToClient::Pong { t } => {
                self.connection.pong(now, t, &mut self.metrics, effects);
            }
            ToClient::Spread { ms } => self.connection.spread(ms),
            // The welcome has been handled; messages come as their own event, without their payloads.
            ToClient::Welcome(_) | ToClient::Messages(_) => {
                self.give_up(now, codes::BAD_FRAME, "verb", effects);
            }
        }
    }

    fn publish(&mut self, now: Time, new: &NewPublication<'_>, effects: &mut Vec<Effect>) {
        let request = new.request;
        let added = if self.connection.is_closed_by_user() {
            Err(PublishRefusal::Closed)
        } else {
            self.outbox.add(now, new, self.hub_limits)
        };
        match added {
            Ok(row) => {
                self.metrics.publications += 1;
                effects.push(Effect::Queued { request, row });
                if let Some(connection) = self.connection.established() {
                    self.outbox.pump(connection, &mut self.metrics, effects);
                }
            }
            Err(why) => effects.push(Effect::PublishRefused { request, why }),
        }
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let before = self.connection.established();
        self.connection
            .tick(now, &mut self.rng, &mut self.metrics, effects);
        if before.is_some() && self.connection.established().is_none() {
            self.outbox.connection_lost();
        }
        self.outbox.tick(now, &mut self.metrics, effects);
        if let Some(connection) = self.connection.established() {
            self.outbox.pump(connection, &mut self.metrics, effects);
        }
    }

    fn give_up(&mut self, now: Time, code: u16, detail: &str, effects: &mut Vec<Effect>) {
        self.outbox.connection_lost();
        self.connection
            .give_up(now, code, detail, &mut self.rng, &mut self.metrics, effects);
    }
}

/// 132 random bits in the alphabet of base64url.
fn producer_id(rng: &mut fastrand::Rng) -> String {
    (0..22)
        .map(|_| match rng.u8(0..64) {
            62 => '-',
            63 => '_',
            _ => rng.alphanumeric(),
        })
        .collect()
}
