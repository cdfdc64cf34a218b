//! Why the hub ends a connection: its rows of src/codes.json, and what it says with them.

use longhaul::Hint;

/// Bytes that fit a WebSocket close reason. Source: RFC 6455, section 5.5, less the code.
const REASON_BYTES_MAX: usize = 123;

macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $word:literal,)*) => {
        /// A close code of the hub.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Close {
            $($(#[$doc])* $name,)*
        }

        impl Close {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its number on the wire.
            #[must_use]
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// Its stable code.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

closes! {
    /// The hub is stopping.
    GoingAway = 1001 "going_away",
    /// A frame was over the limit (rule W8).
    FrameTooLarge = 1009 "frame_too_large",
    /// The hub failed.
    HubError = 1011 "hub_error",
    /// Too many connections.
    TryAgainLater = 1013 "try_again_later",
    /// A frame could not be read (rules W2, W3).
    BadFrame = 4000 "bad_frame",
    /// No hello in time (rule C1).
    HelloTimeout = 4001 "hello_timeout",
    /// Nothing was heard for too long (rule B3).
    HeartbeatTimeout = 4002 "heartbeat_timeout",
    /// Too many subscriptions.
    TooManySubscriptions = 4007 "too_many_subscriptions",
    /// The connection takes nothing (rule H10).
    SlowConsumer = 4008 "slow_consumer",
    /// The hub does not serve this transport (rule T6).
    TransportDisabled = 4010 "transport_disabled",
    /// The token is not accepted (rule C9). A hub without a key accepts all.
    Unauthorized = 4401 "unauthorized",
    /// A ticket that opens no stream (rule T2).
    TicketInvalid = 4401 "ticket_invalid",
    /// Another version of the protocol (rule C1).
    VersionUnsupported = 4500 "version_unsupported",
    /// The page's origin is not served.
    OriginRefused = 4503 "origin_refused",
}

/// Why the hub has nothing for a client, and when it may come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub close: Close,
    /// For people.
    pub message: String,
    /// When to come back (rule R1).
    pub hint: Hint,
}

impl Refusal {
    /// A refusal that says nothing of when to come back.
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

    /// The reason on the wire: code, message, options. The message is cut to what fits, the options never.
    #[must_use]
    pub fn reason(&self) -> String {
        let options = self.hint.to_string();
        let mut reason = format!("{} {}", self.close.word(), self.message);
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
    fn the_close_codes_are_those_of_the_shared_table() {
        let table: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../src/codes.json")).unwrap_or_default();
        for close in Close::ALL {
            if *close == Close::TicketInvalid {
                // A narrower word than the table's: a fresh ticket helps, a fresh token does not (rule T2).
                assert!(table.iter().any(|row| row["closeCode"] == close.number()));
                continue;
            }
            let row = table.iter().find(|row| row["closeCode"] == close.number());
            let word = row.and_then(|row| row["code"].as_str());
            assert_eq!(word, Some(close.word()));
        }
    }

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
