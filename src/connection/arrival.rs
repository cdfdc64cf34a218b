//! An answer to a poll, or a record in parts, while it arrives: how long it may take (rule B4).
//!
//! Owns the count of its bytes. Whether anything arrives at all is heartbeat's.

use crate::config::ARRIVAL_MS_MAX;
use crate::time::Time;
use crate::wire::slow_ms;

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

    /// When it is given up, unless more of it arrives. What a line of 8 kB/s brings never is.
    pub(crate) fn until(&self) -> Time {
        self.begun.plus(ARRIVAL_MS_MAX + slow_ms(self.bytes))
    }
}
