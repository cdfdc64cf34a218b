//! From the welcome on: which connection it is, how it is kept alive and renewed, and when a better one takes over.

use super::{Connection, State};
use crate::codes;
use crate::config::{HEAD_START_MS, HeartbeatPolicy, PING_MS_MIN};
use crate::connection::Reason;
use crate::connection::attempt::Attempt;
use crate::connection::established::Live;
use crate::connection::heartbeat::Beat;
use crate::connection::negotiation::TriedOutcome;
use crate::context::Turn;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::time::Time;
use crate::transport::Transport;
use crate::transport::TransportSet;
use crate::wire::ToHub;
use crate::wire::Welcome;

impl Connection {
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
        if let State::Connected {
            link, next_look, ..
        } = &mut self.state
            && link.id == connection
        {
            // What is better may be served no longer, or again.
            let look = self.negotiation.next_probe(turn.now, link.transport);
            *next_look = look.and(next_look.or(look));
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

    pub(super) fn establish(&mut self, turn: &mut Turn<'_>, live: Live, rtt_ms: u64) {
        let before = std::mem::replace(&mut self.state, State::Unstarted);
        let mut replacement = None;
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
                    self.superseded(turn, link, live.transport, &mut replacement);
                }
                false
            }
            _ => false,
        };
        self.attempt = 0;
        self.renew_at = None;
        self.renewal.progressed();
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
            replacement,
            next_look,
        };
        turn.metrics.degraded(turn.now, self.is_degraded());
        turn.effects.push(Effect::StatusChanged);
    }

    /// A link that another one has overtaken goes on if it would be the better one.
    pub(super) fn superseded(
        &mut self,
        turn: &mut Turn<'_>,
        link: Attempt,
        winner: Transport,
        replacement: &mut Option<Attempt>,
    ) {
        let is_better = self.negotiation.prefers(link.transport, winner);
        if is_better && replacement.is_none() {
            *replacement = Some(link);
            return;
        }
        let tried = link.tried(turn.now, TriedOutcome::Superseded, &Reason::of(0));
        self.negotiation.note(tried);
        turn.abandon(link.id, codes::REPLACED);
    }

    /// Options win over what the hub says, and that over the defaults.
    pub(super) fn heartbeat_policy(&self, welcome: &Welcome<'_>) -> HeartbeatPolicy {
        let default = HeartbeatPolicy::default();
        self.own_heartbeat.unwrap_or(HeartbeatPolicy {
            interval_ms: welcome
                .ping_ms
                .unwrap_or(default.interval_ms)
                .max(PING_MS_MIN),
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

    /// Whether parts of something may come here: after the welcome, or where an answer brings it.
    pub(crate) fn may_answer(&self, connection: ConnectionId) -> bool {
        let is_poll =
            |link: &Attempt| link.id == connection && link.transport == Transport::LongPoll;
        self.established() == Some(connection) || self.links().any(is_poll)
    }

    /// So many bytes of something came, and more may follow at once.
    pub(crate) fn arriving(
        &mut self,
        now: Time,
        connection: ConnectionId,
        (bytes, has_more): (usize, bool),
        effects: &mut Vec<Effect>,
    ) {
        let opening = match &mut self.state {
            State::Connected { link, .. } if link.id == connection => {
                link.arriving(now, bytes, has_more);
                return self.heard(now, effects);
            }
            State::Connected { replacement, .. } => replacement.as_mut_slice(),
            State::Racing { links, .. } => links.as_mut_slice(),
            _ => return,
        };
        for link in opening {
            link.heard(now, connection, bytes);
        }
    }

    /// Messages came and nobody looked at the clock, which is enough where the heartbeat pings. False where it is not.
    pub(crate) fn noticed(&mut self, connection: ConnectionId) -> bool {
        match &mut self.state {
            State::Connected { link, .. }
                if link.id == connection && link.transport.is_duplex() =>
            {
                link.heartbeat.noticed();
                link.progressed();
                self.negotiation.poll_policy.news();
                true
            }
            _ => false,
        }
    }

    /// Something whole came that is no heartbeat.
    pub(crate) fn progressed(&mut self) {
        if let State::Connected { link, .. } = &mut self.state {
            link.progressed();
        }
    }

    /// Messages came that had not come before.
    pub(crate) fn news(&mut self) {
        self.negotiation.poll_policy.news();
    }

    /// The hub could not go on from where a subscription stood.
    pub(crate) fn setback(&mut self) {
        self.negotiation.poll_policy.setback();
    }

    /// Whether another stream is to take the place of the established one, because that lacks a subscription.
    pub(crate) fn is_renewing(&self) -> bool {
        let has_successor = match &self.state {
            State::Connected {
                link,
                replacement: Some(replacement),
                ..
            } => replacement.transport == link.transport,
            _ => false,
        };
        self.is_outdated || self.renew_at.is_some() || has_successor
    }

    /// When the hub is asked again because of how it answered (rule R7).
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        match &self.state {
            State::Connected { link, .. } => link.repeat_at().or(self.renew_at),
            _ => None,
        }
    }

    /// An answer to a poll is complete: the next one goes out, or waits for its time.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        if let State::Connected { link, .. } = &mut self.state
            && link.id == connection
        {
            if std::mem::take(&mut self.is_outdated) {
                link.ask(turn, &self.negotiation.poll_policy);
            } else {
                link.answered(turn, &mut self.negotiation.poll_policy);
            }
        } else if self.links().any(|link| link.id == connection) {
            // It ended without a welcome in it.
            self.end(turn, connection, &Reason::of(codes::NOT_A_HUB), 0, true);
        }
    }

    /// The hub wants a sign of life. A transport that only listens has nothing to answer with, and the hub knows.
    pub(crate) fn pinged(&self, connection: ConnectionId, t: u64, effects: &mut Vec<Effect>) {
        if self.greeted().any(|greeted| greeted == connection) {
            let mut records = String::new();
            ToHub::Pong { t }.encode(&mut records);
            effects.push(Effect::Send {
                connection,
                records,
            });
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
                link, replacement, ..
            } => {
                self.is_outdated |= !link.transport.is_duplex();
                replacement.as_mut_slice()
            }
            _ => return,
        };
        for link in opening {
            link.is_outdated = !link.transport.is_duplex();
        }
    }

    pub(super) fn beat(&mut self, turn: &mut Turn<'_>, connection: ConnectionId, beat: Beat) {
        match beat {
            Beat::Rest => {}
            Beat::Ping(t) => turn.effects.push(ping(connection, t)),
            Beat::Renew => match &mut self.state {
                // More of what is arriving is the sign of life; another request would begin it anew.
                State::Connected { link, .. } if link.is_arriving() => {}
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
    pub(super) fn renew_if_outdated(&mut self, turn: &mut Turn<'_>) {
        let is_look_over = self.look_ends_at().is_some_and(|at| turn.now >= at);
        let State::Connected {
            link, replacement, ..
        } = &mut self.state
        else {
            return;
        };
        if !self.is_outdated {
            return;
        }
        match link.transport {
            Transport::LongPoll => {
                link.ask(turn, &self.negotiation.poll_policy);
                self.is_outdated = false;
            }
            // One that is under way begins with the subscriptions of its time: it must have come and gone first.
            Transport::EventSource if replacement.is_none() || is_look_over => {
                self.end_look(turn);
                self.is_outdated = false;
                self.renew_at = None;
                let replacement = self.open(turn, Transport::EventSource);
                self.succeed_by(replacement);
            }
            Transport::EventSource | Transport::WebSocket => {}
        }
    }

    /// While on a lesser transport, or one that the hub no longer serves: opens a better one beside it.
    pub(super) fn look_for_better(&mut self, turn: &mut Turn<'_>) {
        let State::Connected {
            link,
            replacement: None,
            next_look: Some(at),
        } = &self.state
        else {
            return;
        };
        if turn.now < *at {
            return;
        }
        if let Some(better) = self.negotiation.probe(link.transport) {
            let replacement = self.open(turn, better);
            self.succeed_by(replacement);
        }
    }

    /// When a look for another transport gives way to what can't wait: it has a head start.
    pub(super) fn look_ends_at(&self) -> Option<Time> {
        match &self.state {
            State::Connected {
                link,
                replacement: Some(look),
                ..
            } if look.transport != link.transport => Some(look.begun.plus(HEAD_START_MS)),
            _ => None,
        }
    }

    fn end_look(&mut self, turn: &mut Turn<'_>) {
        if let State::Connected {
            link,
            replacement,
            next_look,
        } = &mut self.state
            && let Some(look) = replacement.take()
        {
            turn.abandon(look.id, codes::REPLACED);
            let tried = look.tried(turn.now, TriedOutcome::Silent, &Reason::of(codes::REPLACED));
            self.negotiation.note(tried);
            *next_look = self.negotiation.next_probe(turn.now, link.transport);
        }
    }

    pub(super) fn succeed_by(&mut self, link: Attempt) {
        if let State::Connected { replacement, .. } = &mut self.state {
            *replacement = Some(link);
        }
    }
}

fn ping(connection: ConnectionId, t: Time) -> Effect {
    let mut records = String::new();
    ToHub::Ping { t: t.0 }.encode(&mut records);
    Effect::Send {
        connection,
        records,
    }
}
