//! Attempts: their token, their race, how they fail, and what comes after.

use super::idle::NO_SLOT;
use super::{Connection, State, with_floor};
use crate::codes;
use crate::config::{HEAD_START_MS, PAUSE_MS};
use crate::connection::Reason;
use crate::connection::attempt::Attempt;
use crate::connection::token::Clearance;
use crate::context::Turn;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::ToHub;

/// From the failure of a look to the next one, ms, at least. Chosen: a network that refuses at once is not asked in a loop.
const LOOK_MS_MIN: u64 = 1_000;

/// Attempts at one address before the next address has its turn.
const ATTEMPTS_EACH: u32 = 2;

impl State {
    fn without_token(is_stuck: bool, until: Time, reason: Reason) -> Self {
        if is_stuck {
            Self::Unauthorized { until, reason }
        } else {
            Self::Waiting { until, reason }
        }
    }
}

impl Connection {
    /// A connection ended by itself, or, with `is_ours`, is given up by us. The hub wants nobody back within `floor_ms`.
    pub(crate) fn end(
        &mut self,
        turn: &mut Turn<'_>,
        connection: ConnectionId,
        reason: &Reason,
        floor_ms: u64,
        is_ours: bool,
    ) {
        if is_ours {
            turn.abandon(connection, reason.close_code);
        }
        if self.established() == Some(connection) {
            self.lost(turn, reason, floor_ms);
        } else if let Some(link) = self.take_link(connection) {
            let tried = link.failed(turn.now, reason);
            self.negotiation.note(tried);
            self.link_failed(turn, &link, reason, floor_ms);
        }
    }

    /// The established connection is gone. A successor that was on its way is the next attempt, unless it has heard as little as the one
    /// that was given up: then its request may wait on a connection that the browser kept and that is as dead.
    pub(super) fn lost(&mut self, turn: &mut Turn<'_>, reason: &Reason, floor_ms: u64) {
        let before = std::mem::replace(&mut self.state, State::Unstarted);
        let State::Connected {
            link, replacement, ..
        } = before
        else {
            return;
        };
        link.lost(
            turn.now,
            reason.close_code,
            &mut self.negotiation.poll_policy,
        );
        self.backoff.was_useful_for(turn.now.since(link.since));
        self.negotiation.lost(turn.now);
        turn.metrics.disconnected(turn.now);
        self.is_outdated = false;
        self.renew_at = None;
        self.attempt = 1;
        let is_silent = |link: &Attempt| {
            reason.close_code == codes::HEARTBEAT_TIMEOUT && link.is_silent_request()
        };
        match replacement {
            Some(replacement)
                if codes::comes_back(reason.close_code)
                    && !reason.is_unauthorized()
                    && !is_silent(&replacement) =>
            {
                let mut waiting = self.negotiation.order(0);
                waiting.retain(|transport| *transport != replacement.transport);
                self.state = State::Racing {
                    links: vec![replacement],
                    waiting,
                    next_joins: turn.now.plus(HEAD_START_MS),
                    reason: Some(reason.clone()),
                };
                turn.effects.push(Effect::StatusChanged);
            }
            replacement => {
                if let Some(replacement) = replacement {
                    turn.abandon(replacement.id, codes::REPLACED);
                }
                self.wait(turn, reason.clone(), floor_ms);
            }
        }
    }

    pub(super) fn link_failed(
        &mut self,
        turn: &mut Turn<'_>,
        link: &Attempt,
        failure: &Reason,
        floor_ms: u64,
    ) {
        let falls_through =
            self.negotiation.falls_through() && codes::comes_back(failure.close_code);
        match &mut self.state {
            State::Connected {
                link: live,
                next_look,
                ..
            } => {
                let look = self.negotiation.next_probe(link.begun, live.transport);
                *next_look = look.map(|at| at.max(turn.now.plus(LOOK_MS_MIN)));
                if link.transport == live.transport {
                    // It was to bring what the established one does not have.
                    turn.metrics.repeats += 1;
                    self.renew_at = Some(self.renewal.grow(turn.now, PAUSE_MS, turn.rng));
                }
                if is_answer(failure.close_code) {
                    live.heartbeat.heard(turn.now);
                }
                if failure.is_unauthorized() {
                    turn.tokens.refused();
                    turn.tokens.clear(turn.now, turn.effects);
                }
                // Streams of tabs without a place may have all connections that the browser makes, so that no poll gets through.
                let is_kept_out =
                    link.transport == Transport::LongPoll && !is_answer(failure.close_code);
                if is_kept_out && self.negotiation.is_set_aside(live.transport) {
                    turn.abandon(live.id, codes::REPLACED);
                    let reason = Reason::new(codes::TOO_MANY_CONNECTIONS, NO_SLOT);
                    self.lost(turn, &reason, 0);
                }
            }
            // Another transport would show the same token.
            State::Racing { .. } if failure.is_unauthorized() => {
                self.let_all_go(turn, codes::REPLACED);
                self.wait(turn, failure.clone(), floor_ms);
            }
            State::Racing {
                links,
                waiting,
                reason,
                ..
            } => {
                let reason = reason.get_or_insert_with(|| failure.clone()).clone();
                if falls_through && !waiting.is_empty() {
                    self.join(turn);
                } else if links.is_empty() {
                    self.attempt = self.attempt.saturating_add(1);
                    let reason = if codes::comes_back(failure.close_code) {
                        reason
                    } else {
                        failure.clone()
                    };
                    self.wait(turn, reason, floor_ms);
                } else if links.first().is_some_and(|first| first.id > link.id) {
                    turn.effects.push(Effect::StatusChanged);
                }
            }
            _ => {}
        }
    }

