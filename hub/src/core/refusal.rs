//! Why the hub refuses a client or ends a connection, and when the client may come back.

use longhaul::Hint;

use super::close::Close;
use super::limits::Limits;

/// Bytes that fit a WebSocket close reason. Source: RFC 6455, section 5.5, less the code.
const REASON_BYTES_MAX: usize = 123;

/// Why the hub serves a client no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The close code.
    pub close: Close,
    /// What happened, for people.
    pub message: String,
    /// When the client may come back (rule R1).
    pub hint: Hint,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(close: Close, message: impl Into<String>) -> Self {
        let message = message.into();
        let hint = Hint::default();
        Self {
            close,
            message,
            hint,
        }
    }

    pub(crate) fn with(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    /// The client sent something that is not a valid frame.
    pub(crate) fn bad_frame(message: impl Into<String>) -> Self {
        Self::new(Close::BadFrame, message)
    }

    pub(crate) fn frame_too_large(bytes_max: usize) -> Self {
        let message = format!("the limit is {bytes_max} bytes");
        Self::new(Close::FrameTooLarge, message)
    }

    pub(crate) fn too_many_subscriptions(limits: &Limits) -> Self {
        let message = format!("the limit is {} a connection", limits.subscriptions_max);
        Self::new(Close::TooManySubscriptions, message)
    }

    /// The client did not take a frame in time.
    pub(crate) fn stalled() -> Self {
        Self::new(
            Close::SlowConsumer,
            "the client did not take a frame in time",
        )
    }

    /// The client sends requests but does not take the answers.
    pub(crate) fn overfull() -> Self {
        Self::new(Close::SlowConsumer, "the client does not take its answers")
    }

    /// The hub stops. Clients spread their return over the reconnect window.
    pub(crate) fn going_away(spread_ms: u64) -> Self {
        let hint = Hint {
            retry_ms: None,
            spread_ms: Some(spread_ms),
        };
        Self::new(Close::GoingAway, "the hub is stopping").with(hint)
    }

    /// The reason on the wire: code, message, options. A long message is cut; the options never
    /// are.
    #[must_use]
    pub fn reason(&self) -> String {
        let options = self.hint.to_string();
        let mut reason = format!("{} {}", self.close.code(), self.message);
        let bytes_max = REASON_BYTES_MAX.saturating_sub(options.len());
        let end = (0..=bytes_max.min(reason.len()))
            .rev()
            .find(|end| reason.is_char_boundary(*end))
            .unwrap_or(0);
        reason.truncate(end);
        reason + &options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters_to_what_a_close_frame_takes() {
        let refusal = Refusal::new(Close::BadFrame, "ä".repeat(100));
        let reason = refusal.reason();
        assert_eq!(reason.len(), 122);
        assert!(reason.starts_with("bad_frame ä"));
    }

    #[test]
    fn r1_a_long_message_is_cut_and_the_options_behind_it_never() {
        let hint = Hint {
            retry_ms: Some(u64::MAX),
            spread_ms: Some(3_600_000),
        };
        for message in ["", "x", &"x".repeat(200), &"ä".repeat(100)] {
            let reason = Refusal::new(Close::TryAgainLater, message)
                .with(hint)
                .reason();
            assert!(reason.len() <= 123, "{reason}");
            assert!(
                reason.ends_with(" retry=3600000 spread=3600000"),
                "{reason}"
            );
            assert!(reason.starts_with("try_again_later "), "{reason}");
        }
    }
}
