//! A publication on its way: the call of the app, the row that it becomes, and its outcome.
//!
//! Owns the data that events, effects, storage and the outbox share. Payloads stay with the caller.

use crate::ids::{Epoch, RowNo, Seq};
use crate::wire::Kind;

/// The code of rows that the user has cancelled. They leave no dead letters.
pub(crate) const DISCARDED: &str = "discarded";

/// The code of rows that a wipe removed. They leave no dead letters.
pub(crate) const WIPED: &str = "wiped";

/// A call of `publish` that has no row yet.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The caller's number for the call. It comes back in `RowAssigned` or `PublishRefused`.
    pub request: u32,
    /// A topic name that [`crate::ids::is_topic_name`] accepts.
    pub topic: &'a str,
    /// Message or change of a document.
    pub kind: Kind,
    /// Size of the payload.
    pub bytes: u64,
    /// Time to live, ms: how long the publication may take to reach the hub.
    pub ttl_ms: Option<u64>,
    /// The machine's clock at the call, ms since 1970.
    pub machine_ms: u64,
    /// Replaces an unsent row of the same topic with the same key.
    pub key: Option<&'a str>,
    /// An earlier instance received the same call and may have stored it. Storage searches for its
    /// row before it adds one.
    pub is_repeated: bool,
}

/// A publication that storage adds as a row. The transaction assigns its number, which is higher
/// than every earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// The caller's number for the call.
    pub request: u32,
    /// Its topic.
    pub topic: Box<str>,
    /// Message or change of a document.
    pub kind: Kind,
    /// Size of the payload.
    pub bytes: u64,
    /// The machine's clock at the call, ms since 1970.
    pub created_ms: u64,
    /// When the hub stops accepting it.
    pub until: Until,
    /// Replaces a row of the same topic and key that is not marked sent, and keeps its number.
    pub key: Option<Box<str>>,
    /// An earlier instance may have stored the same call. If so, that row is its row.
    pub is_repeated: bool,
}

/// When a time to live ends. This machine's clock doesn't count: users and systems set it, even
/// between two pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// By the hub's clock, ms since 1970.
    Hub(u64),
    /// The rest of it, ms, while no client knew the hub's clock. It counts from the moment at which
    /// a client learns of the row.
    Left(u64),
}

/// Storage's answer for a [`NewRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedRow {
    /// Its number.
    pub n: RowNo,
    /// It replaced another row, or an earlier instance had stored it.
    pub was_there: bool,
    /// As in [`StoredRow`].
    pub tag: u64,
}

/// A row as storage has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its number.
    pub n: RowNo,
    /// Its topic.
    pub topic: Box<str>,
    /// Message or change of a document.
    pub kind: Kind,
    /// Size of the payload.
    pub bytes: u64,
    /// When the hub stops accepting it.
    pub until: Until,
    /// It has a key and is unsent, so another publication may replace it.
    pub is_replaceable: bool,
    /// The user has cancelled it.
    pub is_cancelled: bool,
    /// How often it was sent, as far as storage knows.
    pub attempts: u32,
    /// 48 bits that distinguish its call from another call with the same number in a copy of this
    /// outbox. 0 if there are none (rule C10).
    pub tag: u64,
}

impl StoredRow {
    pub(crate) fn of(saved: SavedRow, new: &NewRow) -> Self {
        Self {
            n: saved.n,
            topic: new.topic.clone(),
            kind: new.kind,
            bytes: new.bytes,
            until: new.until,
            is_replaceable: new.key.is_some(),
            is_cancelled: false,
            attempts: 0,
            tag: saved.tag,
        }
    }
}

/// A change that storage makes to a row. It marks the row sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowUpdate {
    /// Its number.
    pub n: RowNo,
    /// How often it was sent. 0 before the first attempt.
    pub attempts: u32,
    /// The user has cancelled it.
    pub is_cancelled: bool,
    /// When its time to live began by the hub's clock, if storage doesn't know that.
    pub counts_from_ms: Option<u64>,
}

/// A row that leaves the outbox, and how its publication ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOutcome {
    /// Its number.
    pub n: RowNo,
    /// How often it was sent.
    pub attempts: u32,
    /// Size of the payload.
    pub bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Another client may wait for it. Storage keeps the outcome, with the tag of the row's call.
    pub is_foreign: bool,
}

/// How a publication ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Acked {
        /// The epoch of the topic's log.
        epoch: Epoch,
        /// Its position in that log.
        seq: Seq,
        /// The hub had it from an earlier attempt.
        duplicate: bool,
    },
    /// It will never take effect.
    Dead {
        /// Stable code: the hub's, or one of the client's such as `expired`.
        code: String,
        /// For people.
        message: String,
    },
}

impl Outcome {
    pub(crate) fn dead(code: &str, message: &str) -> Self {
        Self::Dead {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// A dead letter in storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The number of its row.
    pub n: RowNo,
    /// Its topic.
    pub topic: Box<str>,
    /// Why it is dead.
    pub code: String,
}

/// Why a publication got no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishRefusal {
    /// The outbox has reached its limit of rows or bytes.
    OutboxFull,
    /// The browser's storage is full.
    StorageFull,
    /// The payload is larger than the hub accepts.
    PayloadTooLarge {
        /// The hub's limit.
        bytes_max: u64,
    },
    /// The client is closed.
    Closed,
    /// The outbox was wiped before the publication was in storage.
    Wiped,
    /// An earlier instance may have stored it, but storage was wiped or removed since. So nobody
    /// knows whether it was sent.
    OutcomeUnknown,
}
