//! Every bound of the hub's core, with what happens at it.

use longhaul::config::{HeartbeatPolicy, OPEN_MS_MAX, PROBE_MS, STREAM_MS_MAX, WELCOME_MS_MAX};
use longhaul::wire::{
    ANSWER_BYTES_MAX, FRAME_BYTES_MAX, PART_BYTES_MAX, RECORD_BYTES_MAX, slow_ms,
};

use super::changes::SNAPSHOT_BYTES_MAX;
use super::transports::Transports;

/// What a record takes besides its payload at most, bytes: verb, numbers, a topic of 255, a producer of 100; or the longest
/// answer to a publication, with what a patch has met.
pub(crate) const HEAD_BYTES_MAX: usize = 4_096;

/// What a subscription takes in a post at most, bytes. Source: rule W8.
const SUB_BYTES_MAX: usize = 512;

/// What an answer to a subscription takes at most, bytes: a verb, a reason, an epoch, four numbers.
const START_BYTES_MAX: usize = 128;

/// What the core keeps and takes at most. All are reached by refusing or forgetting, never by failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages retained a topic; the oldest go first (`trimmed`). Chosen: what a client misses in a lift or a tunnel.
    pub retain_entries: usize,
    /// How long a message is retained, ms (`expired`).
    pub retain_ms: u64,
    /// Bytes of messages retained a topic; the oldest go first (`trimmed`). Chosen: 250 of the largest payloads.
    pub retain_bytes: usize,
    /// Bytes a topic of messages that are retained no longer but kept for streams under way. Chosen: a burst of 100,000 small messages.
    pub lag_bytes: usize,
    /// How long after it came such a message is kept, ms. Chosen: three times what a connection may take for one frame.
    pub lag_ms: u64,
    /// Bytes of all topics, logs, documents, producers and subscriptions together. At it the largest topics lose their oldest
    /// messages (`trimmed`). Chosen: half of a small machine.
    pub memory_bytes_max: usize,
    /// Bytes of all producers together. Beyond it a new one is answered `busy`; those that are known go on. Chosen: half of the memory.
    pub producers_bytes_max: usize,
    /// Bytes of all subscriptions together. Beyond it a sub is answered `busy`; those that are there go on. Chosen: half of the memory,
    /// more than a million.
    pub subscriptions_memory_bytes_max: usize,
    /// Topics. Beyond it a sub or publication of a new one is answered `busy`. Chosen: they fit the memory, each with a producer.
    pub topics_max: usize,
    /// A topic that nobody subscribes to, that retains nothing and remembers no producer is removed after so long without use, ms.
    /// Chosen: an hour.
    pub topic_idle_ms: u64,
    /// Connections, unwelcomed ones included. Beyond it a new one is closed with 1013. Chosen.
    pub connections_max: usize,
    /// New connections a second, polls and event streams of clients that are not here included; beyond it a client is sent away
    /// with its time to come back (rule R1). Chosen: see docs/operations.md.
    pub admit_per_s: u64,
    /// Connections to reckon with in the first minutes, before they are there: the spread of the first clients is theirs (rule R2).
    pub expect_connections: usize,
    /// How long a drain takes, ms. `None`: so long that no more than `admit_per_s` come back a second.
    pub drain_ms: Option<u64>,
    /// Subscriptions a connection. Beyond it the connection is closed with 4007. Chosen: an answer each fits `control_bytes_max`.
    pub subscriptions_max: usize,
    /// Producers a topic. Beyond it a new one is answered `busy`. Chosen: a twentieth of their bytes.
    pub producers_max: usize,
    /// A producer is forgotten so long after its topic last heard it, ms. Source: rule H11; a day more than a client's row may live.
    pub producers_ms: u64,
    /// Verdicts remembered for a producer in a topic. Source: rule H8.
    pub verdicts_max: usize,
    /// Idempotency keys remembered for a topic; the oldest go first. Chosen: as many verdicts as a back end's retries need.
    pub keys_max: usize,
    /// Largest frame from a client, bytes; a larger one closes with 1009, but for posts of subscriptions. Source: rule W8.
    pub frame_bytes_max: usize,
    /// Largest post of subscriptions, bytes. Source: rule W8; `subscriptions_max` of the longest.
    pub subs_bytes_max: usize,
    /// Bytes of posts of subscriptions larger than a frame that are being read. Beyond it their clients are told to try again
    /// later. Chosen: eight of the largest.
    pub large_posts_bytes_max: usize,
    /// Largest payload, bytes; a larger one is nacked `payload_too_large`. Chosen: one frame of rule W8's aim.
    pub payload_bytes_max: usize,
    /// Answers queued for a connection that takes nothing, bytes; beyond it closed with 4008. Chosen: answers to 8 full frames.
    pub control_bytes_max: usize,
    /// Frames to a client aim at this, bytes; a larger record comes in parts. Source: rule W9.
    pub frame_bytes_aim: usize,
    /// Messages in an answer to a poll aim at this, bytes. Source: rule T3.
    pub answer_bytes_aim: usize,
    /// How long a new connection has for its hello, ms. Source: rule C1.
    pub hello_ms: u64,
    /// How long the body of a request may take, ms (408). Source: rule T5; as long as a hello.
    pub body_ms: u64,
    /// How long a transport may take for one frame, ms; whoever drives the core then says `Stalled`. Source: rule H10.
    pub write_ms: u64,
    /// How long a connection that was `Stalled` may take for the rest of its frame and the close behind it, ms: in the middle of a
    /// frame there is no room for a code. Source: rule H10; with what came before, longer than a browser freezes a busy page.
    pub stalled_close_ms: u64,
    /// Heartbeat interval, ms, as told in the welcome. Source: rule B2.
    pub ping_ms: u64,
    /// How much longer than `ping_ms` silence may last, ms. Source: rule B3.
    pub wait_ms: u64,
    /// Longest hold of a poll, ms. Source: rule T3; proxies cut silence at 30 s and more.
    pub hold_ms: u64,
    /// How long a ticket is good, ms. Source: rule T2.
    pub ticket_ms: u64,
    /// Tickets that wait for their streams. Beyond it a client is told to try again later. Chosen: one a connection.
    pub tickets_max: usize,
    /// Bytes of the subscriptions that wait with tickets, as `tickets_max`. Chosen.
    pub tickets_bytes_max: usize,
    /// What clients may come over. Source: rule T6.
    pub transports: Transports,
    /// Messages in one answer to a read from a back end. Chosen: a default log.
    pub page_entries_max: usize,
    /// Payload bytes in one answer to a read from a back end, but for a single larger message. Chosen.
    pub page_bytes_max: usize,
}

