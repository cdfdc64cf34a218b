//! Storms: a hundred thousand clients lose their hub at once and come back, in virtual time.
//!
//! Ours are real [`longhaul::Client`] cores, compiled natively, and the hub admits, drains and hints by its own core
//! ([`longhaul_hub::core`]); the peers are their formulas. Nothing here waits.

pub mod hub;
pub mod ours;
pub mod peers;
pub mod plot;
pub mod report;
pub mod storm;
