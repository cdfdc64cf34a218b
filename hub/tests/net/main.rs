//! The hub over real sockets on port 0: handshakes, closes, HTTP, and the program itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets the unexpected should fail loudly"
)]

mod admission;
mod back_ends;
mod client;
mod closes;
mod descriptors;
mod documents;
mod downlinks;
mod flushers;
mod handshake;
mod http;
mod large_posts;
mod owners;
mod posts;
mod program;
mod share;
mod streams;
#[path = "../../../tests/common/vectors.rs"]
mod vectors;
