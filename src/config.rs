//! What a client can be told, with the defaults and the limits.
//!
//! Owns the numbers. The JavaScript wrapper checks what users pass before it comes here.

use crate::boundary::{
    BACKOFF_ATTEMPTS_MAX, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_FACTOR, HEARTBEAT_INTERVAL_MS,
    HEARTBEAT_TIMEOUT_MS, OUTBOX_BYTES_MAX, OUTBOX_ROWS_MAX,
};
use crate::ids::RowNo;
use crate::transport::Transport;

/// How long a transport may take to open, ms. Chosen: longer than a hub queues a handshake under load (B-13), shorter than patience.
pub const OPEN_MS_MAX: u64 = 10_000;

/// How long the welcome may take after the transport opened, ms. Chosen: as [`OPEN_MS_MAX`].
pub const WELCOME_MS_MAX: u64 = 10_000;

/// How long an event stream may take to open and say welcome once there is a ticket for it, ms: a proxy that buffers holds it for
/// longer, some even its head. Chosen: a fresh TLS connection on a slow line takes three.
pub const STREAM_MS_MAX: u64 = 5_000;

/// How long the answer to a poll, or a record in parts, may take beyond the time of its bytes on a line of 8 kB/s, ms (rule B4). Chosen:
/// half of a mebibyte still arrives at 4 kB/s, and a peer that trickles holds up the other transports for a minute.
pub const ARRIVAL_MS_MAX: u64 = 60_000;
const _: () = assert!(OPEN_MS_MAX <= ARRIVAL_MS_MAX && WELCOME_MS_MAX <= ARRIVAL_MS_MAX);

/// How long the answer to a probe may take, ms. Chosen: with the wait before the next attempt, all is well 5 s after a wake.
pub const PROBE_MS: u64 = 3_000;

/// How long a transport has the field for itself before the next one joins, ms. Chosen: a slow handshake takes a second, a user waits three.
pub const HEAD_START_MS: u64 = 1_500;

/// How long a poll is held, ms: under the 30 s of the strictest balancers.
pub const HOLD_MS: u64 = 25_000;

/// What cuts make of it at the least, ms. Chosen: shorter holds are no better than short polls.
pub const HOLD_MS_MIN: u64 = 1_000;

/// A poll that ends sooner than this was not cut for its age, ms. Chosen: no proxy has so short a time-out.
pub const HOLD_CUT_MS_MIN: u64 = 2_000;

/// Shortest rest between polls while every subscription is passive, ms. Chosen: passive means that nobody waits.
pub const IDLE_POLL_MS_MIN: u64 = 5_000;

/// Longest rest between polls while every subscription is passive, ms. Chosen: a minute is what a status page promises.
pub const IDLE_POLL_MS_MAX: u64 = 60_000;

/// How long every subscription must be passive before a connection is given up for polls, ms. Chosen: a change of page takes less.
pub const IDLE_AFTER_MS: u64 = 10_000;

/// Shortest rest between polls where the browser has no connection to spare, ms. Chosen: chat still feels alive.
pub const NO_SLOT_POLL_MS_MIN: u64 = 1_000;

/// Longest rest between polls where the browser has no connection to spare, ms. Chosen: a dozen tabs make a few requests a second.
pub const NO_SLOT_POLL_MS_MAX: u64 = 5_000;

/// First wait before a subscription that the hub was too busy for is asked for again, ms (rule H12). Doubles with each refusal.
pub const BUSY_MS: u64 = 2_000;

/// A sub without an answer, or a document's without its snapshot, is asked for again at a heartbeat that comes so long after another one
/// with nothing else in between, ms (rule R7). Chosen: as [`WELCOME_MS_MAX`].
pub const SUB_MS_MAX: u64 = 10_000;

/// First pause before anything else that repeats because of what the hub said, ms (rule R7). Doubles each time. Chosen: a user
/// hardly notices it, and a hub in trouble has one request a second from a client instead of hundreds.
pub const PAUSE_MS: u64 = 1_000;

/// Longest pause of either kind, ms.
pub const PAUSE_MS_MAX: u64 = 60_000;

/// After so long without a repetition all is well, ms: the next one goes out at once (rules D8 and R7). Chosen: five times the longest
/// pause.
pub const WELL_MS: u64 = 300_000;

/// First look for a better transport after connecting on a lesser one, ms. Doubles with each.
pub const PROBE_AFTER_MS: u64 = 5_000;

/// Longest interval from look to look at the same transport, ms: with the 10 s that a look may take, back on the better one within 30 s.
pub const PROBE_AFTER_MS_MAX: u64 = 20_000;

/// A better transport that is lost within this time after the move was not better, ms.
pub const PROBE_FLAP_MS: u64 = 60_000;

/// Longest interval between looks where the better one keeps being lost, ms.
pub const PROBE_FLAPPED_MS_MAX: u64 = 300_000;

