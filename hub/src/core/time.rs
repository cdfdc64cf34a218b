//! The two clocks that arrive with every event.

pub use longhaul::Time;

/// When an event happens, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock. All deadlines use it.
    pub time: Time,
    /// The wall clock, ms since 1970, which may jump. Only messages and the time limits of clients
    /// use it (rule C10).
    pub wall_ms: u64,
}
