//! The hub's core in virtual time: what each rule of docs/protocol.md promises, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets the unexpected should fail loudly"
)]

mod bench;
mod chaos;
mod documents;
mod door;
mod drain;
mod events;
mod expiry;
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
