//! The status that users see, and the reasons in it.

use crate::codes;
use crate::time::Time;
use crate::transport::Transport;

/// Why a connection ended or an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A close code of docs/protocol.md.
    pub close_code: u16,
    /// The peer's text, if it sent any.
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

    /// Whether the hub wants another token. A refused ticket says nothing about the token (rule
    /// T2).
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.close_code == codes::UNAUTHORIZED && !self.detail.starts_with("ticket_invalid")
    }
}

/// What the client is doing, for users. A pure function of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// An attempt is under way.
    Connecting {
        /// Its number since the last connection, from 1.
        attempt: u32,
        /// The transport that began first and has not failed yet.
        transport: Transport,
    },
    /// The hub has sent its welcome.
    Connected {
        /// The transport.
        transport: Transport,
        /// Since when.
        since: Time,
        /// The last round trip, ms.
        rtt_ms: Option<u64>,
        /// When the client repeats a request because of the hub's last answer (rule R7).
        repeat_at: Option<Time>,
    },
    /// An attempt will follow.
    Waiting {
        /// Its number since the last connection, from 1.
        attempt: u32,
        /// When.
        retry_at: Time,
        /// Why the last one failed.
        reason: Reason,
        /// More attempts have failed than the user should wait through without a message. They go
        /// on.
        is_exhausted: bool,
    },
    /// As `Waiting`, while the browser reports no network. Attempts go on.
    Offline,
    /// The hub refuses the token, or the app has none. The client asks the app again after a while.
    Unauthorized {
        /// Why.
        reason: Reason,
    },
    /// The client makes no more attempts, unless the user asks for one.
    Closed {
        /// Why.
        reason: Reason,
    },
}
