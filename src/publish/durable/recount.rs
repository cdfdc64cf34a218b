//! When to count the rows in storage again, because what other clients told may be wrong by some: notices get lost and overtake each other.
//!
//! Owns the pauses. The sender has all rows and needs no count.

use crate::time::Time;

/// Pause after the last notice, ms. Chosen: a wrong number that is gone within a second looks like a slow one.
const PAUSE_MS: u64 = 1_000;

/// Longest pause, ms: while notices keep coming, and while rows wait and nothing is told. Chosen: a look reads all rows.
const PAUSE_MS_MAX: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Recount {
    pub(super) at: Option<Time>,
    /// When the first notice came that no count has followed.
    since: Option<Time>,
    /// The last pause without a notice, ms.
    pause_ms: u64,
}

impl Recount {
    /// Another client told of a row.
    pub(super) fn told(&mut self, now: Time) {
        let since = *self.since.get_or_insert(now);
        self.at = Some(now.plus(PAUSE_MS).min(since.plus(PAUSE_MS_MAX)));
        self.pause_ms = 0;
    }

    /// The rows were counted. While others are to send some, they may do so without a word.
    pub(super) fn counted(&mut self, now: Time, are_waiting: bool) {
        self.since = None;
        self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS, PAUSE_MS_MAX);
        self.at = are_waiting.then(|| now.plus(self.pause_ms));
    }

    /// Whether it is time. Says so once.
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}
