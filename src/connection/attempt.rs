//! One opening of one transport, from its start to the welcome.
//!
//! Owns its deadlines and what its failure means. What comes after the welcome is connection's.

use crate::codes;
use crate::config::{OPEN_MS_MAX, STREAM_MS_MAX, WELCOME_MS_MAX};
use crate::connection::Reason;
use crate::connection::arrival::Arrival;
use crate::connection::negotiation::{Tried, TriedOutcome};
use crate::context::Turn;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::slow_ms;

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: ConnectionId,
    pub(crate) transport: Transport,
    pub(crate) begun: Time,
    /// The subscriptions have changed since the request that it began with, and no record may follow that.
    pub(crate) is_outdated: bool,
    stage: Stage,
    /// Of the answer to the poll that it begins with.
    answer: Arrival,
}

#[derive(Debug)]
enum Stage {
    Opening { until: Time },
    AwaitingWelcome { greeted: Time, until: Time },
}

impl Attempt {
    /// Asks for the opening. A socket says hello when it is open; the others have it in their first request.
    pub(crate) fn open(
        turn: &mut Turn<'_>,
        id: ConnectionId,
        transport: Transport,
        address: usize,
    ) -> Self {
        turn.metrics.attempts += 1;
        let records = match transport {
            Transport::WebSocket => String::new(),
            Transport::EventSource => turn.hello(None),
            Transport::LongPoll => turn.hello(Some(0)),
        };
        // Of what goes up nothing is heard until it is there.
        let up_ms = slow_ms(records.len());
        let until = turn.now.plus(OPEN_MS_MAX + up_ms);
        let stage = match transport {
            Transport::WebSocket | Transport::EventSource => Stage::Opening { until },
            Transport::LongPoll => Stage::AwaitingWelcome {
                greeted: turn.now,
                until,
            },
        };
        turn.effects.push(Effect::Open {
            connection: id,
            transport,
            address,
            records,
        });
        Self {
            id,
            transport,
            begun: turn.now,
            is_outdated: false,
            stage,
            answer: Arrival::new(turn.now.plus(up_ms)),
        }
    }

    /// The socket is open, or the stream has its ticket.
    pub(crate) fn opened(&mut self, turn: &mut Turn<'_>) {
        if let Stage::AwaitingWelcome { .. } = self.stage {
            return;
        }
        let within_ms = if self.transport.is_duplex() {
            let records = turn.hello_of_socket();
            turn.effects.push(Effect::Send {
                connection: self.id,
                records,
            });
            WELCOME_MS_MAX
        } else {
            STREAM_MS_MAX
        };
        self.stage = Stage::AwaitingWelcome {
            greeted: turn.now,
            until: turn.now.plus(within_ms),
        };
    }

    pub(crate) fn deadline(&self) -> Time {
        match self.stage {
            Stage::Opening { until } | Stage::AwaitingWelcome { until, .. } => until,
        }
    }

    /// So much of the answer has come over `connection`: what arrives is waited for, as long as it does not merely trickle.
    pub(crate) fn heard(&mut self, now: Time, connection: ConnectionId, bytes: usize) {
        if let Stage::AwaitingWelcome { until, .. } = &mut self.stage
            && self.id == connection
        {
            self.answer.add(bytes);
            let more = now.plus(WELCOME_MS_MAX).min(self.answer.until());
            *until = (*until).max(more);
        }
    }

    /// The close code of missing the deadline.
    pub(crate) fn time_out(&self) -> u16 {
        match self.stage {
            Stage::Opening { .. } => codes::OPEN_TIMEOUT,
            Stage::AwaitingWelcome { .. } if self.transport == Transport::EventSource => {
                codes::STREAM_BUFFERED
            }
            Stage::AwaitingWelcome { .. } => codes::WELCOME_TIMEOUT,
        }
    }

    /// Whether records may follow our hello here.
    pub(crate) fn is_greeted_socket(&self) -> bool {
        self.transport.is_duplex() && matches!(self.stage, Stage::AwaitingWelcome { .. })
    }

    /// Whether a request has gone out and nothing come back.
    pub(crate) fn is_silent_request(&self) -> bool {
        match self.transport {
            Transport::WebSocket => false,
            Transport::EventSource => matches!(self.stage, Stage::Opening { .. }),
            Transport::LongPoll => true,
        }
    }

    /// How long we have waited for the welcome, if we do.
    pub(crate) fn waited_ms(&self, now: Time) -> Option<u64> {
        match self.stage {
            Stage::Opening { .. } => None,
            Stage::AwaitingWelcome { greeted, .. } => Some(now.since(greeted)),
        }
    }

    pub(crate) fn tried(&self, now: Time, outcome: TriedOutcome, reason: &Reason) -> Tried {
        Tried {
            transport: self.transport,
            outcome,
            close_code: reason.close_code,
            detail: reason.detail.clone(),
            took_ms: now.since(self.begun),
        }
    }

    /// What its failure means.
    pub(crate) fn failed(&self, now: Time, reason: &Reason) -> Tried {
        let outcome = match (reason.close_code, &self.stage) {
            (codes::OPEN_TIMEOUT | codes::WELCOME_TIMEOUT, _) => TriedOutcome::Silent,
            (codes::STREAM_BUFFERED, _) => TriedOutcome::Buffered,
            (codes::CONNECTION_LOST, Stage::Opening { .. }) => TriedOutcome::Blocked,
            (codes::CONNECTION_LOST, _) if !self.transport.is_duplex() => TriedOutcome::Blocked,
            (codes::CONNECTION_LOST | codes::SUBPROTOCOL_MISSING, _) => {
                TriedOutcome::OpenedThenClosed
            }
            _ => TriedOutcome::Refused,
        };
        self.tried(now, outcome, reason)
    }
}
