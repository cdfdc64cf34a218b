//! How one state of a connection becomes the next one.
//!
//! Each function consumes a state and returns its successor. The functions that may make a request
//! take the subscriptions for its hello.

use crate::backoff::hint::with_retry_after;
use crate::codes;
use crate::connection::attempt::Attempt;
use crate::connection::connected::Connected;
use crate::connection::connector::Connector;
use crate::connection::heartbeat::Beat;
use crate::connection::idle::NO_SLOT;
use crate::connection::race::Race;
use crate::connection::state::{Refusal, State};
use crate::connection::status::Reason;
use crate::connection::token::{Clearance, TokenFailure};
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::ToHub;

impl State {
    /// Begins the next race, with a fresh token if it needs one. `shown` is why the user was told
    /// `unauthorized`.
    pub(super) fn connect(
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        shown: Option<Reason>,
    ) -> Self {
        let tokens = &mut connector.credentials.tokens;
        let next = match tokens.clear(context) {
            Clearance::Go => {
                return Self::Racing(Race::start(connector, context, subscriptions));
            }
            Clearance::Await(until) => Self::AwaitingToken {
                until,
                refusal: shown.map_or(Refusal::None, Refusal::Shown),
            },
            Clearance::NotBefore(until) => match shown {
                Some(reason) => Self::Unauthorized { until, reason },
                None => {
                    let reason = Reason::of(codes::TOKEN_UNAVAILABLE);
                    if tokens.is_stuck() {
                        Self::Unauthorized { until, reason }
                    } else {
                        Self::Waiting { until, reason }
                    }
                }
            },
        };
        context.status_changed();
        next
    }

    /// Nothing is open any more: the client backs off, needs another token, or is closed.
    pub(super) fn wait(
        connector: &mut Connector,
        context: &mut Context<'_>,
        reason: Reason,
        retry_after_ms: u64,
    ) -> Self {
        if reason.is_unauthorized() {
            return Self::refused(connector, context, reason);
        }
        let next = if codes::comes_back(reason.close_code) {
            let (now, code) = (context.now, reason.close_code);
            let detail = with_retry_after(&reason.detail, retry_after_ms);
            let until = connector.backoff.next(now, code, &detail, context.rng);
            context.metrics.backoff_ms.record(until.since(now));
            let reason = Reason { detail, ..reason };
            Self::Waiting { until, reason }
        } else {
            Self::ClosedByHub { reason }
        };
        context.metrics.degraded(context.now, false);
        context.status_changed();
        next
    }

    /// The hub has refused the token. A fresh one may help, once.
    fn refused(connector: &mut Connector, context: &mut Context<'_>, reason: Reason) -> Self {
        context.metrics.degraded(context.now, false);
        let tokens = &mut connector.credentials.tokens;
        let next = if tokens.refused()
            && let Clearance::Await(until) = tokens.clear(context)
        {
            Self::AwaitingToken {
                until,
                refusal: Refusal::Silent(reason),
            }
        } else {
            Self::Unauthorized {
                until: tokens.retry_at(context.now, context.rng),
                reason,
            }
        };
        context.status_changed();
        next
    }

    /// The app has given a token.
    pub(super) fn token_given(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) -> Self {
        match self {
            Self::AwaitingToken { .. } | Self::Unauthorized { .. } => {
                Self::Racing(Race::start(connector, context, subscriptions))
            }
            Self::Waiting { reason, .. } if reason.close_code == codes::TOKEN_UNAVAILABLE => {
                Self::Racing(Race::start(connector, context, subscriptions))
            }
            Self::Connected(mut connected) => {
                if connected.established.transport.is_duplex() {
                    let mut records = String::new();
                    if let Some(token) = connector.credentials.tokens.current() {
                        ToHub::Auth { token }.encode(&mut records);
                    }
                    context.send(connected.established.id, records);
                } else {
                    // The next stream or poll has it.
                    connected.is_outdated = true;
                }
                Self::Connected(connected)
            }
            state => state,
        }
    }

