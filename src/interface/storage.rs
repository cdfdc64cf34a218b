//! What the core asks of the browser's storage, and what it answers: plain data.
//!
//! The promise is the adapter's to keep: a request that is answered `Ok` is in storage as a whole, another one is not at all.

use crate::ids::RowNo;
use crate::interface::effect::Outcome;
use crate::publish::outbox::StoredRow;
use crate::wire::Kind;

/// Something to do in storage. Payloads are the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreRequest {
    /// Open it.
    Open,
    /// Do all of this in one transaction.
    Commit(Batch),
    /// Read rows. The caller keeps their payloads.
    Load(LoadQuery),
    /// Give the outbox another identity, unless somebody else has done so.
    Rename {
        /// The one that it is to have now.
        from: String,
        /// A name that was never used before.
        to: String,
    },
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadQuery {
    /// Only later rows than this.
    pub after: RowNo,
    /// All rows that are there are to be named, earlier ones too.
    pub is_whole: bool,
    /// Rows that this client waits for: what became of those that are no longer there. Only where the look `is_whole`.
    pub asked: Vec<RowNo>,
    /// Dead letters are to be named.
    pub with_dead_letters: bool,
}

/// One transaction's work. Where it fails nothing of it has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// New publications, in order.
    pub saves: Vec<Save>,
    /// Rows that are about to be sent, or may have been.
    pub updates: Vec<RowUpdate>,
    /// Rows with an outcome. They leave, and their outcome is kept where somebody else waits for it.
    pub ends: Vec<Ended>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.updates.is_empty() && self.ends.is_empty()
    }
}

/// A publication to be kept. Its number is given in the transaction: no other is as high.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// The caller's number for the call.
    pub request: u32,
    /// Its topic.
    pub topic: Box<str>,
    /// Message or change of a document.
    pub kind: Kind,
    /// Size of the payload.
    pub bytes: u64,
    /// By the machine's clock, ms since 1970.
    pub created_ms: u64,
    /// Until when the hub takes it.
    pub until: Until,
    /// Takes the place and the number of a row of the same topic with the same key that is not marked.
    pub key: Option<Box<str>>,
    /// The call may have been saved before, by a client that is gone. If there is or was a row of it, that is its row.
    pub is_repeated: bool,
}

/// Until when something counts. This machine's clock has no say: it may be set, between two pages too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// By the hub's clock, ms since 1970.
    Hub(u64),
    /// So long, ms, while nobody knew the hub's clock: from when a client knows of it.
    Left(u64),
}

/// What storage is to know of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowUpdate {
    /// Which.
    pub n: RowNo,
    /// How often it was sent; 0 before the first time.
    pub attempts: u32,
    /// The user has given it up.
    pub is_cancelled: bool,
    /// From when its time counts by the hub's clock, where storage does not know that.
    pub counts_from_ms: Option<u64>,
}

/// A row's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub n: RowNo,
    /// How often it was sent.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Somebody else may wait for it: the outcome is kept, with what the row's call is known by.
    pub is_foreign: bool,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The number of its row.
    pub n: RowNo,
    /// Its topic.
    pub topic: Box<str>,
    /// Why.
    pub code: String,
}

/// What storage answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// It is open.
    Opened {
        /// Whose rows these are: the same as long as storage lasts, and never used before.
        producer: String,
        /// Rows in it.
        rows: u64,
        /// Payload bytes in it.
        bytes: u64,
        /// The identities that they had before, if any.
        formers: Vec<String>,
    },
    /// The transaction is complete.
    Committed {
        /// What each save has become.
        saved: Vec<Saved>,
        /// What each mark's row is, if it is there, now that nothing takes its place any more.
        marked: Vec<StoredRow>,
    },
    /// The rows that were asked for.
    Loaded {
        /// Whose they are by now, where the look is whole.
        producer: Option<String>,
        /// In order.
        rows: Vec<StoredRow>,
        /// The numbers of all rows that are there, in order; without a whole look only the later ones. Other clients' rows may be among them.
        there: Vec<RowNo>,
        /// The highest number that there is or was.
        last: RowNo,
        /// What became of those asked for that are no longer there; `None` where nobody knows.
        ended: Vec<(RowNo, Option<Outcome>)>,
        /// The dead letters, if they were asked for.
        dead_letters: Vec<DeadLetter>,
    },
    /// The outbox has this identity.
    Renamed {
        /// The one that was asked for, or that somebody else has given it.
        producer: String,
    },
    /// Nothing of it has happened.
    Failed(StoreFault),
}

/// What a save has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The number of its row.
    pub n: RowNo,
    /// It took the place of another one, or was there before.
    pub was_there: bool,
    /// As in [`StoredRow`].
    pub tag: u64,
}

/// Why storage did not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// There is no room.
    Full,
    /// It is to be opened again, and may be another one then.
    Closed,
    /// The same, and what was asked for may have been done.
    Unknown,
    /// It can't be reached, even after it was opened again.
    Lost,
}

/// What clients of the same storage tell each other of the rows of one producer. It may get lost: storage has the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabMessage {
    /// There are new rows.
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
        /// Which.
        n: RowNo,
        /// How often it was sent.
        attempts: u32,
        /// Its payload bytes.
        bytes: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// Storage has noted the end of a row, which is no longer there: for whoever found it after its end was told.
    Noted {
        /// Which.
        n: RowNo,
    },
    /// The user has given a row up.
    Cancelled {
        /// Which.
        n: RowNo,
    },
    /// The outbox has another identity.
    Renamed {
        /// Which.
        producer: String,
    },
    /// A dead letter was taken away.
    Taken {
        /// Of which row.
        n: RowNo,
    },
}
