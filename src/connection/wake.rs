//! What the user and the browser say: reconnect, online, woke, slept, suspended, closed.

use super::{Connection, State};
use crate::backoff::hint::Hint;
use crate::codes;
use crate::connection::Reason;
use crate::context::Turn;
use crate::interface::effect::Effect;
use crate::time::Time;

/// After the browser says `online` or wakes, the next attempt comes within this time, ms. Chosen: every page on the network hears it at once.
const ONLINE_SPREAD_MS: u64 = 250;

/// After the browser puts the page to sleep, the next attempt comes after this time of being awake, ms, should nothing tell that it is
/// back. Chosen: no attempt is made on the way into sleep.
const SUSPENDED_MS: u64 = 1_000;

impl Connection {
    /// The user wants an attempt now: whatever there is gives way, and the backoff is forgotten.
    pub(crate) fn reconnect(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, State::Unstarted | State::ClosedByUser) {
            return;
        }
        self.let_all_go(turn, codes::REPLACED);
        self.backoff.forget();
        turn.tokens.forget();
        self.attempt = 1;
        self.attempt(turn, None);
    }

    /// The browser's guess about the network, or the page has woken: a reason to look, never a reason to stop.
    pub(crate) fn online(&mut self, turn: &mut Turn<'_>, is_online: bool) {
        if self.is_online != is_online {
            self.is_online = is_online;
            if is_online {
                self.backoff.back_online();
                turn.tokens.back_online();
            }
            self.woke(turn);
            if matches!(self.state, State::Waiting { .. }) {
                turn.effects.push(Effect::StatusChanged);
            }
        }
    }

    /// The page may have slept: what looks open may be dead, what waits may have waited long enough.
    pub(crate) fn woke(&mut self, turn: &mut Turn<'_>) {
        match &mut self.state {
            State::Connected { link, .. } => {
                // What was arriving may have stood still as long as the page did.
                link.progressed();
                let (id, beat) = (link.id, link.heartbeat.probe(turn.now));
                self.beat(turn, id, beat);
            }
            State::Waiting { .. } if self.is_online => self.expedite(turn),
            _ => {}
        }
    }

    /// A wait of our own choice ends; one that the hub asked for does not (rule R5).
    pub(super) fn expedite(&mut self, turn: &mut Turn<'_>) {
        if let State::Waiting { until, reason } = &mut self.state
            && Hint::of(&reason.detail).retry_ms.is_none()
        {
            *until = (*until).min(turn.now.plus(turn.rng.u64(0..=ONLINE_SPREAD_MS)));
        }
    }

    /// The page has slept: what was opening before that is dead, and nobody's fault.
    pub(crate) fn slept(&mut self, turn: &mut Turn<'_>, ms: u64) {
        if let State::Waiting { until, .. } = &mut self.state {
            *until = Time(until.0.saturating_sub(ms));
        }
        if let State::Racing { .. } = self.state {
            self.let_all_go(turn, codes::REPLACED);
            self.attempt(turn, None);
        } else {
            self.woke(turn);
        }
    }

    /// The page goes to sleep. An open connection would keep it from being cached, or be dead when it is back.
    pub(crate) fn suspend(&mut self, turn: &mut Turn<'_>) {
        match &self.state {
            State::Connected { link, .. } => {
                self.backoff.was_useful_for(turn.now.since(link.since));
                self.attempt = 1;
            }
            State::Racing { .. } => {}
            _ => return,
        }
        self.let_all_go(turn, codes::PAGE_SUSPENDED);
        self.state = State::Waiting {
            until: turn.now.plus(SUSPENDED_MS),
            reason: Reason::of(codes::PAGE_SUSPENDED),
        };
        turn.effects.push(Effect::StatusChanged);
    }

    pub(crate) fn close(&mut self, turn: &mut Turn<'_>) {
        if self.is_closed_by_user() {
            return;
        }
        self.let_all_go(turn, codes::DONE);
        self.state = State::ClosedByUser;
        turn.effects.push(Effect::StatusChanged);
    }

    pub(super) fn let_all_go(&mut self, turn: &mut Turn<'_>, code: u16) {
        if let Some(connection) = self.established() {
            turn.abandon(connection, code);
            turn.metrics.disconnected(turn.now);
            turn.metrics.degraded(turn.now, false);
        }
        for link in self.links() {
            turn.abandon(link.id, code);
        }
        self.is_outdated = false;
        self.renew_at = None;
    }
}