impl Limits {
    /// What a hub has that is told nothing else.
    pub const DEFAULT: Self = Self {
        retain_entries: 1_000,
        retain_ms: 300_000,
        retain_bytes: 16 << 20,
        lag_bytes: 16 << 20,
        lag_ms: 30_000,
        memory_bytes_max: 1 << 30,
        producers_bytes_max: 512 << 20,
        subscriptions_memory_bytes_max: 512 << 20,
        topics_max: 500_000,
        topic_idle_ms: 3_600_000,
        connections_max: 10_000,
        admit_per_s: 2_000,
        expect_connections: 0,
        drain_ms: None,
        subscriptions_max: 16_384,
        producers_max: 100_000,
        producers_ms: 8 * 86_400_000,
        verdicts_max: 1_024,
        keys_max: 10_000,
        frame_bytes_max: 262_144,
        subs_bytes_max: 8 << 20,
        large_posts_bytes_max: 64 << 20,
        payload_bytes_max: 65_536,
        control_bytes_max: 2 << 20,
        frame_bytes_aim: PART_BYTES_MAX,
        answer_bytes_aim: 65_536,
        hello_ms: 10_000,
        body_ms: 10_000,
        write_ms: 10_000,
        stalled_close_ms: 30_000,
        ping_ms: 25_000,
        wait_ms: 10_000,
        hold_ms: 25_000,
        ticket_ms: 30_000,
        tickets_max: 10_000,
        tickets_bytes_max: 64 << 20,
        transports: Transports::ALL,
        page_entries_max: 1_000,
        page_bytes_max: 4 << 20,
    };

    /// Bytes that the values and texts of documents take together. At it a change that makes a document larger is answered
    /// `busy`. Chosen: half of the memory.
    #[must_use]
    pub const fn documents_bytes_max(&self) -> usize {
        self.memory_bytes_max / 2
    }

