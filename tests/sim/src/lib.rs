//! Whole histories in virtual time: the real client core, the real hub core, and a network with
//! faults between them. One seed is one history.
//!
//! - `mix` draws the faults and how often they strike. `world` moves the time. `actions` does what
//!   pages do, and `browser_faults` strikes browsers.
//! - `line`, `up` and `down` are the network, and `server` is the hub behind its sockets.
//! - `page` is a browser page with a client. `documents` are its documents. `browser` has what
//!   pages share: `storage` and a lock.
//! - `oracle` checks what must hold, and `archive` what storage holds. `coverage` counts the
//!   situations that the seeds met.
//!
//! Nothing here reads a clock, or a generator of its own.

#![expect(
    clippy::panic,
    clippy::as_conversions,
    reason = "a panic is how the oracle says what it has found; lengths fit 64 bits"
)]

mod actions;
pub mod archive;
pub mod browser;
mod browser_faults;
pub mod coverage;
pub mod documents;
mod down;
pub mod line;
pub mod mix;
pub mod oracle;
pub mod page;
pub mod server;
pub mod storage;
mod up;
pub mod world;

pub use coverage::Coverage;
pub use world::{Outcome, run};
