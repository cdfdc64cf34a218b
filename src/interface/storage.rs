//! The core's requests to the browser's storage, and the answers.
//!
//! The adapter keeps the promise: a request with a successful answer is in storage as a whole, and
//! any other request has changed nothing.

use crate::ids::RowNo;
use crate::interface::publication::{
    DeadLetter, NewRow, Outcome, RowOutcome, RowUpdate, SavedRow, StoredRow,
};

/// A request to storage. Payloads stay with the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreRequest {
    /// Open it.
    Open,
    /// Do all of this in one transaction.
    Commit(Batch),
    /// Read rows. The caller keeps their payloads.
    Load(LoadQuery),
    /// Give the outbox another identity, unless another client has done so.
    Rename {
        /// The current identity.
        from: String,
        /// The new one, which was never used before.
        to: String,
    },
}

/// Which rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadQuery {
    /// Only rows with a higher number.
    pub after: RowNo,
    /// The answer lists the numbers of all rows, earlier ones too.
    pub is_whole: bool,
    /// Rows that this client waits for. The answer has the outcomes of those that are gone. Only
    /// with `is_whole`.
    pub awaited: Vec<RowNo>,
    /// The answer lists the dead letters.
    pub with_dead_letters: bool,
}

/// The work of one transaction. If the transaction fails, none of it has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// New rows, in order.
    pub saves: Vec<NewRow>,
    /// Rows that are about to be sent, or may have been sent.
    pub updates: Vec<RowUpdate>,
    /// Rows that leave. Storage keeps an outcome only if another client may wait for it.
    pub outcomes: Vec<RowOutcome>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.updates.is_empty() && self.outcomes.is_empty()
    }
}

/// Storage's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// It is open.
    Opened {
        /// The producer of the rows. Storage keeps this identity for as long as it lasts, and no
        /// other storage had it before.
        producer: String,
        /// Rows in it.
        rows: u64,
        /// Payload bytes in it.
        bytes: u64,
        /// Earlier identities of the outbox.
        formers: Vec<String>,
    },
    /// The transaction is complete.
    Committed {
        /// The row of each save.
        saved: Vec<SavedRow>,
        /// The row of each update, if it is there. No publication can replace it any more.
        updated: Vec<StoredRow>,
    },
    /// The rows that were asked for.
    Loaded {
        /// The current identity of the outbox, if the query is whole.
        producer: Option<String>,
        /// In order.
        rows: Vec<StoredRow>,
        /// The numbers of all rows, in order. A query that is not whole lists only the later ones.
        /// Rows of other outboxes may be among them.
        there: Vec<RowNo>,
        /// The highest number that a row has or had.
        last: RowNo,
        /// The outcomes of awaited rows that are gone. `None` for a row whose outcome storage
        /// doesn't know.
        outcomes: Vec<(RowNo, Option<Outcome>)>,
        /// The dead letters, if the query asks for them.
        dead_letters: Vec<DeadLetter>,
    },
    /// The outbox has this identity.
    Renamed {
        /// The identity of the request, or the one that another client has given it.
        producer: String,
    },
    /// Nothing of the request has happened.
    Failed(StoreFault),
}

/// Why storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It is full.
    Full,
    /// It must be opened again, and may be another one then.
    Closed,
    /// The same as `Closed`, but the request may have succeeded.
    Unknown,
    /// It can't be reached, even after it was opened again.
    Lost,
}
