//! The poll interval: short after news, and longer while none arrive.
//!
//! Owns the growth, the jitter and the bounds. `poll_policy` decides whether polls are short.

use crate::config::{IDLE_POLL_MS_MAX, IDLE_POLL_MS_MIN, NO_SLOT_POLL_MS_MAX, NO_SLOT_POLL_MS_MIN};

/// An interval is at most this many halves of the one before it.
const GROWTH_HALVES: u64 = 3;

/// Jitter shortens an interval by at most this part of it, so that clients that began together
/// drift apart.
const JITTER_PART: u64 = 5;

/// The shortest and the longest interval, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    min_ms: u64,
    max_ms: u64,
}

/// The client is idle.
pub(crate) const IDLE: Bounds = Bounds {
    min_ms: IDLE_POLL_MS_MIN,
    max_ms: IDLE_POLL_MS_MAX,
};

/// The client is not idle, but it has no slot.
pub(crate) const WITHOUT_SLOT: Bounds = Bounds {
    min_ms: NO_SLOT_POLL_MS_MIN,
    max_ms: NO_SLOT_POLL_MS_MAX,
};

#[derive(Debug, Default)]
pub(crate) struct PollInterval {
    /// The last interval without its jitter, ms.
    ms: u64,
}

impl PollInterval {
    /// The next interval, ms.
    pub(crate) fn next(&mut self, bounds: Bounds, has_news: bool, rng: &mut fastrand::Rng) -> u64 {
        // The shortest interval stays within the bound even with the largest jitter.
        let min_ms = bounds.min_ms * JITTER_PART / (JITTER_PART - 1);
        let grown_ms = if has_news {
            0
        } else {
            self.ms * GROWTH_HALVES / 2
        };
        self.ms = grown_ms.clamp(min_ms, bounds.max_ms);
        rng.u64(self.ms - self.ms / JITTER_PART..=self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(bounds: Bounds, seed: u64) -> Vec<u64> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut poll_interval = PollInterval::default();
        (0..12)
            .map(|_| poll_interval.next(bounds, false, &mut rng))
            .collect()
    }

    #[test]
    fn intervals_grow_while_nothing_arrives_and_stay_within_their_bounds() {
        for bounds in [IDLE, WITHOUT_SLOT] {
            for seed in 0..200 {
                let intervals = intervals(bounds, seed);
                let (first, last) = (intervals[0], intervals[11]);
                assert!(first <= bounds.min_ms * 5 / 4, "{intervals:?}");
                assert!(last >= bounds.max_ms * 4 / 5, "{intervals:?}");
                let within = |ms: &u64| (bounds.min_ms..=bounds.max_ms).contains(ms);
                assert!(intervals.iter().all(within), "{intervals:?}");
            }
        }
    }

    #[test]
    fn news_makes_the_next_interval_short_again() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut poll_interval = PollInterval::default();
        for _ in 0..12 {
            poll_interval.next(IDLE, false, &mut rng);
        }
        assert!(poll_interval.next(IDLE, true, &mut rng) <= IDLE_POLL_MS_MIN * 5 / 4);
    }

    #[test]
    fn two_clients_have_different_intervals_and_one_seed_always_the_same() {
        assert_eq!(intervals(IDLE, 1), intervals(IDLE, 1));
        assert_ne!(intervals(IDLE, 1), intervals(IDLE, 2));
    }
}
