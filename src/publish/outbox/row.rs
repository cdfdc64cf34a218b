//! One publication of the queue, and what is known of it beside its payload.
//!
//! Owns what a row says of itself; never its place among others.

use crate::ids::RowNo;
use crate::interface::publication::Until;
use crate::time::Time;
use crate::wire::Kind;

#[derive(Debug)]
pub(super) struct QueuedRow {
    pub(super) n: RowNo,
    /// The row before this one in the same topic, if it is still here.
    pub(super) prev: RowNo,
    pub(super) topic: Box<str>,
    pub(super) kind: Kind,
    pub(super) key: Option<Box<str>>,
    pub(super) bytes: u64,
    pub(super) attempts: u32,
    pub(super) is_on_its_way: bool,
    /// The user has given it up.
    pub(super) is_cancelled: bool,
    /// After how many verdicts the hub last refused it as `out_of_order`.
    pub(super) out_of_order: Option<u64>,
    pub(super) created: Time,
    /// Given up by this client's own clock, as long as it was never sent.
    pub(super) expires: Option<Time>,
    pub(super) stored: Option<RowCopy>,
    pub(super) identity: Identity,
}

/// Whether the hub knows another publication by a row's number, because the outbox was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Own,
    /// It does: the row waits for the outbox's next name.
    Conflicting,
    /// It did, under the name that the outbox had before.
    Moved,
}

impl QueuedRow {
    /// Storage is to note something before it is sent.
    pub(super) fn awaits_mark(&self) -> bool {
        self.stored
            .is_some_and(|stored| stored.is_replaceable || stored.undated_ms.is_some())
    }

    /// From when its time counts by the hub's clock, where storage does not know that.
    pub(super) fn counts_from_ms(&self) -> Option<u64> {
        let stored = self.stored?;
        match stored.until {
            Until::Hub(ms) => Some(ms.saturating_sub(stored.undated_ms?)),
            Until::Left(_) => None,
        }
    }

    /// Storage has the row, and does not know that it was sent.
    pub(super) fn is_unmarked(&self) -> bool {
        self.stored.is_some_and(|stored| !stored.is_marked)
    }

    /// Storage is to note that the row was sent, and how often: nothing if it knows.
    pub(super) fn mark(&mut self) -> Option<(RowNo, u32)> {
        let stored = self.stored.as_mut().filter(|stored| !stored.is_marked)?;
        stored.is_marked = true;
        Some((self.n, self.attempts))
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.stored.is_some_and(|stored| stored.is_keyed)
    }

    pub(super) fn is_own(&self) -> bool {
        self.stored.is_none_or(|stored| stored.is_own)
    }
}

/// What matters of a row that is in storage, where others may send it too.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCopy {
    /// The hub takes it up to here (rule C10).
    pub(super) until: Until,
    /// What is left of its time, where storage knows no more: that must end before it is sent, or whoever sends it again later might give it more time than the hub's
    /// memory lasts.
    pub(super) undated_ms: Option<u64>,
    /// Another publication may still take its place: that must end before it is sent.
    pub(super) is_replaceable: bool,
    /// This client's own publication.
    pub(super) is_own: bool,
    /// Storage knows that it may have been sent.
    pub(super) is_marked: bool,
    /// As in `StoredRow`.
    pub(super) tag: u64,
    /// It has a key: whose place it took, or who took its place, waits for it too.
    pub(super) is_keyed: bool,
}
