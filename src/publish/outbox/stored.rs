//! Rows that are in storage, where others have them too: what storage and its other clients have told of them.
//!
//! Owns how that changes a row that is here, and never asks storage itself.

use super::Outbox;
use super::row::{Identity, QueuedRow, RowCopy};
use crate::config::WINDOW_ROWS_MAX;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{StoredRow, Until};
use crate::time::Time;

impl Outbox {
    /// A row of storage: a new one, or what became of one that is here.
    pub(crate) fn insert(&mut self, now: Time, row: &StoredRow, is_own: bool) {
        let stored = RowCopy {
            until: row.until,
            undated_ms: match row.until {
                Until::Hub(_) => None,
                Until::Left(ms) => Some(ms),
            },
            is_replaceable: row.is_replaceable,
            is_own,
            is_marked: row.attempts > 0,
            tag: row.tag,
            is_keyed: row.is_replaceable,
        };
        if let Some(here) = self.find(row.n) {
            let before = here.bytes;
            let is_own = is_own || here.is_own();
            let is_keyed = stored.is_keyed || here.is_keyed();
            here.stored = Some(RowCopy {
                is_own,
                is_keyed,
                ..stored
            });
            here.is_cancelled = row.is_cancelled;
            if !here.is_on_its_way {
                here.bytes = row.bytes;
                self.bytes = self.bytes - before + row.bytes;
            }
            return;
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
            stored: Some(stored),
            identity: Identity::Own,
        });
    }

    pub(crate) fn is_own(&mut self, n: RowNo) -> bool {
        self.find(n).is_some_and(|row| row.is_own())
    }

    /// The number and size of each row.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (RowNo, u64)> {
        self.rows.iter().map(|row| (row.n, row.bytes))
    }

    /// The numbers of this client's own rows.
    pub(crate) fn own(&self) -> Vec<RowNo> {
        let own = self.rows.iter().filter(|row| row.is_own());
        own.map(|row| row.n).collect()
    }

    /// Forgets the rows that `keep` does not want; what became of them is told elsewhere.
    pub(crate) fn retain(&mut self, keep: impl Fn(RowNo, bool) -> bool, effects: &mut Vec<Effect>) {
        let gone = self.rows.iter().filter(|row| !keep(row.n, row.is_own()));
        for n in gone.map(|row| row.n).collect::<Vec<_>>() {
            self.forget(n, effects);
        }
    }

    /// Forgets a row, and gives its bytes.
    pub(crate) fn forget(&mut self, n: RowNo, effects: &mut Vec<Effect>) -> Option<u64> {
        let row = self.remove(n)?;
        effects.push(Effect::Forget { row: n });
        Some(row.bytes)
    }

    /// The hub's clock is known: what is left of a row's time is by it from now on.
    pub(crate) fn set_clock(&mut self, now: Time, hub_ms: u64) {
        for row in &mut self.rows {
            if let Some(stored) = &mut row.stored
                && let Until::Left(ms) = stored.until
            {
                stored.until = Until::Hub(hub_ms + ms.saturating_sub(now.since(row.created)));
            }
        }
    }

    /// The user gives a row up: the hub is told, because it may have it already.
    pub(crate) fn cancel(&mut self, n: RowNo) {
        if let Some(row) = self.find(n) {
            row.is_cancelled = true;
        }
    }

    /// Rows that may have been sent in vain, which storage does not know yet, and how often they were.
    pub(crate) fn unmarked(&mut self) -> Vec<(RowNo, u32)> {
        std::mem::take(&mut self.unmarked)
    }

    /// Storage has noted that a row is about to be sent: nothing takes its place any more.
    pub(crate) fn marked(&mut self, now: &StoredRow) {
        let Some(row) = self.find(now.n).filter(|row| !row.is_on_its_way) else {
            return;
        };
        row.is_cancelled |= now.is_cancelled;
        if let Some(stored) = &mut row.stored {
            stored.is_replaceable = false;
            stored.undated_ms = None;
            stored.is_marked = true;
            if let Until::Hub(_) = now.until {
                stored.until = now.until;
            }
            stored.tag = now.tag;
        }
        row.kind = now.kind;
        let before = std::mem::replace(&mut row.bytes, now.bytes);
        self.bytes = self.bytes - before + now.bytes;
    }

    /// Whether nothing is on its way, and what is next must not go before storage has noted that it does.
    pub(crate) fn awaits_mark(&self) -> bool {
        self.rows_on_their_way == 0 && self.to_mark().next().is_some()
    }

    /// Of the next rows those that storage is to note something of first, and from when they count by the hub's clock.
    pub(crate) fn to_mark(&self) -> impl Iterator<Item = (RowNo, Option<u64>)> {
        let next = self.rows.iter().filter(|row| !row.is_on_its_way);
        next.take(WINDOW_ROWS_MAX)
            .filter(|row| row.awaits_mark())
            .map(|row| (row.n, row.counts_from_ms()))
    }

    /// Storage has no room to note until when rows count: they are sent all the same, which makes room.
    pub(crate) fn waive_dates(&mut self) {
        for stored in self.rows.iter_mut().filter_map(|row| row.stored.as_mut()) {
            stored.undated_ms = None;
        }
    }
}
