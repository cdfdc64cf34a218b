//! What storage is asked for, and what it gives: one kind for all, so that one future serves them
//! all.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::{DOCUMENTS, KEYS, LETTERS, PACKS, PARTITIONS, ROWS, TABLES, VERDICTS};
use crate::Outcome;
use crate::ids::RowNo;
use crate::interface::publication::RowOutcome;
use crate::interface::storage::{StoreAnswer, StoreRequest};

pub(in crate::web) enum Task {
    /// The core's, with the row of each save, as the wrapper has it.
    Core(StoreRequest, Vec<JsValue>),
    /// The partition's rows, or its dead letters: number and value of each.
    Read { are_letters: bool },
    /// Forgets a dead letter, and where it `is_wanted` makes it the newest row: number and size of
    /// that.
    TakeLetter { n: RowNo, is_wanted: bool },
    /// Removes all that the partition has.
    Wipe,
    /// Keeps what a document is, or no longer.
    Keep {
        topic: String,
        document: Option<Array>,
    },
    /// What is kept of a document.
    Kept { topic: String },
    /// The partitions that have rows.
    Partitions,
}

impl Task {
    pub(super) fn is_reading(&self) -> bool {
        matches!(
            self,
            Self::Core(StoreRequest::Load(_), _)
                | Self::Read { .. }
                | Self::Kept { .. }
                | Self::Partitions
        )
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self, Self::Core(StoreRequest::Open, _))
    }

    /// It is the core's, about rows of the producer that it knows.
    pub(super) fn is_for_opened(&self) -> bool {
        matches!(self, Self::Core(..)) && !self.is_opening()
    }

    /// What its transaction is about. Those that need less run beside each other, and begin and end
    /// sooner.
    pub(super) fn tables(&self) -> &'static [&'static str] {
        match self {
            Self::Core(StoreRequest::Commit(batch), _) => {
                let is_plain = batch.updates.is_empty()
                    && batch
                        .saves
                        .iter()
                        .all(|save| save.key.is_none() && !save.is_repeated)
                    && batch.outcomes.iter().all(is_own_ack);
                if is_plain {
                    &[ROWS, PACKS]
                } else {
                    &[ROWS, PACKS, KEYS, VERDICTS, LETTERS]
                }
            }
            Self::Core(StoreRequest::Open, _) | Self::Partitions => &[PARTITIONS, ROWS, PACKS],
            Self::Core(StoreRequest::Load(look), _) if look.is_whole => {
                &[PARTITIONS, ROWS, PACKS, VERDICTS, LETTERS]
            }
            Self::Core(StoreRequest::Load(_), _) => &[ROWS, PACKS, VERDICTS, LETTERS],
            Self::Core(StoreRequest::Rename { .. }, _) => &[PARTITIONS],
            Self::Read { .. } | Self::TakeLetter { .. } => &[ROWS, PACKS, LETTERS],
            Self::Keep { .. } | Self::Kept { .. } => &[DOCUMENTS],
            Self::Wipe => &TABLES,
        }
    }

    /// It is about no partition alone.
    pub(super) fn is_for_all(&self) -> bool {
        matches!(self, Self::Partitions)
    }
}

fn is_own_ack(ended: &RowOutcome) -> bool {
    !ended.is_foreign && matches!(ended.outcome, Outcome::Acked { .. })
}

pub(in crate::web) enum Done {
    /// To the core.
    Answer(StoreAnswer),
    /// To the wrapper.
    Value(JsValue),
}