    pub(super) fn wait(&mut self, turn: &mut Turn<'_>, reason: Reason, floor_ms: u64) {
        if reason.is_unauthorized() {
            self.refused(turn, reason);
            return;
        }
        self.state = if codes::comes_back(reason.close_code) {
            let code = reason.close_code;
            let reason = Reason {
                detail: with_floor(&reason.detail, floor_ms),
                ..reason
            };
            let until = self.backoff.next(turn.now, code, &reason.detail, turn.rng);
            turn.metrics.backoff_ms.record(until.since(turn.now));
            State::Waiting { until, reason }
        } else {
            State::ClosedByHub { reason }
        };
        turn.metrics.degraded(turn.now, false);
        turn.effects.push(Effect::StatusChanged);
    }

    /// The next attempt, with a fresh token if it needs one. `refusal` is why the user has been told `unauthorized`.
    pub(super) fn attempt(&mut self, turn: &mut Turn<'_>, refusal: Option<Reason>) {
        self.state = match turn.tokens.clear(turn.now, turn.effects) {
            Clearance::Go => return self.race(turn),
            Clearance::Await(until) => State::AwaitingToken {
                until,
                is_unauthorized: refusal.is_some(),
                refusal,
            },
            Clearance::NotBefore(until) => {
                let is_stuck = refusal.is_some() || turn.tokens.is_stuck();
                let reason = refusal.unwrap_or_else(|| Reason::of(codes::TOKEN_UNAVAILABLE));
                State::without_token(is_stuck, until, reason)
            }
        };
        turn.effects.push(Effect::StatusChanged);
    }

    /// The hub did not accept the token: a fresh one may help, once.
    pub(super) fn refused(&mut self, turn: &mut Turn<'_>, reason: Reason) {
        turn.metrics.degraded(turn.now, false);
        if turn.tokens.refused()
            && let Clearance::Await(until) = turn.tokens.clear(turn.now, turn.effects)
        {
            self.state = State::AwaitingToken {
                until,
                refusal: Some(reason),
                is_unauthorized: false,
            };
        } else {
            let until = turn.tokens.retry_at(turn.now, turn.rng);
            self.state = State::Unauthorized { until, reason };
        }
        turn.effects.push(Effect::StatusChanged);
    }

    /// The app has given a token.
    pub(crate) fn token(&mut self, turn: &mut Turn<'_>) {
        match &self.state {
            State::AwaitingToken { .. } | State::Unauthorized { .. } => self.race(turn),
            State::Waiting { reason, .. } if reason.close_code == codes::TOKEN_UNAVAILABLE => {
                self.race(turn);
            }
            State::Connected { link, .. } if link.transport.is_duplex() => {
                let (connection, mut records) = (link.id, String::new());
                if let Some(token) = turn.tokens.shown() {
                    ToHub::Auth { token }.encode(&mut records);
                }
                turn.effects.push(Effect::Send {
                    connection,
                    records,
                });
            }
            // The next stream or poll shows it.
            State::Connected { .. } => self.is_outdated = true,
            _ => {}
        }
    }

    /// The app has given none. Only where it or the hub refuses has the user to do something: no login helps without a network.
    pub(crate) fn no_token(&mut self, turn: &mut Turn<'_>, detail: &str, is_refusal: bool) {
        let State::AwaitingToken { refusal, .. } = &mut self.state else {
            return;
        };
        let refusal = refusal.take().filter(|_| is_refusal);
        let until = turn.tokens.retry_at(turn.now, turn.rng);
        let is_stuck = is_refusal && (refusal.is_some() || turn.tokens.is_stuck());
        let reason = refusal.unwrap_or_else(|| Reason::new(codes::TOKEN_UNAVAILABLE, detail));
        self.state = State::without_token(is_stuck, until, reason);
        turn.effects.push(Effect::StatusChanged);
    }

    pub(super) fn race(&mut self, turn: &mut Turn<'_>) {
        let mut waiting = self.negotiation.order(self.attempt.saturating_sub(1));
        let first = if waiting.is_empty() {
            Transport::WebSocket
        } else {
            waiting.remove(0)
        };
        let link = self.open(turn, first);
        self.state = State::Racing {
            links: vec![link],
            waiting,
            next_joins: turn.now.plus(HEAD_START_MS),
            reason: None,
        };
        turn.effects.push(Effect::StatusChanged);
    }

    /// The next transport joins the race.
    pub(super) fn join(&mut self, turn: &mut Turn<'_>) {
        let State::Racing { waiting, .. } = &mut self.state else {
            return;
        };
        if waiting.is_empty() {
            return;
        }
        let transport = waiting.remove(0);
        let link = self.open(turn, transport);
        if let State::Racing {
            links, next_joins, ..
        } = &mut self.state
        {
            links.push(link);
            *next_joins = turn.now.plus(HEAD_START_MS);
            if links.len() == 1 {
                turn.effects.push(Effect::StatusChanged);
            }
        }
    }

    pub(super) fn open(&mut self, turn: &mut Turn<'_>, transport: Transport) -> Attempt {
        let id = self.last_id.next();
        self.last_id = id;
        let turns = usize::try_from(self.attempt.saturating_sub(1) / ATTEMPTS_EACH).unwrap_or(0);
        Attempt::open(turn, id, transport, turns % self.addresses)
    }
}

/// Whether a hub has said so: then the way to it is alive.
fn is_answer(close_code: u16) -> bool {
    !matches!(
        close_code,
        codes::CONNECTION_LOST
            | codes::OPEN_TIMEOUT
            | codes::WELCOME_TIMEOUT
            | codes::SUBPROTOCOL_MISSING
            | codes::NOT_A_HUB
            | codes::STREAM_BUFFERED
    )
}
