//! Everything that can happen to the hub, and everything that the hub asks its driver to do.

use super::close::Close;
use super::ids::ConnId;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A WebSocket opened. Other transports use `open_stream` and `open_poll`.
    Opened(ConnId),
    /// A text frame arrived.
    Frame(ConnId, &'a str),
    /// A frame arrived that is not text.
    NotText(ConnId),
    /// The client broke the WebSocket protocol; the text says how.
    Malformed(ConnId, &'a str),
    /// The driver could not write a frame.
    Unwritten(ConnId),
    /// A frame arrived that is too large to read.
    TooLarge(ConnId),
    /// The client did not take a frame in time.
    Stalled(ConnId),
    /// The connection has ended.
    Closed(ConnId),
    /// The deadline has passed.
    Tick,
    /// The hub shall close its connections one after another, and then stop.
    Drain,
    /// The hub stops now.
    Stop,
}

/// What the driver shall do. Effects are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Take frames for this connection until there are none.
    Wake(ConnId),
    /// Close this connection. The hub has already forgotten it.
    Close {
        /// The connection.
        conn: ConnId,
        /// The close code.
        close: Close,
        /// The reason on the wire: code, message and options.
        reason: String,
    },
    /// The drain is over: no client is left.
    Drained,
}