    /// Bytes of everything but messages. At it new topics, producers and owners and changes that make a document larger are
    /// answered `busy`. Chosen: three quarters of the memory.
    #[must_use]
    pub const fn new_bytes_max(&self) -> usize {
        self.memory_bytes_max / 4 * 3
    }

    /// Bytes of everything but messages. At it new subscriptions are answered `busy`, and known producers and idempotency keys
    /// take the place of their own oldest verdicts. Chosen: seven eighths of the memory, so that the rest is left to messages.
    #[must_use]
    pub const fn fixed_bytes_max(&self) -> usize {
        self.memory_bytes_max / 8 * 7
    }

    /// What does not fit together in them, if something does not: then a record could be made that can't be delivered.
    #[must_use]
    pub const fn misfit(&self) -> Option<&'static str> {
        let misfits = [
            (
                self.payload_bytes_max + HEAD_BYTES_MAX > self.frame_bytes_max,
                "the largest payload does not fit a frame from a client",
            ),
            (
                self.frame_bytes_max > FRAME_BYTES_MAX,
                "a frame from a client is larger than rule W8 has it",
            ),
            (
                self.frame_bytes_aim + HEAD_BYTES_MAX > FRAME_BYTES_MAX,
                "a frame to a client is larger than clients take",
            ),
            (
                self.payload_bytes_max + HEAD_BYTES_MAX > RECORD_BYTES_MAX,
                "the largest message is larger than clients take",
            ),
            (
                self.control_bytes_max + RECORD_BYTES_MAX + self.answer_bytes_aim
                    > ANSWER_BYTES_MAX,
                "an answer to a poll is larger than clients take",
            ),
            (
                self.subscriptions_max * START_BYTES_MAX > self.control_bytes_max,
                "the answers to all subscriptions of a connection do not fit its queue",
            ),
            (
                self.subscriptions_max * SUB_BYTES_MAX > self.subs_bytes_max,
                "the subscriptions of a connection do not fit a post",
            ),
            (
                self.subs_bytes_max > self.large_posts_bytes_max,
                "the largest post of subscriptions is never read",
            ),
            (
                self.subs_bytes_max > self.tickets_bytes_max,
                "the largest post of subscriptions gets no ticket",
            ),
            (
                self.payload_bytes_max > self.retain_bytes,
                "the largest message is not retained",
            ),
        ];
        let mut at = 0;
        while at < misfits.len() {
            #[expect(clippy::indexing_slicing, reason = "the loop ends before the end")]
            let (is_misfit, what) = misfits[at];
            if is_misfit {
                return Some(what);
            }
            at += 1;
        }
        None
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// The time-outs of both sides let a slow line through: something arrives, or is taken, before they are over.
const _: () = {
    let limits = Limits::DEFAULT;
    assert!(limits.misfit().is_none());
    // Each share leaves room for the others, and the largest message fits what is left.
    assert!(limits.documents_bytes_max() < limits.new_bytes_max());
    assert!(limits.producers_bytes_max < limits.new_bytes_max());
    assert!(limits.new_bytes_max() < limits.fixed_bytes_max());
    assert!(limits.subscriptions_memory_bytes_max < limits.fixed_bytes_max());
    let messages_bytes = limits.memory_bytes_max - limits.fixed_bytes_max();
    assert!(limits.payload_bytes_max + HEAD_BYTES_MAX <= messages_bytes);
    assert!(SNAPSHOT_BYTES_MAX + HEAD_BYTES_MAX <= RECORD_BYTES_MAX);
    let frame_ms = slow_ms(limits.frame_bytes_aim + HEAD_BYTES_MAX);
    assert!(frame_ms < PROBE_MS);
    assert!(frame_ms < STREAM_MS_MAX);
    assert!(frame_ms < WELCOME_MS_MAX);
    assert!(frame_ms < limits.write_ms);
    // What goes up is not cut into parts: a publication's frame is heard when it is complete.
    let row_ms = slow_ms(limits.payload_bytes_max + HEAD_BYTES_MAX);
    assert!(row_ms < limits.wait_ms);
    assert!(row_ms < OPEN_MS_MAX);
    assert!(row_ms < HeartbeatPolicy::DEFAULT.timeout_ms);
};
