//! An established connection: whether it is alive and, if it polls, when it polls again.
//!
//! Owns the poll under way and the time of the next one. `poll_policy` chooses between long polls
//! and short polls.

use crate::codes;
use crate::config::{HeartbeatPolicy, POLL_TIMEOUT_MS, POLL_TIMEOUT_MS_MIN};
use crate::connection::arrival::{Arrival, Piece};
use crate::connection::heartbeat::{Beat, Heartbeat};
use crate::connection::hello::Hello;
use crate::connection::poll_policy::{Answer, NextPoll, PollPolicy};
use crate::connection::race::Winner;
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::Welcome;

#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) id: ConnectionId,
    pub(crate) transport: Transport,
    pub(crate) since: Time,
    pub(crate) heartbeat: Heartbeat,
    /// Something that has arrived in part; the rest follows at once.
    arrival: Option<Arrival>,
    /// Something complete has arrived since.
    has_progressed: bool,
    /// The longest time for which the hub holds a poll.
    allowed_ms: u64,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    /// Under way. The poll of the attempt is not held. Other transports stay in this state.
    Asked {
        at: Time,
        hold_ms: u64,
        kind: PollKind,
    },
    /// The next poll waits.
    Waiting(NextPoll),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PollKind {
    /// Asks for news.
    News,
    /// Asks for an answer at once.
    Probe,
}

impl Established {
    pub(super) fn new(
        now: Time,
        winner: &Winner,
        policy: HeartbeatPolicy,
        welcome: &Welcome<'_>,
    ) -> Self {
        let Winner { attempt, rtt_ms } = winner;
        let (transport, rtt_ms) = (attempt.transport, Some(*rtt_ms));
        let allowed_ms = welcome
            .hold_ms
            .unwrap_or(POLL_TIMEOUT_MS)
            .min(POLL_TIMEOUT_MS);
        let heartbeat = match transport {
            Transport::WebSocket => Heartbeat::new(now, policy, rtt_ms),
            Transport::EventSource => {
                // The hub sends pings there, and no option of the client makes them more frequent.
                let interval_ms = welcome.ping_ms.unwrap_or(0).max(policy.interval_ms);
                let policy = HeartbeatPolicy {
                    interval_ms,
                    ..policy
                };
                Heartbeat::listening(now, policy, rtt_ms)
            }
            Transport::LongPoll => {
                let interval_ms = allowed_ms.max(policy.interval_ms);
                let policy = HeartbeatPolicy {
                    interval_ms,
                    ..policy
                };
                Heartbeat::listening(now, policy, rtt_ms)
            }
        };
        Self {
            id: attempt.id,
            transport,
            since: now,
            heartbeat,
            arrival: None,
            has_progressed: false,
            allowed_ms,
            poll: Poll::Asked {
                at: now,
                hold_ms: 0,
                kind: PollKind::Probe,
            },
        }
    }

    /// Every answer to a poll begins with a welcome. Returns whether one was due.
    pub(crate) fn welcomed_again(&mut self, welcome: &Welcome<'_>) -> bool {
        self.allowed_ms = welcome
            .hold_ms
            .unwrap_or(self.allowed_ms)
            .min(POLL_TIMEOUT_MS);
        self.transport == Transport::LongPoll
    }

    pub(crate) fn deadline(&self) -> Time {
        let alive = match self.poll {
            Poll::Waiting(NextPoll { at, .. }) => at.min(self.heartbeat.deadline()),
            Poll::Asked { .. } => self.heartbeat.deadline(),
        };
        let arrives = self.arrival.map(|arrival| arrival.until());
        arrives.map_or(alive, |until| until.min(alive))
    }

    pub(crate) fn is_arriving(&self) -> bool {
        self.arrival.is_some()
    }

    /// Part of something has arrived.
    pub(crate) fn arriving(&mut self, now: Time, piece: Piece) {
        self.restart_arrival(now);
        let mut arrival = self.arrival.unwrap_or(Arrival::new(now));
        arrival.add(piece.bytes);
        self.arrival = piece.has_more.then_some(arrival);
    }

