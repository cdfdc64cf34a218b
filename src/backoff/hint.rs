//! The hints in a hub's close reasons: when to come back (rules R1 and R2).
//!
//! The hub writes them with the same code. A reason is text from a peer. Unreadable options do not
//! count, and numbers out of range are clamped.

use std::fmt;

use crate::wire::record::{cut, parse_number, parts};

/// The longest wait that a hub can ask for, ms. Chosen: longer than any thundering herd, and short
/// enough that a wrong number does no lasting harm.
pub use crate::boundary::RETRY_MS_MAX as HINT_MS_MAX;

/// When the hub wants the client back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Not sooner than this, ms. The spread is added to it.
    pub retry_ms: Option<u64>,
    /// The reconnect window, ms.
    pub spread_ms: Option<u64>,
}

impl Hint {
    /// Reads the options at the end of a close reason. If a key comes twice, the last one counts.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let mut hint = Self::default();
        for word in parts(reason, b' ') {
            let (key, Some(value)) = cut(word, b'=') else {
                // The options before this word are not at the end.
                hint = Self::default();
                continue;
            };
            let field = match key {
                "retry" => &mut hint.retry_ms,
                "spread" => &mut hint.spread_ms,
                _ => continue,
            };
            if let Some(ms) = parse_number(value) {
                *field = Some(clamp(ms));
            }
        }
        hint
    }
}

/// Limits a number of ms from a peer.
pub(crate) fn clamp(ms: u64) -> u64 {
    ms.min(HINT_MS_MAX)
}

/// A close reason with the minimum retry delay that HTTP gave beside it, in the form of rule R1.
pub(crate) fn with_retry_after(reason: &str, retry_after_ms: u64) -> String {
    let mut words = String::from(reason);
    if retry_after_ms > 0 {
        words.push_str(" retry=");
        words.push_str(itoa::Buffer::new().format(clamp(retry_after_ms)));
    }
    words
}

/// The options, with a space before each, to follow the message.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in [("retry", self.retry_ms), ("spread", self.spread_ms)] {
            if let Some(ms) = value {
                write!(f, " {key}={}", clamp(ms))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hint(retry_ms: Option<u64>, spread_ms: Option<u64>) -> Hint {
        Hint {
            retry_ms,
            spread_ms,
        }
    }

    #[test]
    fn r1_options_stand_at_the_end_in_any_order() {
        for (reason, expected) in [
            (
                "try_again_later 9000 connections retry=7000 spread=50000",
                hint(Some(7_000), Some(50_000)),
            ),
            (
                "going_away spread=30000 retry=0",
                hint(Some(0), Some(30_000)),
            ),
            ("spread=1", hint(None, Some(1))),
            (
                "going_away for=maintenance spread=1 node=3",
                hint(None, Some(1)),
            ),
        ] {
            assert_eq!(Hint::of(reason), expected, "{reason}");
        }
    }

    #[test]
    fn r1_what_is_not_an_option_at_the_end_is_none() {
        for reason in [
            "",
            " ",
            "going_away",
            "retry=1 was asked for by somebody",
            "going_away retry=",
            "going_away retry=soon",
            "going_away retry=-1",
            "going_away retry=1.5",
            "going_away retry=007",
            "going_away retry=99999999999999999999",
            "going_away Retry=1",
            "going_away retry =1",
            "going_away retry=1 ",
            "going_away =1",
        ] {
            assert_eq!(Hint::of(reason), Hint::default(), "{reason:?}");
        }
    }

    #[test]
    fn r1_the_last_readable_value_of_a_key_counts() {
        assert_eq!(Hint::of("x retry=1 retry=2"), hint(Some(2), None));
        assert_eq!(Hint::of("x retry=1 retry=no"), hint(Some(1), None));
    }

    #[test]
    fn r1_an_hour_is_the_most_that_a_hub_can_ask_for() {
        assert_eq!(
            Hint::of("x retry=3600001 spread=9007199254740991"),
            hint(Some(HINT_MS_MAX), Some(HINT_MS_MAX))
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(retry in proptest::option::of(0..=HINT_MS_MAX), spread in proptest::option::of(0..=HINT_MS_MAX)) {
            let hint = hint(retry, spread);
            prop_assert_eq!(Hint::of(&format!("try_again_later 9000 connections{hint}")), hint);
        }

        #[test]
        fn no_text_makes_it_panic_or_leave_its_range(text in "\\PC{0,60}", tail in "[ a-z=0-9]{0,40}") {
            let read = Hint::of(&format!("{text}{tail}"));
            prop_assert!(read.retry_ms.unwrap_or(0) <= HINT_MS_MAX);
            prop_assert!(read.spread_ms.unwrap_or(0) <= HINT_MS_MAX);
        }
    }
}
