//! The peak number of connections in the last minutes. So many clients come back if all are lost at
//! once.
//!
//! The peak lasts as long as the process. `expect_connections` sets it for the time after a start.

use crate::core::time::Time;

/// A peak lasts at least this long, ms, and at most twice as long. Chosen: the hub still expects
/// the clients that can resume after an outage, for which it retains messages for five minutes.
const PEAK_MS: u64 = 300_000;

#[derive(Debug)]
pub(crate) struct PeakConnections {
    /// When the present period began.
    since: Time,
    peak: usize,
    /// The peak of the period before.
    peak_before: usize,
}

impl PeakConnections {
    /// Starts as if the hub had just had this many clients.
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            since: Time::default(),
            peak: clients,
            peak_before: 0,
        }
    }

    /// The peak, with the present number of clients.
    pub(crate) fn update(&mut self, now: Time, clients: usize) -> usize {
        let passed_ms = now.since(self.since);
        if passed_ms >= PEAK_MS {
            self.peak_before = if passed_ms < 2 * PEAK_MS {
                self.peak
            } else {
                0
            };
            self.peak = 0;
            self.since = now;
        }
        self.peak = self.peak.max(clients);
        self.peak.max(self.peak_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_a_peak_lasts_five_to_ten_minutes() {
        let mut peak = PeakConnections::new(70);
        assert_eq!(peak.update(Time(0), 3), 70, "what was expected");
        assert_eq!(peak.update(Time(299_999), 100), 100);
        assert_eq!(peak.update(Time(300_000), 5), 100);
        assert_eq!(peak.update(Time(599_999), 6), 100);
        assert_eq!(peak.update(Time(600_000), 5), 6);
        assert_eq!(peak.update(Time(9_000_000), 4), 4);
    }
}
