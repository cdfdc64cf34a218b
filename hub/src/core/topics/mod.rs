//! Topics: their logs, documents and producers, and the memory that they take.
//!
//! Knows connections only by their ids.

pub(super) mod capacity;
pub(super) mod document;
pub(super) mod log;
pub(super) mod nack;
pub(super) mod owners;
pub(super) mod payload;
pub(super) mod producers;
pub(super) mod publication;
pub(super) mod registry;
pub(super) mod subject;
pub(super) mod topic;
