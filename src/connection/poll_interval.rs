//! How long to rest between short polls: briefly after news, longer while nothing comes, never all at once.
//!
//! Owns the growth and the bounds. Whether polls are short at all is pace's.

use crate::config::{IDLE_POLL_MS_MAX, IDLE_POLL_MS_MIN, NO_SLOT_POLL_MS_MAX, NO_SLOT_POLL_MS_MIN};

/// A rest is at most this much longer than the one before it, in halves.
const GROWTH_HALVES: u64 = 3;

/// The part of a rest that chance takes off or leaves, so that clients that began together drift apart.
const JITTER_PART: u64 = 5;

/// Between which times a rest stays, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    min_ms: u64,
    max_ms: u64,
}

/// Nobody waits for it.
pub(crate) const QUIET: Bounds = Bounds {
    min_ms: IDLE_POLL_MS_MIN,
    max_ms: IDLE_POLL_MS_MAX,
};

/// Somebody does, but the browser has no connection to spare.
pub(crate) const CROWDED: Bounds = Bounds {
    min_ms: NO_SLOT_POLL_MS_MIN,
    max_ms: NO_SLOT_POLL_MS_MAX,
};

#[derive(Debug, Default)]
pub(crate) struct PollInterval {
    /// The last rest before chance, ms.
    ms: u64,
}

impl PollInterval {
    /// The next rest, ms.
    pub(crate) fn next(&mut self, bounds: Bounds, has_news: bool, rng: &mut fastrand::Rng) -> u64 {
        // What chance may take off is put on first, so that the shortest rest keeps the bound.
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

    fn rests(bounds: Bounds, seed: u64) -> Vec<u64> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut poll_interval = PollInterval::default();
        (0..12)
            .map(|_| poll_interval.next(bounds, false, &mut rng))
            .collect()
    }

    #[test]
    fn rests_grow_while_nothing_comes_and_stay_within_their_bounds() {
        for bounds in [QUIET, CROWDED] {
            for seed in 0..200 {
                let rests = rests(bounds, seed);
                let (first, last) = (rests[0], rests[11]);
                assert!(first <= bounds.min_ms * 5 / 4, "{rests:?}");
                assert!(last >= bounds.max_ms * 4 / 5, "{rests:?}");
                let within = |ms: &u64| (bounds.min_ms..=bounds.max_ms).contains(ms);
                assert!(rests.iter().all(within), "{rests:?}");
            }
        }
    }

    #[test]
    fn news_makes_the_next_rest_short_again() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut poll_interval = PollInterval::default();
        for _ in 0..12 {
            poll_interval.next(QUIET, false, &mut rng);
        }
        assert!(poll_interval.next(QUIET, true, &mut rng) <= IDLE_POLL_MS_MIN * 5 / 4);
    }

    #[test]
    fn two_clients_rest_differently_and_one_seed_always_the_same() {
        assert_eq!(rests(QUIET, 1), rests(QUIET, 1));
        assert_ne!(rests(QUIET, 1), rests(QUIET, 2));
    }
}
