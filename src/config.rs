//! The options of a client, with their defaults, and its limits.
//!
//! The JavaScript wrapper checks options before they get here.

use crate::boundary::{
    BACKOFF_ATTEMPTS_MAX, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_FACTOR, HEARTBEAT_INTERVAL_MS,
    HEARTBEAT_TIMEOUT_MS, OUTBOX_BYTES_MAX, OUTBOX_ROWS_MAX,
};
use crate::ids::RowNo;
use crate::transport::Transport;

/// How long a transport may take to open, ms. Chosen: longer than a hub queues a handshake under
/// load (B-13), and shorter than the user's patience.
pub const OPEN_MS_MAX: u64 = 10_000;

/// How long the welcome may take after the transport opened, ms. Chosen: as [`OPEN_MS_MAX`].
pub const WELCOME_MS_MAX: u64 = 10_000;

/// How long an event stream with a ticket may take to open and bring the welcome, ms. A proxy that
/// buffers holds it for longer. Chosen: a new TLS connection on a slow line takes three seconds.
pub const STREAM_MS_MAX: u64 = 5_000;

/// How long the answer to a poll, or a record in parts, may take beyond the time of its bytes on a
/// line of 8 kB/s, ms (rule B4). Chosen: half a mebibyte still arrives at 4 kB/s, and a trickle
/// delays the other transports for at most a minute.
pub const ARRIVAL_MS_MAX: u64 = 60_000;
const _: () = assert!(OPEN_MS_MAX <= ARRIVAL_MS_MAX && WELCOME_MS_MAX <= ARRIVAL_MS_MAX);

/// How long the answer to a heartbeat's probe may take, ms. Chosen: with the wait before the next
/// attempt, a client is connected again 5 s after a wake-up.
pub const PROBE_MS: u64 = 3_000;

/// The head start: how long a transport races alone, ms. Chosen: a slow handshake takes a second,
/// and a user waits three.
pub const HEAD_START_MS: u64 = 1_500;

/// The poll timeout, ms: under the 30 s of the strictest load balancers.
pub const POLL_TIMEOUT_MS: u64 = 25_000;

/// The shortest poll timeout after cuts, ms. Chosen: shorter ones are no better than short polls.
pub const POLL_TIMEOUT_MS_MIN: u64 = 1_000;

/// A poll that ends sooner than this has not met a proxy's timeout, ms. Chosen: no proxy has a
/// shorter one.
pub const POLL_CUT_MS_MIN: u64 = 2_000;

/// The shortest poll interval of an idle client, ms. Chosen: no listener needs news sooner.
pub const IDLE_POLL_MS_MIN: u64 = 5_000;

/// The longest poll interval of an idle client, ms. Chosen: a status page promises a minute.
pub const IDLE_POLL_MS_MAX: u64 = 60_000;

/// How long every subscription must be passive before a connected client is idle, ms. Chosen: a
/// change of page takes less.
pub const IDLE_AFTER_MS: u64 = 10_000;

/// The shortest poll interval without a slot, ms. Chosen: a chat still feels alive.
pub const NO_SLOT_POLL_MS_MIN: u64 = 1_000;

/// The longest poll interval without a slot, ms. Chosen: a dozen tabs make a few requests a second.
pub const NO_SLOT_POLL_MS_MAX: u64 = 5_000;

/// The first pause before the client asks a busy hub again for a subscription, ms (rule H12).
/// Doubles with each refusal.
pub const BUSY_MS: u64 = 2_000;

/// The client asks again for a subscription without an answer, or for a missing snapshot, at a
/// heartbeat this long after another one, ms (rule R7). Anything that arrives between the two
/// restarts the wait. Chosen: as [`WELCOME_MS_MAX`].
pub const SUB_MS_MAX: u64 = 10_000;

/// The first repeat pause, ms (rule R7). Doubles each time. Chosen: a user hardly notices it, and a
/// hub in trouble gets one request a second from a client instead of hundreds.
pub const PAUSE_MS: u64 = 1_000;

/// The longest pause of either kind, ms.
pub const PAUSE_MS_MAX: u64 = 60_000;

