//! What the hub says: each of its records to the part that it is for.
//!
//! Holds no rule but that of which records may come when.

use super::{Client, asking, context, turn};
use crate::codes;
use crate::connection::Reason;
use crate::ids::{ConnectionId, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::Run;
use crate::interface::publication::Outcome;
use crate::time::Time;
use crate::wire::ToClient;

impl Client {
    pub(super) fn messages(
        &mut self,
        now: Time,
        connection: ConnectionId,
        no: TopicNo,
        run: Run,
        effects: &mut Vec<Effect>,
    ) {
        if self.connection.established() != Some(connection) {
            if self.connection.is_current(connection) {
                self.end_bad_frame(now, connection, "messages before the welcome", effects);
            }
            return;
        }
        self.connection.heard(now, effects);
        self.progressed();
        let mut records = String::new();
        let asking = asking!(self, now, records);
        let is_news = self
            .subscriptions
            .receive(connection, no, run, asking, effects);
        if is_news {
            self.connection.news();
        }
        self.tell(&records, effects);
    }

    /// Part of something has come. Over a socket or a stream only the welcome may come first.
    pub(super) fn heard(
        &mut self,
        now: Time,
        connection: ConnectionId,
        piece: (usize, bool),
        effects: &mut Vec<Effect>,
    ) {
        if self.connection.may_answer(connection) {
            self.subscriptions.heard();
            self.connection.arriving(now, connection, piece, effects);
        } else if self.connection.is_current(connection) {
            self.end_bad_frame(now, connection, "a part before the welcome", effects);
        }
    }

    pub(super) fn record(
        &mut self,
        now: Time,
        connection: ConnectionId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        if !self.connection.is_current(connection) {
            return;
        }
        let before = self.connection.established();
        match ToClient::decode(text) {
            Ok(ToClient::Welcome(welcome)) => {
                let turn = turn!(self, now, effects);
                if self.connection.welcomed(turn, connection, &welcome) {
                    self.session = Some(welcome.session.to_owned());
                    self.publisher.welcomed(now, &welcome);
                } else {
                    self.end_bad_frame(now, connection, "a second welcome", effects);
                }
                self.follow(now, before, effects);
            }
            Ok(ToClient::Close { code, reason }) => {
                let turn = turn!(self, now, effects);
                let reason = Reason::new(code, reason);
                self.connection.end(turn, connection, &reason, 0, true);
                self.follow(now, before, effects);
            }
            Ok(_) if before != Some(connection) => {
                self.end_bad_frame(now, connection, "a record before the welcome", effects);
            }
            Ok(record) => {
                self.connection.heard(now, effects);
                self.routed(now, connection, record, effects);
            }
            Err(error) => self.end_bad_frame(now, connection, error.field(), effects),
        }
    }

    fn routed(
        &mut self,
        now: Time,
        connection: ConnectionId,
        record: ToClient<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut records = String::new();
        let is_heartbeat = matches!(
            record,
            ToClient::Ping { .. } | ToClient::Pong { .. } | ToClient::Spread { .. }
        );
        if !is_heartbeat {
            self.progressed();
        }
        match record {
            ToClient::Subscribed(start) => {
                let asking = asking!(self, now, records);
                self.subscriptions
                    .begin(connection, &start, None, asking, effects);
            }
            ToClient::ResumeFailed { reason, start } => {
                self.connection.setback();
                let (why, asking) = (Some(reason), asking!(self, now, records));
                self.subscriptions
                    .begin(connection, &start, why, asking, effects);
            }
            ToClient::Refused { no, code, message } => {
                let asking = asking!(self, now, records);
                self.subscriptions
                    .refused(no, (code, message), asking, effects);
            }
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
                let context = context!(self, now, effects);
                self.publisher.settle(context, producer, n, outcome);
                self.pump(now, effects);
            }
            ToClient::Nack {
                producer,
                n,
                code,
                message,
            } => {
                let context = context!(self, now, effects);
                self.publisher
                    .refused(context, (producer, n), (code, message));
                self.pump(now, effects);
            }
            ToClient::Ping { t } => {
                self.connection.pinged(connection, t, effects);
                self.ask_stalled(now, connection, effects);
            }
            ToClient::Pong { t } => {
                self.connection.pong(turn!(self, now, effects), t);
                self.ask_stalled(now, connection, effects);
            }
            ToClient::Spread { ms } => self.connection.spread(ms),
            // Welcome and close have been handled; messages come as their own event, without their payloads; a ticket
            // and parts are the adapter's.
            ToClient::Welcome(_)
            | ToClient::Close { .. }
            | ToClient::Messages(_)
            | ToClient::Part { .. }
            | ToClient::Ticket { .. } => self.end_bad_frame(now, connection, "verb", effects),
        }
        self.tell(&records, effects);
    }

    /// At a heartbeat: asks again for what the hub owes.
    fn ask_stalled(&mut self, now: Time, connection: ConnectionId, effects: &mut Vec<Effect>) {
        if self.connection.is_renewing() {
            // Another stream asks.
            self.subscriptions.heard();
        }
        let mut records = String::new();
        let asking = asking!(self, now, records);
        self.subscriptions.ask_stalled(connection, asking);
        self.tell(&records, effects);
    }

    /// Something whole came that is no heartbeat.
    pub(super) fn progressed(&mut self) {
        self.connection.progressed();
        self.subscriptions.heard();
    }

    fn end_bad_frame(
        &mut self,
        now: Time,
        connection: ConnectionId,
        detail: &str,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.connection.established();
        let reason = Reason::new(codes::BAD_FRAME, detail);
        let turn = turn!(self, now, effects);
        self.connection.end(turn, connection, &reason, 0, true);
        self.follow(now, before, effects);
    }
}
