//! Forks: the hub knows other publications by our numbers, because the outbox was copied (rule H8).
//!
//! Owns which rows wait for the outbox's next identity, and when the outbox may take it. Storage
//! decides which identity that is.

use super::Outbox;
use super::row::{Identity, QueuedRow};
use crate::ids::RowNo;

/// How sure the hub is that a number belongs to another publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The hub has the other publication.
    Certain,
    /// The hub has forgotten the number. It may have had this very row.
    Possible,
}

impl Outbox {
    /// The hub knows another publication by this row's number. True if the row now waits for the
    /// outbox's next identity. Only a row in storage does so, and only once.
    pub(crate) fn conflicts(&mut self, n: RowNo, conflict: Conflict) -> bool {
        let last = self.rows.back().map_or(n, |row| row.n);
        let Some(row) = self.find(n) else {
            return false;
        };
        // If the row was sent before, it may be the publication that the hub has forgotten.
        let is_doubtful = conflict == Conflict::Possible && row.attempts > 1;
        if row.stored.is_none() || row.identity != Identity::Own || is_doubtful {
            return false;
        }
        row.identity = Identity::Conflicting;
        self.take_back(n);
        self.forked_at.get_or_insert(last);
        true
    }

    /// Whether the client may send a row under the current identity.
    pub(super) fn is_sendable(row: &QueuedRow, forked_at: Option<RowNo>) -> bool {
        row.identity != Identity::Conflicting && forked_at.is_none_or(|last| row.n <= last)
    }

    /// Whether the outbox must take its next identity now: every row that may have been sent under
    /// the current one has its verdict.
    pub(crate) fn awaits_name(&self) -> bool {
        let Some(last) = self.forked_at else {
            return false;
        };
        let mut before = self.rows.iter().take_while(|row| row.n <= last);
        before.all(|row| {
            // If dead letters pause topics, the client sends nothing behind a waiting row of the
            // topic.
            let is_held = self.pauses.is_some() && row.attempts == 0;
            row.identity == Identity::Conflicting || is_held
        })
    }

    /// The outbox has another identity, under which its rows are new.
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
