//! The states of a connection, from `Unstarted` to `ClosedByUser`.
//!
//! Each state owns its data and its deadline. The status is a function of the state.
//! `transitions` consumes a state and returns the next one.

use crate::codes;
use crate::connection::attempt::Attempt;
use crate::connection::connected::Connected;
use crate::connection::connector::Connector;
use crate::connection::race::Race;
use crate::connection::status::{Reason, Status};
use crate::ids::ConnectionId;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) enum State {
    #[default]
    Unstarted,
    Racing(Race),
    Connected(Box<Connected>),
    /// The next race begins later.
    Waiting {
        until: Time,
        reason: Reason,
    },
    /// The next race begins when the app has given a token.
    AwaitingToken {
        until: Time,
        refusal: Refusal,
    },
    /// No token helped. The client asks for another one later.
    Unauthorized {
        until: Time,
        reason: Reason,
    },
    ClosedByHub {
        reason: Reason,
    },
    ClosedByUser,
}

/// Whether the hub has refused the last token.
#[derive(Debug)]
pub(super) enum Refusal {
    None,
    /// A fresh token may help, and the user need not know.
    Silent(Reason),
    /// The user was told `unauthorized`.
    Shown(Reason),
}

impl Refusal {
    pub(super) fn into_reason(self) -> Option<Reason> {
        match self {
            Self::None => None,
            Self::Silent(reason) | Self::Shown(reason) => Some(reason),
        }
    }
}

impl State {
    pub(super) fn status(&self, connector: &Connector) -> Status {
        let connecting = |leading: Option<_>| Status::Connecting {
            attempt: connector.race_no,
            transport: leading.unwrap_or_else(|| connector.first_choice()),
        };
        match self {
            Self::Unstarted => connecting(None),
            Self::Racing(race) => connecting(race.leading()),
            Self::Connected(connected) => Status::Connected {
                transport: connected.established.transport,
                since: connected.established.since,
                rtt_ms: connected.established.heartbeat.rtt_ms(),
                // The client adds it, because subscriptions and publications may wait, too.
                repeat_at: None,
            },
            Self::AwaitingToken {
                refusal: Refusal::Shown(reason),
                ..
            }
            | Self::Unauthorized { reason, .. } => Status::Unauthorized {
                reason: reason.clone(),
            },
            Self::AwaitingToken { .. } => connecting(None),
            Self::Waiting { .. } if !connector.is_online => Status::Offline,
            Self::Waiting { until, reason } => Status::Waiting {
                attempt: connector.race_no,
                retry_at: *until,
                reason: reason.clone(),
                is_exhausted: connector.is_exhausted(),
            },
            Self::ClosedByHub { reason } => Status::Closed {
                reason: reason.clone(),
            },
            Self::ClosedByUser => Status::Closed {
                reason: Reason::of(codes::DONE),
            },
        }
    }

    pub(super) fn deadline(&self, connector: &Connector) -> Option<Time> {
        match self {
            Self::Racing(race) => race.deadline(),
            Self::Connected(connected) => {
                let token = connector.credentials.tokens.deadline();
                let connected = connected.deadline(&connector.negotiation);
                connected.into_iter().chain(token).min()
            }
            Self::Waiting { until, .. }
            | Self::AwaitingToken { until, .. }
            | Self::Unauthorized { until, .. } => Some(*until),
            Self::Unstarted | Self::ClosedByHub { .. } | Self::ClosedByUser => None,
        }
    }

    pub(super) fn connected(&self) -> Option<&Connected> {
        match self {
            Self::Connected(connected) => Some(connected),
            _ => None,
        }
    }

    pub(super) fn connected_mut(&mut self) -> Option<&mut Connected> {
        match self {
            Self::Connected(connected) => Some(connected),
            _ => None,
        }
    }

    /// The established connection.
    pub(super) fn established(&self) -> Option<ConnectionId> {
        self.connected().map(|it| it.established.id)
    }

    /// The attempts that wait for their welcome.
    pub(super) fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Racing(race) => &race.attempts,
            Self::Connected(connected) => connected.replacement.as_slice(),
            _ => &[],
        }
    }

    pub(super) fn attempt_mut(&mut self, connection: ConnectionId) -> Option<&mut Attempt> {
        let attempts = self.attempts_mut().iter_mut();
        attempts.into_iter().find(|it| it.id == connection)
    }

    pub(super) fn attempts_mut(&mut self) -> &mut [Attempt] {
        match self {
            Self::Racing(race) => &mut race.attempts,
            Self::Connected(connected) => connected.replacement.as_mut_slice(),
            _ => &mut [],
        }
    }

    pub(super) fn is_degraded(&self, connector: &Connector) -> bool {
        self.connected()
            .is_some_and(|it| it.is_degraded(&connector.negotiation))
    }
}
