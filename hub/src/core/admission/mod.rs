//! Admission: the limit on new connections, the reconnect window, and how the hub drains.

pub(super) mod bucket;
pub(super) mod drain;
pub(super) mod peak_connections;
pub(super) mod phase;
pub(super) mod sessions;
pub(super) mod tickets;
