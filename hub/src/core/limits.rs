//! Every limit of the hub's core, and what the hub does at it.

use longhaul::config::{HeartbeatPolicy, OPEN_MS_MAX, PROBE_MS, STREAM_MS_MAX, WELCOME_MS_MAX};
use longhaul::document::patch::DOCUMENT_BYTES_MAX;
use longhaul::wire::{
    ANSWER_BYTES_MAX, FRAME_BYTES_MAX, PART_BYTES_MAX, RECORD_BYTES_MAX, slow_ms,
};

use super::transports::Transports;

/// The most bytes of a record without its payload: verb, numbers, a topic of 255, a producer of
/// 100. The longest answer to a publication, with the values that a patch has met, fits too.
pub(crate) const HEAD_BYTES_MAX: usize = 4_096;

/// The most bytes of a subscription in a post. Source: rule W8.
const SUB_BYTES_MAX: usize = 512;

/// The most bytes of an answer to a subscription: a verb, a reason, an epoch, four numbers.
const START_BYTES_MAX: usize = 128;

/// The most bytes of a snapshot. Source: rule D6, with every character as an escape of six.
const SNAPSHOT_BYTES_MAX: usize = 6 * DOCUMENT_BYTES_MAX;

/// The hub searches for expired producers and owners at most this often in `producers_ms`. Chosen:
/// it searches 100,000 producers of a topic once in two hours.
pub(crate) const SWEEP_PARTS: u64 = 100;

