//! What the connection lives through, and what becomes of publications on their way when it does.
//!
//! Holds no rule but the order: first the connection, then what was on its way, then what there is to send.

use super::{Client, turn};
use crate::codes;
use crate::connection::Reason;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::interface::event::Event;
use crate::time::Time;

impl Client {
    /// An event of the connection. Where another one is established after it, what was on its way goes out again.
    pub(super) fn connection_event(
        &mut self,
        now: Time,
        event: Event<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.connection.established();
        if matches!(event, Event::Deadline) {
            self.ask_again(now, effects);
        }
        let turn = turn!(self, now, effects);
        match event {
            Event::Start => {
                turn.metrics.started(now);
                self.connection.start(turn);
            }
            Event::Deadline => {
                self.connection.tick(turn);
                self.publisher.tick(&mut turn.context());
                if let Some(connection) = self.connection.established() {
                    self.publisher
                        .abandon_posts(&mut turn.context(), connection);
                }
            }
            Event::Opened { connection } => self.connection.opened(turn, connection),
            Event::Answered { connection } => self.connection.answered(turn, connection),
            Event::Garbage { connection, what } => {
                if self.connection.is_current(connection) {
                    let reason = Reason::new(codes::BAD_FRAME, what);
                    self.connection.end(turn, connection, &reason, 0, true);
                }
            }
            Event::Ended {
                connection,
                code,
                reason,
                floor_ms,
            } => {
                let reason = Reason::new(code, reason);
                self.connection
                    .end(turn, connection, &reason, floor_ms, false);
            }
            Event::Reconnect => self.connection.reconnect(turn),
            Event::Online(is_online) => self.connection.online(turn, is_online),
            Event::Slot { is_granted } => self.connection.slot_granted(turn, is_granted),
            Event::Woke => {
                self.publisher.woke();
                self.connection.woke(turn);
            }
            Event::Slept { ms } => {
                turn.tokens.slept(ms);
                self.publisher.slept(ms);
                self.publisher.tick(&mut turn.context());
                self.connection.slept(turn, ms);
            }
            Event::Token { text, lives_ms } => {
                turn.tokens.given(now, text, lives_ms, turn.rng);
                self.publisher.token_changed();
                self.connection.token(turn);
            }
            Event::NoToken { detail, is_refusal } => {
                turn.tokens.failed(now, is_refusal, turn.rng);
                self.connection.no_token(turn, detail, is_refusal);
            }
            Event::Suspend => {
                self.publisher.suspended();
                self.connection.suspend(turn);
            }
            Event::Close => {
                self.publisher.closed(&mut turn.context());
                self.connection.close(turn);
            }
            // The door has led these elsewhere.
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
        if self.connection.established().is_some() {
            self.tokens.renew(now, effects);
        }
        self.follow(now, before, effects);
    }

    /// Subscriptions that the hub was too busy for are asked for again.
    fn ask_again(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut records = String::new();
        self.subscriptions.tick(now, &mut records);
        self.tell(&records, effects);
    }

    /// Publications go over the established connection, and all of them again where that is another one than before.
    pub(super) fn follow(
        &mut self,
        now: Time,
        before: Option<ConnectionId>,
        effects: &mut Vec<Effect>,
    ) {
        let established = self.connection.established();
        if established != before {
            self.publisher.connection_lost();
        }
        self.pump(now, effects);
        self.connection.seek_place(effects);
    }
}
