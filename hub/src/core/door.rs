//! Who may come in, what clients are told of the herd, and how all are let go (rules R1 to R3).
//!
//! Owns the phases of a hub's life. The numbers are those of `admission`, `high_water` and `drain`.

use std::sync::Arc;

use longhaul::Hint;

use super::admission::spread_ms;
use super::close::{Close, Refusal};
use super::drain::Drain;
use super::hub::{Effect, Hub, Timer, wire};
use super::peer::ConnId;
use super::time::Now;

/// The least window for those who are told to go elsewhere, ms. Chosen: a client's own first one.
const ELSEWHERE_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) enum Phase {
    Serving,
    /// Nobody new comes in, and those who are here are closed in turn.
    Draining(Drain),
    Stopped,
}

/// Whether it makes sense to send clients here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// All connections are taken.
    Full,
    /// It is about to stop.
    Draining,
}

impl Hub {
    /// Whether it makes sense to send clients here.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match self.phase {
            Phase::Draining(_) | Phase::Stopped => Readiness::Draining,
            Phase::Serving if self.is_full() => Readiness::Full,
            Phase::Serving => Readiness::Ready,
        }
    }

    /// Whether another client may come, by its session if it comes in a post. Who is here already is not admitted again.
    pub(super) fn admit(&mut self, now: Now, session: Option<&str>) -> Result<(), Refusal> {
        let is_here = session.is_some_and(|session| self.sessions.told_ms(session).is_some());
        if !(is_here && matches!(self.phase, Phase::Draining(_))) {
            self.check_serving()?;
        }
        if self.is_full() {
            return Err(self.full(now));
        }
        if is_here {
            return Ok(());
        }
        self.admission.knock(now.time).map_err(|hint| {
            let (here, per_s) = (self.clients(), self.limits.admit_per_s);
            let message = format!("{here} connections, {per_s} more a second");
            Refusal::new(Close::TryAgainLater, message).with(hint)
        })
    }

    /// Whether there is room for one who was admitted before.
    pub(super) fn check_room(&mut self, now: Now) -> Result<(), Refusal> {
        self.check_serving()?;
        if self.is_full() {
            return Err(self.full(now));
        }
        Ok(())
    }

    /// A poll that is not to be held would go on for ever: a hub that drains tells its client at once.
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
            self.left(now);
        }
        outcome
    }

    /// Whether the hub still takes anything at all.
    pub(super) fn check_running(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Stopped => Err(going_away(ELSEWHERE_MS)),
            Phase::Serving | Phase::Draining(_) => Ok(()),
        }
    }

    /// A refusal with a place in the queue.
    pub(super) fn later(&mut self, now: Now, message: &str) -> Refusal {
        Refusal::new(Close::TryAgainLater, message).with(self.admission.queue(now.time))
    }

    /// A poll or a stream of this session is welcomed. A client that was here hears by a record of its own that the spread has
    /// changed: it heeds the first welcome only.
    pub(super) fn enter(
        &mut self,
        now: Now,
        conn: ConnId,
        session: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        let session = Arc::from(self.session(session));
        let told_ms = self.sessions.told_ms(&session);
        self.sessions.enter(&session, self.limits.connections_max);
        self.hello(now, conn, &session, effects);
        let spread_ms = self.spread_ms(now);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.session = Some(session);
            if let Some(told_ms) = told_ms {
                peer.told_ms = told_ms;
                peer.tell_spread(spread_ms, &self.limits);
            }
        }
    }

    /// The window in which all clients would come back (rule R2), ms.
    pub(super) fn spread_ms(&mut self, now: Now) -> u64 {
        let clients = self.high_water.most(now.time, self.clients());
        spread_ms(wire(clients), self.limits.admit_per_s)
    }

    /// Lets everybody go, one after another.
    pub(super) fn drain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Serving) {
            self.phase = Phase::Draining(self.new_drain(now, self.limits.drain_ms));
            self.tick_drain(now, effects);
        }
    }

    pub(super) fn tick_drain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Phase::Draining(drain) = &mut self.phase else {
            return;
        };
        let (due, is_over) = (drain.take_due(now.time), drain.is_over(now.time));
        let (deadline, refusal) = (drain.deadline(), going_away(drain.spread_ms()));
        for _ in 0..due {
            let Some((conn, _)) = self.peers.first_key_value() else {
                break;
            };
            self.close(now, *conn, &refusal, effects);
        }
        // A poll that was just answered comes again, and is to be told too.
        if is_over || (self.peers.is_empty() && self.sessions.between() == 0) {
            self.phase = Phase::Stopped;
            effects.push(Effect::Drained);
        } else {
            self.set_timer(Some(deadline), Timer::Drain);
        }
    }

    /// Somebody has left by itself: if nobody else is here, a drain need not go on.
    pub(super) fn left(&mut self, now: Now) {
        if self.peers.is_empty() && matches!(self.phase, Phase::Draining(_)) {
            self.set_timer(Some(now.time), Timer::Drain);
        }
    }

    /// Lets everybody go at once.
    pub(super) fn stop(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Stopped) {
            self.phase = Phase::Draining(self.new_drain(now, Some(0)));
            self.tick_drain(now, effects);
        }
    }

    fn new_drain(&self, now: Now, over_ms: Option<u64>) -> Drain {
        let per_s = self.limits.admit_per_s;
        Drain::new(now.time, wire(self.clients()), per_s, over_ms)
    }

    fn check_serving(&self) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Serving => Ok(()),
            Phase::Draining(drain) => Err(going_away(drain.spread_ms())),
            Phase::Stopped => Err(going_away(ELSEWHERE_MS)),
        }
    }

    /// Connections, and polls that are about to come again.
    fn clients(&self) -> usize {
        self.peers.len() + self.sessions.between()
    }

    fn is_full(&self) -> bool {
        self.peers.len() >= self.limits.connections_max
    }

    fn full(&mut self, now: Now) -> Refusal {
        self.later(now, "too many connections")
    }
}

fn going_away(spread_ms: u64) -> Refusal {
    let hint = Hint {
        retry_ms: None,
        spread_ms: Some(spread_ms),
    };
    Refusal::new(Close::GoingAway, "the hub is stopping").with(hint)
}
