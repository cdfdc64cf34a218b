//! Adapts the poll timeout to proxies that cut long polls, always at the same age.
//!
//! Owns the timeout. The hub's own limit comes with each welcome, and `established` applies it.

use crate::config::{POLL_CUT_MS_MIN, POLL_TIMEOUT_MS, POLL_TIMEOUT_MS_MIN};

/// Two cuts have the same age if they differ by at most this part of the older one.
const SAME_AGE_PART: u64 = 8;

/// After so many full polls in a row the client tries a longer timeout. Doubles each time that it
/// was too long.
const FULL_POLLS: u32 = 4;

/// The most polls before a longer timeout: a quarter of an hour of polls of 15 s.
const FULL_POLLS_MAX: u32 = 64;

#[derive(Debug)]
pub(crate) struct PollTimeout {
    ms: u64,
    /// The age of the last cut, unless a later poll was held for longer.
    cut_ms: Option<u64>,
    /// Polls in a row that were held for the whole timeout.
    full: u32,
    /// So many of them make the timeout longer.
    full_wanted: u32,
}

impl Default for PollTimeout {
    fn default() -> Self {
        Self {
            ms: POLL_TIMEOUT_MS,
            cut_ms: None,
            full: 0,
            full_wanted: FULL_POLLS,
        }
    }
}

impl PollTimeout {
    /// The timeout to ask for, ms.
    pub(crate) fn ms(&self) -> u64 {
        self.ms
    }

    /// Something cut a poll after `age_ms`. One cut may be anything. The second cut at the same age
    /// comes from a proxy.
    pub(crate) fn cut(&mut self, age_ms: u64) {
        if age_ms < POLL_CUT_MS_MIN {
            return;
        }
        self.full = 0;
        let before = self.cut_ms.replace(age_ms);
        if before.is_some_and(|before| is_same(before, age_ms)) {
            if self.ms < POLL_TIMEOUT_MS {
                self.full_wanted = (self.full_wanted * 2).min(FULL_POLLS_MAX);
            }
            let too_long_ms = self.ms.min(age_ms);
            self.ms = (too_long_ms - too_long_ms / 4).max(POLL_TIMEOUT_MS_MIN);
        }
    }

    /// A poll that asked to be held for `asked_ms` was answered after `age_ms`.
    pub(crate) fn answered(&mut self, age_ms: u64, asked_ms: u64) {
        if self.cut_ms.is_some_and(|cut_ms| age_ms > cut_ms) {
            self.cut_ms = None;
        }
        if self.ms >= POLL_TIMEOUT_MS || age_ms < asked_ms {
            return;
        }
        self.full += 1;
        if self.full >= self.full_wanted {
            self.full = 0;
            self.ms = (self.ms + self.ms / 4).min(POLL_TIMEOUT_MS);
        }
    }
}

/// Whether one timeout explains both ages. A browser repeats a request once by itself if its
/// connection was used before. So one age may be twice the other.
fn is_same(one_ms: u64, other_ms: u64) -> bool {
    let (less, more) = (one_ms.min(other_ms), one_ms.max(other_ms));
    let is_near = |ms: u64| more.abs_diff(ms) <= ms / SAME_AGE_PART;
    is_near(less) || is_near(2 * less)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls through a proxy that cuts at `limit_ms`. Returns each timeout, and whether it was cut.
    fn polled(timeout: &mut PollTimeout, limit_ms: u64, polls: usize) -> Vec<(u64, bool)> {
        let poll = |_| {
            let ms = timeout.ms();
            let is_cut = ms > limit_ms;
            if is_cut {
                timeout.cut(limit_ms);
            } else {
                timeout.answered(ms, ms);
            }
            (ms, is_cut)
        };
        (0..polls).map(poll).collect()
    }

    fn cuts(polls: &[(u64, bool)]) -> usize {
        polls.iter().filter(|(_, is_cut)| *is_cut).count()
    }

    #[test]
    fn a03_two_cuts_at_the_same_age_make_the_timeout_shorter_than_it() {
        let mut timeout = PollTimeout::default();
        let polls = polled(&mut timeout, 10_000, 4);
        assert_eq!(cuts(&polls), 2, "{polls:?}");
        assert!((5_000..10_000).contains(&timeout.ms()), "{}", timeout.ms());
    }

    #[test]
    fn a03_cuts_at_different_ages_say_nothing() {
        let mut timeout = PollTimeout::default();
        for age_ms in [3_000, 17_000, 11_000, 500, 500, 15_000] {
            timeout.cut(age_ms);
        }
        assert_eq!(timeout.ms(), POLL_TIMEOUT_MS);
    }

    #[test]
    fn a03_a_cut_that_the_browser_hides_by_asking_once_more_is_learned_too() {
        for twice in [[true, true], [true, false], [false, true]] {
            let mut timeout = PollTimeout::default();
            let mut cuts = twice.into_iter().cycle().take(12);
            while timeout.ms() > 3_000 {
                timeout.cut(if cuts.next().unwrap() { 6_000 } else { 3_000 });
            }
            assert!(timeout.ms() >= 1_500, "{}", timeout.ms());
        }
    }

    #[test]
    fn a03_what_is_too_long_is_tried_again_ever_more_rarely() {
        let mut timeout = PollTimeout::default();
        let first = cuts(&polled(&mut timeout, 10_000, 200));
        let later = cuts(&polled(&mut timeout, 10_000, 200));
        assert!((3..=10).contains(&first), "{first}");
        assert!(later <= 3, "{later}");
    }

    #[test]
    fn a03_the_timeout_grows_back_where_nothing_cuts_any_more() {
        let mut timeout = PollTimeout::default();
        polled(&mut timeout, 10_000, 10);
        let polls = polled(&mut timeout, u64::MAX, 100);
        assert!(polls.is_sorted(), "{polls:?}");
        assert_eq!(timeout.ms(), POLL_TIMEOUT_MS);
    }

    #[test]
    fn a_poll_that_outlives_an_earlier_cut_acquits_the_proxy() {
        let mut timeout = PollTimeout::default();
        timeout.cut(10_000);
        timeout.answered(20_000, POLL_TIMEOUT_MS);
        timeout.cut(10_000);
        assert_eq!(timeout.ms(), POLL_TIMEOUT_MS);
    }
}
