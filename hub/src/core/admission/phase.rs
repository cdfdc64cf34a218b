//! The phases of a hub's life.

use super::drain::Drain;

#[derive(Debug)]
pub(crate) enum Phase {
    Serving,
    /// The hub accepts no new clients and closes its connections one after another.
    Draining(Drain),
    Stopped,
}

/// Whether a load balancer should send clients here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It should.
    Ready,
    /// The hub has its maximum of connections.
    Full,
    /// The hub is about to stop.
    Draining,
}
