//! One subscription of a connection: a cursor, its turn in the queue, and its document if it has
//! one.

use longhaul::ids::Seq;

use crate::core::ids::TopicId;
use crate::core::topics::capacity::SUBSCRIPTION_BYTES;

/// A subscription. It holds a cursor and no messages.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) topic: TopicId,
    /// The last entry that the connection has.
    pub(crate) after: Seq,
    /// Its key in the queue of the connection, if it is queued.
    pub(crate) turn: Option<u64>,
    /// Set if the client asked for a document (rule D7).
    pub(crate) document: Option<Follower>,
}

/// How far a subscription follows a document.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// The client's own producer, if the client named it.
    pub(crate) producer: Option<Box<str>>,
    /// Whether a snapshot comes before anything else.
    pub(crate) is_snapshot_due: bool,
    /// Changes since the last snapshot or checkpoint.
    pub(crate) unchecked: usize,
}

impl Subscription {
    /// Its memory, with the hub's part of it in the topic.
    pub(crate) fn bytes(&self) -> usize {
        let producer = self.document.as_ref().and_then(|it| it.producer.as_ref());
        SUBSCRIPTION_BYTES + producer.map_or(0, |producer| producer.len())
    }

    /// Whether it gets a snapshot before anything else.
    pub(crate) fn is_snapshot_due(&self) -> bool {
        let follower = self.document.as_ref();
        follower.is_some_and(|follower| follower.is_snapshot_due)
    }
}
