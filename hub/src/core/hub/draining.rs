//! How the hub drains and stops (rule R2), and what it refuses meanwhile.

use std::sync::Arc;

use super::state::{Hub, wire};
use super::timers::Timer;
use crate::core::admission::drain::Drain;
use crate::core::admission::phase::Phase;
use crate::core::event::Effect;
use crate::core::refusal::Refusal;
use crate::core::time::Now;

/// The least reconnect window of clients that a stopped hub refuses, ms. Chosen: a client's own
/// first one.
const STOPPED_SPREAD_MS: u64 = 1_000;

impl Hub {
    /// Refuses everything but the publications of clients once the hub drains.
    pub(super) fn check_serving(&self) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Serving => Ok(()),
            Phase::Draining(drain) => Err(Refusal::going_away(drain.spread_ms())),
            Phase::Stopped => Err(Refusal::going_away(STOPPED_SPREAD_MS)),
        }
    }

    /// Refuses everything once the hub has stopped.
    pub(super) fn check_running(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Stopped => Err(Refusal::going_away(STOPPED_SPREAD_MS)),
            Phase::Serving | Phase::Draining(_) => Ok(()),
        }
    }

    /// Refuses short polls once the hub drains. The hub closes no short poll, so they would go on
    /// for ever.
    pub(super) fn check_draining(
        &mut self,
        now: Now,
        session: Option<&str>,
    ) -> Result<(), Refusal> {
        let outcome = self.check_serving();
        if outcome.is_err()
            && let Some(session) = session
        {
            self.sessions.forget(&Arc::from(session));
            self.client_left(now);
        }
        outcome
    }

    /// Closes all connections, one after another.
    pub(super) fn drain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Serving) {
            self.phase = Phase::Draining(self.new_drain(now, self.limits.drain_ms));
            self.tick_drain(now, effects);
        }
    }

    /// Closes all connections at once.
    pub(super) fn stop(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Stopped) {
            self.phase = Phase::Draining(self.new_drain(now, Some(0)));
            self.tick_drain(now, effects);
        }
    }

    pub(super) fn tick_drain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Phase::Draining(drain) = &mut self.phase else {
            return;
        };
        let (due, is_over) = (drain.take_due(now.time), drain.is_over(now.time));
        let (deadline, refusal) = (drain.deadline(), Refusal::going_away(drain.spread_ms()));
        for _ in 0..due {
            let Some((conn, _)) = self.connections.first_key_value() else {
                break;
            };
            self.close(now, *conn, &refusal, effects);
        }
        // A client between two polls comes back, and then gets its refusal.
        if is_over || self.clients() == 0 {
            self.phase = Phase::Stopped;
            effects.push(Effect::Drained);
        } else {
            self.timers.set(Some(deadline), Timer::Drain);
        }
    }

    /// A client has left. If it was the last one, a drain can end.
    pub(super) fn client_left(&mut self, now: Now) {
        if self.connections.is_empty() && matches!(self.phase, Phase::Draining(_)) {
            self.timers.set(Some(now.time), Timer::Drain);
        }
    }

    fn new_drain(&self, now: Now, over_ms: Option<u64>) -> Drain {
        let per_s = self.limits.admit_per_s;
        Drain::new(now.time, wire(self.clients()), per_s, over_ms)
    }
}
