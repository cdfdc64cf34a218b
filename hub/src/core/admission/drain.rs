//! The speed of a drain (rule R2). The hub closes its connections one after another, or sends a
//! wide reconnect window, so that the clients do not all come back at once.
//!
//! Knows no connections.

use super::bucket::spread_ms;
use crate::core::time::Time;

/// The reconnect window of a client that is closed in its turn, ms. Chosen: its own first one.
const SPREAD_MS: u64 = 1_000;

/// One drain.
#[derive(Clone, Debug)]
pub struct Drain {
    began: Time,
    connections: u64,
    over_ms: u64,
    spread_ms: u64,
    /// The number of connections that were due so far.
    closed: u64,
}

impl Drain {
    /// A drain of `connections` in `over_ms`. Without `over_ms` it takes so long that at most
    /// `per_s` clients a second come back.
    #[must_use]
    pub fn new(now: Time, connections: u64, per_s: u64, over_ms: Option<u64>) -> Self {
        // Arrivals vary from second to second. If each client comes back within a second of its
        // turn, the standard deviation is the square root of a third of the rate. If all come back
        // anywhere in a long window, it is the square root of the rate. The drain lowers the rate
        // by four of these.
        let paced_ms = spread_ms(connections, lowered(per_s, per_s.saturating_mul(16) / 3));
        let over_ms = over_ms.unwrap_or(paced_ms);
        let spread_ms = if over_ms >= paced_ms {
            SPREAD_MS
        } else {
            spread_ms(connections, lowered(per_s, per_s.saturating_mul(16))).max(SPREAD_MS)
        };
        Self {
            began: now,
            connections,
            over_ms,
            spread_ms,
            closed: 0,
        }
    }

    /// The reconnect window for each client, ms.
    #[must_use]
    pub fn spread_ms(&self) -> u64 {
        self.spread_ms
    }

    /// How many more connections to close now. At the end: all that are left.
    pub fn take_due(&mut self, now: Time) -> u64 {
        if self.is_over(now) {
            return u64::MAX;
        }
        let passed_ms = now.since(self.began);
        let due = passed_ms.saturating_mul(self.connections) / self.over_ms.max(1) + 1;
        let more = due.saturating_sub(self.closed);
        self.closed = self.closed.max(due);
        more
    }

    /// When the next connection is due.
    #[must_use]
    pub fn deadline(&self) -> Time {
        let ms = self.closed.saturating_mul(self.over_ms);
        let ms = ms.div_ceil(self.connections.max(1));
        self.began.plus(ms.min(self.over_ms))
    }

    /// Whether the drain's time is over.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        now.since(self.began) >= self.over_ms
    }
}

/// The rate less the square root of `variance`, but at least half of the rate.
fn lowered(per_s: u64, variance: u64) -> u64 {
    let per_s = per_s.max(1);
    per_s
        .saturating_sub(variance.isqrt())
        .max(per_s.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times at which a driver would close each connection.
    fn closes(drain: &mut Drain, connections: u64) -> Vec<u64> {
        let mut times = Vec::new();
        loop {
            let now = drain.deadline();
            let left = connections - u64::try_from(times.len()).unwrap();
            let due = drain.take_due(now).min(left);
            times.extend((0..due).map(|_| now.0));
            if drain.is_over(now) {
                return times;
            }
        }
    }

    #[test]
    fn s40_closes_are_even_and_the_first_one_is_at_once() {
        let mut drain = Drain::new(Time(1_000), 5, 100, Some(1_000));
        assert_eq!(closes(&mut drain, 5), [1_000, 1_200, 1_400, 1_600, 1_800]);
        for (connections, over_ms) in [(2_500, None), (7, Some(3)), (10_000, Some(60_000))] {
            let mut drain = Drain::new(Time(0), connections, 100, over_ms);
            let times = closes(&mut drain, connections);
            assert_eq!(times.len(), usize::try_from(connections).unwrap());
            assert!(times.is_sorted());
        }
    }

    #[test]
    fn s40_as_long_as_it_takes_is_a_little_slower_than_the_rate() {
        let last = |connections, per_s| {
            let mut drain = Drain::new(Time(0), connections, per_s, None);
            assert_eq!(drain.spread_ms(), 1_000);
            closes(&mut drain, connections).last().copied()
        };
        assert_eq!(last(2_500, 100), Some(32_455));
        assert_eq!(last(20, 2_000), Some(10), "a developer's hub");
        assert_eq!(last(4, 1), Some(3_000));
    }

    #[test]
    fn r2_clients_that_are_closed_faster_than_other_hubs_admit_get_a_wide_window() {
        let window = |over_ms| Drain::new(Time(0), 2_500, 100, Some(over_ms)).spread_ms();
        assert_eq!(
            [window(0), window(10_000), window(60_000)],
            [41_666, 41_666, 1_000]
        );
        let mut drain = Drain::new(Time(0), 2_500, 100, Some(0));
        assert_eq!(closes(&mut drain, 2_500), vec![0; 2_500]);
        let mut nobody = Drain::new(Time(0), 0, 100, None);
        assert_eq!(closes(&mut nobody, 0), [0; 0]);
    }
}
