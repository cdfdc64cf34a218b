//! Rows in storage, which other clients have too.
//!
//! Owns how news from storage and from other clients changes a row of the queue. Never makes a
//! storage request.

use super::Outbox;
use super::row::{Identity, QueuedRow, RowCopy};
use crate::config::WINDOW_ROWS_MAX;
use crate::context::Context;
use crate::ids::{RowNo, is_topic_name};
use crate::interface::effect::Effect;
use crate::interface::publication::{RowUpdate, StoredRow, Until};
use crate::time::Time;

/// Which client published a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// This one.
    Own,
    /// Another client of the same storage, or an earlier page.
    Foreign,
}

impl Outbox {
    /// Adds a row of storage, or updates the row that is here already.
    pub(crate) fn insert(&mut self, now: Time, row: &StoredRow, ownership: Ownership) {
        let copy = RowCopy {
            until: row.until,
            undated_ms: match row.until {
                Until::Hub(_) => None,
                Until::Left(ms) => Some(ms),
            },
            is_replaceable: row.is_replaceable,
            is_own: ownership == Ownership::Own,
            is_marked_sent: row.attempts > 0,
            tag: row.tag,
            is_keyed: row.is_replaceable,
        };
        if let Some(here) = self.find(row.n) {
            let before = here.bytes;
            here.stored = Some(RowCopy {
                is_own: copy.is_own || here.is_own(),
                is_keyed: copy.is_keyed || here.is_keyed(),
                ..copy
            });
            here.is_cancelled = row.is_cancelled;
            if !here.is_on_its_way {
                here.bytes = row.bytes;
                self.bytes = self.bytes - before + row.bytes;
            }
            return;
        }
        if !is_topic_name(&row.topic) {
            self.misnamed.push(row.n);
        }
        self.place(QueuedRow {
            n: row.n,
            prev: RowNo(0),
            topic: row.topic.clone(),
            kind: row.kind,
            key: None,
            bytes: row.bytes,
            attempts: row.attempts,
            is_on_its_way: false,
            is_cancelled: row.is_cancelled,
            out_of_order: None,
            created: now,
            expires: None,
            stored: Some(copy),
            identity: Identity::Own,
        });
    }

    /// Takes the numbers of the rows whose topic this version does not accept.
    pub(crate) fn take_misnamed(&mut self) -> Vec<RowNo> {
        std::mem::take(&mut self.misnamed)
    }

    pub(crate) fn is_own(&mut self, n: RowNo) -> bool {
        self.find(n).is_some_and(|row| row.is_own())
    }

    /// The number and the size of each row.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (RowNo, u64)> {
        self.rows.iter().map(|row| (row.n, row.bytes))
    }

    /// The numbers of the rows that this client published.
    pub(crate) fn own(&self) -> Vec<RowNo> {
        let own = self.rows.iter().filter(|row| row.is_own());
        own.map(|row| row.n).collect()
    }

    /// Forgets the rows of other clients that `keep` does not accept. It reports no outcomes.
    pub(crate) fn retain_foreign(
        &mut self,
        context: &mut Context<'_>,
        keep: impl Fn(RowNo) -> bool,
    ) {
        let foreign = self.rows.iter().filter(|row| !row.is_own());
        let gone = foreign.map(|row| row.n).filter(|n| !keep(*n));
        for n in gone.collect::<Vec<_>>() {
            self.forget(context, n);
        }
    }

    /// Forgets a row. Returns its size.
    pub(crate) fn forget(&mut self, context: &mut Context<'_>, n: RowNo) -> Option<u64> {
        let row = self.remove(n)?;
        context.effects.push(Effect::Forget { row: n });
        Some(row.bytes)
    }

    /// The hub's clock is known: the times to live end by it from now on.
    pub(crate) fn date_rows(&mut self, now: Time, hub_ms: u64) {
        for row in &mut self.rows {
            if let Some(copy) = &mut row.stored
                && let Until::Left(ms) = copy.until
            {
                copy.until = Until::Hub(hub_ms + ms.saturating_sub(now.since(row.created)));
            }
        }
    }

    /// The user cancels a row. The client sends the cancellation to the hub, which may have the
    /// row.
    pub(crate) fn cancel(&mut self, n: RowNo) {
        if let Some(row) = self.find(n) {
            row.is_cancelled = true;
        }
    }

    /// Takes the updates for rows that were sent, perhaps in vain, and that storage has not marked.
    pub(crate) fn take_sent_updates(&mut self) -> Vec<RowUpdate> {
        std::mem::take(&mut self.sent_updates)
    }

    /// Storage has marked a row sent. No publication can replace it any more.
    pub(crate) fn updated(&mut self, now: &StoredRow) {
        let Some(row) = self.find(now.n).filter(|row| !row.is_on_its_way) else {
            return;
        };
        row.is_cancelled |= now.is_cancelled;
        if let Some(copy) = &mut row.stored {
            copy.is_replaceable = false;
            copy.undated_ms = None;
            copy.is_marked_sent = true;
            if let Until::Hub(_) = now.until {
                copy.until = now.until;
            }
            copy.tag = now.tag;
        }
        row.kind = now.kind;
        let before = std::mem::replace(&mut row.bytes, now.bytes);
        self.bytes = self.bytes - before + now.bytes;
    }

    /// Whether nothing is on its way, and storage must update the next row before it may go.
    pub(crate) fn awaits_update(&self) -> bool {
        self.rows_on_their_way == 0 && self.due_updates().next().is_some()
    }

    /// The updates that storage must make before the client sends the next rows.
    pub(crate) fn due_updates(&self) -> impl Iterator<Item = RowUpdate> {
        let next = self.rows.iter().filter(|row| !row.is_on_its_way);
        next.take(WINDOW_ROWS_MAX)
            .filter(|row| row.awaits_update())
            .map(|row| RowUpdate {
                n: row.n,
                attempts: 0,
                is_cancelled: false,
                counts_from_ms: row.counts_from_ms(),
            })
    }

    /// Storage has no room for the ends of times to live. The client sends the rows all the same,
    /// which makes room.
    pub(crate) fn waive_dates(&mut self) {
        for copy in self.rows.iter_mut().filter_map(|row| row.stored.as_mut()) {
            copy.undated_ms = None;
        }
    }
}
