//! Runs whole histories in virtual time: the real client core, the real hub core, and a faulty
//! network. One seed is one history. `world` moves the time, `line`, `up` and `down` are the
//! network, and `page` and `server` surround the cores. `mix` draws the faults, and `oracle` and
//! `archive` check the invariants. No code here reads a clock or another generator.

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
