//! What the hub has capacity for at present (rule H11).
//!
//! Owns the shares of the memory. The hub can drop messages early, and nothing else. So everything
//! else leaves memory to messages.

use crate::core::limits::Limits;

/// Memory of a subscription, without the name of its producer, bytes. Measured with the allocator
/// (hub/tests/memory.rs): 190 among many of one topic, 400 alone in a topic.
pub(crate) const SUBSCRIPTION_BYTES: usize = 400;

/// Memory in use, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Everything but messages.
    pub(crate) fixed: usize,
    /// The values and texts of documents.
    pub(crate) documents: usize,
    /// Producers and their owners.
    pub(crate) producers: usize,
    /// Subscriptions.
    pub(crate) subscriptions: usize,
}

/// Whether a change may make a document larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    Allowed,
    Refused,
}

/// What the hub has capacity for, in all topics together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Whether the hub accepts new topics.
    pub(crate) for_topics: bool,
    /// Whether the hub accepts new producers and owners.
    pub(crate) for_producers: bool,
    /// Whether documents may grow.
    pub(crate) documents: Growth,
    /// Whether the hub accepts new subscriptions.
    pub(crate) for_subscriptions: bool,
    /// Whether known producers may have more verdicts, and topics more idempotency keys.
    pub(crate) for_verdicts: bool,
}

impl Capacity {
    pub(crate) fn new(usage: &Usage, limits: &Limits) -> Self {
        let for_topics = usage.fixed < limits.new_bytes_max();
        let for_verdicts = usage.fixed < limits.fixed_bytes_max();
        let subscriptions = usage.subscriptions + SUBSCRIPTION_BYTES;
        Self {
            for_topics,
            for_producers: for_topics && usage.producers < limits.producers_bytes_max,
            documents: if for_topics && usage.documents < limits.documents_bytes_max() {
                Growth::Allowed
            } else {
                Growth::Refused
            },
            for_subscriptions: for_verdicts
                && subscriptions <= limits.subscriptions_memory_bytes_max,
            for_verdicts,
        }
    }
}
