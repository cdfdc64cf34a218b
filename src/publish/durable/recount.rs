//! When to count the stored rows again: tab messages get lost and overtake each other, so the count
//! may be wrong.
//!
//! Owns the pauses. The leader knows all rows and needs no count.

use crate::time::Time;

/// Pause after the last tab message, ms. Chosen: users take a wrong number that lasts a second for
/// a slow one.
const PAUSE_MS: u64 = 1_000;

/// Longest pause, ms: while tab messages keep coming, and while rows wait without any. Chosen: a
/// count reads all rows.
const PAUSE_MS_MAX: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Recount {
    pub(super) at: Option<Time>,
    /// When the first tab message came that no count has followed.
    since: Option<Time>,
    /// The last pause without a tab message, ms.
    pause_ms: u64,
}

impl Recount {
    /// Another client sent news about a row.
    pub(super) fn tab_message_received(&mut self, now: Time) {
        let since = *self.since.get_or_insert(now);
        self.at = Some(now.plus(PAUSE_MS).min(since.plus(PAUSE_MS_MAX)));
        self.pause_ms = 0;
    }

    /// The client has counted the rows. If rows wait for another leader, it may send them without a
    /// tab message.
    pub(super) fn counted(&mut self, now: Time, are_waiting: bool) {
        self.since = None;
        self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS, PAUSE_MS_MAX);
        self.at = are_waiting.then(|| now.plus(self.pause_ms));
    }

    /// Whether a count is due. True once for each.
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}
