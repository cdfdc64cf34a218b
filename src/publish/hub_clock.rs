//! The hub's clock, as its welcome told it.
//!
//! Owns the conversion between times to live and moments of that clock.

use crate::config::ROW_MS_MAX;
use crate::interface::publication::Until;
use crate::time::Time;

/// The hub's time, ms since 1970, and when the client received it.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ms: u64,
    at: Time,
}

#[derive(Debug, Default)]
pub(super) struct HubClock(Option<Reading>);

impl HubClock {
    pub(super) fn set(&mut self, now: Time, ms: u64) {
        self.0 = Some(Reading { ms, at: now });
    }

    /// The hub's time now, if a welcome has told it.
    pub(super) fn at(&self, now: Time) -> Option<u64> {
        let Reading { ms, at } = self.0?;
        Some(ms.saturating_add(now.since(at)))
    }

    /// The machine slept, and the clock behind `now` stood still.
    pub(super) fn slept(&mut self, ms: u64) {
        if let Some(reading) = &mut self.0 {
            reading.ms = reading.ms.saturating_add(ms);
        }
    }

    /// When a time to live that begins now ends.
    pub(super) fn until(&self, now: Time, ttl_ms: Option<u64>) -> Until {
        let ttl_ms = ttl_ms.unwrap_or(ROW_MS_MAX).min(ROW_MS_MAX);
        match self.at(now) {
            Some(ms) => Until::Hub(ms.saturating_add(ttl_ms)),
            None => Until::Left(ttl_ms),
        }
    }

    /// What is left of a time to live, ms. `None` if only the hub's clock can tell.
    pub(super) fn ttl_ms(&self, now: Time, until: Until) -> Option<u64> {
        match until {
            Until::Hub(until_ms) => self.at(now).map(|ms| until_ms.saturating_sub(ms)),
            Until::Left(ms) => Some(ms),
        }
    }
}