    /// The app has given no token. The user has to do something only if the app or the hub refuses:
    /// no login helps without a network.
    pub(super) fn token_failed(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        failure: TokenFailure,
        detail: &str,
    ) -> Self {
        let Self::AwaitingToken { refusal, .. } = self else {
            return self;
        };
        let tokens = &connector.credentials.tokens;
        let until = tokens.retry_at(context.now, context.rng);
        let no_token = || Reason::new(codes::TOKEN_UNAVAILABLE, detail);
        let next = match (failure, refusal.into_reason()) {
            (TokenFailure::Refused, Some(reason)) => Self::Unauthorized { until, reason },
            (TokenFailure::Refused, None) if tokens.is_stuck() => Self::Unauthorized {
                until,
                reason: no_token(),
            },
            _ => Self::Waiting {
                until,
                reason: no_token(),
            },
        };
        context.status_changed();
        next
    }

    /// A connection has ended. The hub wants no other one within `retry_after_ms`.
    pub(super) fn ended(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        ended: &Ended<'_>,
    ) -> Self {
        let connection = ended.connection;
        match self {
            Self::Connected(connected) if connected.established.id == connection => {
                Self::lost(connected, connector, context, ended)
            }
            Self::Connected(mut connected) => match connected.take_replacement(connection) {
                Some(attempt) => {
                    let tried = attempt.failed(context.now, ended.reason);
                    connector.negotiation.note(tried);
                    Self::replacement_failed(connected, connector, context, &attempt, ended.reason)
                }
                None => Self::Connected(connected),
            },
            Self::Racing(mut race) => match race.take(connection) {
                Some(attempt) => {
                    let tried = attempt.failed(context.now, ended.reason);
                    connector.negotiation.note(tried);
                    Self::attempt_failed(race, connector, context, subscriptions, ended)
                }
                None => Self::Racing(race),
            },
            state => state,
        }
    }

    /// The established connection is gone. Its replacement becomes the next race, unless it is as
    /// silent as the connection: then the browser may have sent its request over the same dead one.
    fn lost(
        connected: Box<Connected>,
        connector: &mut Connector,
        context: &mut Context<'_>,
        ended: &Ended<'_>,
    ) -> Self {
        let (now, reason) = (context.now, ended.reason);
        let established = &connected.established;
        let poll_policy = &mut connector.negotiation.poll_policy;
        established.lost(now, reason.close_code, poll_policy);
        connector
            .backoff
            .was_useful_for(now.since(established.since));
        connector.negotiation.lost(now);
        context.metrics.disconnected(now);
        connector.race_no = 1;
        let is_silent = |attempt: &Attempt| {
            reason.close_code == codes::HEARTBEAT_TIMEOUT && attempt.is_silent_request()
        };
        match connected.replacement {
            Some(replacement)
                if codes::comes_back(reason.close_code)
                    && !reason.is_unauthorized()
                    && !is_silent(&replacement) =>
            {
                let reason = reason.clone();
                Self::Racing(Race::go_on(connector, context, replacement, reason))
            }
            replacement => {
                if let Some(replacement) = replacement {
                    context.abandon(replacement.id, codes::REPLACED);
                }
                Self::wait(connector, context, reason.clone(), ended.retry_after_ms)
            }
        }
    }

    fn replacement_failed(
        mut connected: Box<Connected>,
        connector: &mut Connector,
        context: &mut Context<'_>,
        attempt: &Attempt,
        failure: &Reason,
    ) -> Self {
        connected.replacement_failed(connector, context, attempt, failure);
        // Streams of tabs without a slot may have all connections of the browser, so that no poll
        // gets through.
        let is_kept_out = attempt.transport == Transport::LongPoll && !failure.is_from_hub();
        let established = &connected.established;
        if is_kept_out && connector.negotiation.is_set_aside(established.transport) {
            context.abandon(established.id, codes::REPLACED);
            let ended = Ended {
                connection: established.id,
                reason: &Reason::new(codes::TOO_MANY_CONNECTIONS, NO_SLOT),
                retry_after_ms: 0,
            };
            return Self::lost(connected, connector, context, &ended);
        }
        Self::Connected(connected)
    }

