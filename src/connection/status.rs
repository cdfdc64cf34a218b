//! The status that users see, and the reasons in it.

use crate::codes;
use crate::time::Time;
use crate::transport::Transport;

/// Why a connection ended or an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A close code of docs/protocol.md.
    pub close_code: u16,
    /// The peer's words, if it had any.
    pub detail: String,
}

impl Reason {
    pub(crate) fn of(close_code: u16) -> Self {
        Self::new(close_code, "")
    }

    pub(crate) fn new(close_code: u16, detail: &str) -> Self {
        Self {
            close_code,
            detail: detail.to_owned(),
        }
    }

    /// Whether the hub sent it, which shows that the way to the hub works.
    pub(crate) fn is_from_hub(&self) -> bool {
        !matches!(
            self.close_code,
            codes::CONNECTION_LOST
                | codes::OPEN_TIMEOUT
                | codes::WELCOME_TIMEOUT
                | codes::SUBPROTOCOL_MISSING
                | codes::NOT_A_HUB
                | codes::STREAM_BUFFERED
        )
    }

    /// Whether the hub wants another token. A refused ticket says nothing about the token (rule T2).
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.close_code == codes::UNAUTHORIZED && !self.detail.starts_with("ticket_invalid")
    }
}

/// What the client is doing, for users. A pure function of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// An attempt is under way.
    Connecting {
        /// Which one since the last connection, from 1.
        attempt: u32,
        /// The transport that was tried first and has not failed yet.
        transport: Transport,
    },
    /// The hub has said welcome.
    Connected {
        /// Over which transport.
        transport: Transport,
        /// Since when.
        since: Time,
        /// The last round trip, ms.
        rtt_ms: Option<u64>,
        /// When something is asked for again because of what the hub said (rule R7).
        repeat_at: Option<Time>,
    },
    /// An attempt will follow.
    Waiting {
        /// Which one since the last connection, from 1.
        attempt: u32,
        /// When.
        retry_at: Time,
        /// What happened to the last one.
        reason: Reason,
        /// More attempts have failed than the user should wait through without a word. They go on.
        is_exhausted: bool,
    },
    /// As `Waiting`, while the browser says that there is no network. Attempts go on.
    Offline,
    /// The hub does not accept the token, or the app has none to give. Both are asked again after a while.
    Unauthorized {
        /// Why.
        reason: Reason,
    },
    /// Nothing will happen any more, unless the user asks.
    Closed {
        /// Why.
        reason: Reason,
    },
}
