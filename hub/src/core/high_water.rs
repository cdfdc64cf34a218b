//! The most clients that were here of late: how wide the herd is that comes back if all are lost at once.
//!
//! Lives as long as the process. What was before, an operator may tell (`expect_connections`).

use super::time::Time;

/// How long a mark stands at least, ms; twice as long at most. Chosen: who can resume after an outage (five minutes of
/// retained messages) is still expected.
const MARK_MS: u64 = 300_000;

#[derive(Debug)]
pub(crate) struct HighWater {
    since: Time,
    mark: usize,
    mark_before: usize,
}

impl HighWater {
    /// As if so many had been here just now.
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            since: Time::default(),
            mark: clients,
            mark_before: 0,
        }
    }

    /// The most of late, `clients` of now included.
    pub(crate) fn most(&mut self, now: Time, clients: usize) -> usize {
        let passed_ms = now.since(self.since);
        if passed_ms >= MARK_MS {
            self.mark_before = if passed_ms < 2 * MARK_MS {
                self.mark
            } else {
                0
            };
            self.mark = 0;
            self.since = now;
        }
        self.mark = self.mark.max(clients);
        self.mark.max(self.mark_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_a_mark_stands_for_five_to_ten_minutes() {
        let mut high = HighWater::new(70);
        assert_eq!(high.most(Time(0), 3), 70, "what was expected");
        assert_eq!(high.most(Time(299_999), 100), 100);
        assert_eq!(high.most(Time(300_000), 5), 100);
        assert_eq!(high.most(Time(599_999), 6), 100);
        assert_eq!(high.most(Time(600_000), 5), 6);
        assert_eq!(high.most(Time(9_000_000), 4), 4);
    }
}
