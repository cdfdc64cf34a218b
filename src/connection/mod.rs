//! The life of the connection: racing, connected, waiting for the next attempt, closed.
//!
//! Owns the state machine, the backoff and the heartbeat; asks negotiation which transport. Knows nothing of topics or rows.

mod arrival;
mod attempt;
mod connected;
mod established;
mod heartbeat;
mod idle;
mod negotiation;
mod poll_interval;
mod poll_policy;
mod poll_timeout;
mod racing;
mod status;
pub(crate) mod token;
mod wake;

pub use negotiation::{Tried, TriedOutcome};
pub use status::{Reason, Status};

use crate::backoff::Backoff;
use crate::backoff::hint::clamp;
use crate::backoff::repeat::RepeatPause;
use crate::codes;
use crate::config::Config;
use crate::config::HeartbeatPolicy;
use crate::connection::attempt::Attempt;
use crate::connection::established::Live;
use crate::connection::negotiation::Negotiation;
use crate::context::Turn;
use crate::ids::ConnectionId;
use crate::time::Time;
use crate::transport::Transport;

/// An end of a link that is noticed later than this, ms, means that the page slept. Chosen: as for heartbeats.
const LATE_MS: u64 = 2_000;

#[derive(Debug)]
enum State {
    Unstarted,
    /// An attempt: one transport, and others that join after a head start or take the place of one that failed at once.
    Racing {
        links: Vec<Attempt>,
        /// In order, the next one first.
        waiting: Vec<Transport>,
        next_joins: Time,
        /// How the first one failed.
        reason: Option<Reason>,
    },
    Connected {
        link: Live,
        /// A connection that is to take the place of this one.
        replacement: Option<Attempt>,
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
    /// Before another stream takes the place of the established one, where one has failed to.
    renewal: RepeatPause,
    renew_at: Option<Time>,
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
            renewal: RepeatPause::default(),
            renew_at: None,
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
                // Subscriptions and publications may wait, too: the client knows.
                repeat_at: None,
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
        self.negotiation.poll_policy.is_quiet()
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
                links.iter().map(Attempt::deadline).chain(joins).min()
            }
            State::Connected {
                link,
                replacement,
                next_look,
            } => {
                let ends = replacement.as_ref().map(Attempt::deadline);
                let look = next_look.filter(|_| replacement.is_none());
                let renew = self.renew_at.filter(|_| replacement.is_none());
                // A stream is renewed once the one under way has come and gone; until then there is nothing to do.
                let can_renew = replacement.is_none() || link.transport == Transport::LongPoll;
                let now = if can_renew {
                    Some(Time(0))
                } else {
                    self.look_ends_at()
                };
                let now = now.filter(|_| self.is_outdated);
                [
                    ends,
                    look,
                    renew,
                    now,
                    self.negotiation.poll_policy.deadline(),
                ]
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

    /// Whether what is sent goes out in posts.
    pub(crate) fn is_posting(&self) -> bool {
        matches!(&self.state, State::Connected { link, .. } if !link.transport.is_duplex())
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
    fn links(&self) -> impl Iterator<Item = &Attempt> {
        let links = match &self.state {
            State::Racing { links, .. } => links.as_slice(),
            State::Connected { replacement, .. } => replacement.as_slice(),
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
            State::Connected { replacement, .. } => replacement.as_mut_slice(),
            _ => return,
        };
        if let Some(link) = links.iter_mut().find(|link| link.id == connection) {
            link.opened(turn);
        }
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
                self.expedite(turn);
            }
        }
        match &mut self.state {
            State::Waiting { until, .. } if now >= *until => self.attempt(turn, None),
            State::Unauthorized { until, reason } if now >= *until => {
                let reason = reason.clone();
                self.attempt(turn, Some(reason));
            }
            State::AwaitingToken { until, .. } if now >= *until => {
                self.no_token(turn, "the app's token function does not answer", false);
            }
            State::Racing {
                waiting,
                next_joins,
                ..
            } if !waiting.is_empty() && now >= *next_joins => self.join(turn),
            State::Connected { link, .. } => {
                let (id, beat) = (link.id, link.beat(now));
                self.beat(turn, id, beat);
                self.settle(turn);
                self.is_outdated |= self.renew_at.take_if(|at| now >= *at).is_some();
                self.renew_if_outdated(turn);
                if let State::Connected { link, .. } = &mut self.state {
                    link.tick(turn, &self.negotiation.poll_policy);
                }
                self.look_for_better(turn);
            }
            _ => {}
        }
    }

    fn take_link(&mut self, connection: ConnectionId) -> Option<Attempt> {
        match &mut self.state {
            State::Racing { links, .. } => {
                let at = links.iter().position(|link| link.id == connection)?;
                Some(links.remove(at))
            }
            State::Connected { replacement, .. } => {
                replacement.take_if(|link| link.id == connection)
            }
            _ => None,
        }
    }

    fn put_back(&mut self, link: Attempt) {
        match &mut self.state {
            State::Racing { links, .. } => links.push(link),
            State::Connected { replacement, .. } => *replacement = Some(link),
            _ => {}
        }
    }
}

/// A reason with the least time to wait that HTTP told beside it, as rule R1 has it.
pub(crate) fn with_floor(reason: &str, floor_ms: u64) -> String {
    let mut words = String::from(reason);
    if floor_ms > 0 {
        words.push_str(" retry=");
        words.push_str(itoa::Buffer::new().format(clamp(floor_ms)));
    }
    words
}
