//! What Rust and TypeScript share.
//!
//! Generated from src/boundary.json by `npm run boundary`. Do not edit.

/// The transports.
pub mod transport {
    /// `websocket`.
    pub const WEBSOCKET: u32 = 0;
    /// `eventsource`.
    pub const EVENTSOURCE: u32 = 1;
    /// `longpoll`.
    pub const LONGPOLL: u32 = 2;
}

/// How chance enters the backoff: the option `backoff.jitter`.
pub mod jitter {
    /// `full`.
    pub const FULL: u32 = 0;
    /// `half`.
    pub const HALF: u32 = 1;
    /// `none`.
    pub const NONE: u32 = 2;
}

/// What a publication, a row or a dead letter is.
pub mod kind {
    /// `message`.
    pub const MESSAGE: u32 = 0;
    /// `patch`.
    pub const PATCH: u32 = 1;
    /// `merge`.
    pub const MERGE: u32 = 2;
}

/// The state of a client.
pub mod status {
    /// `connecting`.
    pub const CONNECTING: u32 = 0;
    /// `connected`.
    pub const CONNECTED: u32 = 1;
    /// `waiting`.
    pub const WAITING: u32 = 2;
    /// `offline`.
    pub const OFFLINE: u32 = 3;
    /// `closed`.
    pub const CLOSED: u32 = 4;
    /// `unauthorized`.
    pub const UNAUTHORIZED: u32 = 5;
}

/// Why a publication got no row.
pub mod refusal {
    /// `outbox_full`.
    pub const OUTBOX_FULL: u32 = 0;
    /// `storage_full`.
    pub const STORAGE_FULL: u32 = 1;
    /// `payload_too_large`.
    pub const PAYLOAD_TOO_LARGE: u32 = 2;
    /// `closed`.
    pub const CLOSED: u32 = 3;
    /// `outcome_unknown`.
    pub const OUTCOME_UNKNOWN: u32 = 4;
    /// `wiped`.
    pub const WIPED: u32 = 5;
}

/// How an attempt ended: `diagnose().tried`.
pub mod attempt {
    /// `ok`.
    pub const OK: u32 = 0;
    /// `blocked`.
    pub const BLOCKED: u32 = 1;
    /// `opened-then-closed`.
    pub const OPENED_THEN_CLOSED: u32 = 2;
    /// `silent`.
    pub const SILENT: u32 = 3;
    /// `buffered`.
    pub const BUFFERED: u32 = 4;
    /// `refused`.
    pub const REFUSED: u32 = 5;
    /// `superseded`.
    pub const SUPERSEDED: u32 = 6;
}

/// Why the client asks the app for a token.
pub mod token_reason {
    /// `initial`.
    pub const INITIAL: u32 = 0;
    /// `expiring`.
    pub const EXPIRING: u32 = 1;
    /// `rejected`.
    pub const REJECTED: u32 = 2;
}

/// What is wrong with something that arrived and can't be read.
pub mod unreadable {
    /// `text`.
    pub const TEXT: u32 = 0;
    /// `binary`.
    pub const BINARY: u32 = 1;
    /// `part_missing`.
    pub const PART_MISSING: u32 = 2;
    /// `too_large`.
    pub const TOO_LARGE: u32 = 3;
}

/// The state of a stored row.
pub mod row_state {
    /// `waiting`.
    pub const WAITING: u32 = 0;
    /// `sent`.
    pub const SENT: u32 = 1;
    /// `cancelled`.
    pub const CANCELLED: u32 = 2;
}

/// What the entries, the snapshot or the checkpoint did to a document.
pub mod step {
    /// `old`.
    pub const OLD: u32 = 0;
    /// `changed`.
    pub const CHANGED: u32 = 1;
    /// `agreed`.
    pub const AGREED: u32 = 2;
    /// `diverged`.
    pub const DIVERGED: u32 = 3;
}

