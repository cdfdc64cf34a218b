//! What one turn of the client shares: the time, random numbers, the counters and the effects.
//!
//! A turn handles one event. The client makes one `Context` for it and lends that to every part.
//! Parts that need less take less: a pause takes the time and the random numbers alone.

use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::metrics::Metrics;
use crate::time::Time;

pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) metrics: &'a mut Metrics,
    /// In the order in which the caller executes them.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    /// Sends records over a socket.
    pub(crate) fn send(&mut self, connection: ConnectionId, records: String) {
        self.effects.push(Effect::Send {
            connection,
            records,
        });
    }

    /// Closes a connection without waiting for its close event.
    pub(crate) fn abandon(&mut self, connection: ConnectionId, code: u16) {
        self.effects.push(Effect::Abandon { connection, code });
    }

    /// Tells the user that the status has changed.
    pub(crate) fn status_changed(&mut self) {
        self.effects.push(Effect::StatusChanged);
    }
}

/// The parts of a context, for unit tests.
#[cfg(test)]
pub(crate) struct TestTurns {
    pub(crate) rng: fastrand::Rng,
    pub(crate) metrics: Metrics,
    pub(crate) effects: Vec<Effect>,
}

#[cfg(test)]
impl TestTurns {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            metrics: Metrics::default(),
            effects: Vec::new(),
        }
    }

    pub(crate) fn at(&mut self, now: Time) -> Context<'_> {
        Context {
            now,
            rng: &mut self.rng,
            metrics: &mut self.metrics,
            effects: &mut self.effects,
        }
    }
}