    /// Something complete has arrived that is no heartbeat. Records may come between the parts of
    /// another one (rule W9).
    pub(crate) fn progressed(&mut self) {
        self.has_progressed = true;
    }

    /// Restarts the time limit of what is arriving.
    fn restart_arrival(&mut self, now: Time) {
        if std::mem::take(&mut self.has_progressed)
            && let Some(arrival) = &mut self.arrival
        {
            *arrival = Arrival::new(now);
        }
    }

    /// What the heartbeat requires now. A trickle of bytes is no sign of life.
    pub(crate) fn beat(&mut self, now: Time) -> Beat {
        self.restart_arrival(now);
        if self.arrival.is_some_and(|arrival| now >= arrival.until()) {
            return Beat::Dead;
        }
        self.heartbeat.tick(now)
    }

    /// When the next poll is due, if it waits because of the hub's last answer (rule R7).
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        match self.poll {
            Poll::Waiting(NextPoll {
                at,
                is_repeat: true,
            }) => Some(at),
            _ => None,
        }
    }

    /// Polls for news now. The new poll replaces the one under way.
    pub(crate) fn ask(
        &mut self,
        context: &mut Context<'_>,
        hello: &Hello<'_>,
        poll_policy: &PollPolicy,
    ) {
        let hold_ms = poll_policy.hold_ms(self.allowed_ms);
        self.poll(context, hello, hold_ms, PollKind::News);
        self.heartbeat.expect_from(context.now);
    }

    /// Polls for an answer at once, which is the sign of life that the heartbeat waits for.
    pub(crate) fn probe(&mut self, context: &mut Context<'_>, hello: &Hello<'_>) {
        self.poll(context, hello, 0, PollKind::Probe);
    }

    fn poll(&mut self, context: &mut Context<'_>, hello: &Hello<'_>, hold_ms: u64, kind: PollKind) {
        self.arrival = None;
        context.effects.push(Effect::Poll {
            connection: self.id,
            records: hello.of_poll(hold_ms),
        });
        self.poll = Poll::Asked {
            at: context.now,
            hold_ms,
            kind,
        };
    }

    /// The answer is complete. Sends the next poll, or waits for its time.
    pub(crate) fn answered(
        &mut self,
        context: &mut Context<'_>,
        hello: &Hello<'_>,
        poll_policy: &mut PollPolicy,
    ) {
        self.heartbeat.heard(context.now);
        self.arrival = None;
        let mut is_hasty = false;
        if let Poll::Asked { at, hold_ms, kind } = self.poll {
            let age_ms = context.now.since(at);
            is_hasty = kind == PollKind::News && age_ms < POLL_TIMEOUT_MS_MIN;
            if hold_ms > 0 {
                poll_policy.held(age_ms, hold_ms);
            }
        }
        let answer = Answer {
            is_behind: hello.subscriptions.are_behind(),
            is_hasty,
        };
        match poll_policy.next_poll(context, answer) {
            None => self.ask(context, hello, poll_policy),
            Some(next) => {
                self.poll = Poll::Waiting(next);
                self.heartbeat.expect_from(next.at);
            }
        }
    }

    /// Polls if it is time.
    pub(crate) fn tick(
        &mut self,
        context: &mut Context<'_>,
        hello: &Hello<'_>,
        poll_policy: &PollPolicy,
    ) {
        if let Poll::Waiting(NextPoll { at, .. }) = self.poll
            && context.now >= at
        {
            self.ask(context, hello, poll_policy);
        }
    }

    /// The connection is gone. If a held poll ended without a reason, a proxy may have cut it.
    pub(crate) fn lost(&self, now: Time, close_code: u16, poll_policy: &mut PollPolicy) {
        if let (codes::CONNECTION_LOST | codes::NOT_A_HUB, Poll::Asked { at, hold_ms, .. }) =
            (close_code, &self.poll)
            && *hold_ms > 0
        {
            poll_policy.cut(now.since(*at));
        }
    }
}
