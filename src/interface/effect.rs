//! The effects: everything that the core asks its caller to do, in order and as plain data.

use crate::ids::{ConnectionId, Cursor, Epoch, RowNo, Seq, TopicNo};
use crate::interface::publication::{Outcome, PublishRefusal};
use crate::interface::storage::StoreRequest;
use crate::interface::tab_message::TabMessage;
use crate::transport::Transport;
use crate::wire::ResumeFailure;

/// One effect. The caller executes all effects in order, and then runs the user's listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a transport. `Opened` or `Ended` follows, or an answer for a long poll.
    Open {
        /// The new connection's id.
        connection: ConnectionId,
        /// The transport.
        transport: Transport,
        /// The index of the hub's address.
        address: usize,
        /// The records of the first request. Empty for a socket, which sends them once it is open.
        records: String,
    },
    /// Send a poll, which replaces the one under way. `Answered` or `Ended` follows.
    Poll {
        /// The long-polling connection.
        connection: ConnectionId,
        /// The records `hello` and `sub`.
        records: String,
    },
    /// Ask the app for a token. [`crate::Event::Token`] or [`crate::Event::NoToken`] follows.
    AskToken {
        /// The reason.
        reason: TokenReason,
    },
    /// Request a slot for an event stream or a long poll, or give it back. All tabs share the
    /// slots. [`crate::Event::Slot`] follows.
    Slot {
        /// The client wants a slot. Otherwise it gives its slot or its request back.
        is_wanted: bool,
    },
    /// Remember that this transport worked on this network. The next client tries it first.
    Remember {
        /// The transport.
        transport: Transport,
    },
    /// Send these records over a socket.
    Send {
        /// The socket's connection.
        connection: ConnectionId,
        /// One or more records.
        records: String,
    },
    /// Send a publication over a socket or in a post: `head`, directly followed by the payload of
    /// `row`.
    SendPublication {
        /// The connection.
        connection: ConnectionId,
        /// The text before the payload.
        head: String,
        /// The row with the payload. `None` if there is no payload.
        row: Option<RowNo>,
    },
    /// Abort the posts of publications under way, because they hang. Nothing follows.
    AbandonPosts {
        /// The connection.
        connection: ConnectionId,
    },
    /// Drop the posts of publications that wait behind another post, because a wipe removed their
    /// rows.
    DropPosts {
        /// The connection.
        connection: ConnectionId,
    },
    /// Close a transport and forget it at once, because its close event may never arrive.
    Abandon {
        /// The connection.
        connection: ConnectionId,
        /// The close code to try.
        code: u16,
    },
    /// [`crate::Client::status`] has changed.
    StatusChanged,
    /// Deliver the messages of a run except the first `skip`. Then forget its payloads.
    Deliver {
        /// The subscription.
        no: TopicNo,
        /// The run's id.
        run: u32,
        /// How many messages the subscription already has. It may have all.
        skip: u32,
    },
    /// Keep the payloads of a run until `Deliver` or `Discard` names it.
    Hold {
        /// The run's id.
        run: u32,
    },
    /// Forget the payloads of a run that `Hold` named.
    Discard {
        /// The run's id.
        run: u32,
    },
    /// Messages that the subscriber can't get.
    Gap {
        /// The subscription.
        no: TopicNo,
        /// The epoch of their log.
        epoch: Epoch,
        /// The first missing message.
        first: Seq,
        /// The last missing message. `None` if it is unknown.
        last: Option<Seq>,
        /// The reason.
        reason: ResumeFailure,
    },
    /// A subscription's stream begins.
    Streaming {
        /// The subscription.
        no: TopicNo,
        /// The position that the messages follow.
        after: Cursor,
    },
    /// The hub rejected this subscription.
    Refused {
        /// The subscription.
        no: TopicNo,
        /// The hub's code.
        code: String,
        /// The hub's explanation.
        message: String,
    },
    /// A publication has its row.
    RowAssigned {
        /// The caller's number for the call.
        request: u32,
        /// Its row. A row that is already known gets the new payload.
        row: RowNo,
        /// Whether the row is in the browser's storage.
        is_durable: bool,
    },
    /// Forget the payload of a row, which has left storage.
    Forget {
        /// The row.
        row: RowNo,
    },
    /// Execute a request in the browser's storage. One request is under way at a time, and
    /// [`crate::Event::Stored`] follows each.
    Store(StoreRequest),
    /// Request leadership among the clients of this storage, or resign. [`crate::Event::Leader`]
    /// follows, and again after each change.
    Leader {
        /// The client wants to lead. Otherwise it resigns.
        is_wanted: bool,
    },
    /// Send a message to the other clients of this storage. They receive it as
    /// [`crate::Event::TabMessage`].
    SendTabMessage {
        /// The producer of the rows that it is about.
        producer: String,
        /// The message.
        tab_message: TabMessage,
    },
    /// The browser has removed the outbox's storage.
    OutboxLost {
        /// The number of lost rows, as far as the client knows.
        rows: u64,
    },
    /// The hub rejects this outbox's rows from the token's subject, so they wait.
    OutboxRefused {
        /// The hub's code.
        code: String,
        /// The hub's explanation.
        message: String,
    },
    /// A publication got no row.
    PublishRefused {
        /// The caller's number for the call.
        request: u32,
        /// The reason.
        why: PublishRefusal,
    },
    /// A row has its outcome.
    Outcome {
        /// The row.
        row: RowNo,
        /// How often the client sent it.
        attempts: u32,
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why the client asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenReason {
    /// The client has no token yet.
    Initial,
    /// The token is about to expire.
    Expiring,
    /// The hub did not accept the last one.
    Rejected,
}
