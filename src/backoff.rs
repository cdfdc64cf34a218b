//! How long to wait before the next attempt.
//!
//! Owns the count of failures and how it falls again. Knows neither clock nor connection.

use crate::config::{BACKOFF_DECAY_MS, BACKOFF_FLOOR_MS, BackoffPolicy, Jitter};

/// Full jitter over a floor with a cap.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(policy: BackoffPolicy) -> Self {
        Self {
            policy,
            failures: 0,
        }
    }

    /// Notes a failure and draws the delay before the next attempt, ms: uniform in [floor, min(cap, base * factor^(n-1))]
    /// after the n-th failure. A floor that the hub set is a start, not a meeting point: the window is then added to it, so
    /// that clients told the same floor still spread. Source: full jitter (AWS, 2015).
    pub(crate) fn delay_ms(&mut self, rng: &mut fastrand::Rng, hub_floor_ms: u64) -> u64 {
        self.failures = self.failures.saturating_add(1);
        let window = self.window_ms();
        let drawn = match self.policy.jitter {
            Jitter::Full => rng.u64(0..=window),
            Jitter::Half => window - rng.u64(0..=window / 2),
            Jitter::None => window,
        };
        if hub_floor_ms > 0 {
            hub_floor_ms.saturating_add(drawn)
        } else if self.policy.jitter == Jitter::Full && window > BACKOFF_FLOOR_MS {
            // Scaled, not clamped: clamping would let a tenth of the clients meet at the floor.
            BACKOFF_FLOOR_MS + drawn * (window - BACKOFF_FLOOR_MS) / window
        } else {
            drawn.max(BACKOFF_FLOOR_MS)
        }
    }

    fn window_ms(&self) -> u64 {
        let cap = self.policy.cap_ms;
        let mut window = self.policy.base_ms.min(cap);
        for _ in 1..self.failures {
            if window == 0 || window >= cap {
                break;
            }
            window = widen(window, self.policy.factor).min(cap);
        }
        window
    }

    /// A connection that was useful for `ms` has ended: half the failures are forgiven for each [`BACKOFF_DECAY_MS`].
    pub(crate) fn was_useful_for(&mut self, ms: u64) {
        let halvings = u32::try_from(ms / BACKOFF_DECAY_MS).unwrap_or(u32::MAX);
        self.failures = self.failures.checked_shr(halvings).unwrap_or(0);
    }

    /// The user asked for an attempt now: forgets everything.
    pub(crate) fn forget(&mut self) {
        self.failures = 0;
    }
}

/// `window * factor`.
#[expect(
    clippy::as_conversions,
    reason = "both are small and not negative: a window is at most the cap, and float-to-integer `as` saturates"
)]
fn widen(window: u64, factor: f64) -> u64 {
    (window as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(jitter: Jitter) -> BackoffPolicy {
        BackoffPolicy {
            jitter,
            ..BackoffPolicy::default()
        }
    }

    #[test]
    fn without_jitter_the_windows_are_1_2_4_8_16_30_30_seconds() {
        let mut backoff = Backoff::new(policy(Jitter::None));
        let mut rng = fastrand::Rng::with_seed(1);
        let delays: Vec<u64> = (0..7).map(|_| backoff.delay_ms(&mut rng, 0)).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    proptest! {
        #[test]
        fn no_delay_leaves_floor_and_cap(
            seed: u64, failures in 0_u32..100, base in 0_u64..100_000, cap in 1_u64..1_000_000,
            factor in 1.0_f64..10.0, kind in 0..3,
        ) {
            let jitter = [Jitter::Full, Jitter::Half, Jitter::None][usize::try_from(kind).unwrap()];
            let mut backoff = Backoff::new(BackoffPolicy { base_ms: base, factor, cap_ms: cap, jitter, attempts_max: 20 });
            backoff.failures = failures;
            let mut rng = fastrand::Rng::with_seed(seed);
            let delay = backoff.delay_ms(&mut rng, 0);
            prop_assert!(delay >= BACKOFF_FLOOR_MS);
            prop_assert!(delay <= cap.max(BACKOFF_FLOOR_MS));
        }

        #[test]
        fn s17_a_floor_from_the_hub_is_honoured_and_spread(seed: u64, floor in 1_u64..100_000) {
            let mut backoff = Backoff::new(policy(Jitter::Full));
            let mut rng = fastrand::Rng::with_seed(seed);
            let delay = backoff.delay_ms(&mut rng, floor);
            prop_assert!((floor..=floor + 1_000).contains(&delay));
        }
    }

    #[test]
    fn clients_told_the_same_floor_spread_over_the_window() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut delays: Vec<u64> = (0..100)
            .map(|_| Backoff::new(policy(Jitter::Full)).delay_ms(&mut rng, 7_000))
            .collect();
        delays.sort_unstable();
        assert!(delays[50] - delays[0] > 300, "{delays:?}");
        assert!(delays[99] - delays[50] > 300, "{delays:?}");
    }

    #[test]
    fn full_jitter_is_flat_over_the_window() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            let mut backoff = Backoff::new(policy(Jitter::Full));
            let delay = backoff.delay_ms(&mut rng, 0);
            tenths[usize::try_from((delay - BACKOFF_FLOOR_MS) * 10 / 901).unwrap()] += 1;
        }
        for count in tenths {
            assert!((9_500..10_500).contains(&count), "{tenths:?}");
        }
    }

    #[test]
    fn half_jitter_stays_in_the_upper_half() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..1_000 {
            let mut backoff = Backoff::new(policy(Jitter::Half));
            assert!((500..=1_000).contains(&backoff.delay_ms(&mut rng, 0)));
        }
    }

    #[test]
    fn failures_are_forgiven_by_halves_while_a_connection_is_useful() {
        let mut backoff = Backoff::new(policy(Jitter::None));
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..8 {
            backoff.delay_ms(&mut rng, 0);
        }
        backoff.was_useful_for(BACKOFF_DECAY_MS - 1);
        assert_eq!(backoff.failures, 8);
        backoff.was_useful_for(BACKOFF_DECAY_MS);
        assert_eq!(backoff.failures, 4);
        backoff.was_useful_for(2 * BACKOFF_DECAY_MS);
        assert_eq!(backoff.failures, 1);
        backoff.was_useful_for(1_000 * BACKOFF_DECAY_MS);
        assert_eq!(backoff.failures, 0);
    }
}
