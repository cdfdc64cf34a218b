//! Longhaul's client core: realtime topics that survive the network.
//!
//! The core is sans-I/O. It names no clock, socket, browser or runtime; `web` drives it in the browser, tests and the
//! simulator drive it natively, and the hub shares its frame codec.

pub mod frame;
pub mod ids;
pub mod record;
