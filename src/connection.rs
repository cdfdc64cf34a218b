//! The life of the connection: racing, connected, waiting for the next attempt, closed.
//!
//! Owns the state machine, the backoff and the heartbeat; asks negotiation which transport. Knows nothing of topics or rows.

use crate::backoff::Backoff;
use crate::codes;
use crate::config::{Config, HEAD_START_MS, HeartbeatPolicy};
use crate::effect::Effect;
use crate::frame::{ToHub, Welcome};
use crate::heartbeat::Beat;
use crate::hint::Hint;
use crate::ids::ConnectionId;
use crate::link::Link;
use crate::live::Live;
use crate::negotiation::{Negotiation, Tried, TriedOutcome};
use crate::status::{Reason, Status};
use crate::time::Time;
use crate::token::Clearance;
use crate::transport::{Transport, TransportSet};
use crate::turn::Turn;

/// After the browser says `online` or wakes, the next attempt comes within this time, ms. Chosen: every page on the network hears it at once.
const ONLINE_SPREAD_MS: u64 = 250;

/// After the browser puts the page to sleep, the next attempt comes after this time of being awake, ms, should nothing tell that it is
/// back. Chosen: no attempt is made on the way into sleep.
const SUSPENDED_MS: u64 = 1_000;

/// An end of a link that is noticed later than this, ms, means that the page slept. Chosen: as for heartbeats.
const LATE_MS: u64 = 2_000;

/// From the failure of a look to the next one, ms, at least. Chosen: a network that refuses at once is not asked in a loop.
const LOOK_MS_MIN: u64 = 1_000;

/// Why a stream was not opened, in words for people.
const NO_PLACE: &str = "other tabs have this browser's connections to the hub";

/// Attempts at one address before the next address has its turn.
const ATTEMPTS_EACH: u32 = 2;

#[derive(Debug)]
enum State {
    Unstarted,
    /// An attempt: one transport, and others that join after a head start or take the place of one that failed at once.
    Racing {
        links: Vec<Link>,
        /// In order, the next one first.
        waiting: Vec<Transport>,
        next_joins: Time,
        /// How the first one failed.
        reason: Option<Reason>,
    },
    Connected {
        link: Live,
        /// A connection that is to take the place of this one.
        successor: Option<Link>,
        next_look: Option<Time>,
    },
    Waiting {
        until: Time,
        reason: Reason,
    },
    /// An attempt that begins when the app has given a token.
    AwaitingToken {
        until: Time,
        /// The hub's refusal of the last one.
        refusal: Option<Reason>,
        is_unauthorized: bool,
    },
    /// No token helped; asked again after a while.
    Unauthorized {
        until: Time,
        reason: Reason,
    },
    ClosedByHub {
        reason: Reason,
    },
    ClosedByUser,
}

#[derive(Debug)]
pub(crate) struct Connection {
    state: State,
    /// The attempt that is under way or waited for, from 1; 0 while connected.
    attempt: u32,
    last_id: ConnectionId,
    backoff: Backoff,
    negotiation: Negotiation,
    own_heartbeat: Option<HeartbeatPolicy>,
    attempts_max: u32,
    addresses: usize,
    is_online: bool,
    /// The subscriptions have changed on a transport that only listens.
    is_outdated: bool,
}

impl Connection {
    pub(crate) fn new(config: &Config) -> Self {
        let wanted = if config.transports.is_empty() {
            Transport::ALL.to_vec()
        } else {
            config.transports.clone()
        };
        Self {
            state: State::Unstarted,
            attempt: 1,
            last_id: ConnectionId(0),
            backoff: Backoff::new(config.backoff),
            negotiation: Negotiation::new(wanted, config.worked),
            own_heartbeat: config.heartbeat,
            attempts_max: config.backoff.attempts_max,
            addresses: config.addresses.max(1),
            is_online: true,
            is_outdated: false,
        }
    }

