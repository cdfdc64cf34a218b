//! The tasks of storage and their results. One type covers all tasks, so that one future executes
//! them all.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::{BATCHES, DEAD_LETTERS, DOCUMENTS, KEYS, PARTITIONS, ROWS, TABLES, VERDICTS};
use crate::Outcome;
use crate::ids::RowNo;
use crate::interface::publication::RowOutcome;
use crate::interface::storage::{StoreAnswer, StoreRequest};

pub(in crate::web) enum Task {
    /// A request of the core, with the wrapper's row for each save.
    Core(StoreRequest, Vec<JsValue>),
    /// Reads the number and value of each of the partition's rows, or of its dead letters.
    Read { are_dead_letters: bool },
    /// Deletes a dead letter. If it `is_wanted`, adds it as the newest row. Returns that row's
    /// number, if there is one, and the size.
    TakeDeadLetter { n: RowNo, is_wanted: bool },
    /// Removes everything in the partition.
    Wipe,
    /// Stores a document's confirmed value, or deletes it.
    Keep {
        topic: String,
        document: Option<Array>,
    },
    /// Reads the stored value of a document.
    Kept { topic: String },
    /// Lists the partitions that have rows.
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

    /// Whether it is a request of the core about rows of the producer that the core knows.
    pub(super) fn is_for_opened(&self) -> bool {
        matches!(self, Self::Core(..)) && !self.is_opening()
    }

    /// The object stores of its transaction. Transactions with separate object stores run in
    /// parallel, and smaller ones begin and end sooner.
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
                    &[ROWS, BATCHES]
                } else {
                    &[ROWS, BATCHES, KEYS, VERDICTS, DEAD_LETTERS]
                }
            }
            Self::Core(StoreRequest::Open, _) | Self::Partitions => &[PARTITIONS, ROWS, BATCHES],
            Self::Core(StoreRequest::Load(query), _) if query.is_whole => {
                &[PARTITIONS, ROWS, BATCHES, VERDICTS, DEAD_LETTERS]
            }
            Self::Core(StoreRequest::Load(_), _) => &[ROWS, BATCHES, VERDICTS, DEAD_LETTERS],
            Self::Core(StoreRequest::Rename { .. }, _) => &[PARTITIONS],
            Self::Read { .. } | Self::TakeDeadLetter { .. } => &[ROWS, BATCHES, DEAD_LETTERS],
            Self::Keep { .. } | Self::Kept { .. } => &[DOCUMENTS],
            Self::Wipe => &TABLES,
        }
    }

    /// Whether it needs no partition.
    pub(super) fn is_for_all(&self) -> bool {
        matches!(self, Self::Partitions)
    }
}

fn is_own_ack(ended: &RowOutcome) -> bool {
    !ended.is_foreign && matches!(ended.outcome, Outcome::Acked { .. })
}

pub(in crate::web) enum Done {
    /// The answer to the core.
    Answer(StoreAnswer),
    /// The value for the wrapper.
    Value(JsValue),
}
