//! What happens when the hub knows other publications by our numbers, because the outbox was copied with its name (rule H8).
//!
//! Owns which rows wait for another name and when it may be taken. Whose name it is then, storage says.

use super::Outbox;
use super::row::{Identity, QueuedRow};
use crate::ids::RowNo;

impl Outbox {
    /// The hub has a publication with this row's number that is not this row. True if the row now waits for the outbox's next name: a
    /// row in storage does, once.
    pub(crate) fn conflicts(&mut self, n: RowNo, is_certain: bool) -> bool {
        let last = self.rows.back().map_or(n, |row| row.n);
        let Some(row) = self.find(n) else {
            return false;
        };
        // A row that was sent before may be the publication that the hub has forgotten.
        let is_doubtful = !is_certain && row.attempts > 1;
        if row.stored.is_none() || row.identity != Identity::Own || is_doubtful {
            return false;
        }
        row.identity = Identity::Conflicting;
        self.take_back(n);
        self.forked_at.get_or_insert(last);
        true
    }

    /// Whether a row may be sent under the name of today.
    pub(super) fn is_sendable(row: &QueuedRow, forked_at: Option<RowNo>) -> bool {
        row.identity != Identity::Conflicting && forked_at.is_none_or(|last| row.n <= last)
    }

    /// Whether the outbox is to have another name now: of the rows that may have been sent under this one each has its verdict.
    pub(crate) fn awaits_name(&self) -> bool {
        let Some(last) = self.forked_at else {
            return false;
        };
        let mut before = self.rows.iter().take_while(|row| row.n <= last);
        before.all(|row| {
            // Behind a row of its topic that waits, nothing is sent where dead letters stop topics.
            let is_held = self.pauses.is_some() && row.attempts == 0;
            row.identity == Identity::Conflicting || is_held
        })
    }

    /// The outbox has another name, under which its rows are new.
    pub(crate) fn renamed(&mut self, producer: &str) {
        producer.clone_into(&mut self.producer);
        self.forked_at = None;
        for row in &mut self.rows {
            if row.identity == Identity::Conflicting {
                row.identity = Identity::Moved;
            }
        }
    }
}