/// Publications on their way without a verdict (rule C8).
pub const WINDOW_ROWS_MAX: usize = 256;

/// Payload bytes on their way without a verdict (rule C8), so that a socket's send buffer stays small.
pub const WINDOW_BYTES_MAX: u64 = 256 * 1024;

/// How long a post may go without a verdict, ms. Chosen: longer than the 10 s that the hub gives a body (rule T5).
pub const POST_MS_MAX: u64 = 15_000;

/// Messages that arrived ahead of a hole, kept per subscription: runs. Past it they are dropped and come again with the repair.
pub const HELD_RUNS_MAX: usize = 256;

/// The same in characters of payload.
pub const HELD_CHARS_MAX: u64 = 1024 * 1024;

/// How long a publication in storage is worth sending where nobody says so, and at most, ms. Chosen: a week, which is also what
/// Safari keeps storage for without a visit; hubs remember producers for longer (rule H11).
pub use crate::boundary::ROW_MS_MAX;

/// No attempt follows the last one sooner than this, ms, whatever chance says. Chosen: a wake-up should feel immediate, a loop should not spin.
pub use crate::boundary::BACKOFF_FLOOR_MS;

/// Time on a useful connection that halves the count of failures, ms. Chosen: two default windows past the first.
pub const BACKOFF_DECAY_MS: u64 = 5_000;

/// How a client waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffPolicy {
    /// The first window, ms.
    pub base_ms: u64,
    /// How much each failure widens the window.
    pub factor: f64,
    /// The widest window, ms.
    pub cap_ms: u64,
    /// How chance enters.
    pub jitter: Jitter,
    /// Failed attempts after which the status says so; it never stops the attempts.
    pub attempts_max: u32,
}

impl Default for BackoffPolicy {
    /// 1 s, doubling, at most 30 s, 20 attempts: the numbers of most of the field (docs/decisions/connections.md).
    fn default() -> Self {
        Self {
            base_ms: BACKOFF_BASE_MS,
            factor: BACKOFF_FACTOR,
            cap_ms: BACKOFF_CAP_MS,
            jitter: Jitter::Full,
            attempts_max: BACKOFF_ATTEMPTS_MAX,
        }
    }
}

/// How chance enters the backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Anywhere in the window.
    Full,
    /// Anywhere in the upper half of the window.
    Half,
    /// Always the whole window: for tests and single clients.
    None,
}

/// A hub gets no pings more often than this, ms, whatever it says. Chosen: a client in trouble notices within a second.
pub const PING_MS_MIN: u64 = 500;

/// When a silent connection is given up (rule B2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatPolicy {
    /// Between pings, ms.
    pub interval_ms: u64,
    /// How long a pong may take, ms.
    pub timeout_ms: u64,
}

impl HeartbeatPolicy {
    /// 25 s stays under the 30 s at which the strictest load balancers cut an idle connection.
    pub const DEFAULT: Self = Self {
        interval_ms: HEARTBEAT_INTERVAL_MS,
        timeout_ms: HEARTBEAT_TIMEOUT_MS,
    };
}

impl Default for HeartbeatPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How much the outbox takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Rows.
    pub rows_max: usize,
    /// Bytes of payload.
    pub bytes_max: u64,
}

impl Default for OutboxLimits {
    /// Chosen: an hour of typing in a form, not a file upload.
    fn default() -> Self {
        Self {
            rows_max: OUTBOX_ROWS_MAX,
            bytes_max: OUTBOX_BYTES_MAX,
        }
    }
}

/// All that a client is told at its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Of the generator of jitter and ids; from a good source, different for every client.
    pub seed: u64,
    /// Between attempts.
    pub backoff: BackoffPolicy,
    /// The client's own heartbeat. `None` takes what the hub says, else the default.
    pub heartbeat: Option<HeartbeatPolicy>,
    /// Of the outbox.
    pub outbox: OutboxLimits,
    /// The outbox is in the browser's storage; else in memory.
    pub is_durable: bool,
    /// A publication that the hub refuses for good stops its topic, until its dead letter is taken away.
    pub is_pausing: bool,
    /// In order of preference: what the user wants and the browser has. Empty means all.
    pub transports: Vec<Transport>,
    /// What worked on this network before.
    pub worked: Option<Transport>,
    /// Whether the app gives tokens.
    pub has_tokens: bool,
    /// How many addresses the hub has. Zero means one.
    pub addresses: usize,
    /// The outbox of a client that is gone, if this one goes on with it; [`crate::Event::Restore`] brings its rows.
    pub inherited: Option<Inherited>,
}

/// The identity of an outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The producer of what is in memory.
    pub producer: String,
    /// The last row that it has numbered.
    pub last: RowNo,
    /// The producer of what is in storage; empty where it is not known.
    pub stored: String,
}
