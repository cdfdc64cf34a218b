//! Whole histories in virtual time: the real client core, the real hub core, and between them a network that does what
//! networks do. One seed is one history.
//!
//! `mix` draws what goes wrong and how often, `world` moves the time, `fate` acts (on browsers by `misfortune`), `line`, `up` and `down` are the network, `page`
//! is a browser page with a client in it, `paper` its documents, `server` the hub behind its sockets, `browser` what pages share: `storage` and a lock. `oracle` watches and knows what must hold, of what is in storage `archive`; `coverage` counts what a
//! run of many seeds has met. Nothing here reads a clock or a generator of its own.

#![expect(
    clippy::panic,
    clippy::as_conversions,
    reason = "a panic is how the oracle says what it has found; lengths fit 64 bits"
)]

pub mod archive;
pub mod browser;
pub mod coverage;
mod down;
mod fate;
pub mod line;
mod misfortune;
pub mod mix;
pub mod oracle;
pub mod page;
pub mod paper;
pub mod server;
pub mod storage;
mod up;
pub mod world;

pub use coverage::Coverage;
pub use world::{Outcome, run};
