//! The transports, and sets of them.
//!
//! Owns their names. Knows neither how they work nor which one is better.

use crate::wire::record::parts;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One socket for both directions.
    WebSocket,
    /// An event stream down, posts up (rule T2).
    EventSource,
    /// Long polls or short polls down, posts up (rule T3).
    LongPoll,
}

impl Transport {
    /// All transports, in the default order of preference. JavaScript numbers them in this order.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::EventSource, Self::LongPoll];

    /// Its name in options, on the wire and in the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventSource => "eventsource",
            Self::LongPoll => "longpoll",
        }
    }

    /// Whether the client sends and receives over the same connection.
    #[must_use]
    pub fn is_duplex(self) -> bool {
        self == Self::WebSocket
    }
}

/// A set of transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSet([bool; 3]);

impl TransportSet {
    /// All transports.
    pub const ALL: Self = Self([true; 3]);

    /// The transports in `names`, which commas separate. Unknown names do not count: they may be of
    /// a later version.
    #[must_use]
    pub fn of_names(names: &str) -> Self {
        Self(
            Transport::ALL.map(|transport| parts(names, b',').any(|name| name == transport.name())),
        )
    }

    /// Whether `transport` is in it.
    #[must_use]
    pub fn has(self, transport: Transport) -> bool {
        Transport::ALL
            .iter()
            .zip(self.0)
            .any(|(each, is_in)| is_in && *each == transport)
    }
}