    pub(crate) fn status(&self) -> Status {
        match &self.state {
            State::Unstarted => Status::Connecting {
                attempt: self.attempt,
                transport: self.first_choice(),
            },
            State::Racing { links, .. } => Status::Connecting {
                attempt: self.attempt,
                transport: links
                    .first()
                    .map_or_else(|| self.first_choice(), |link| link.transport),
            },
            State::Connected { link, .. } => Status::Connected {
                transport: link.transport,
                since: link.since,
                rtt_ms: link.heartbeat.rtt_ms(),
            },
            State::AwaitingToken {
                refusal: Some(reason),
                is_unauthorized: true,
                ..
            }
            | State::Unauthorized { reason, .. } => Status::Unauthorized {
                reason: reason.clone(),
            },
            State::AwaitingToken { .. } => Status::Connecting {
                attempt: self.attempt,
                transport: self.first_choice(),
            },
            State::Waiting { .. } if !self.is_online => Status::Offline,
            State::Waiting { until, reason } => Status::Waiting {
                attempt: self.attempt,
                retry_at: *until,
                reason: reason.clone(),
                is_exhausted: self.attempt > self.attempts_max,
            },
            State::ClosedByHub { reason } => Status::Closed {
                reason: reason.clone(),
            },
            State::ClosedByUser => Status::Closed {
                reason: Reason::of(codes::DONE),
            },
        }
    }

    fn first_choice(&self) -> Transport {
        let order = self.negotiation.order(self.attempt.saturating_sub(1));
        order.first().copied().unwrap_or(Transport::WebSocket)
    }

    pub(crate) fn tried(&self) -> impl Iterator<Item = &Tried> {
        self.negotiation.tried()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.negotiation.pace.is_quiet()
    }

