//! One connection or request of a page, with two directions and its faults.
//!
//! Owns the order of data under way. `world` draws the events.

use longhaul::ids::ConnectionId;
use longhaul_hub::core::ConnId;

use crate::oracle::PageId;

/// The number of a line, never used twice.
pub type LineId = u64;

/// A line's transport or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A WebSocket.
    Socket,
    /// The post that gets a ticket.
    Session(String),
    /// The stream that a ticket opens.
    Stream(String),
    /// A poll.
    Poll(String),
    /// A post of publications.
    Post(String),
}

/// Data on its way to the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// The connection is open.
    Opened,
    /// A frame of a socket or stream.
    Frame(String),
    /// The hub's answer to a post.
    Answer(String),
    /// An answer that is not the hub's.
    Failure {
        /// The close code that src/web/fetch.rs makes of it.
        code: u16,
        /// The minimum retry delay (Retry-After), ms.
        retry_after_ms: u64,
    },
    /// The end of the connection.
    End {
        /// The close code.
        code: u16,
        /// The hub's explanation.
        reason: String,
    },
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// The page that it belongs to.
    pub page: PageId,
    /// The client's id of the connection.
    pub connection: ConnectionId,
    /// The transport or request.
    pub kind: Kind,
    /// The hub's id of the connection, once it has reached the hub.
    pub conn: Option<ConnId>,
    /// Nothing reaches the hub any more.
    pub is_dead_up: bool,
    /// Nothing reaches the page any more.
    pub is_dead_down: bool,
    /// The data that a buffering proxy holds until it has more.
    pub buffer: Option<Vec<Down>>,
    /// The client has abandoned it.
    pub is_abandoned: bool,
    /// When the last frame to the hub arrives. No frame overtakes another.
    pub up_ms: u64,
    /// When the last frame to the page arrives.
    pub down_ms: u64,
    /// The number of frames on their way to the page.
    pub frames_down: usize,
}

/// How many frames a connection accepts before it has delivered the first. Chosen: about the size
/// of a socket's buffers.
pub const FRAMES_DOWN_MAX: usize = 16;

impl Line {
    /// Creates a line.
    #[must_use]
    pub fn new(page: PageId, connection: ConnectionId, kind: Kind) -> Self {
        Self {
            page,
            connection,
            kind,
            conn: None,
            is_dead_up: false,
            is_dead_down: false,
            buffer: None,
            is_abandoned: false,
            up_ms: 0,
            down_ms: 0,
            frames_down: 0,
        }
    }

    /// Whether it carries messages to the page.
    #[must_use]
    pub fn is_downlink(&self) -> bool {
        matches!(self.kind, Kind::Socket | Kind::Stream(_) | Kind::Poll(_))
    }
}