/// After this time without a repetition, ms, the client repeats the next request at once (rules D8
/// and R7). Chosen: five times the longest pause.
pub const WELL_MS: u64 = 300_000;

/// From a degraded connection to the first probe for a better transport, ms. Doubles with each
/// probe.
pub const PROBE_AFTER_MS: u64 = 5_000;

/// The longest interval between probes for one transport, ms. A probe may take 10 s, so the client
/// upgrades within 30 s.
pub const PROBE_AFTER_MS_MAX: u64 = 20_000;

/// A transport that is lost within this time after the upgrade was not better, ms.
pub const PROBE_FLAP_MS: u64 = 60_000;

/// The longest interval between probes if upgrades keep being lost, ms.
pub const PROBE_FLAPPED_MS_MAX: u64 = 300_000;

/// The most publications in flight, without a verdict (rule C8).
pub const WINDOW_ROWS_MAX: usize = 256;

/// The most payload bytes in flight (rule C8), so that a socket's send buffer stays small.
pub const WINDOW_BYTES_MAX: u64 = 256 * 1024;

/// How long a post may go without a verdict, ms. Chosen: longer than the 10 s that the hub gives a
/// body (rule T5).
pub const POST_MS_MAX: u64 = 15_000;

/// The most runs that a subscription holds behind a hole. Beyond it the client discards them, and
/// they arrive again with the repair.
pub const HELD_RUNS_MAX: usize = 256;

/// The same in characters of payload.
pub const HELD_CHARS_MAX: u64 = 1024 * 1024;

/// The default and the longest time to live of a publication, ms. Chosen: a week. Safari keeps
/// storage for a week without a visit, and hubs remember producers for longer (rule H11).
pub use crate::boundary::ROW_MS_MAX;

/// The shortest delay before an attempt, ms. Chosen: a wake-up should feel immediate, and a loop
/// should not spin.
pub use crate::boundary::BACKOFF_FLOOR_MS;

/// Time on a useful connection that halves the count of failures, ms. Chosen: two default windows
/// after the first.
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
    /// The jitter of a delay.
    pub jitter: Jitter,
    /// After so many failed attempts the status says so. The attempts go on.
    pub attempts_max: u32,
}

impl Default for BackoffPolicy {
    /// 1 s, doubling, at most 30 s, 20 attempts: the numbers of most other clients
    /// (docs/decisions/connections.md).
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

/// The jitter of the backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Anywhere in the window.
    Full,
    /// Anywhere in the upper half of the window.
    Half,
    /// Always the whole window: for tests and single clients.
    None,
}

/// The shortest ping interval, ms, whatever the hub asks for. Chosen: a client in trouble notices
/// within a second.
pub const PING_MS_MIN: u64 = 500;

/// When a client closes a silent connection (rule B2).
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

/// The limits of the outbox.
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

/// The options of a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The seed of jitter and ids. It must come from a good source and differ between clients.
    pub seed: u64,
    /// The delays between attempts.
    pub backoff: BackoffPolicy,
    /// The client's own heartbeat. `None` means the hub's, or else the default.
    pub heartbeat: Option<HeartbeatPolicy>,
    /// The limits of the outbox.
    pub outbox: OutboxLimits,
    /// Whether the outbox is durable. Otherwise it is in memory.
    pub is_durable: bool,
    /// Whether a publication that is rejected for good pauses its topic, until the user retries or
    /// discards its dead letter.
    pub is_pausing: bool,
    /// The transports that the user wants and the browser has, in order of preference. Empty means
    /// all.
    pub transports: Vec<Transport>,
    /// The transport that worked on this network before.
    pub worked: Option<Transport>,
    /// Whether the app gives tokens.
    pub has_tokens: bool,
    /// How many addresses the hub has. Zero means one.
    pub addresses: usize,
    /// The outbox of a client that is gone, if this one continues it. [`crate::Event::Restore`]
    /// brings its rows.
    pub inherited: Option<Inherited>,
}

/// The identity of an outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The producer of the rows in memory.
    pub producer: String,
    /// The highest row number that it has used.
    pub last: RowNo,
    /// The producer of the rows in storage; empty if it is not known.
    pub stored: String,
}
