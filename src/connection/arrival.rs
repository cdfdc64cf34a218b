//! Limits how long an answer to a poll, or a record in parts, may take to arrive (rule B4).
//!
//! Owns the count of the bytes. `heartbeat` decides whether anything arrives at all.

use crate::config::ARRIVAL_MS_MAX;
use crate::time::Time;
use crate::wire::slow_ms;

/// A piece of an answer, or of a record in parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: usize,
    /// The next piece follows at once.
    pub(crate) has_more: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    begun: Time,
    bytes: usize,
}

impl Arrival {
    pub(crate) fn new(begun: Time) -> Self {
        Self { begun, bytes: 0 }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// When the client gives up, unless more arrives. A line of 8 kB/s is always fast enough.
    pub(crate) fn until(&self) -> Time {
        self.begun.plus(ARRIVAL_MS_MAX + slow_ms(self.bytes))
    }
}
