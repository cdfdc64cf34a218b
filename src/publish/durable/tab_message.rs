//! What the clients of one storage tell each other: that rows were added, ended, noted or given up.
//!
//! Owns what to believe of it, and what this client tells. Never waits for storage: what is told may be newer than an answer
//! that is under way.

use std::collections::VecDeque;

use super::{DurableOutbox, SyncState};
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{Outcome, RowOutcome, RowUpdate};
use crate::interface::tab_message::TabMessage;
use crate::metrics::Metrics;
use crate::publish::outbox::{DISCARDED, Outbox};
use crate::time::Time;

/// So many ends that others have told, and rows that were given up, are remembered. Chosen: four of them may have a full window each on its way to storage.
const TOLD_MAX: usize = 1_024;

impl DurableOutbox {
    /// A row's outcome is known: storage and the other clients are told. A worker may be stopped before storage has noted it.
    pub(crate) fn ended(&mut self, row: RowOutcome, producer: &str, effects: &mut Vec<Effect>) {
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
        effects.push(tell(producer, tab_message));
        self.next.outcomes.push(row);
    }

    /// The user gives a row up.
    pub(crate) fn cancel(&mut self, n: RowNo, producer: &str, effects: &mut Vec<Effect>) {
        self.remember_given_up(n);
        self.next.updates.push(RowUpdate {
            n,
            attempts: 0,
            is_cancelled: true,
            counts_from_ms: None,
        });
        effects.push(tell(producer, TabMessage::Cancelled { n }));
    }

    /// Another client has told something of this storage's rows.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        tab_message: TabMessage,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        self.recount.told(now);
        match tab_message {
            TabMessage::Added { last, rows, bytes } => {
                // What it told late is counted.
                if last > self.known {
                    self.count_in(rows, bytes);
                }
                if self.sync_state == SyncState::Full && last > self.known {
                    self.sync_state = SyncState::Behind;
                }
            }
            TabMessage::Ended {
                n, bytes, outcome, ..
            } => {
                remember(&mut self.told, n);
                if matches!(&outcome, Outcome::Dead { code, .. } if code == DISCARDED) {
                    self.remember_given_up(n);
                }
                let end = (bytes, outcome);
                if self.is_busy && !outbox.has(n) {
                    self.ended_meanwhile.push((n, Some(end)));
                    return;
                }
                if self.is_busy {
                    self.ended_meanwhile.push((n, None));
                }
                self.ended_elsewhere(now, n, end, outbox, metrics, effects);
            }
            TabMessage::OutcomeStored { n } => {
                if self.is_busy {
                    self.ended_meanwhile.push((n, None));
                }
                // Who was here when it ended has heard of that; who came later has found it.
                if outbox.is_own(n) {
                    self.doubt();
                } else if let Some(bytes) = outbox.forget(n, effects) {
                    self.count_out(bytes);
                }
            }
            TabMessage::Cancelled { n } => {
                self.remember_given_up(n);
                outbox.cancel(n);
            }
            TabMessage::Renamed { producer } => {
                outbox.renamed(&producer);
                self.look_again();
            }
            // It is no row any more.
            TabMessage::DeadLetterTaken { .. } => {}
        }
    }

    /// A number that no row has had yet is of another storage, which was removed.
    fn remember_given_up(&mut self, n: RowNo) {
        if n <= self.known {
            remember(&mut self.cancelled, n);
        }
    }

    pub(super) fn ended_elsewhere(
        &mut self,
        now: Time,
        n: RowNo,
        (bytes, outcome): (u64, Outcome),
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let was_here = outbox.end(now, n, outcome, metrics, effects).is_some();
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
    if rows.len() >= TOLD_MAX {
        rows.pop_front();
    }
    rows.push_back(n);
}

pub(super) fn tell(producer: &str, tab_message: TabMessage) -> Effect {
    Effect::SendTabMessage {
        producer: producer.to_owned(),
        tab_message,
    }
}
