//! Connections: their subscriptions, their queues, and the frames that they get next.

pub(super) mod changes;
pub(super) mod connection;
pub(super) mod frames;
pub(super) mod large;
pub(super) mod subscription;
