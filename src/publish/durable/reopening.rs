//! When to open storage again after it failed to open.
//!
//! Owns the pauses. They need no jitter, because clients don't fail in step.

use crate::config::PAUSE_MS_MAX;
use crate::time::Time;

/// First pause, ms. Chosen: most failures that heal do so within seconds.
const PAUSE_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Reopening {
    /// The earliest time for the next attempt.
    pub(super) at: Option<Time>,
    /// The last pause, ms; 0 after a success.
    pause_ms: u64,
}

impl Reopening {
    pub(super) fn failed(&mut self, now: Time) {
        self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS, PAUSE_MS_MAX);
        self.at = Some(now.plus(self.pause_ms));
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}