/// The limits of the core. At a limit the hub refuses or forgets something; it never fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages that a topic retains. The oldest go first (`trimmed`). Chosen: what a client misses
    /// in a lift or a tunnel.
    pub retain_entries: usize,
    /// How long a topic retains a message, ms (`expired`).
    pub retain_ms: u64,
    /// Bytes of messages that a topic retains. The oldest go first (`trimmed`). Chosen: 250 of the
    /// largest payloads.
    pub retain_bytes: usize,
    /// Bytes of a topic's messages that are retained for readers. Chosen: a burst of 100,000 small
    /// messages.
    pub for_readers_bytes: usize,
    /// How long after its publication a message is retained for readers, ms. Chosen: three times
    /// what a connection may need for one frame.
    pub for_readers_ms: u64,
    /// Bytes of all topics, logs, documents, producers and subscriptions. At the limit the largest
    /// topics lose their oldest messages (`trimmed`). Chosen: half of a small machine.
    pub memory_bytes_max: usize,
    /// Bytes of all producers. Beyond it a new producer gets `busy`; known ones continue. Chosen:
    /// half of the memory.
    pub producers_bytes_max: usize,
    /// Bytes of all subscriptions. Beyond it a new subscription gets `busy`; others continue.
    /// Chosen: half of the memory, which is more than a million subscriptions.
    pub subscriptions_memory_bytes_max: usize,
    /// Topics. Beyond it a subscription or publication of a new topic gets `busy`. Chosen: they fit
    /// the memory, each with a producer.
    pub topics_max: usize,
    /// The hub removes a topic this long after its last use, ms, if it has no subscribers, messages
    /// and producers. Chosen: an hour.
    pub topic_idle_ms: u64,
    /// Connections, including those without a welcome. Beyond it a new one gets close code 1013.
    /// Chosen.
    pub connections_max: usize,
    /// New connections per second, including polls and event streams of new clients. Beyond it a
    /// client gets a retry time (rule R1). Chosen: see docs/operations.md.
    pub admit_per_s: u64,
    /// Connections to expect in the first minutes. The first clients get the reconnect window of so
    /// many (rule R2).
    pub expect_connections: usize,
    /// How long a drain takes, ms. `None`: so long that at most `admit_per_s` clients a second come
    /// back.
    pub drain_ms: Option<u64>,
    /// Subscriptions of a connection. Beyond it the hub closes the connection with 4007. Chosen:
    /// one answer for each fits `control_bytes_max`.
    pub subscriptions_max: usize,
    /// Producers of a topic. Beyond it a new producer gets `busy`. Chosen: a twentieth of their
    /// bytes.
    pub producers_max: usize,
    /// A topic forgets a producer that has sent nothing for this time, ms. Source: rule H11; a day
    /// more than a client's longest time to live.
    pub producers_ms: u64,
    /// Verdicts that a topic remembers of a producer. Source: rule H8.
    pub verdicts_max: usize,
    /// Idempotency keys that a topic remembers. The oldest go first. Chosen: enough for the retries
    /// of a back end.
    pub keys_max: usize,
    /// The largest frame from a client, bytes. The hub closes with 1009 at a larger one, except in
    /// posts of subscriptions. Source: rule W8.
    pub frame_bytes_max: usize,
    /// The largest post of subscriptions, bytes. Source: rule W8; `subscriptions_max` of the
    /// longest.
    pub subs_bytes_max: usize,
    /// Bytes of all posts of subscriptions that are larger than a frame and that the hub is
    /// reading. Beyond it the clients get a retry time. Chosen: eight of the largest.
    pub large_posts_bytes_max: usize,
    /// The largest payload, bytes. A larger one gets the nack `payload_too_large`. Chosen: one
    /// frame of the size that rule W8 aims at.
    pub payload_bytes_max: usize,
    /// Bytes of answers that wait for a client. Beyond it the hub closes with 4008. Chosen: the
    /// answers to 8 full frames.
    pub control_bytes_max: usize,
    /// The size that frames to a client aim at, bytes. A larger record goes in parts. Source: rule
    /// W9.
    pub frame_bytes_aim: usize,
    /// The size that the messages in a poll's answer aim at, bytes. Source: rule T3.
    pub answer_bytes_aim: usize,
    /// How long a new connection may take to send its hello, ms. Source: rule C1.
    pub hello_ms: u64,
    /// How long the body of a request may take, ms (408). Source: rule T5; as long as a hello.
    pub body_ms: u64,
    /// How long a transport may take for one frame, ms. Then the driver sends `Stalled`. Source:
    /// rule H10.
    pub write_ms: u64,
    /// How long a stalled connection may take for the rest of its frame and the close behind it,
    /// ms. A close can't interrupt a frame. Source: rule H10; with `write_ms` it is longer than a
    /// browser freezes a busy page.
    pub stalled_close_ms: u64,
    /// The heartbeat interval in the welcome, ms. Source: rule B2.
    pub ping_ms: u64,
    /// How much longer than `ping_ms` a client may be silent, ms. Source: rule B3.
    pub wait_ms: u64,
    /// The longest poll timeout, ms. Source: rule T3; proxies cut silent requests at 30 s and more.
    pub hold_ms: u64,
    /// How long a ticket is valid, ms. Source: rule T2.
    pub ticket_ms: u64,
    /// Tickets that wait for their streams. Beyond it a client gets a retry time. Chosen: one for
    /// each connection.
    pub tickets_max: usize,
    /// Bytes of the subscriptions that wait with tickets. Beyond it a client gets a retry time.
    /// Chosen.
    pub tickets_bytes_max: usize,
    /// The transports that the hub serves. Source: rule T6.
    pub transports: Transports,
    /// Messages in one answer to a read of a back end. Chosen: a default log.
    pub page_entries_max: usize,
    /// Payload bytes in one answer to a read of a back end; a single message may be larger. Chosen.
    pub page_bytes_max: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        retain_entries: 1_000,
        retain_ms: 300_000,
        retain_bytes: 16 << 20,
        for_readers_bytes: 16 << 20,
        for_readers_ms: 30_000,
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

    /// Bytes of the values and texts of all documents. Beyond it a change that makes a document
    /// larger gets `busy`. Chosen: half of the memory.
    #[must_use]
    pub const fn documents_bytes_max(&self) -> usize {
        self.memory_bytes_max / 2
    }

    /// Bytes of everything but messages. Beyond it new topics, producers and owners get `busy`, and
    /// so do changes that make a document larger. Chosen: three quarters of the memory.
    #[must_use]
    pub const fn new_bytes_max(&self) -> usize {
        self.memory_bytes_max / 4 * 3
    }

    /// Bytes of everything but messages. Beyond it new subscriptions get `busy`, and new verdicts
    /// and keys replace the oldest ones of their producer or topic. Chosen: seven eighths of the
    /// memory; the rest is for messages.
    #[must_use]
    pub const fn fixed_bytes_max(&self) -> usize {
        self.memory_bytes_max / 8 * 7
    }

    /// The first contradiction between the limits. With it, the hub could make a record that it
    /// can't deliver.
    #[must_use]
    pub const fn misfit(&self) -> Option<&'static str> {
        let misfits = [
            (
                self.payload_bytes_max + HEAD_BYTES_MAX > self.frame_bytes_max,
                "the largest payload does not fit a frame from a client",
            ),
            (
                self.frame_bytes_max > FRAME_BYTES_MAX,
                "a frame from a client is larger than rule W8 allows",
            ),
            (
                self.frame_bytes_aim + HEAD_BYTES_MAX > FRAME_BYTES_MAX,
                "a frame to a client is larger than clients accept",
            ),
            (
                self.payload_bytes_max + HEAD_BYTES_MAX > RECORD_BYTES_MAX,
                "the largest message is larger than clients accept",
            ),
            (
                self.control_bytes_max + RECORD_BYTES_MAX + self.answer_bytes_aim
                    > ANSWER_BYTES_MAX,
                "an answer to a poll is larger than clients accept",
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
                "the hub never reads the largest post of subscriptions",
            ),
            (
                self.subs_bytes_max > self.tickets_bytes_max,
                "the largest post of subscriptions gets no ticket",
            ),
            (
                self.payload_bytes_max > self.retain_bytes,
                "topics do not retain the largest message",
            ),
        ];
        let mut index = 0;
        while index < misfits.len() {
            #[expect(clippy::indexing_slicing, reason = "the loop ends before the end")]
            let (is_misfit, what) = misfits[index];
            if is_misfit {
                return Some(what);
            }
            index += 1;
        }
        None
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// The timeouts of both sides allow a slow network: something arrives, or leaves, before they end.
const _: () = {
    let limits = Limits::DEFAULT;
    assert!(limits.misfit().is_none());
    // Each share leaves memory to the others, and the largest message fits the rest.
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
    // Clients send no parts, so a publication arrives when its frame is complete.
    let row_ms = slow_ms(limits.payload_bytes_max + HEAD_BYTES_MAX);
    assert!(row_ms < limits.wait_ms);
    assert!(row_ms < OPEN_MS_MAX);
    assert!(row_ms < HeartbeatPolicy::DEFAULT.timeout_ms);
};
