//! What the hub has room for at present (rule H11).
//!
//! Owns the shares of the memory. Only messages can be forgotten early, so everything else leaves them room.

use super::limits::Limits;
use super::peer::SUBSCRIPTION_BYTES;

/// Memory that is taken, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// By everything but messages.
    pub(crate) fixed: usize,
    /// By the values and texts of documents.
    pub(crate) documents: usize,
    /// By producers and their owners.
    pub(crate) producers: usize,
    /// By subscriptions.
    pub(crate) subscriptions: usize,
}

/// What there is room for in all topics together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Whether a new topic may come.
    pub(crate) for_topics: bool,
    /// Whether a new producer or owner may come.
    pub(crate) for_producers: bool,
    /// Whether documents may grow.
    pub(crate) for_documents: bool,
    /// Whether a new subscription may come.
    pub(crate) for_subscriptions: bool,
    /// Whether known producers may have more verdicts, and topics more idempotency keys.
    pub(crate) for_verdicts: bool,
}

impl Room {
    pub(crate) fn beside(taken: &Taken, limits: &Limits) -> Self {
        let for_topics = taken.fixed < limits.new_bytes_max();
        let for_verdicts = taken.fixed < limits.fixed_bytes_max();
        let subscriptions = taken.subscriptions + SUBSCRIPTION_BYTES;
        Self {
            for_topics,
            for_producers: for_topics && taken.producers < limits.producers_bytes_max,
            for_documents: for_topics && taken.documents < limits.documents_bytes_max(),
            for_subscriptions: for_verdicts
                && subscriptions <= limits.subscriptions_memory_bytes_max,
            for_verdicts,
        }
    }
}
