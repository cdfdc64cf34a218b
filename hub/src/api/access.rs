//! How requests reach the hub's core.

use crate::core::{Effect, Hub, Limits, Now};

/// Access to a hub. A request has the hub to itself only during `with`.
pub trait Access {
    /// Calls `act` with the hub, and executes the effects.
    fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T;

    /// The limits of the hub.
    fn limits(&self) -> &Limits;
}
