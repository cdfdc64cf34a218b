//! Executes the core's effects on transport handles, in storage, and by calls to JavaScript.
//!
//! Owns the translation of each effect. The driver owns the objects that the effects act on.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::driver::{Driver, number_of};
use super::handles::TransportHandles;
use super::store::{Done, Fault, Task};
use crate::boundary;
use crate::ids::Epoch;
use crate::{
    Effect, Event, NewRow, Outcome, PublishRefusal, Reason, Status, StoreAnswer, StoreFault,
    StoreRequest, TabMessage, Time, TokenReason, Until,
    wire::{push_cursor, push_epoch},
};

impl Driver {
    pub(super) fn perform(&self, now: Time, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            self.perform_one(now, effect);
        }
    }

    fn perform_one(&self, now: Time, effect: Effect) {
        let host = &self.host;
        match effect {
            Effect::Open {
                connection,
                transport,
                address,
                records,
            } => self.open(connection, transport, address, &records),
            Effect::Poll {
                connection,
                records,
            } => self.with_handle(connection, |handle| handle.poll(&records)),
            Effect::AskToken { reason } => host.ask_token(match reason {
                TokenReason::Initial => boundary::token_reason::INITIAL,
                TokenReason::Expiring => boundary::token_reason::EXPIRING,
                TokenReason::Rejected => boundary::token_reason::REJECTED,
            }),
            Effect::Slot { is_wanted } => host.seek_slot(is_wanted),
            Effect::Remember { transport } => host.remember(number_of(transport)),
            Effect::Send {
                connection,
                records,
            } => self.with_handle(connection, |handle| {
                if let Some(s) = self.open_socket(handle) {
                    host.transmit(&s.socket, &records);
                }
            }),
            Effect::SendPublication {
                connection,
                head,
                row,
            } => self.with_handle(connection, |handle| {
                let row = row.map_or(0.0, |row| row.0 as f64);
                if handle.socket().is_none() {
                    host.post_publication(connection.0 as f64, &head, row);
                } else if let Some(s) = self.open_socket(handle) {
                    host.transmit_publication(&s.socket, &head, row);
                }
            }),
            Effect::AbandonPosts { connection } => {
                self.with_handle(connection, TransportHandles::abandon_posts)
            }
            Effect::DropPosts { connection } => {
                self.with_handle(connection, TransportHandles::drop_posts)
            }
            Effect::Abandon { connection, code } => self.close_connection(connection, code),
            Effect::StatusChanged => self.tell_status(now),
            Effect::Deliver { no, run, skip } => host.deliver(no.0, run, skip),
            Effect::Hold { run } => host.hold(run),
            Effect::Discard { run } => host.discard(run),
            Effect::Gap {
                no,
                epoch,
                first,
                last,
                reason,
            } => host.gap(
                no.0,
                &hex(epoch),
                first.0 as f64,
                last.map(|last| last.0 as f64),
                reason.as_str(),
            ),
            Effect::Streaming { no, after } => {
                let mut cursor = String::new();
                push_cursor(&mut cursor, &after);
                host.streaming(no.0, &cursor);
            }
            Effect::Refused { no, code, message } => host.refused(no.0, &code, &message),
            Effect::RowAssigned {
                request,
                row,
                is_durable,
            } => host.queued(request, row.0 as f64, is_durable),
            Effect::PublishRefused { request, why } => {
                let (why, bytes_max) = match why {
                    PublishRefusal::OutboxFull => (boundary::refusal::OUTBOX_FULL, 0),
                    PublishRefusal::StorageFull => (boundary::refusal::STORAGE_FULL, 0),
                    PublishRefusal::PayloadTooLarge { bytes_max } => {
                        (boundary::refusal::PAYLOAD_TOO_LARGE, bytes_max)
                    }
                    PublishRefusal::Closed => (boundary::refusal::CLOSED, 0),
                    PublishRefusal::OutcomeUnknown => (boundary::refusal::OUTCOME_UNKNOWN, 0),
                    PublishRefusal::Wiped => (boundary::refusal::WIPED, 0),
                };
                host.publish_refused(request, why, bytes_max as f64);
            }
            Effect::Forget { row } => host.forget(row.0 as f64),
            Effect::Store(request) => self.store(request),
            Effect::Leader { is_wanted } => host.seek_leadership(is_wanted),
            Effect::SendTabMessage {
                producer,
                tab_message,
            } => self.send_tab_message(&producer, tab_message),
            Effect::OutboxLost { rows } => host.outbox_lost(rows as f64),
            Effect::OutboxRefused { code, message } => host.outbox_refused(&code, &message),
            Effect::Outcome {
                row,
                attempts,
                outcome,
            } => match outcome {
                Outcome::Acked {
                    epoch,
                    seq,
                    duplicate,
                } => host.acked(row.0 as f64, &hex(epoch), seq.0 as f64, duplicate),
                Outcome::Dead { code, message } => {
                    host.dead(row.0 as f64, attempts, &code, &message)
                }
            },
        }
    }

    /// Executes a request to storage and reports the answer to the core.
    fn store(&self, request: StoreRequest) {
        let Some(store) = self.storage.clone() else {
            return;
        };
        let myself = self.myself.clone();
        // Reads the rows before the first await, while JavaScript surely has the calls.
        let rows = match &request {
            StoreRequest::Commit(batch) => batch.saves.iter().map(|save| self.row(save)).collect(),
            StoreRequest::Open | StoreRequest::Load(_) | StoreRequest::Rename { .. } => Vec::new(),
        };
        let work = store.begin();
        spawn_local(async move {
            let answer = match store.perform(Task::Core(request, rows)).await {
                Ok(Done::Answer(answer)) => answer,
                Ok(Done::Value(_)) | Err(Fault::Lost) => StoreAnswer::Failed(StoreFault::Lost),
                Err(Fault::Closed) => StoreAnswer::Failed(StoreFault::Closed),
                Err(Fault::Unknown) => StoreAnswer::Failed(StoreFault::Unknown),
                Err(Fault::Aborted) => StoreAnswer::Failed(StoreFault::Full),
            };
            if let Some(driver) = myself.upgrade() {
                driver.tell(Event::Stored { answer });
            }
            // The core's next request may have started by now, which keeps the database open.
            drop(work);
        });
    }

    /// Returns a publication in its stored form.
    fn row(&self, save: &NewRow) -> JsValue {
        let (until_ms, is_hub_time) = match save.until {
            Until::Hub(ms) => (ms, true),
            Until::Left(ms) => (save.created_ms.saturating_add(ms), false),
        };
        let (bytes, created_ms) = (save.bytes as f64, save.created_ms as f64);
        let host = &self.host;
        host.row(
            save.request,
            bytes,
            created_ms,
            until_ms as f64,
            is_hub_time,
        )
    }

    fn send_tab_message(&self, producer: &str, tab_message: TabMessage) {
        let host = &self.host;
        match tab_message {
            TabMessage::Added { last, rows, bytes } => {
                host.broadcast_added(producer, last.0 as f64, rows as f64, bytes as f64);
            }
            TabMessage::Ended {
                n,
                attempts,
                bytes,
                outcome,
            } => {
                let (row, bytes) = (n.0 as f64, bytes as f64);
                match outcome {
                    Outcome::Acked {
                        epoch,
                        seq,
                        duplicate,
                    } => {
                        let seq = seq.0 as f64;
                        let epoch = hex(epoch);
                        host.broadcast_acked(
                            producer, row, attempts, bytes, &epoch, seq, duplicate,
                        );
                    }
                    Outcome::Dead { code, message } => {
                        host.broadcast_dead(producer, row, attempts, bytes, &code, &message);
                    }
                }
            }
            TabMessage::OutcomeStored { n } => host.broadcast_outcome_stored(producer, n.0 as f64),
            TabMessage::Cancelled { n } => host.broadcast_cancelled(producer, n.0 as f64),
            TabMessage::Renamed { producer: name } => host.broadcast_renamed(producer, &name),
            // The wrapper sends this message itself.
            TabMessage::DeadLetterTaken { .. } => {}
        }
    }

    fn tell_status(&self, now: Time) {
        let mut fields = StatusFields::default();
        let mut because = |reason: Reason| {
            fields.close_code = reason.close_code;
            fields.detail = reason.detail;
        };
        let status = self.client.borrow().status();
        match status {
            Status::Connecting { attempt, transport } => {
                fields.kind = boundary::status::CONNECTING;
                fields.attempt = attempt;
                fields.transport = number_of(transport);
            }
            Status::Connected {
                transport,
                since,
                rtt_ms,
                repeat_at,
            } => {
                fields.kind = boundary::status::CONNECTED;
                fields.transport = number_of(transport);
                fields.ms = now.since(since) as f64;
                fields.rtt_ms = rtt_ms.map(|ms| ms as f64);
                fields.repeat_ms = repeat_at.map(|at| at.since(now) as f64);
            }
            Status::Waiting {
                attempt,
                retry_at,
                reason,
                is_exhausted,
            } => {
                because(reason);
                fields.kind = boundary::status::WAITING;
                fields.attempt = attempt;
                fields.is_exhausted = is_exhausted;
                fields.ms = retry_at.since(now) as f64;
            }
            Status::Offline => fields.kind = boundary::status::OFFLINE,
            Status::Closed { reason } => {
                because(reason);
                fields.kind = boundary::status::CLOSED;
            }
            Status::Unauthorized { reason } => {
                because(reason);
                fields.kind = boundary::status::UNAUTHORIZED;
            }
        }
        self.host.status_changed(
            fields.kind,
            fields.transport,
            fields.attempt,
            fields.is_exhausted,
            fields.ms,
            fields.rtt_ms,
            fields.repeat_ms,
            fields.close_code.into(),
            &fields.detail,
        );
    }
}

/// The fields of a status in JavaScript.
#[derive(Default)]
struct StatusFields {
    kind: u32,
    transport: u32,
    attempt: u32,
    is_exhausted: bool,
    ms: f64,
    rtt_ms: Option<f64>,
    repeat_ms: Option<f64>,
    close_code: u16,
    detail: String,
}

fn hex(epoch: Epoch) -> String {
    let mut text = String::new();
    push_epoch(&mut text, epoch);
    text
}
