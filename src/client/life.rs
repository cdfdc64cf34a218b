//! Routes the events of the connection's life: first to the connection, then to the publisher.

use super::router::Router;
use crate::codes;
use crate::connection::{Reason, TokenFailure};
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::interface::event::Event;

impl Router {
    /// Handles an event of the connection. If another connection is established after it, the
    /// publisher sends again.
    pub(super) fn connection_event(&mut self, context: &mut Context<'_>, event: Event<'_>) {
        let before = self.connection.established();
        let (connection, subscriptions) = (&mut self.connection, &self.subscriptions);
        match event {
            Event::Start => connection.start(context, subscriptions),
            Event::Deadline => self.tick(context),
            Event::Opened { connection: id } => connection.opened(context, subscriptions, id),
            Event::Answered { connection: id } => connection.answered(context, subscriptions, id),
            Event::Garbage {
                connection: id,
                what,
            } => {
                if connection.is_current(id) {
                    let reason = Reason::new(codes::BAD_FRAME, what);
                    connection.abandon(context, subscriptions, id, &reason);
                }
            }
            Event::Ended {
                connection: id,
                code,
                reason,
                retry_after_ms,
            } => {
                let reason = Reason::new(code, reason);
                connection.ended(context, subscriptions, id, &reason, retry_after_ms);
            }
            Event::Reconnect => connection.reconnect(context, subscriptions),
            Event::Online(is_online) => connection.online(context, subscriptions, is_online),
            Event::Slot { is_granted } => {
                connection.slot_granted(context, subscriptions, is_granted);
            }
            Event::Woke => {
                self.publisher.woke();
                connection.woke(context, subscriptions);
            }
            Event::Slept { ms } => {
                self.publisher.slept(ms);
                self.publisher.tick(context);
                connection.slept(context, subscriptions, ms);
            }
            Event::Token { text, lives_ms } => {
                self.publisher.token_changed();
                connection.token_given(context, subscriptions, text, lives_ms);
            }
            Event::NoToken { detail, is_refusal } => {
                let failure = if is_refusal {
                    TokenFailure::Refused
                } else {
                    TokenFailure::Unreachable
                };
                connection.token_failed(context, failure, detail);
            }
            Event::Suspend => {
                self.publisher.suspended();
                connection.suspend(context);
            }
            Event::Close => {
                self.publisher.closed(context);
                connection.close(context);
            }
            // `route` handles these.
            Event::Messages { .. }
            | Event::Heard { .. }
            | Event::Record { .. }
            | Event::Subscribe { .. }
            | Event::Follow { .. }
            | Event::Snapshot { .. }
            | Event::Resync { .. }
            | Event::Unsubscribe { .. }
            | Event::Passive { .. }
            | Event::Publish(_)
            | Event::Restore { .. }
            | Event::PostFailed { .. }
            | Event::Stored { .. }
            | Event::StorageEnded
            | Event::Leader { .. }
            | Event::TabMessage { .. }
            | Event::Wiped { .. }
            | Event::Cancel { .. } => {}
        }
        self.connection.renew_token(context);
        self.settle_connection(context, before);
    }

    /// Asks again for refused subscriptions, and lets the connection and the publisher do what is
    /// due.
    fn tick(&mut self, context: &mut Context<'_>) {
        let mut records = String::new();
        self.subscriptions.tick(context.now, &mut records);
        self.send(context, &records);
        self.connection.tick(context, &self.subscriptions);
        self.publisher.tick(context);
        if let Some(connection) = self.connection.established() {
            self.publisher.abandon_posts(context, connection);
        }
    }

    /// Sends publications over the established connection. If it is another one than `before`, the
    /// publisher sends again what has no verdict.
    pub(super) fn settle_connection(
        &mut self,
        context: &mut Context<'_>,
        before: Option<ConnectionId>,
    ) {
        if self.connection.established() != before {
            self.publisher.connection_lost();
        }
        self.pump(context);
        self.connection.seek_slot(context);
    }
}
