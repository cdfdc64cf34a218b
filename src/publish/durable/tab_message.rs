//! Tab messages of this client, and how it handles those of other clients.
//!
//! Owns how far to trust a tab message. It may be newer than the answer of a request under way, so
//! nothing here waits for storage.

use std::collections::VecDeque;

use super::{DurableOutbox, SyncState};
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{DISCARDED, Outcome, RowOutcome, RowUpdate};
use crate::interface::tab_message::TabMessage;
use crate::publish::outbox::Outbox;

/// How many announced outcomes and cancelled rows the client remembers. Chosen: four clients may
/// each have a full window on its way to storage.
const REMEMBERED_MAX: usize = 1_024;

impl DurableOutbox {
    /// A row of the outbox has its outcome. The other clients learn it at once, because the browser
    /// may stop a worker before storage has it.
    pub(crate) fn ended(&mut self, context: &mut Context<'_>, row: RowOutcome, producer: &str) {
        self.count_out(row.bytes);
        if self.is_busy {
            self.ended_meanwhile.push((row.n, None));
        }
        let tab_message = TabMessage::Ended {
            n: row.n,
            attempts: row.attempts,
            bytes: row.bytes,
            outcome: row.outcome.clone(),
        };
        send(context, producer, tab_message);
        self.next.outcomes.push(row);
    }

    /// The user cancels a row.
    pub(crate) fn cancel(&mut self, context: &mut Context<'_>, n: RowNo, producer: &str) {
        self.remember_cancelled(n);
        self.next.updates.push(RowUpdate {
            n,
            attempts: 0,
            is_cancelled: true,
            counts_from_ms: None,
        });
        send(context, producer, TabMessage::Cancelled { n });
    }

    /// Another client sent news about the rows of this storage.
    pub(crate) fn receive(
        &mut self,
        context: &mut Context<'_>,
        tab_message: TabMessage,
        outbox: &mut Outbox,
    ) {
        self.recount.tab_message_received(context.now);
        match tab_message {
            TabMessage::Added { last, rows, bytes } => {
                // The count includes older rows already.
                if last > self.known {
                    self.count_in(rows, bytes);
                }
                if self.sync_state == SyncState::Current && last > self.known {
                    self.sync_state = SyncState::Behind;
                }
            }
            TabMessage::Ended {
                n, bytes, outcome, ..
            } => {
                remember(&mut self.announced, n);
                if matches!(&outcome, Outcome::Dead { code, .. } if code == DISCARDED) {
                    self.remember_cancelled(n);
                }
                let end = (bytes, outcome);
                if self.is_busy && !outbox.has(n) {
                    self.ended_meanwhile.push((n, Some(end)));
                    return;
                }
                if self.is_busy {
                    self.ended_meanwhile.push((n, None));
                }
                self.ended_elsewhere(context, n, end, outbox);
            }
            TabMessage::OutcomeStored { n } => {
                if self.is_busy {
                    self.ended_meanwhile.push((n, None));
                }
                // A client that had the row knows its outcome by now. A client that loaded the row
                // later learns only now that it is gone.
                if outbox.is_own(n) {
                    self.set_unknown();
                } else if let Some(bytes) = outbox.forget(context, n) {
                    self.count_out(bytes);
                }
            }
            TabMessage::Cancelled { n } => {
                self.remember_cancelled(n);
                outbox.cancel(n);
            }
            TabMessage::Renamed { producer } => {
                outbox.renamed(&producer);
                self.set_stale();
            }
            // A dead letter is no row.
            TabMessage::DeadLetterTaken { .. } => {}
        }
    }

    /// Ignores a number that no row has had yet: it is from another storage, which was removed.
    fn remember_cancelled(&mut self, n: RowNo) {
        if n <= self.known {
            remember(&mut self.cancelled, n);
        }
    }

    pub(super) fn ended_elsewhere(
        &mut self,
        context: &mut Context<'_>,
        n: RowNo,
        (bytes, outcome): (u64, Outcome),
        outbox: &mut Outbox,
    ) {
        let was_here = outbox.end(context, n, outcome).is_some();
        if was_here || n > self.known {
            self.count_out(bytes);
        }
    }

    pub(super) fn count_in(&mut self, rows: u64, bytes: u64) {
        self.rows = self.rows.saturating_add_unsigned(rows);
        self.bytes = self.bytes.saturating_add_unsigned(bytes);
    }

    pub(super) fn count_out(&mut self, bytes: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub_unsigned(bytes);
    }
}

fn remember(rows: &mut VecDeque<RowNo>, n: RowNo) {
    if rows.len() >= REMEMBERED_MAX {
        rows.pop_front();
    }
    rows.push_back(n);
}

pub(super) fn send(context: &mut Context<'_>, producer: &str, tab_message: TabMessage) {
    context.effects.push(Effect::SendTabMessage {
        producer: producer.to_owned(),
        tab_message,
    });
}
