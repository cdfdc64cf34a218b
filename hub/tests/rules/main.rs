//! The rules of docs/protocol.md, tested on the hub's core in virtual time, without sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets the unexpected should fail loudly"
)]

mod admission;
mod bench;
mod chaos;
mod documents;
mod drain;
mod events;
mod expiry;
mod followers;
mod full;
mod heartbeat;
mod idle;
mod limits;
mod log;
mod memory;
mod owners;
mod polls;
mod posts;
mod producers;
mod records;
mod slow;
mod stream;
