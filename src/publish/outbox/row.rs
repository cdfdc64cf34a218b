//! A row of the queue: one publication, and what the client knows about it besides its payload.
//!
//! Owns the facts of a single row. The queue owns the order of rows.

use crate::ids::RowNo;
use crate::interface::publication::{RowUpdate, Until};
use crate::time::Time;
use crate::wire::Kind;

#[derive(Debug)]
pub(super) struct QueuedRow {
    pub(super) n: RowNo,
    /// The row before this one in the same topic, if it is still in the queue.
    pub(super) prev: RowNo,
    pub(super) topic: Box<str>,
    pub(super) kind: Kind,
    pub(super) key: Option<Box<str>>,
    pub(super) bytes: u64,
    pub(super) attempts: u32,
    pub(super) is_on_its_way: bool,
    /// The user has cancelled it.
    pub(super) is_cancelled: bool,
    /// How many verdicts had come when the hub last refused it as `out_of_order`.
    pub(super) out_of_order: Option<u64>,
    pub(super) created: Time,
    /// When it expires by this client's own clock, if it is still unsent.
    pub(super) expires: Option<Time>,
    pub(super) stored: Option<RowCopy>,
    pub(super) identity: Identity,
}

/// Whether the hub knows another publication by a row's number, because the outbox was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Own,
    /// It does. The row waits for the outbox's next identity.
    Conflicting,
    /// It did, under the outbox's previous identity.
    Moved,
}

impl QueuedRow {
    /// Storage must update its copy before the client sends the row.
    pub(super) fn awaits_update(&self) -> bool {
        self.stored
            .is_some_and(|stored| stored.is_replaceable || stored.undated_ms.is_some())
    }

    /// When its time to live began by the hub's clock, if storage doesn't know that.
    pub(super) fn counts_from_ms(&self) -> Option<u64> {
        let stored = self.stored?;
        match stored.until {
            Until::Hub(ms) => Some(ms.saturating_sub(stored.undated_ms?)),
            Until::Left(_) => None,
        }
    }

    /// Storage has the row and has not marked it sent.
    pub(super) fn is_unmarked(&self) -> bool {
        self.stored.is_some_and(|stored| !stored.is_marked_sent)
    }

    /// Marks the row sent. Returns the update that storage needs, if it has not marked the row.
    pub(super) fn mark_sent(&mut self) -> Option<RowUpdate> {
        let stored = self
            .stored
            .as_mut()
            .filter(|stored| !stored.is_marked_sent)?;
        stored.is_marked_sent = true;
        Some(RowUpdate {
            n: self.n,
            attempts: self.attempts,
            is_cancelled: false,
            counts_from_ms: None,
        })
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.stored.is_some_and(|stored| stored.is_keyed)
    }

    pub(super) fn is_own(&self) -> bool {
        self.stored.is_none_or(|stored| stored.is_own)
    }
}

/// The copy of a row in storage, from which other clients may send it too.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCopy {
    /// When the hub stops accepting it (rule C10).
    pub(super) until: Until,
    /// The rest of its time to live, if storage knows no end by the hub's clock. Storage must learn
    /// that end before the client sends the row. A later sender might otherwise give the row more
    /// time than the hub's memory lasts.
    pub(super) undated_ms: Option<u64>,
    /// Another publication may still replace it. Storage must rule that out before the client sends
    /// the row.
    pub(super) is_replaceable: bool,
    /// This client published it.
    pub(super) is_own: bool,
    /// Storage knows that it may have been sent.
    pub(super) is_marked_sent: bool,
    /// As in [`crate::StoredRow`].
    pub(super) tag: u64,
    /// It has a key. Clients whose publication it replaced, or that replaced it, wait for it too.
    pub(super) is_keyed: bool,
}
