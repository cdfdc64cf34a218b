//! What a hub asks of a client that it sends away: options at the end of a close reason (rules R1 and R2).
//!
//! Shared with the hub, which writes them. A reason is a peer's text: what can't be read is not there, what is out of
//! range is brought into it.

use std::fmt;

use crate::wire::record::{cut, parse_number, parts};

/// The longest wait that a hub can ask for, ms. Chosen: longer than any storm, short enough that a wrong number is survived.
pub use crate::boundary::RETRY_MS_MAX as HINT_MS_MAX;

/// When to come back, as the hub would have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Not sooner than this, ms. A floor: the spread is added to it.
    pub retry_ms: Option<u64>,
    /// Anywhere within so many ms.
    pub spread_ms: Option<u64>,
}

impl Hint {
    /// Reads the options at the end of a close reason. Of a key that comes twice the last counts.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let mut hint = Self::default();
        for word in parts(reason, b' ') {
            let (key, Some(value)) = cut(word, b'=') else {
                // What came before it is not the end.
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

/// A number of ms that a peer said, brought into range.
pub(crate) fn clamp(ms: u64) -> u64 {
    ms.min(HINT_MS_MAX)
}

/// The options with a space before each, to be put behind the message.
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