/// The places of a stored row and of a dead letter. A later version may add places at the end. It
/// never gives one another meaning.
pub mod row {
    /// `partition`.
    pub const PARTITION: u32 = 0;
    /// `topic`.
    pub const TOPIC: u32 = 1;
    /// `kind`.
    pub const KIND: u32 = 2;
    /// `text`.
    pub const TEXT: u32 = 3;
    /// `bytes`.
    pub const BYTES: u32 = 4;
    /// `created_ms`.
    pub const CREATED_MS: u32 = 5;
    /// `until_ms`.
    pub const UNTIL_MS: u32 = 6;
    /// `is_hub_time`.
    pub const IS_HUB_TIME: u32 = 7;
    /// `key`.
    pub const KEY: u32 = 8;
    /// `state`.
    pub const STATE: u32 = 9;
    /// `attempts`.
    pub const ATTEMPTS: u32 = 10;
    /// `tag`.
    pub const TAG: u32 = 11;
    /// `code`.
    pub const CODE: u32 = 12;
    /// `message`.
    pub const MESSAGE: u32 = 13;
}

/// The largest frame, in bytes of UTF-8 (rule W8). JavaScript counts characters, which are never
/// more.
pub const FRAME_BYTES_MAX: usize = 262_144;

/// The largest record in parts, in bytes (rule W9): the largest snapshot with every character
/// escaped, and its head.
pub const RECORD_BYTES_MAX: usize = 8_388_608;

/// The largest answer to a poll, in bytes (rule T3): the answers to all subscriptions, and one
/// record of the largest.
pub const ANSWER_BYTES_MAX: usize = 16_777_216;

/// The longest topic name (rule W5). It is ASCII, so bytes are characters.
pub const TOPIC_BYTES_MAX: usize = 255;

/// The longest id of a message (rule W7).
pub const ID_CHARS_MAX: usize = 128;

/// The longest token (rule C9).
pub const TOKEN_CHARS_MAX: usize = 8_192;

/// The most subscriptions of one connection (rule C4).
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// The longest delay that a hub can ask for, ms. Chosen: longer than any outage of a deploy,
/// short enough to survive a wrong number.
pub const RETRY_MS_MAX: u64 = 3_600_000;

/// The largest number of the protocol: JavaScript's largest safe integer.
pub const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// The largest chain: 48 bits.
pub const CHAIN_MAX: u64 = 281_474_976_710_655;

/// Rows of the memory outbox are numbered from here: 2^52.
pub const MEMORY_ROWS: u64 = 4_503_599_627_370_496;

/// The longest time to live of a stored publication, and its default, ms: 7 days. Hubs remember
/// producers for longer (rule H11).
pub const ROW_MS_MAX: u64 = 604_800_000;

/// How long a tab waits for another tab's wipe, ms. The tab that wipes may be killed.
pub const WIPE_MS_MAX: u64 = 10_000;

/// The shortest delay before an attempt, ms.
pub const BACKOFF_FLOOR_MS: u64 = 100;

/// Default of `backoff.baseMs`, the first window, ms.
pub const BACKOFF_BASE_MS: u64 = 1_000;

/// Default of `backoff.factor`.
pub const BACKOFF_FACTOR: f64 = 2.0;

/// Default of `backoff.capMs`, the widest window, ms.
pub const BACKOFF_CAP_MS: u64 = 30_000;

/// Default of `backoff.attemptsMax`: after so many failures the status says `isExhausted`.
pub const BACKOFF_ATTEMPTS_MAX: u32 = 20;

/// Default of `heartbeat.intervalMs`. It is under the 30 s after which the strictest load
/// balancers cut an idle connection.
pub const HEARTBEAT_INTERVAL_MS: u64 = 25_000;

/// Default of `heartbeat.timeoutMs`.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 10_000;

/// Default of `outbox.rowsMax`. Chosen: an hour of typing in a form, not a file upload.
pub const OUTBOX_ROWS_MAX: usize = 50_000;

/// Default of `outbox.bytesMax`, bytes of payloads.
pub const OUTBOX_BYTES_MAX: u64 = 16_777_216;
