//! How long a poll can be held here: something between may cut what is silent for too long, always at the same age.
//!
//! Owns what was learned from cuts. The hub's own bound comes with each welcome and is applied by whoever asks.

use crate::config::{HOLD_CUT_MS_MIN, HOLD_MS, HOLD_MS_MIN};

/// Two cuts are of the same age if they are no further apart than this part of the older one.
const SAME_AGE_PART: u64 = 8;

/// Holds in a row that ran their time before a longer one is tried. Doubles each time that this was too long.
const FULL_HOLDS: u32 = 4;

/// The most holds before a longer one is tried: a quarter of an hour of holds of 15 s.
const FULL_HOLDS_MAX: u32 = 64;

#[derive(Debug)]
pub(crate) struct Hold {
    ms: u64,
    /// The age of the last cut, unless a poll has been held for longer since.
    cut_ms: Option<u64>,
    /// Holds that ran their time, in a row.
    full: u32,
    /// So many of them make the hold longer.
    full_wanted: u32,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            ms: HOLD_MS,
            cut_ms: None,
            full: 0,
            full_wanted: FULL_HOLDS,
        }
    }
}

impl Hold {
    /// What to ask for, ms.
    pub(crate) fn ms(&self) -> u64 {
        self.ms
    }

    /// A poll was cut after so long. One cut may be anything; the second at the same age is something on the way.
    pub(crate) fn cut(&mut self, age_ms: u64) {
        if age_ms < HOLD_CUT_MS_MIN {
            return;
        }
        self.full = 0;
        let before = self.cut_ms.replace(age_ms);
        if before.is_some_and(|before| is_same(before, age_ms)) {
            if self.ms < HOLD_MS {
                self.full_wanted = (self.full_wanted * 2).min(FULL_HOLDS_MAX);
            }
            let too_long_ms = self.ms.min(age_ms);
            self.ms = (too_long_ms - too_long_ms / 4).max(HOLD_MS_MIN);
        }
    }

    /// A poll that asked to be held for `asked_ms` was answered after `age_ms`.
    pub(crate) fn answered(&mut self, age_ms: u64, asked_ms: u64) {
        if self.cut_ms.is_some_and(|cut_ms| age_ms > cut_ms) {
            self.cut_ms = None;
        }
        if self.ms >= HOLD_MS || age_ms < asked_ms {
            return;
        }
        self.full += 1;
        if self.full >= self.full_wanted {
            self.full = 0;
            self.ms = (self.ms + self.ms / 4).min(HOLD_MS);
        }
    }
}

/// Whether two ages are the same time-out's. A browser repeats a request once by itself where a connection that it has used
/// before is cut, so that one age may be twice the other.
fn is_same(one_ms: u64, other_ms: u64) -> bool {
    let (less, more) = (one_ms.min(other_ms), one_ms.max(other_ms));
    let is_near = |ms: u64| more.abs_diff(ms) <= ms / SAME_AGE_PART;
    is_near(less) || is_near(2 * less)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls through something that cuts at `limit_ms`. Gives what was asked for, and which of these were cut.
    fn polled(hold: &mut Hold, limit_ms: u64, polls: usize) -> Vec<(u64, bool)> {
        let poll = |_| {
            let ms = hold.ms();
            let is_cut = ms > limit_ms;
            if is_cut {
                hold.cut(limit_ms);
            } else {
                hold.answered(ms, ms);
            }
            (ms, is_cut)
        };
        (0..polls).map(poll).collect()
    }

    fn cuts(polls: &[(u64, bool)]) -> usize {
        polls.iter().filter(|(_, is_cut)| *is_cut).count()
    }

    #[test]
    fn a03_two_cuts_at_the_same_age_make_the_hold_shorter_than_it() {
        let mut hold = Hold::default();
        let polls = polled(&mut hold, 10_000, 4);
        assert_eq!(cuts(&polls), 2, "{polls:?}");
        assert!((5_000..10_000).contains(&hold.ms()), "{}", hold.ms());
    }

    #[test]
    fn a03_cuts_at_different_ages_say_nothing() {
        let mut hold = Hold::default();
        for age_ms in [3_000, 17_000, 11_000, 500, 500, 15_000] {
            hold.cut(age_ms);
        }
        assert_eq!(hold.ms(), HOLD_MS);
    }

    #[test]
    fn a03_a_cut_that_the_browser_hides_by_asking_once_more_is_learned_too() {
        for twice in [[true, true], [true, false], [false, true]] {
            let mut hold = Hold::default();
            let mut cuts = twice.into_iter().cycle().take(12);
            while hold.ms() > 3_000 {
                hold.cut(if cuts.next().unwrap() { 6_000 } else { 3_000 });
            }
            assert!(hold.ms() >= 1_500, "{}", hold.ms());
        }
    }

    #[test]
    fn a03_what_is_too_long_is_tried_again_ever_more_rarely() {
        let mut hold = Hold::default();
        let first = cuts(&polled(&mut hold, 10_000, 200));
        let later = cuts(&polled(&mut hold, 10_000, 200));
        assert!((3..=10).contains(&first), "{first}");
        assert!(later <= 3, "{later}");
    }

    #[test]
    fn a03_the_hold_grows_back_where_nothing_cuts_any_more() {
        let mut hold = Hold::default();
        polled(&mut hold, 10_000, 10);
        let polls = polled(&mut hold, u64::MAX, 100);
        assert!(polls.is_sorted(), "{polls:?}");
        assert_eq!(hold.ms(), HOLD_MS);
    }

    #[test]
    fn a_hold_that_outlives_an_earlier_cut_acquits_whatever_is_between() {
        let mut hold = Hold::default();
        hold.cut(10_000);
        hold.answered(20_000, HOLD_MS);
        hold.cut(10_000);
        assert_eq!(hold.ms(), HOLD_MS);
    }
}
