//! The messages that the clients of one durable outbox send each other.
//!
//! A tab message may get lost: storage has the truth.

use crate::ids::RowNo;
use crate::interface::publication::Outcome;

/// News about the rows of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabMessage {
    /// Storage has new rows.
    Added {
        /// The highest number.
        last: RowNo,
        /// How many.
        rows: u64,
        /// Their payload bytes.
        bytes: u64,
    },
    /// A row has its outcome.
    Ended {
        /// Its number.
        n: RowNo,
        /// How often it was sent.
        attempts: u32,
        /// Its payload bytes.
        bytes: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// Storage has the outcome of a row and no longer has the row. This is for clients that loaded
    /// the row after its outcome was sent.
    OutcomeStored {
        /// Its number.
        n: RowNo,
    },
    /// The user has cancelled a row.
    Cancelled {
        /// Its number.
        n: RowNo,
    },
    /// The outbox has another identity.
    Renamed {
        /// The new one.
        producer: String,
    },
    /// A dead letter was retried or discarded.
    DeadLetterTaken {
        /// The number of its row.
        n: RowNo,
    },
}
