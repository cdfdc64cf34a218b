//! Routes each event to the part that owns its rule.
//!
//! Owns the three parts, and the order in which they handle an event. `hub` routes the records of
//! the hub, and `life` the events of the connection's life.

use crate::config::Config;
use crate::connection::{Connection, Piece};
use crate::context::Context;
use crate::ids::{From, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::Event;
use crate::interface::publication::{Publication, PublishRefusal};
use crate::publish::Publisher;
use crate::publish::durable::{WipeScope, WipeStage};
use crate::subscription::{Snapshot, Subscriptions, Wanted};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Router {
    pub(super) connection: Connection,
    pub(super) subscriptions: Subscriptions,
    pub(super) publisher: Publisher,
}

impl Router {
    pub(super) fn new(config: &Config, rng: &mut fastrand::Rng) -> Self {
        Self {
            connection: Connection::new(config),
            subscriptions: Subscriptions::default(),
            publisher: Publisher::new(config, rng),
        }
    }

    /// When the client next repeats a request because of the hub's last answer (rule R7).
    pub(super) fn repeat_at(&self) -> Option<Time> {
        let parts = [
            self.connection.repeat_at(),
            self.publisher.repeat_at(),
            self.subscriptions.deadline(),
        ];
        parts.into_iter().flatten().min()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let parts = [
            self.connection.deadline(),
            self.publisher.deadline(),
            self.subscriptions.deadline(),
        ];
        parts.into_iter().flatten().min()
    }

    pub(super) fn route(&mut self, context: &mut Context<'_>, event: Event<'_>) {
        match event {
            Event::Messages {
                connection,
                no,
                run,
            } => self.messages(context, connection, no, run),
            Event::Heard {
                connection,
                has_more,
                bytes,
            } => self.heard(context, connection, Piece { bytes, has_more }),
            Event::Record { connection, text } => self.record(context, connection, text),
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
                self.subscribe(context, no, &wanted);
            }
            Event::Follow { no, topic } => {
                let producer = self.publisher.producer().to_owned();
                let wanted = Wanted {
                    topic,
                    from: From::Live,
                    is_passive: false,
                    producer: Some(&producer),
                };
                self.subscribe(context, no, &wanted);
            }
            Event::Snapshot {
                connection,
                no,
                run,
                seq,
                chain,
            } => {
                if self.connection.established() == Some(connection) {
                    self.connection.heard(context);
                    self.progressed();
                    let snapshot = Snapshot { run, seq, chain };
                    let subscriptions = &mut self.subscriptions;
                    if subscriptions.snapshot(context, connection, no, &snapshot) {
                        self.connection.news();
                    }
                }
            }
            Event::Resync { no } => {
                let mut records = String::new();
                self.subscriptions.resync(context, no, &mut records);
                self.send(context, &records);
            }
            Event::Unsubscribe { no } => {
                let mut records = String::new();
                self.subscriptions.remove(context, no, &mut records);
                self.send(context, &records);
                self.set_demand(context);
            }
            Event::Passive { no, is_passive } => {
                self.subscriptions.set_passive(no, is_passive);
                self.set_demand(context);
            }
            Event::Publish(new) => self.publish(context, &new),
            Event::Restore {
                row,
                attempts,
                publication,
            } => self
                .publisher
                .restore(context.now, row, attempts, &publication),
            Event::PostFailed {
                connection,
                retry_after_ms,
            } => {
                if self.connection.established() == Some(connection) {
                    self.publisher.post_failed(context, retry_after_ms);
                }
            }
            Event::Stored { answer } => {
                self.publisher.stored(context, answer);
                self.subscriptions.set_producer(self.publisher.producer());
                self.pump(context);
            }
            Event::StorageEnded => {
                self.publisher.storage_ended();
                self.pump(context);
            }
            Event::Leader { is_granted } => {
                self.publisher.set_leader(is_granted);
                self.pump(context);
            }
            Event::TabMessage {
                producer,
                tab_message,
            } => {
                self.publisher
                    .receive_tab_message(context, producer, tab_message);
                self.pump(context);
            }
            Event::Wiped {
                is_done,
                last,
                at_ms,
                machine_ms,
            } => {
                if let Some(connection) = self.connection.established() {
                    context.effects.push(Effect::DropPosts { connection });
                }
                let stage = if is_done {
                    WipeStage::Done
                } else {
                    WipeStage::Begun
                };
                let scope = WipeScope::new(context.now, last, at_ms, machine_ms);
                self.publisher.wiped(context, scope, stage);
                self.pump(context);
            }
            Event::Cancel { n } => {
                self.publisher.cancel(context, n);
                self.pump(context);
            }
            event => self.connection_event(context, event),
        }
    }

    fn subscribe(&mut self, context: &mut Context<'_>, no: TopicNo, wanted: &Wanted<'_>) {
        let mut records = String::new();
        self.subscriptions.add(no, wanted, &mut records);
        self.send(context, &records);
        self.set_demand(context);
    }

    /// Whether somebody waits for messages may have changed.
    fn set_demand(&mut self, context: &mut Context<'_>) {
        let is_passive = self.subscriptions.are_passive();
        self.connection.set_demand(context.now, is_passive);
        let is_degraded = self.connection.is_degraded();
        context.metrics.degraded(context.now, is_degraded);
    }

    /// Sends requests of subscriptions over each socket whose hello is sent. Other connections send
    /// them with the next hello.
    pub(super) fn send(&mut self, context: &mut Context<'_>, records: &str) {
        if records.is_empty() {
            return;
        }
        for connection in self.connection.greeted() {
            context.send(connection, records.to_owned());
        }
        self.connection.subscriptions_changed();
    }

    pub(super) fn pump(&mut self, context: &mut Context<'_>) {
        let posting_at = self.connection.is_posting().then_some(context.now);
        let connection = self.connection.established();
        self.publisher.pump(context, connection, posting_at);
    }

    fn publish(&mut self, context: &mut Context<'_>, new: &Publication<'_>) {
        if self.connection.is_closed_by_user() {
            context.effects.push(Effect::PublishRefused {
                request: new.request,
                why: PublishRefusal::Closed,
            });
            return;
        }
        self.publisher.publish(context, new);
        self.pump(context);
    }
}
