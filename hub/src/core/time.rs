//! The two clocks that arrive with every event.

pub use longhaul::Time;

/// When an event happens, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Decides what is due.
    pub time: Time,
    /// Stands in messages: ms since 1970. May jump, so it decides nothing but what clients reckon by it (rule C10).
    pub wall_ms: u64,
}
