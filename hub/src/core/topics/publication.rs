//! What clients and back ends publish and read, and why they can't.

use longhaul::ids::{Epoch, Seq};
use longhaul::wire::{Kind, ResumeFailure};

use super::document::{ChangeFault, Expected};
use super::log::Entry;
use super::payload::PayloadFault;

/// A publication that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The incarnation of its log.
    pub epoch: Epoch,
    /// Its position in that log.
    pub seq: Seq,
    /// Whether the hub had it already.
    pub duplicate: bool,
}

/// What an `until` said before a publication (rule C10).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// The publication takes no effect after this time of the hub's wall clock.
    pub(crate) until_ms: Option<u64>,
    /// The call of `publish` that it belongs to; 0 if the client does not say.
    pub(crate) tag: u64,
}

impl Terms {
    pub(crate) fn new(until_ms: u64, tag: Option<u64>) -> Self {
        Self {
            until_ms: Some(until_ms),
            tag: tag.unwrap_or_default(),
        }
    }

    pub(crate) fn is_expired(self, wall_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| wall_ms > until_ms)
    }
}

/// A publication of a back end.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Message or change of a document.
    pub kind: Kind,
    /// The idempotency key: a second publication with this key is a duplicate.
    pub key: Option<&'a str>,
    /// JSON text.
    pub payload: &'a str,
    /// The document that the back end expects.
    pub expected: &'a Expected,
}

/// Why a publication of a back end took no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishFault {
    /// No topic accepts the payload.
    Payload(PayloadFault),
    /// The topic does not accept the change (rules D1, D4).
    Change(ChangeFault),
    /// The document is not the expected one: this entry is its last.
    Unexpected(Epoch, Seq),
    /// Another body had the idempotency key.
    IdConflict,
    /// The hub has no capacity now.
    Busy,
}

/// A range of a log for a back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The incarnation of the log.
    pub epoch: Epoch,
    /// Messages in order.
    pub entries: Vec<(Seq, Entry)>,
}

/// Why a range of a log can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The log does not have its first message, or not yet.
    Gone {
        /// Why.
        reason: ResumeFailure,
        /// The incarnation of the log.
        epoch: Epoch,
        /// The oldest retained message, or the next one if the log retains none.
        first: Seq,
        /// The last message, 0 for none.
        head: Seq,
    },
}
