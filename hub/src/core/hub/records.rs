//! What each record of a client does (rules C1 to C8).
//!
//! Owns the order of records in a connection: hello comes first, and every sub and publication gets
//! an answer. Logs and producers have their own rules.

use std::collections::HashMap;

use longhaul::ids::{RowNo, is_id};
use longhaul::wire::{self, ToClient, ToHub, Welcome};

use super::reading::{self, Subscribe};
use super::row::Row;
use super::state::{Hub, wake, wire};
use super::timers::Timer;
use crate::core::connections::connection::State;
use crate::core::event::Effect;
use crate::core::ids::ConnId;
use crate::core::refusal::Refusal;
use crate::core::time::Now;
use crate::core::topics::nack::{Nack, Shortage};
use crate::core::topics::publication::{Published, Terms};
use crate::core::topics::subject::Subject;

impl Hub {
    pub(super) fn frame(&mut self, now: Now, conn: ConnId, text: &str, effects: &mut Vec<Effect>) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        connection.received(now.time);
        if text.len() > self.limits.frame_bytes_max {
            let refusal = Refusal::frame_too_large(self.limits.frame_bytes_max);
            return self.close(now, conn, &refusal, effects);
        }
        for record in wire::records(text) {
            if let Err(refusal) = self.record(now, conn, record, effects) {
                return self.close(now, conn, &refusal, effects);
            }
        }
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.is_overfull(&self.limits) {
            self.close(now, conn, &Refusal::overfull(), effects);
        }
    }

    fn record(
        &mut self,
        now: Now,
        conn: ConnId,
        record: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let record = reading::decode(record)?;
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        match (&connection.state, record) {
            (
                State::AwaitingHello { .. },
                ToHub::Hello {
                    version,
                    session,
                    token,
                    ..
                },
            ) => {
                reading::check_version(version)?;
                connection.subject = token.and_then(Subject::of);
                let session = self.session(session);
                self.hello(now, conn, &session, effects);
            }
            (State::AwaitingHello { .. }, _) => {
                return Err(Refusal::bad_frame("the first record is not hello"));
            }
            (State::Open { .. }, ToHub::Hello { .. }) => {
                return Err(Refusal::bad_frame("a second hello"));
            }
            (
                _,
                ToHub::Subscribe {
                    no,
                    topic,
                    from,
                    view,
                },
            ) => {
                // A subscription that moves does not count twice.
                self.unsubscribe(now, conn, no);
                if self.count_subscriptions(conn) >= self.limits.subscriptions_max {
                    return Err(Refusal::too_many_subscriptions(&self.limits));
                }
                let request = Subscribe {
                    no,
                    topic,
                    from,
                    view,
                };
                self.subscribe(now, conn, &request, effects);
            }
            (_, ToHub::Unsubscribe { no }) => self.unsubscribe(now, conn, no),
            (_, ToHub::Until { ms, tag }) => connection.terms = Terms::new(ms, tag),
            (_, ToHub::Publish(publish)) => {
                let terms = std::mem::take(&mut connection.terms);
                self.row(now, conn, &Row::Publish(publish, terms), effects);
            }
            (_, ToHub::Skip(skip)) => self.row(now, conn, &Row::Skip(skip), effects),
            (_, ToHub::Ping { t }) => self.pong(now, conn, t, effects),
            (_, ToHub::Auth { token }) => connection.subject = Subject::of(token),
            (_, ToHub::Pong { .. }) => {}
        }
        Ok(())
    }

    /// The client's session, or a new one. A session grants nothing, so it need not be secret (rule
    /// H1).
    pub(super) fn session(&mut self, session: Option<&str>) -> String {
        match session.filter(|session| is_id(session)) {
            Some(session) => session.to_owned(),
            None => format!("{:016x}{:016x}", self.rng.u64(..), self.rng.u64(..)),
        }
    }

    /// Opens a connection, and sends the welcome.
    pub(super) fn hello(
        &mut self,
        now: Now,
        conn: ConnId,
        session: &str,
        effects: &mut Vec<Effect>,
    ) {
        let spread_ms = self.spread_ms(now);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.sent_spread_ms = spread_ms;
            connection.state = State::Open {
                subscriptions: HashMap::new(),
            };
        }
        let transports = self.limits.transports.to_string();
        let welcome = ToClient::Welcome(Welcome {
            session,
            now: now.wall_ms,
            ping_ms: Some(self.limits.ping_ms),
            wait_ms: Some(self.limits.wait_ms),
            frame_bytes_max: Some(wire(self.limits.frame_bytes_max)),
            payload_bytes_max: Some(wire(self.limits.payload_bytes_max)),
            hold_ms: Some(self.limits.hold_ms),
            transports: Some(&transports),
            spread_ms: Some(spread_ms),
        });
        self.answer(conn, &welcome, effects);
        self.set_connection_timer(conn);
    }

    fn row(&mut self, now: Now, conn: ConnId, row: &Row<'_>, effects: &mut Vec<Effect>) {
        let connection = self.connections.get(&conn);
        let subject = connection.and_then(|connection| connection.subject.clone());
        let outcome = self.settle(now, row, subject.as_ref(), effects);
        row.answer(&outcome, |record| self.answer(conn, record, effects));
    }

    /// Publishes or cancels a row. A row of another subject leaves no trace (rule H14).
    pub(super) fn settle(
        &mut self,
        now: Now,
        row: &Row<'_>,
        subject: Option<&Subject>,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, Nack> {
        let limits = self.limits;
        let producer = row.producer();
        self.owners.check(now.time, producer, subject, &limits)?;
        self.free_memory(row.payload_bytes());
        let capacity = self.capacity();
        if subject.is_some() && !capacity.for_producers && !self.owners.has(producer) {
            return Err(Nack::Busy(Shortage::Memory));
        }
        let settled = self.with_topic(now, row.topic(), effects, |topic| {
            let outcome = match row {
                Row::Publish(publish, terms) => {
                    topic.publish(now, publish, *terms, capacity, &limits)
                }
                Row::Skip(skip) => topic.skip(now.time, skip, capacity, &limits),
            };
            (outcome, topic.last_of(producer) > RowNo(0))
        });
        let Some((outcome, is_remembered)) = settled else {
            return Err(Nack::Busy(Shortage::Topics));
        };
        if let Some(subject) = subject
            && is_remembered
            && self.owners.record(now.time, producer, subject, &limits)
        {
            self.timers.set(self.owners.deadline(), Timer::Owners);
        }
        outcome
    }

    fn pong(&mut self, now: Now, conn: ConnId, t: u64, effects: &mut Vec<Effect>) {
        self.answer(conn, &ToClient::Pong { t }, effects);
        let spread_ms = self.spread_ms(now);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.send_spread(spread_ms, &self.limits);
        }
    }

    pub(super) fn answer(
        &mut self,
        conn: ConnId,
        record: &ToClient<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.answer(record, &self.limits);
            wake(conn, connection, effects);
        }
    }
}
