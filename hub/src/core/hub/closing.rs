//! The end of a connection, and of its subscriptions.

use longhaul::ids::TopicNo;

use super::state::Hub;
use super::timers::Timer;
use crate::core::connections::subscription::Subscription;
use crate::core::event::Effect;
use crate::core::ids::ConnId;
use crate::core::refusal::Refusal;
use crate::core::time::Now;

impl Hub {
    /// Closes a connection. A client that is closed is new when it comes back.
    pub(super) fn close(
        &mut self,
        now: Now,
        conn: ConnId,
        refusal: &Refusal,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            if let Some(session) = connection.session.take() {
                self.sessions.forget(&session);
            }
            self.forget(now, conn);
            effects.push(close_effect(conn, refusal));
        }
    }

    /// Forgets a connection that has ended.
    pub(super) fn forget(&mut self, now: Now, conn: ConnId) {
        let Some(mut connection) = self.connections.remove(&conn) else {
            return;
        };
        self.timers
            .cancel(connection.timer, Timer::Connection(conn));
        for (no, subscription) in connection.subscriptions().into_iter().flatten() {
            self.leave(now, conn, *no, subscription);
        }
        if let Some(session) = &connection.session {
            self.sessions
                .leave(now.time, session, connection.sent_spread_ms);
            self.timers.set(self.sessions.deadline(), Timer::Sessions);
        }
        self.client_left(now);
    }

    /// Ends a subscription on the side of its topic.
    pub(super) fn leave(&mut self, now: Now, conn: ConnId, no: TopicNo, ended: &Subscription) {
        self.subscriptions_bytes = self.subscriptions_bytes.saturating_sub(ended.bytes());
        let id = ended.topic;
        if let Some(topic) = self.topics.by_id(id) {
            topic.unsubscribe(now.time, conn, no);
            self.update_topic_timer(now, id);
        }
    }

    /// Ends the subscriptions that the last frame has refused.
    pub(super) fn leave_refused(&mut self, now: Now, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        for (no, subscription) in std::mem::take(&mut connection.refused) {
            self.leave(now, conn, no, &subscription);
        }
    }
}

pub(super) fn close_effect(conn: ConnId, refusal: &Refusal) -> Effect {
    Effect::Close {
        conn,
        close: refusal.close,
        reason: refusal.reason(),
    }
}