    pub(crate) fn is_degraded(&self) -> bool {
        matches!(&self.state, State::Connected { link, .. } if !self.negotiation.is_best(link.transport))
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Racing {
                links,
                waiting,
                next_joins,
                ..
            } => {
                let joins = (!waiting.is_empty()).then_some(*next_joins);
                links.iter().map(Link::deadline).chain(joins).min()
            }
            State::Connected {
                link,
                successor,
                next_look,
            } => {
                let ends = successor.as_ref().map(Link::deadline);
                let look = next_look.filter(|_| successor.is_none());
                // A stream is renewed once the one under way has come and gone; until then there is nothing to do.
                let can_renew = successor.is_none() || link.transport == Transport::LongPoll;
                let now = (self.is_outdated && can_renew).then_some(Time(0));
                [ends, look, now, self.negotiation.pace.deadline()]
                    .into_iter()
                    .flatten()
                    .chain([link.deadline()])
                    .min()
            }
            State::Waiting { until, .. }
            | State::AwaitingToken { until, .. }
            | State::Unauthorized { until, .. } => Some(*until),
            State::Unstarted | State::ClosedByHub { .. } | State::ClosedByUser => None,
        }
    }

    /// The connection over which the hub has said welcome.
    pub(crate) fn established(&self) -> Option<ConnectionId> {
        match &self.state {
            State::Connected { link, .. } => Some(link.id),
            _ => None,
        }
    }

    /// Whether we are connected over `transport`: another connection over it is a renewal, no try.
    fn is_on(&self, transport: Transport) -> bool {
        matches!(&self.state, State::Connected { link, .. } if link.transport == transport)
    }

    /// The sockets over which our hello has gone out: more records may follow it there.
    pub(crate) fn greeted(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        let live = match &self.state {
            State::Connected { link, .. } if link.transport.is_duplex() => Some(link.id),
            _ => None,
        };
        let greeted = self.links().filter(|link| link.is_greeted_socket());
        live.into_iter().chain(greeted.map(|link| link.id))
    }

    /// Those that have not been welcomed yet.
    fn links(&self) -> impl Iterator<Item = &Link> {
        let links = match &self.state {
            State::Racing { links, .. } => links.as_slice(),
            State::Connected { successor, .. } => successor.as_slice(),
            _ => &[],
        };
        links.iter()
    }

    pub(crate) fn is_current(&self, connection: ConnectionId) -> bool {
        self.established() == Some(connection) || self.links().any(|link| link.id == connection)
    }

    pub(crate) fn is_closed_by_user(&self) -> bool {
        matches!(self.state, State::ClosedByUser)
    }

    pub(crate) fn start(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, State::Unstarted) {
            self.attempt(turn, None);
        }
    }

    /// A socket or a stream is open.
    pub(crate) fn opened(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        let links = match &mut self.state {
            State::Racing { links, .. } => links.as_mut_slice(),
            State::Connected { successor, .. } => successor.as_mut_slice(),
            _ => return,
        };
        if let Some(link) = links.iter_mut().find(|link| link.id == connection) {
            link.opened(turn);
        }
    }

    /// The welcome came. False if it was not waited for.
    pub(crate) fn welcomed(
        &mut self,
        turn: &mut Turn<'_>,
        connection: ConnectionId,
        welcome: &Welcome<'_>,
    ) -> bool {
        if let Some(names) = welcome.transports {
            self.negotiation.serves(TransportSet::of_names(names));
        }
        if let State::Connected { link, .. } = &mut self.state
            && link.id == connection
        {
            return link.welcomed_again(welcome);
        }
        let policy = self.heartbeat_policy(welcome);
        let spread_ms = welcome.spread_ms;
        let Some(winner) = self.take_link(connection) else {
            return false;
        };
        let Some(rtt_ms) = winner.waited_ms(turn.now) else {
            self.put_back(winner);
            return false;
        };
        if !self.is_on(winner.transport) {
            let tried = winner.tried(turn.now, TriedOutcome::Ok, &Reason::of(0));
            self.negotiation.note(tried);
        }
        self.backoff.welcomed(spread_ms);
        turn.tokens.accepted();
        let transport = winner.transport;
        let live = Live::new(turn.now, connection, transport, policy, welcome, rtt_ms);
        self.is_outdated = winner.is_outdated;
        self.establish(turn, live, rtt_ms);
        true
    }

    fn establish(&mut self, turn: &mut Turn<'_>, live: Live, rtt_ms: u64) {
        let before = std::mem::replace(&mut self.state, State::Unstarted);
        let mut successor = None;
        let is_move = match before {
            State::Connected { link, .. } => {
                turn.abandon(link.id, codes::REPLACED);
                turn.metrics.rtt_ms.record(rtt_ms);
                turn.metrics.transport_switches += u64::from(link.transport != live.transport);
                link.transport != live.transport
            }
            State::Racing { links, .. } => {
                turn.metrics.connected(turn.now, rtt_ms);
                for link in links {
                    self.overtaken(turn, link, live.transport, &mut successor);
                }
                false
            }
            _ => false,
        };
        self.attempt = 0;
        let next_look = self
            .negotiation
            .connected(turn.now, live.transport, is_move);
        if self.negotiation.is_telling(live.transport) {
            turn.effects.push(Effect::Remember {
                transport: live.transport,
            });
        }
        self.state = State::Connected {
            link: live,
            successor,
            next_look,
        };
        turn.metrics.degraded(turn.now, self.is_degraded());
        turn.effects.push(Effect::StatusChanged);
    }

    /// A link that another one has overtaken goes on if it would be the better one.
    fn overtaken(
        &mut self,
        turn: &mut Turn<'_>,
        link: Link,
        winner: Transport,
        successor: &mut Option<Link>,
    ) {
        let is_better = self.negotiation.prefers(link.transport, winner);
        if is_better && successor.is_none() {
            *successor = Some(link);
            return;
        }
        let tried = link.tried(turn.now, TriedOutcome::Overtaken, &Reason::of(0));
        self.negotiation.note(tried);
        turn.abandon(link.id, codes::REPLACED);
    }

    /// Options win over what the hub says, and that over the defaults.
    fn heartbeat_policy(&self, welcome: &Welcome<'_>) -> HeartbeatPolicy {
        let default = HeartbeatPolicy::default();
        self.own_heartbeat.unwrap_or(HeartbeatPolicy {
            interval_ms: welcome.ping_ms.unwrap_or(default.interval_ms).max(1),
            timeout_ms: welcome.wait_ms.unwrap_or(default.timeout_ms).max(1),
        })
    }

    /// The hub has changed its mind about the spread (rule R3).
    pub(crate) fn spread(&mut self, ms: u64) {
        self.backoff.told(ms);
    }

    pub(crate) fn heard(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let State::Connected { link, .. } = &mut self.state
            && let Beat::Ping(t) = link.heartbeat.heard(now)
        {
            effects.push(ping(link.id, t));
        }
    }

    /// Messages came.
    pub(crate) fn news(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.heard(now, effects);
        self.negotiation.pace.news();
    }

    /// An answer to a poll is complete: the next one goes out, or waits for its time.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        if let State::Connected { link, .. } = &mut self.state
            && link.id == connection
        {
            if std::mem::take(&mut self.is_outdated) {
                link.ask(turn, &self.negotiation.pace);
            } else {
                link.answered(turn, &mut self.negotiation.pace);
            }
        } else if self.links().any(|link| link.id == connection) {
            // It ended without a welcome in it.
            self.end(turn, connection, &Reason::of(codes::NOT_A_HUB), 0, true);
        }
    }

    pub(crate) fn pong(&mut self, turn: &mut Turn<'_>, t: u64) {
        if let State::Connected { link, .. } = &mut self.state {
            let before = link.heartbeat.rtt_ms();
            if link.heartbeat.pong(turn.now, t) {
                let rtt_ms = link.heartbeat.rtt_ms();
                turn.metrics.rtt_ms.record(rtt_ms.unwrap_or(0));
                if rtt_ms != before {
                    turn.effects.push(Effect::StatusChanged);
                }
            }
        }
    }

    /// The subscriptions have changed.
    pub(crate) fn subscriptions_changed(&mut self) {
        let opening = match &mut self.state {
            State::Racing { links, .. } => links.as_mut_slice(),
            State::Connected {
                link, successor, ..
            } => {
                self.is_outdated |= !link.transport.is_duplex();
                successor.as_mut_slice()
            }
            _ => return,
        };
        for link in opening {
            link.is_outdated = !link.transport.is_duplex();
        }
    }

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
    fn lost(&mut self, turn: &mut Turn<'_>, reason: &Reason, floor_ms: u64) {
        let before = std::mem::replace(&mut self.state, State::Unstarted);
        let State::Connected {
            link, successor, ..
        } = before
        else {
            return;
        };
        link.lost(turn.now, reason.close_code, &mut self.negotiation.pace);
        self.backoff.was_useful_for(turn.now.since(link.since));
        self.negotiation.lost(turn.now);
        turn.metrics.disconnected(turn.now);
        self.is_outdated = false;
        self.attempt = 1;
        let is_silent =
            |link: &Link| reason.close_code == codes::HEARTBEAT_TIMEOUT && link.is_silent_request();
        match successor {
            Some(successor)
                if codes::comes_back(reason.close_code)
                    && !reason.is_unauthorized()
                    && !is_silent(&successor) =>
            {
                let mut waiting = self.negotiation.order(0);
                waiting.retain(|transport| *transport != successor.transport);
                self.state = State::Racing {
                    links: vec![successor],
                    waiting,
                    next_joins: turn.now.plus(HEAD_START_MS),
                    reason: Some(reason.clone()),
                };
                turn.effects.push(Effect::StatusChanged);
            }
            successor => {
                if let Some(successor) = successor {
                    turn.abandon(successor.id, codes::REPLACED);
                }
                self.wait(turn, reason.clone(), floor_ms);
            }
        }
    }

    fn link_failed(&mut self, turn: &mut Turn<'_>, link: &Link, failure: &Reason, floor_ms: u64) {
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
                if is_answer(failure.close_code) {
                    live.heartbeat.heard(turn.now);
                }
                if failure.is_unauthorized() {
                    turn.tokens.refused();
                    turn.tokens.clear(turn.now, turn.effects);
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

    fn wait(&mut self, turn: &mut Turn<'_>, reason: Reason, floor_ms: u64) {
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

    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let over: Vec<(ConnectionId, u16, u64)> = self
            .links()
            .filter(|link| now >= link.deadline())
            .map(|link| (link.id, link.time_out(), now.since(link.deadline())))
            .collect();
        for (connection, code, late_ms) in over {
            self.end(turn, connection, &Reason::of(code), 0, true);
            if late_ms > LATE_MS {
                self.hurry(turn);
            }
        }
        match &mut self.state {
            State::Waiting { until, .. } if now >= *until => self.attempt(turn, None),
            State::Unauthorized { until, reason } if now >= *until => {
                let reason = reason.clone();
                self.attempt(turn, Some(reason));
            }
            State::AwaitingToken { until, .. } if now >= *until => {
                self.no_token(turn, "the app's token function does not answer");
            }
            State::Racing {
                waiting,
                next_joins,
                ..
            } if !waiting.is_empty() && now >= *next_joins => self.join(turn),
            State::Connected { link, .. } => {
                let (id, beat) = (link.id, link.heartbeat.tick(now));
                self.beat(turn, id, beat);
                self.settle(turn);
                self.renew_if_outdated(turn);
                if let State::Connected { link, .. } = &mut self.state {
                    link.tick(turn, &self.negotiation.pace);
                }
                self.look_for_better(turn);
            }
            _ => {}
        }
    }

    fn beat(&mut self, turn: &mut Turn<'_>, connection: ConnectionId, beat: Beat) {
        match beat {
            Beat::Rest => {}
            Beat::Ping(t) => turn.effects.push(ping(connection, t)),
            Beat::Renew => match &mut self.state {
                // An answer at once is the sign of life.
                State::Connected { link, .. } if link.transport == Transport::LongPoll => {
                    link.probe(turn);
                }
                _ => self.is_outdated = true,
            },
            Beat::Dead => {
                turn.metrics.missed_heartbeats += 1;
                self.end(
                    turn,
                    connection,
                    &Reason::of(codes::HEARTBEAT_TIMEOUT),
                    0,
                    true,
                );
            }
        }
    }

    /// On a transport that only listens, other subscriptions need another poll or stream.
    fn renew_if_outdated(&mut self, turn: &mut Turn<'_>) {
        let State::Connected {
            link, successor, ..
        } = &mut self.state
        else {
            return;
        };
        if !self.is_outdated {
            return;
        }
        match link.transport {
            Transport::LongPoll => {
                link.ask(turn, &self.negotiation.pace);
                self.is_outdated = false;
            }
            // One that is under way begins with the subscriptions of its time: it must have come and gone first.
            Transport::EventSource if successor.is_none() => {
                self.is_outdated = false;
                let successor = self.open(turn, Transport::EventSource);
                self.succeed_by(successor);
            }
            Transport::EventSource | Transport::WebSocket => {}
        }
    }

    /// Whether every subscription is passive: then the client lives by short polls, after a while.
    pub(crate) fn wish(&mut self, now: Time, is_passive: bool) {
        let is_connected = self.established().is_some();
        if self.negotiation.pace.wish(now, is_passive, is_connected) {
            self.reconsider(now);
        }
    }

    /// What was live has been passive for long enough.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        if self.negotiation.pace.tick(turn.now) {
            self.reconsider(turn.now);
            if let State::Connected { successor, .. } = &mut self.state
                && let Some(link) = successor.take_if(|link| link.transport != Transport::LongPoll)
            {
                turn.abandon(link.id, codes::REPLACED);
            }
            turn.metrics.degraded(turn.now, self.is_degraded());
        }
    }

    /// Another transport is the best one now, or polls are held no longer, or again.
    fn reconsider(&mut self, now: Time) {
        if let State::Connected {
            link, next_look, ..
        } = &mut self.state
        {
            let look = self.negotiation.next_probe(now, link.transport);
            *next_look = look.map(|_| now);
            self.is_outdated |= link.transport == Transport::LongPoll;
        }
    }

    /// Wants a place among the connections that all tabs share while something is held over HTTP, or may be.
    pub(crate) fn seek_place(&mut self, effects: &mut Vec<Effect>) {
        let is_held = |transport: Transport| !transport.is_duplex();
        let is_opening = self.links().any(|link| is_held(link.transport));
        let is_wanted = match &self.state {
            State::Connected { link, .. } => is_opening || is_held(link.transport),
            // One that is kept for a moment costs less than giving it back and asking anew.
            State::Racing { .. } if !is_opening => return,
            State::Racing { .. } => true,
            // Locks keep a page from being cached, too.
            State::Waiting { reason, .. } if reason.close_code == codes::PAGE_SUSPENDED => false,
            State::Waiting { .. } | State::AwaitingToken { .. } => return,
            State::Unstarted
            | State::Unauthorized { .. }
            | State::ClosedByHub { .. }
            | State::ClosedByUser => false,
        };
        let is_wanted = is_wanted && !self.negotiation.pace.is_quiet();
        if self.negotiation.pace.seek(is_wanted) {
            effects.push(Effect::Place { is_wanted });
        }
    }

    /// There is a place, or none: streams and held polls come into question, or give way to short polls.
    pub(crate) fn placed(&mut self, turn: &mut Turn<'_>, is_granted: bool) {
        if !self.negotiation.pace.placed(is_granted) {
            return;
        }
        self.reconsider(turn.now);
        let gives_way = |transport| self.negotiation.is_set_aside(transport);
        let mut given_up = Vec::new();
        match &mut self.state {
            State::Connected { successor, .. } => {
                given_up.extend(successor.take_if(|link| gives_way(link.transport)));
            }
            State::Racing { links, waiting, .. } => {
                given_up.extend(links.extract_if(.., |link| gives_way(link.transport)));
                waiting.retain(|transport| !gives_way(*transport));
                if links.is_empty() {
                    self.race(turn);
                }
            }
            _ => {}
        }
        for link in given_up {
            let reason = Reason::new(codes::TOO_MANY_CONNECTIONS, NO_PLACE);
            let tried = link.tried(turn.now, TriedOutcome::Refused, &reason);
            self.negotiation.note(tried);
            turn.abandon(link.id, codes::REPLACED);
        }
        turn.metrics.degraded(turn.now, self.is_degraded());
    }

    /// While on a lesser transport, or one that the hub no longer serves: opens a better one beside it.
    fn look_for_better(&mut self, turn: &mut Turn<'_>) {
        let State::Connected {
            link,
            successor: None,
            next_look: Some(at),
        } = &self.state
        else {
            return;
        };
        if turn.now < *at {
            return;
        }
        if let Some(better) = self.negotiation.probe(link.transport) {
            let successor = self.open(turn, better);
            self.succeed_by(successor);
        }
    }

    fn succeed_by(&mut self, link: Link) {
        if let State::Connected { successor, .. } = &mut self.state {
            *successor = Some(link);
        }
    }

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
                let (id, beat) = (link.id, link.heartbeat.probe(turn.now));
                self.beat(turn, id, beat);
            }
            State::Waiting { .. } if self.is_online => self.hurry(turn),
            _ => {}
        }
    }

    /// A wait of our own choice ends; one that the hub asked for does not (rule R5).
    fn hurry(&mut self, turn: &mut Turn<'_>) {
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

    fn let_all_go(&mut self, turn: &mut Turn<'_>, code: u16) {
        if let Some(connection) = self.established() {
            turn.abandon(connection, code);
            turn.metrics.disconnected(turn.now);
            turn.metrics.degraded(turn.now, false);
        }
        for link in self.links() {
            turn.abandon(link.id, code);
        }
        self.is_outdated = false;
    }

    /// The next attempt, with a fresh token if it needs one. `refusal` is why the user has been told `unauthorized`.
    fn attempt(&mut self, turn: &mut Turn<'_>, refusal: Option<Reason>) {
        self.state = match turn.tokens.clear(turn.now, turn.effects) {
            Clearance::Go => return self.race(turn),
            Clearance::Await(until) => State::AwaitingToken {
                until,
                is_unauthorized: refusal.is_some(),
                refusal,
            },
            Clearance::NotBefore(until) => {
                let reason = refusal.unwrap_or_else(|| Reason::of(codes::TOKEN_UNAVAILABLE));
                State::Unauthorized { until, reason }
            }
        };
        turn.effects.push(Effect::StatusChanged);
    }

    /// The hub did not accept the token: a fresh one may help, once.
    fn refused(&mut self, turn: &mut Turn<'_>, reason: Reason) {
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

    /// The app has given none.
    pub(crate) fn no_token(&mut self, turn: &mut Turn<'_>, detail: &str) {
        let State::AwaitingToken { refusal, .. } = &mut self.state else {
            return;
        };
        let refusal = refusal.take();
        let until = turn.tokens.retry_at(turn.now, turn.rng);
        let is_stuck = refusal.is_some() || turn.tokens.is_stuck();
        let reason = refusal.unwrap_or_else(|| Reason::new(codes::TOKEN_UNAVAILABLE, detail));
        self.state = if is_stuck {
            State::Unauthorized { until, reason }
        } else {
            State::Waiting { until, reason }
        };
        turn.effects.push(Effect::StatusChanged);
    }

    fn race(&mut self, turn: &mut Turn<'_>) {
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
    fn join(&mut self, turn: &mut Turn<'_>) {
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

    fn open(&mut self, turn: &mut Turn<'_>, transport: Transport) -> Link {
        let id = self.last_id.next();
        self.last_id = id;
        let turns = usize::try_from(self.attempt.saturating_sub(1) / ATTEMPTS_EACH).unwrap_or(0);
        Link::open(turn, id, transport, turns % self.addresses)
    }

    fn take_link(&mut self, connection: ConnectionId) -> Option<Link> {
        match &mut self.state {
            State::Racing { links, .. } => {
                let at = links.iter().position(|link| link.id == connection)?;
                Some(links.remove(at))
            }
            State::Connected { successor, .. } => successor.take_if(|link| link.id == connection),
            _ => None,
        }
    }

    fn put_back(&mut self, link: Link) {
        match &mut self.state {
            State::Racing { links, .. } => links.push(link),
            State::Connected { successor, .. } => *successor = Some(link),
            _ => {}
        }
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

/// A reason with the least time to wait that HTTP told beside it, as rule R1 has it.
pub(crate) fn with_floor(reason: &str, floor_ms: u64) -> String {
    let mut words = String::from(reason);
    if floor_ms > 0 {
        words.push_str(" retry=");
        words.push_str(itoa::Buffer::new().format(floor_ms));
    }
    words
}

fn ping(connection: ConnectionId, t: Time) -> Effect {
    let mut records = String::new();
    ToHub::Ping { t: t.0 }.encode(&mut records);
    Effect::Send {
        connection,
        records,
    }
}
