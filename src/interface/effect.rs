//! Everything that a client asks of the world, in order, as plain data.

use crate::ids::{ConnectionId, Cursor, Epoch, RowNo, Seq, TopicNo};
use crate::interface::publication::{Outcome, PublishRefusal};
use crate::interface::storage::StoreRequest;
use crate::interface::tab_message::TabMessage;
use crate::transport::Transport;
use crate::wire::ResumeFailure;

/// Something to do. The caller does all of them in order and then runs the user's listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a transport; `Opened` or `Ended` follows, or for a long-poll an answer.
    Open {
        /// The new connection's id.
        connection: ConnectionId,
        /// Which way.
        transport: Transport,
        /// Which of the hub's addresses.
        address: usize,
        /// What the first request says; empty for a socket, which is told when it is open.
        records: String,
    },
    /// Send a poll, in place of the one that may be held; `Answered` or `Ended` follows.
    Poll {
        /// Where.
        connection: ConnectionId,
        /// Hello and subs.
        records: String,
    },
    /// Ask the app for a token; [`crate::Event::Token`] or [`crate::Event::NoToken`] follows.
    AskToken {
        /// Why.
        reason: TokenReason,
    },
    /// A place among the connections that all tabs share for what is held over HTTP is wanted;
    /// [`crate::Event::Slot`] follows.
    Slot {
        /// It is; else the one that was wanted or granted is given back.
        is_wanted: bool,
    },
    /// This transport was useful on this network: worth trying first next time.
    Remember {
        /// Which.
        transport: Transport,
    },
    /// Send these records over a socket.
    Send {
        /// Where.
        connection: ConnectionId,
        /// One or more records.
        records: String,
    },
    /// Send a publication: `head` and right behind it the payload of `row`; over a socket, or in a
    /// post.
    SendPublication {
        /// Where.
        connection: ConnectionId,
        /// Everything before the payload.
        head: String,
        /// Whose payload; `None` where there is none.
        row: Option<RowNo>,
    },
    /// Give up the posts of publications that are under way: they hang. Nothing follows.
    AbandonPosts {
        /// Where.
        connection: ConnectionId,
    },
    /// Forget the posts of publications that wait for one that is under way: their rows were wiped.
    DropPosts {
        /// Where.
        connection: ConnectionId,
    },
    /// Close a transport and forget it at once: its close event may never come.
    Abandon {
        /// Which.
        connection: ConnectionId,
        /// The close code to try.
        code: u16,
    },
    /// [`crate::Client::status`] has changed.
    StatusChanged,
    /// Hand over the messages of a run, but for the first `skip`; then forget its payloads.
    Deliver {
        /// To whom.
        no: TopicNo,
        /// Which.
        run: u32,
        /// How many were delivered before; may be all.
        skip: u32,
    },
    /// Keep the payloads of a run until `Deliver` or `Discard` names it.
    Hold {
        /// Which.
        run: u32,
    },
    /// Forget the payloads of a held run.
    Discard {
        /// Which.
        run: u32,
    },
    /// Messages that the subscriber can't have.
    Gap {
        /// Whose.
        no: TopicNo,
        /// Of which log.
        epoch: Epoch,
        /// The first one.
        first: Seq,
        /// The last one; `None` where nobody knows.
        last: Option<Seq>,
        /// Why.
        reason: ResumeFailure,
    },
    /// A subscription's stream begins.
    Streaming {
        /// Whose.
        no: TopicNo,
        /// What its messages follow.
        after: Cursor,
    },
    /// The hub gives no stream for this subscription.
    Refused {
        /// Whose.
        no: TopicNo,
        /// The hub's code.
        code: String,
        /// The hub's words.
        message: String,
    },
    /// A publication has its row.
    RowAssigned {
        /// The caller's number for the call.
        request: u32,
        /// Its row; one that is known already gets the new payload.
        row: RowNo,
        /// It is in the browser's storage.
        is_durable: bool,
    },
    /// Forget the payload of a row: it is no longer in storage.
    Forget {
        /// Which.
        row: RowNo,
    },
    /// Do this in the browser's storage. One is under way at a time, and [`crate::Event::Stored`]
    /// follows each.
    Store(StoreRequest),
    /// This client wants to be the one of its browser that sends what is in storage;
    /// [`crate::Event::Leader`] follows, and again when that changes.
    Leader {
        /// It does; else it no longer wants to be.
        is_wanted: bool,
    },
    /// Tell the other clients of the same storage; for them it is [`crate::Event::TabMessage`].
    SendTabMessage {
        /// Whose rows it is about.
        producer: String,
        /// What.
        tab_message: TabMessage,
    },
    /// The browser has removed the storage that the outbox was in.
    OutboxLost {
        /// Rows that were in it, as far as is known.
        rows: u64,
    },
    /// The hub does not take this outbox's rows from whom the token names: they wait.
    OutboxRefused {
        /// The hub's code.
        code: String,
        /// The hub's words.
        message: String,
    },
    /// A publication got no row.
    PublishRefused {
        /// The caller's number for the call.
        request: u32,
        /// Why.
        why: PublishRefusal,
    },
    /// A row has its outcome.
    Outcome {
        /// Which.
        row: RowNo,
        /// How often it was sent.
        attempts: u32,
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why the client asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenReason {
    /// The client has had none.
    Initial,
    /// It is about to end.
    Expiring,
    /// The hub did not accept the last one.
    Rejected,
}
