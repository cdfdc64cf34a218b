//! Everything that can happen to a client. Events are the only way into the core.

use crate::ids::{Chain, ConnectionId, From, RowNo, Seq, TopicNo};
use crate::interface::publication::Publication;
use crate::interface::storage::StoreAnswer;
use crate::interface::tab_message::TabMessage;

/// Something that happened. Events of a connection that is no longer the current one have no
/// effect.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The client may begin.
    Start,
    /// The deadline of [`crate::Client::deadline`] has come. Early or late calls are harmless.
    Deadline,
    /// A socket opened, and the peer speaks our subprotocol; or there is a ticket for a stream,
    /// which is on its way.
    Opened {
        /// Which.
        connection: ConnectionId,
    },
    /// A record that is not a messages record arrived.
    Record {
        /// Where.
        connection: ConnectionId,
        /// Its text.
        text: &'a str,
    },
    /// A messages record arrived and its payloads could be parsed.
    Messages {
        /// Where.
        connection: ConnectionId,
        /// Of which subscription.
        no: TopicNo,
        /// Its numbers.
        run: Run,
    },
    /// Something arrived that is no record yet: a part of one (rule W9), or bytes of an answer. A
    /// sign of life.
    Heard {
        /// Where.
        connection: ConnectionId,
        /// More of it follows at once.
        has_more: bool,
        /// How much came.
        bytes: usize,
    },
    /// Something arrived that is no frame, or whose payloads are not JSON.
    Garbage {
        /// Where.
        connection: ConnectionId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The answer to a poll is complete; its records came before.
    Answered {
        /// Where.
        connection: ConnectionId,
    },
    /// A post of publications got no answer of a hub: they have no verdict.
    PostFailed {
        /// Where.
        connection: ConnectionId,
        /// The hub wants to be left alone for so long, ms.
        floor_ms: u64,
    },
    /// A transport ended or never opened.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// Its close code; 1006 where there was none.
        code: u16,
        /// The peer's words.
        reason: &'a str,
        /// The hub wants to be left alone for so long, ms: Retry-After.
        floor_ms: u64,
    },
    /// A new subscription.
    Subscribe {
        /// Its number: each is used once and is larger than those before.
        no: TopicNo,
        /// A topic name that [`crate::ids::is_topic_name`] accepts.
        topic: &'a str,
        /// Where it begins.
        from: From,
        /// Nobody waits for its messages: they may come late.
        is_passive: bool,
    },
    /// Whether somebody waits for the messages of a subscription has changed.
    Passive {
        /// Its number.
        no: TopicNo,
        /// Nobody does.
        is_passive: bool,
    },
    /// A new subscription to a topic as a document (rule D7). Its entries come as messages do.
    Follow {
        /// Its number, as of other subscriptions.
        no: TopicNo,
        /// A topic name that [`crate::ids::is_topic_name`] accepts.
        topic: &'a str,
    },
    /// A document's snapshot arrived: `Deliver` follows if it counts.
    Snapshot {
        /// Where.
        connection: ConnectionId,
        /// Of which subscription.
        no: TopicNo,
        /// The caller's number for it, as for a run of messages.
        run: u32,
        /// After which entry.
        seq: Seq,
        /// The chain there.
        chain: Chain,
    },
    /// A document has diverged, and needs a snapshot.
    Resync {
        /// Of which subscription.
        no: TopicNo,
    },
    /// A subscription ended.
    Unsubscribe {
        /// Its number.
        no: TopicNo,
    },
    /// A new publication.
    Publish(Publication<'a>),
    /// A row of an outbox that this client goes on with ([`crate::config::Inherited`]), in order
    /// and before `Start`: one in memory, or one in storage that the caller waits for.
    Restore {
        /// Its number.
        row: RowNo,
        /// How often it was sent.
        attempts: u32,
        /// What it is; nothing comes back for its request, and its time to live is what is left of
        /// it.
        publication: Publication<'a>,
    },
    /// The user wants an attempt now.
    Reconnect,
    /// The browser's guess whether there is a network. A hint: it never stops an attempt.
    Online(bool),
    /// Whether there is a place among the connections that all tabs share for what is held over
    /// HTTP. Comes after [`crate::Effect::Slot`] wanted one, and again when that changes; without
    /// it there is one.
    Slot {
        /// There is.
        is_granted: bool,
    },
    /// The page may have slept, or the network changed: it was hidden, frozen or in the
    /// back-forward cache.
    Woke,
    /// The machine slept: the wall clock went so much further than the one that the client is
    /// given.
    Slept {
        /// By how much, ms.
        ms: u64,
    },
    /// The page goes to sleep: it is frozen, put into the back-forward cache, or left. What is open
    /// would die unseen.
    Suspend,
    /// The app gave a token.
    Token {
        /// 1 to 8,192 visible ASCII characters.
        text: &'a str,
        /// How long it is good, ms, where that is known.
        lives_ms: Option<u64>,
    },
    /// The app gave none.
    NoToken {
        /// Its words.
        detail: &'a str,
        /// The app refused; else there may be no network for it to ask over.
        is_refusal: bool,
    },
    /// Storage has answered a request.
    Stored {
        /// What.
        answer: StoreAnswer,
    },
    /// Storage was closed by the browser, or for the sake of another page: whether it is still
    /// there shows when it is opened again.
    StorageEnded,
    /// Whether this client is the one that sends what is in storage.
    Leader {
        /// It is.
        is_granted: bool,
    },
    /// Another client of the same storage told this, or the caller itself where it has done it. It
    /// counts where it is about rows that this client has: storage may have been removed and made
    /// anew, with the same numbers.
    TabMessage {
        /// Whose rows it is about.
        producer: &'a str,
        /// What.
        tab_message: TabMessage,
    },
    /// A client of this storage has removed all rows and dead letters, or is about to: nothing is
    /// sent until it has, or ten seconds are over. What was published later stays.
    Wiped {
        /// It has.
        is_done: bool,
        /// No row that was removed had a higher number.
        last: RowNo,
        /// When that was, by the machine's clock, ms since 1970: what is not in storage was
        /// published before it, or later. 0 while that is not known. A client that wipes itself
        /// reaches everything that it has, and gives the highest number of either.
        at_ms: u64,
        /// What the machine's clock says now.
        machine_ms: u64,
    },
    /// The user gives a row up.
    Cancel {
        /// Its number.
        n: RowNo,
    },
    /// The user is done.
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
