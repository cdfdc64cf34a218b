//! When storage that could not be opened is tried again.
//!
//! Owns the pauses. No other client is in step with this one, so they need no chance.

use crate::config::PAUSE_MS_MAX;
use crate::time::Time;

/// First pause, ms. Chosen: what heals by itself mostly does so within seconds.
const PAUSE_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Reopening {
    /// Not before.
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
