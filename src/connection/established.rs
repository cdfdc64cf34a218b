//! A link over which the hub has said welcome: whether it is alive and, where it polls, when it asks again.
//!
//! Owns the poll under way and the rest between two. Why polls are short or held is pace's.

use crate::codes;
use crate::config::{HOLD_MS, HOLD_MS_MIN, HeartbeatPolicy};
use crate::connection::arrival::Arrival;
use crate::connection::heartbeat::{Beat, Heartbeat};
use crate::connection::poll_policy::{PollPolicy, Rest};
use crate::context::Turn;
use crate::ids::ConnectionId;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::Welcome;

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: ConnectionId,
    pub(crate) transport: Transport,
    pub(crate) since: Time,
    pub(crate) heartbeat: Heartbeat,
    /// Part of something has come, and more is to follow at once.
    arrival: Option<Arrival>,
    /// Something whole came since.
    has_progressed: bool,
    /// How long the hub holds a poll at most.
    allowed_ms: u64,
    poll: Poll,
}

#[derive(Debug)]
enum Poll {
    /// Under way. What opened a link asked not to be held, and on other transports nothing follows it.
    Asked {
        at: Time,
        hold_ms: u64,
        /// An answer at once is wanted.
        is_probe: bool,
    },
    Resting(Rest),
}

impl Live {
    pub(crate) fn new(
        now: Time,
        id: ConnectionId,
        transport: Transport,
        policy: HeartbeatPolicy,
        welcome: &Welcome<'_>,
        rtt_ms: u64,
    ) -> Self {
        let allowed_ms = welcome.hold_ms.unwrap_or(HOLD_MS).min(HOLD_MS);
        let heartbeat = match transport {
            Transport::WebSocket => Heartbeat::new(now, policy, Some(rtt_ms)),
            Transport::EventSource => {
                // What sounds there is the hub's ping, which no option of ours makes more frequent.
                let interval_ms = welcome.ping_ms.unwrap_or(0).max(policy.interval_ms);
                let policy = HeartbeatPolicy {
                    interval_ms,
                    ..policy
                };
                Heartbeat::listening(now, policy, Some(rtt_ms))
            }
            Transport::LongPoll => {
                let interval_ms = allowed_ms.max(policy.interval_ms);
                let policy = HeartbeatPolicy {
                    interval_ms,
                    ..policy
                };
                Heartbeat::listening(now, policy, Some(rtt_ms))
            }
        };
        Self {
            id,
            transport,
            since: now,
            heartbeat,
            arrival: None,
            has_progressed: false,
            allowed_ms,
            poll: Poll::Asked {
                at: now,
                hold_ms: 0,
                is_probe: true,
            },
        }
    }

    /// Every answer to a poll begins with a welcome. False where none is due.
    pub(crate) fn welcomed_again(&mut self, welcome: &Welcome<'_>) -> bool {
        self.allowed_ms = welcome.hold_ms.unwrap_or(self.allowed_ms).min(HOLD_MS);
        self.transport == Transport::LongPoll
    }

    pub(crate) fn deadline(&self) -> Time {
        let alive = match self.poll {
            Poll::Resting(Rest { until, .. }) => until.min(self.heartbeat.deadline()),
            Poll::Asked { .. } => self.heartbeat.deadline(),
        };
        let arrives = self.arrival.map(|arrival| arrival.until());
        arrives.map_or(alive, |until| until.min(alive))
    }

    pub(crate) fn is_arriving(&self) -> bool {
        self.arrival.is_some()
    }

    /// So much of something came, and more may follow at once.
    pub(crate) fn arriving(&mut self, now: Time, bytes: usize, has_more: bool) {
        self.begin_anew(now);
        let mut arrival = self.arrival.unwrap_or(Arrival::new(now));
        arrival.add(bytes);
        self.arrival = has_more.then_some(arrival);
    }

    /// Something whole came that is no heartbeat. Records in parts take turns with others (rule W9).
    pub(crate) fn progressed(&mut self) {
        self.has_progressed = true;
    }

    /// What is arriving has its whole time again.
    fn begin_anew(&mut self, now: Time) {
        if std::mem::take(&mut self.has_progressed)
            && let Some(arrival) = &mut self.arrival
        {
            *arrival = Arrival::new(now);
        }
    }

    /// What is due of the heartbeat. What merely trickles is no life.
    pub(crate) fn beat(&mut self, now: Time) -> Beat {
        self.begin_anew(now);
        if self.arrival.is_some_and(|arrival| now >= arrival.until()) {
            return Beat::Dead;
        }
        self.heartbeat.tick(now)
    }

    /// When the next poll goes out, where it waits because of how the hub answered (rule R7).
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        match self.poll {
            Poll::Resting(Rest {
                until,
                is_repeat: true,
            }) => Some(until),
            _ => None,
        }
    }

    /// Asks the hub, in place of what is under way.
    pub(crate) fn ask(&mut self, turn: &mut Turn<'_>, poll_policy: &PollPolicy) {
        self.send(turn, poll_policy.hold_ms(self.allowed_ms), false);
        self.heartbeat.expect_from(turn.now);
    }

    /// Asks for an answer at once, which is the sign of life that the heartbeat waits for.
    pub(crate) fn probe(&mut self, turn: &mut Turn<'_>) {
        self.send(turn, 0, true);
    }

    fn send(&mut self, turn: &mut Turn<'_>, hold_ms: u64, is_probe: bool) {
        self.arrival = None;
        turn.poll(self.id, hold_ms);
        self.poll = Poll::Asked {
            at: turn.now,
            hold_ms,
            is_probe,
        };
    }

    /// The answer is complete: the next poll goes out, or waits for its time.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, poll_policy: &mut PollPolicy) {
        self.heartbeat.heard(turn.now);
        self.arrival = None;
        let mut is_hasty = false;
        if let Poll::Asked {
            at,
            hold_ms,
            is_probe,
        } = self.poll
        {
            let age_ms = turn.now.since(at);
            is_hasty = !is_probe && age_ms < HOLD_MS_MIN;
            if hold_ms > 0 {
                poll_policy.held(age_ms, hold_ms);
            }
        }
        let is_behind = turn.subscriptions.are_behind();
        match poll_policy.rest(turn.now, is_behind, is_hasty, turn.rng, turn.metrics) {
            None => self.ask(turn, poll_policy),
            Some(rest) => {
                self.poll = Poll::Resting(rest);
                self.heartbeat.expect_from(rest.until);
            }
        }
    }

    /// Asks if the rest is over.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>, poll_policy: &PollPolicy) {
        if let Poll::Resting(Rest { until, .. }) = self.poll
            && turn.now >= until
        {
            self.ask(turn, poll_policy);
        }
    }

    /// It is gone. Where a poll was held and nobody said why it ended, something on the way may have cut it.
    pub(crate) fn lost(&self, now: Time, close_code: u16, poll_policy: &mut PollPolicy) {
        if let (codes::CONNECTION_LOST | codes::NOT_A_HUB, Poll::Asked { at, hold_ms, .. }) =
            (close_code, &self.poll)
            && *hold_ms > 0
        {
            poll_policy.cut(now.since(*at));
        }
    }
}
