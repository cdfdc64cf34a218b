//! The two clocks that arrive with every event.

pub use longhaul::Time;

/// When an event happens, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Decides what is due.
    pub time: Time,
    /// Stands in messages: ms since 1970. May jump, so nothing is decided by it.
    pub wall_ms: u64,
}
