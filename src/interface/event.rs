//! The events: the only way into the core, as plain data.

use crate::ids::{Chain, ConnectionId, From, RowNo, Seq, TopicNo};
use crate::interface::publication::Publication;
use crate::interface::storage::StoreAnswer;
use crate::interface::tab_message::TabMessage;

/// One event. The core ignores events of a connection that it has replaced or closed.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The client starts.
    Start,
    /// The deadline of [`crate::Client::deadline`] is over. Early or late calls are harmless.
    Deadline,
    /// A socket with our subprotocol opened. Or a ticket arrived, and its event stream is opening.
    Opened {
        /// The connection.
        connection: ConnectionId,
    },
    /// A record that is not a messages record arrived.
    Record {
        /// The connection.
        connection: ConnectionId,
        /// Its text.
        text: &'a str,
    },
    /// A messages record arrived, and its payloads are valid JSON.
    Messages {
        /// The connection.
        connection: ConnectionId,
        /// The subscription.
        no: TopicNo,
        /// The run's numbers, without the payloads.
        run: Run,
    },
    /// Incomplete data arrived: a part of a record (rule W9), or bytes of an answer. It is a sign
    /// of life.
    Heard {
        /// The connection.
        connection: ConnectionId,
        /// More of it follows at once.
        has_more: bool,
        /// How many bytes arrived.
        bytes: usize,
    },
    /// Unreadable data arrived: no valid frame, or payloads that are not JSON.
    Garbage {
        /// The connection.
        connection: ConnectionId,
        /// The fault in words.
        what: &'static str,
    },
    /// The answer to a poll is complete. Its records arrived before.
    Answered {
        /// The connection.
        connection: ConnectionId,
    },
    /// A post of publications failed, so they have no verdict.
    PostFailed {
        /// The connection.
        connection: ConnectionId,
        /// The minimum retry delay, ms.
        retry_after_ms: u64,
    },
    /// A transport ended or never opened.
    Ended {
        /// The connection.
        connection: ConnectionId,
        /// Its close code. 1006 if it had none.
        code: u16,
        /// The hub's explanation.
        reason: &'a str,
        /// The minimum retry delay (Retry-After), ms.
        retry_after_ms: u64,
    },
    /// A new subscription.
    Subscribe {
        /// Its number, which is higher than every earlier one.
        no: TopicNo,
        /// A topic name that [`crate::ids::is_topic_name`] accepts.
        topic: &'a str,
        /// The position that it begins at.
        from: From,
        /// The subscription is passive: its messages may be late.
        is_passive: bool,
    },
    /// A subscription became passive, or stopped being passive.
    Passive {
        /// Its number.
        no: TopicNo,
        /// The subscription is passive.
        is_passive: bool,
    },
    /// A new subscription to a document (rule D7). Its entries arrive like messages.
    Follow {
        /// Its number, from the same sequence as other subscriptions.
        no: TopicNo,
        /// A topic name that [`crate::ids::is_topic_name`] accepts.
        topic: &'a str,
    },
    /// A document's snapshot arrived. `Deliver` follows unless the core drops it.
    Snapshot {
        /// The connection.
        connection: ConnectionId,
        /// The subscription.
        no: TopicNo,
        /// The caller's number for it, from the same sequence as runs of messages.
        run: u32,
        /// The seq of the last entry that it contains.
        seq: Seq,
        /// The chain after that entry.
        chain: Chain,
    },
    /// A document has diverged and needs a snapshot.
    Resync {
        /// The subscription.
        no: TopicNo,
    },
    /// A subscription ended.
    Unsubscribe {
        /// Its number.
        no: TopicNo,
    },
    /// A new publication.
    Publish(Publication<'a>),
    /// A row of an inherited outbox ([`crate::config::Inherited`]), in order and before `Start`. It
    /// is in memory, or in storage while the caller waits for it.
    Restore {
        /// Its number.
        row: RowNo,
        /// How often an earlier instance sent it.
        attempts: u32,
        /// The publication. The core doesn't answer its request, and its time to live is the
        /// remaining one.
        publication: Publication<'a>,
    },
    /// The user wants an attempt now.
    Reconnect,
    /// The browser's guess whether there is a network. It is a hint and never stops an attempt.
    Online(bool),
    /// The client got or lost its slot. This follows [`crate::Effect::Slot`], and again after each
    /// change. Until then the client acts as if it had a slot.
    Slot {
        /// The client has a slot.
        is_granted: bool,
    },
    /// The page may have slept, or the network changed. The page was hidden, frozen or in the
    /// back-forward cache.
    Woke,
    /// The machine slept: the wall clock advanced more than the monotonic clock.
    Slept {
        /// The difference, ms.
        ms: u64,
    },
    /// The page is about to be frozen, put into the back-forward cache, or left. Open connections
    /// would die unnoticed.
    Suspend,
    /// The app gave a token.
    Token {
        /// 1 to 8,192 visible ASCII characters.
        text: &'a str,
        /// How long it stays valid, ms, if that is known.
        lives_ms: Option<u64>,
    },
    /// The app gave no token.
    NoToken {
        /// The reason in words.
        detail: &'a str,
        /// The app refused. Otherwise it may have had no network to ask over.
        is_refusal: bool,
    },
    /// Storage has answered a request.
    Stored {
        /// The answer.
        answer: StoreAnswer,
    },
    /// The browser closed storage, or closed it for another page. The next open shows whether its
    /// contents are still there.
    StorageEnded,
    /// This client became the leader, or stopped being the leader.
    Leader {
        /// The client leads.
        is_granted: bool,
    },
    /// A message of another client of the same storage, or of the caller about its own action. The
    /// core ignores messages about other producers, because new storage assigns the same numbers
    /// again.
    TabMessage {
        /// The producer of the rows that it is about.
        producer: &'a str,
        /// The message.
        tab_message: TabMessage,
    },
    /// A client of this storage has wiped the outbox, or is about to. In between nothing is sent,
    /// for ten seconds at most. Later publications stay.
    Wiped {
        /// The wipe is complete.
        is_done: bool,
        /// The highest number of a removed row.
        last: RowNo,
        /// The time of the wipe by the machine's clock, ms since 1970. Of the publications outside
        /// of storage, it ends those from before. 0 while it is unknown. A client's own wipe covers
        /// everything that it has, and gives the highest value for this field and for `last`.
        at_ms: u64,
        /// The machine's clock now, ms since 1970.
        machine_ms: u64,
    },
    /// The user cancels a row.
    Cancel {
        /// Its number.
        n: RowNo,
    },
    /// The user closes the client.
    Close,
}

/// Consecutive messages that arrived together. The caller keeps their payloads under `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The caller's number for it.
    pub id: u32,
    /// The first message's seq.
    pub first: Seq,
    /// How many messages, at least 1.
    pub count: u32,
    /// The chain after the last one.
    pub chain: Chain,
    /// Characters of payload.
    pub chars: u32,
}

impl Run {
    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + u64::from(self.count) - 1)
    }
}
