//! Thundering herds: a hundred thousand clients lose their hub at once and come back, in virtual
//! time.
//!
//! Longhaul's clients are real [`longhaul::Client`] cores, compiled natively. The hub admits,
//! drains and sends hints with its own core ([`longhaul_hub::core`]). Other libraries are formulas.

pub mod fleet;
pub mod formulas;
pub mod hub_driver;
pub mod longhaul_fleet;
pub mod outcome;
pub mod plot;
pub mod report;
pub mod scenario;
