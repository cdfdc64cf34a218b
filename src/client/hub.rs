//! Routes the records of the hub to the part that each is for.
//!
//! Holds one rule: which records may arrive when.

use super::router::Router;
use crate::codes;
use crate::connection::{Piece, Reason};
use crate::context::Context;
use crate::ids::{ConnectionId, TopicNo};
use crate::interface::event::Run;
use crate::interface::publication::Outcome;
use crate::publish::Nack;
use crate::wire::ToClient;

impl Router {
    pub(super) fn messages(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        no: TopicNo,
        run: Run,
    ) {
        if self.connection.established() != Some(connection) {
            if self.connection.is_current(connection) {
                self.end_bad_frame(context, connection, "messages before the welcome");
            }
            return;
        }
        self.connection.heard(context);
        self.progressed();
        let mut records = String::new();
        let subscriptions = &mut self.subscriptions;
        if subscriptions.receive(context, connection, no, run, &mut records) {
            self.connection.news();
        }
        self.send(context, &records);
    }

    /// Part of something has arrived. Over a socket or a stream only the welcome may come first.
    pub(super) fn heard(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        piece: Piece,
    ) {
        if self.connection.may_answer(connection) {
            self.subscriptions.heard();
            self.connection.arriving(context, connection, piece);
        } else if self.connection.is_current(connection) {
            self.end_bad_frame(context, connection, "a part before the welcome");
        }
    }

    pub(super) fn record(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        text: &str,
    ) {
        if !self.connection.is_current(connection) {
            return;
        }
        let before = self.connection.established();
        match ToClient::decode(text) {
            Ok(ToClient::Welcome(welcome)) => {
                if self.connection.welcomed(context, connection, &welcome) {
                    self.publisher.welcomed(context.now, &welcome);
                } else {
                    self.end_bad_frame(context, connection, "a second welcome");
                }
                self.settle_connection(context, before);
            }
            Ok(ToClient::Close { code, reason }) => {
                let reason = Reason::new(code, reason);
                self.connection
                    .abandon(context, &self.subscriptions, connection, &reason);
                self.settle_connection(context, before);
            }
            Ok(_) if before != Some(connection) => {
                self.end_bad_frame(context, connection, "a record before the welcome");
            }
            Ok(record) => {
                self.connection.heard(context);
                self.established_record(context, connection, record);
            }
            Err(error) => self.end_bad_frame(context, connection, error.field()),
        }
    }

    /// Routes a record of the established connection.
    fn established_record(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        record: ToClient<'_>,
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
                self.subscriptions
                    .begin(context, connection, &start, None, &mut records);
            }
            ToClient::ResumeFailed { reason, start } => {
                self.connection.setback();
                self.subscriptions
                    .begin(context, connection, &start, Some(reason), &mut records);
            }
            ToClient::Refused { no, code, message } => {
                self.subscriptions.refused(context, no, code, message);
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
                self.publisher.settle(context, producer, n, outcome);
                self.pump(context);
            }
            ToClient::Nack {
                producer,
                n,
                code,
                message,
            } => {
                let nack = Nack {
                    producer,
                    n,
                    code,
                    message,
                };
                self.publisher.refused(context, nack);
                self.pump(context);
            }
            ToClient::Ping { t } => {
                self.connection.pinged(context, connection, t);
                self.ask_stalled(context, connection);
            }
            ToClient::Pong { t } => {
                self.connection.pong(context, t);
                self.ask_stalled(context, connection);
            }
            ToClient::Spread { ms } => self.connection.set_reconnect_window(ms),
            // `record` handles a welcome and a close. Messages are an event of their own, without
            // their payloads. The adapter handles tickets and parts.
            ToClient::Welcome(_)
            | ToClient::Close { .. }
            | ToClient::Messages(_)
            | ToClient::Part { .. }
            | ToClient::Ticket { .. } => self.end_bad_frame(context, connection, "verb"),
        }
        self.send(context, &records);
    }

    /// Asks again at a heartbeat for what the hub owes.
    fn ask_stalled(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if self.connection.is_renewing() {
            // The hello of another stream asks.
            self.subscriptions.heard();
        }
        let mut records = String::new();
        self.subscriptions
            .ask_stalled(context, connection, &mut records);
        self.send(context, &records);
    }

    /// Something complete has arrived that is no heartbeat.
    pub(super) fn progressed(&mut self) {
        self.connection.progressed();
        self.subscriptions.heard();
    }

    fn end_bad_frame(&mut self, context: &mut Context<'_>, connection: ConnectionId, detail: &str) {
        let before = self.connection.established();
        let reason = Reason::new(codes::BAD_FRAME, detail);
        self.connection
            .abandon(context, &self.subscriptions, connection, &reason);
        self.settle_connection(context, before);
    }
}
