//! The repeat pause: a growing pause before a request that the hub's last answer makes necessary.
//!
//! Owns the growth, the jitter and the limit. The caller decides what counts as progress.

use crate::config::{PAUSE_MS_MAX, WELL_MS};
use crate::time::Time;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RepeatPause {
    /// Pauses since the last progress.
    times: u32,
    last: Option<Time>,
}

impl RepeatPause {
    /// When to repeat a request. `None` means at once, for the first time after [`WELL_MS`] without
    /// one.
    pub(crate) fn next(
        &mut self,
        now: Time,
        first_ms: u64,
        rng: &mut fastrand::Rng,
    ) -> Option<Time> {
        if self.is_well(now) {
            self.times = 0;
            self.last = Some(now);
            return None;
        }
        Some(self.grow(now, first_ms, rng))
    }

    /// The same, but never at once. A pause is half to all of a window, which begins with
    /// `first_ms` and doubles each time.
    pub(crate) fn grow(&mut self, now: Time, first_ms: u64, rng: &mut fastrand::Rng) -> Time {
        if self.is_well(now) {
            self.times = 0;
        }
        let window_ms = (first_ms << self.times.min(16)).min(PAUSE_MS_MAX);
        self.times = self.times.saturating_add(1);
        self.last = Some(now);
        now.plus(rng.u64(window_ms / 2..=window_ms))
    }

    /// The request helped: the next pause is a first one.
    pub(crate) fn progressed(&mut self) {
        self.times = 0;
    }

    fn is_well(&self, now: Time) -> bool {
        self.last.is_none_or(|last| now.since(last) >= WELL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time(1_000_000);

    /// The pauses of a request that repeats as soon as it may, ms.
    fn pauses(pause: &mut RepeatPause, seed: u64) -> Vec<u64> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut now = T0;
        let next = |_| {
            let at = pause.next(now, 1_000, &mut rng).unwrap_or(now);
            at.since(std::mem::replace(&mut now, at))
        };
        (0..12).map(next).collect()
    }

    #[test]
    fn f22_the_first_time_is_at_once_and_the_pauses_after_it_grow_to_a_minute() {
        for seed in 0..100 {
            let seen = pauses(&mut RepeatPause::default(), seed);
            assert_eq!(seen[0], 0);
            for (ms, times) in seen[1..].iter().zip(0..) {
                let window_ms = (1_000 << times).min(60_000);
                assert!((window_ms / 2..=window_ms).contains(ms), "{seen:?}");
            }
        }
        assert_ne!(
            pauses(&mut RepeatPause::default(), 1),
            pauses(&mut RepeatPause::default(), 2)
        );
    }

    #[test]
    fn f22_after_progress_comes_a_first_pause_and_after_a_calm_time_none() {
        let mut pause = RepeatPause::default();
        let now = T0.plus(pauses(&mut pause, 1).iter().sum());
        pause.progressed();
        let mut rng = fastrand::Rng::with_seed(1);
        let first = pause.grow(now, 1_000, &mut rng).since(now);
        assert!((500..=1_000).contains(&first), "{first}");
        assert!(pause.next(now.plus(WELL_MS - 1), 1_000, &mut rng).is_some());
        let later = now.plus(2 * WELL_MS);
        assert_eq!(pause.next(later, 1_000, &mut rng), None);
    }
}
