//! Which clients the hub admits, and the reconnect window that it sends them (rules R1 to R3).
//!
//! The numbers come from `admission`.

use std::sync::Arc;

use super::closing::close_effect;
use super::state::{Hub, wire};
use crate::core::admission::bucket::spread_ms;
use crate::core::admission::phase::{Phase, Readiness};
use crate::core::close::Close;
use crate::core::connections::connection::{Connection, Mode};
use crate::core::event::Effect;
use crate::core::ids::ConnId;
use crate::core::refusal::Refusal;
use crate::core::time::Now;

impl Hub {
    /// Whether a load balancer should send clients here.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match self.phase {
            Phase::Draining(_) | Phase::Stopped => Readiness::Draining,
            Phase::Serving if self.is_full() => Readiness::Full,
            Phase::Serving => Readiness::Ready,
        }
    }

    /// A WebSocket opened.
    pub(super) fn opened(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        if let Err(refusal) = self.admit(now, None) {
            effects.push(close_effect(conn, &refusal));
            return;
        }
        let connection = Connection::new(now.time, Mode::Socket, &self.limits);
        self.connections.insert(conn, connection);
        self.set_connection_timer(conn);
    }

    /// Admits a client. A post has a session; the hub does not admit a known session again.
    pub(super) fn admit(&mut self, now: Now, session: Option<&str>) -> Result<(), Refusal> {
        let sent_ms = session.and_then(|session| self.sessions.sent_spread_ms(session));
        let is_known = sent_ms.is_some();
        if !(is_known && matches!(self.phase, Phase::Draining(_))) {
            self.check_serving()?;
        }
        if self.is_full() {
            return Err(self.full(now));
        }
        if is_known {
            return Ok(());
        }
        self.admission.try_acquire(now.time).map_err(|hint| {
            let (clients, per_s) = (self.clients(), self.limits.admit_per_s);
            let message = format!("{clients} connections, {per_s} more a second");
            Refusal::new(Close::TryAgainLater, message).with(hint)
        })
    }

    /// Whether the hub has capacity for a client that it has already admitted.
    pub(super) fn check_capacity(&mut self, now: Now) -> Result<(), Refusal> {
        self.check_serving()?;
        if self.is_full() {
            return Err(self.full(now));
        }
        Ok(())
    }

    /// A refusal with a retry time at the end of the admission queue.
    pub(super) fn later(&mut self, now: Now, message: &str) -> Refusal {
        Refusal::new(Close::TryAgainLater, message).with(self.admission.enqueue(now.time))
    }

    /// Welcomes a poll or a stream. A known client ignores all welcomes but the first. So it gets a
    /// `spread` record if its reconnect window has changed.
    pub(super) fn enter(
        &mut self,
        now: Now,
        conn: ConnId,
        session: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        let session = Arc::from(self.session(session));
        let sent_ms = self.sessions.sent_spread_ms(&session);
        self.sessions.enter(&session, self.limits.connections_max);
        self.hello(now, conn, &session, effects);
        let spread_ms = self.spread_ms(now);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.session = Some(session);
            if let Some(sent_ms) = sent_ms {
                connection.sent_spread_ms = sent_ms;
                connection.send_spread(spread_ms, &self.limits);
            }
        }
    }

    /// The reconnect window of all clients (rule R2), ms.
    pub(super) fn spread_ms(&mut self, now: Now) -> u64 {
        let clients = self.peak_connections.update(now.time, self.clients());
        spread_ms(wire(clients), self.limits.admit_per_s)
    }

    /// The number of connections, and of clients between two polls.
    pub(super) fn clients(&self) -> usize {
        self.connections.len() + self.sessions.between()
    }

    fn is_full(&self) -> bool {
        self.connections.len() >= self.limits.connections_max
    }

    fn full(&mut self, now: Now) -> Refusal {
        self.later(now, "too many connections")
    }
}
