//! One attempt to open one transport, up to its welcome.
//!
//! Owns the deadlines of an attempt and the meaning of its failure. `established` continues after
//! the welcome.

use crate::codes;
use crate::config::{OPEN_MS_MAX, STREAM_MS_MAX, WELCOME_MS_MAX};
use crate::connection::arrival::Arrival;
use crate::connection::hello::Hello;
use crate::connection::negotiation::{Tried, TriedOutcome};
use crate::connection::status::Reason;
use crate::context::Context;
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
    /// The subscriptions have changed since the first request, and no record may follow that one.
    pub(crate) is_outdated: bool,
    stage: Stage,
    /// The answer to the first poll.
    answer: Arrival,
}

#[derive(Debug)]
enum Stage {
    Opening { until: Time },
    AwaitingWelcome { greeted: Time, until: Time },
}

impl Attempt {
    /// Opens a transport. A socket sends its hello when it is open; the others send it in their
    /// first request.
    pub(crate) fn open(
        context: &mut Context<'_>,
        hello: &Hello<'_>,
        id: ConnectionId,
        transport: Transport,
        address: usize,
    ) -> Self {
        context.metrics.attempts += 1;
        let records = match transport {
            Transport::WebSocket => String::new(),
            Transport::EventSource => hello.of_stream(),
            Transport::LongPoll => hello.of_first_poll(),
        };
        // Nothing arrives before the request is at the hub.
        let up_ms = slow_ms(records.len());
        let until = context.now.plus(OPEN_MS_MAX + up_ms);
        let stage = match transport {
            Transport::WebSocket | Transport::EventSource => Stage::Opening { until },
            Transport::LongPoll => Stage::AwaitingWelcome {
                greeted: context.now,
                until,
            },
        };
        context.effects.push(Effect::Open {
            connection: id,
            transport,
            address,
            records,
        });
        Self {
            id,
            transport,
            begun: context.now,
            is_outdated: false,
            stage,
            answer: Arrival::new(context.now.plus(up_ms)),
        }
    }

    /// The socket is open, or the stream has its ticket.
    pub(crate) fn opened(&mut self, context: &mut Context<'_>, hello: &Hello<'_>) {
        if let Stage::AwaitingWelcome { .. } = self.stage {
            return;
        }
        let within_ms = if self.transport.is_duplex() {
            context.send(self.id, hello.of_socket());
            WELCOME_MS_MAX
        } else {
            STREAM_MS_MAX
        };
        self.stage = Stage::AwaitingWelcome {
            greeted: context.now,
            until: context.now.plus(within_ms),
        };
    }

    pub(crate) fn deadline(&self) -> Time {
        match self.stage {
            Stage::Opening { until } | Stage::AwaitingWelcome { until, .. } => until,
        }
    }

    /// Part of the answer has arrived. The attempt waits for the rest, unless it merely trickles.
    pub(crate) fn arriving(&mut self, now: Time, bytes: usize) {
        if let Stage::AwaitingWelcome { until, .. } = &mut self.stage {
            self.answer.add(bytes);
            let more = now.plus(WELCOME_MS_MAX).min(self.answer.until());
            *until = (*until).max(more);
        }
    }

    /// The close code for a missed deadline.
    pub(crate) fn timeout_code(&self) -> u16 {
        match self.stage {
            Stage::Opening { .. } => codes::OPEN_TIMEOUT,
            Stage::AwaitingWelcome { .. } if self.transport == Transport::EventSource => {
                codes::STREAM_BUFFERED
            }
            Stage::AwaitingWelcome { .. } => codes::WELCOME_TIMEOUT,
        }
    }

    /// Whether the hello is sent and records may follow it.
    pub(crate) fn is_greeted_socket(&self) -> bool {
        self.transport.is_duplex() && matches!(self.stage, Stage::AwaitingWelcome { .. })
    }

    /// Whether the client has sent a request and received nothing yet.
    pub(crate) fn is_silent_request(&self) -> bool {
        match self.transport {
            Transport::WebSocket => false,
            Transport::EventSource => matches!(self.stage, Stage::Opening { .. }),
            Transport::LongPoll => true,
        }
    }

    /// How long the attempt has waited for the welcome, if it does.
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

    /// The outcome that a failure with this reason means.
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
