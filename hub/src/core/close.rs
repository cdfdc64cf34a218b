//! The hub's close codes: its rows of src/codes.json.

macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $code:literal,)*) => {
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

            /// Its stable text code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
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
    /// The hub has no capacity for this client now.
    TryAgainLater = 1013 "try_again_later",
    /// A frame could not be read (rules W2, W3).
    BadFrame = 4000 "bad_frame",
    /// The client sent no hello in time (rule C1).
    HelloTimeout = 4001 "hello_timeout",
    /// The client sent nothing for too long (rule B3).
    HeartbeatTimeout = 4002 "heartbeat_timeout",
    /// The client has too many subscriptions.
    TooManySubscriptions = 4007 "too_many_subscriptions",
    /// The client takes its frames too slowly (rule H10).
    SlowConsumer = 4008 "slow_consumer",
    /// The hub does not serve this transport (rule T6).
    TransportDisabled = 4010 "transport_disabled",
    /// The hub does not accept the token (rule C9). A hub without a key accepts all tokens.
    Unauthorized = 4401 "unauthorized",
    /// The ticket opens no stream (rule T2).
    TicketInvalid = 4401 "ticket_invalid",
    /// The client speaks another version of the protocol (rule C1).
    VersionUnsupported = 4500 "version_unsupported",
    /// The hub does not serve pages of this origin.
    OriginRefused = 4503 "origin_refused",
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
                // Narrower than the table's code: a new ticket helps, a new token does not (rule
                // T2).
                assert!(table.iter().any(|row| row["closeCode"] == close.number()));
                continue;
            }
            let row = table.iter().find(|row| row["closeCode"] == close.number());
            let code = row.and_then(|row| row["code"].as_str());
            assert_eq!(code, Some(close.code()));
        }
    }
}