    fn attempt_failed(
        mut race: Race,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        ended: &Ended<'_>,
    ) -> Self {
        let failure = ended.reason;
        if failure.is_unauthorized() {
            // Another transport would have the same token.
            for attempt in &race.attempts {
                context.abandon(attempt.id, codes::REPLACED);
            }
            return Self::wait(connector, context, failure.clone(), ended.retry_after_ms);
        }
        let comes_back = codes::comes_back(failure.close_code);
        let first = race.reason.get_or_insert_with(|| failure.clone());
        if connector.negotiation.falls_through() && comes_back && !race.waiting.is_empty() {
            race.join(connector, context, subscriptions);
        } else if race.attempts.is_empty() {
            let reason = if comes_back { first } else { failure };
            let reason = reason.clone();
            connector.race_no = connector.race_no.saturating_add(1);
            return Self::wait(connector, context, reason, ended.retry_after_ms);
        } else if race
            .attempts
            .first()
            .is_some_and(|it| it.id > ended.connection)
        {
            context.status_changed();
        }
        Self::Racing(race)
    }

    pub(super) fn tick(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) -> Self {
        let is_over = |until: Time| context.now >= until;
        match self {
            Self::Waiting { until, .. } if is_over(until) => {
                Self::connect(connector, context, subscriptions, None)
            }
            Self::Unauthorized { until, reason } if is_over(until) => {
                Self::connect(connector, context, subscriptions, Some(reason))
            }
            Self::AwaitingToken { until, .. } if is_over(until) => {
                let detail = "the app's token function does not answer";
                self.token_failed(connector, context, TokenFailure::Unreachable, detail)
            }
            Self::Racing(mut race) => {
                race.tick(connector, context, subscriptions);
                Self::Racing(race)
            }
            Self::Connected(mut connected) => {
                let beat = connected.established.beat(context.now);
                let mut next = Self::beat(connected, connector, context, subscriptions, beat);
                next.settle(connector, context);
                if let Some(connected) = next.connected_mut() {
                    connected.tick(connector, context, subscriptions);
                }
                next
            }
            state => state,
        }
    }

    /// Does what the heartbeat of the established connection requires.
    pub(super) fn beat(
        mut connected: Box<Connected>,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        beat: Beat,
    ) -> Self {
        let established = &mut connected.established;
        match beat {
            Beat::Nothing => {}
            Beat::Ping(t) => {
                let mut records = String::new();
                ToHub::Ping { t: t.0 }.encode(&mut records);
                context.send(established.id, records);
            }
            // The rest of what is arriving is the sign of life. Another request would restart it.
            Beat::Renew if established.is_arriving() => {}
            // The answer, which comes at once, is the sign of life.
            Beat::Renew if established.transport == Transport::LongPoll => {
                let hello = connector.credentials.hello(subscriptions);
                established.probe(context, &hello);
            }
            Beat::Renew => connected.is_outdated = true,
            Beat::Dead => {
                context.metrics.missed_heartbeats += 1;
                let reason = Reason::of(codes::HEARTBEAT_TIMEOUT);
                context.abandon(established.id, reason.close_code);
                let ended = Ended {
                    connection: established.id,
                    reason: &reason,
                    retry_after_ms: 0,
                };
                return Self::lost(connected, connector, context, &ended);
            }
        }
        Self::Connected(connected)
    }
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    pub(super) connection: ConnectionId,
    pub(super) reason: &'a Reason,
    /// The minimum retry delay, ms.
    pub(super) retry_after_ms: u64,
}
