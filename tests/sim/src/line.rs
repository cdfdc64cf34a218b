//! One connection or request of a page: its two directions, and what is wrong with it.
//!
//! Owns the order of what is under way. Decides nothing by itself: `world` draws what happens.

use longhaul::ids::ConnectionId;
use longhaul_hub::core::ConnId;

use crate::oracle::PageId;

/// The number of a line, never used twice.
pub type LineId = u64;

/// What a line is.
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
    /// Publications.
    Post(String),
}

/// What comes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// It is open.
    Opened,
    /// A frame of a socket or stream.
    Frame(String),
    /// The answer to a post.
    Answer(String),
    /// Something else than an answer of the hub.
    Failure {
        /// As src/web/fetch.rs reads it.
        code: u16,
        /// Retry-After, ms.
        floor_ms: u64,
    },
    /// The end.
    End {
        /// Close code.
        code: u16,
        /// The hub's words.
        reason: String,
    },
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose.
    pub page: PageId,
    /// What the client calls it.
    pub connection: ConnectionId,
    /// What it is.
    pub kind: Kind,
    /// What the hub calls it, once it has it.
    pub conn: Option<ConnId>,
    /// Nothing goes up any more.
    pub is_dead_up: bool,
    /// Nothing comes down any more.
    pub is_dead_down: bool,
    /// A proxy keeps what comes down until it has more.
    pub buffer: Option<Vec<Down>>,
    /// The client has let go of it.
    pub is_abandoned: bool,
    /// When the last one in each direction arrives: none overtakes it.
    pub up_ms: u64,
    /// See `up_ms`.
    pub down_ms: u64,
    /// Frames on their way down.
    pub frames_down: usize,
}

/// Frames that a connection takes before it has delivered the first. Chosen: what a socket's
/// buffers hold, roughly.
pub const FRAMES_DOWN_MAX: usize = 16;

impl Line {
    /// A new one.
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

    /// Whether it brings messages down.
    #[must_use]
    pub fn is_downlink(&self) -> bool {
        matches!(self.kind, Kind::Socket | Kind::Stream(_) | Kind::Poll(_))
    }
}
