//! The life of the connection: opening, greeting, connected, waiting for the next attempt, closed.
//!
//! Owns the state machine, the backoff and the heartbeat. Knows nothing of topics or rows.

use crate::backoff::Backoff;
use crate::codes;
use crate::config::{Config, HeartbeatPolicy, OPEN_MS_MAX, WELCOME_MS_MAX};
use crate::effect::Effect;
use crate::frame::{ToHub, Welcome};
use crate::heartbeat::{Beat, Heartbeat};
use crate::ids::ConnectionId;
use crate::metrics::Metrics;
use crate::time::Time;

/// After the browser says `online`, the next attempt comes within this time, ms. Chosen: every page on the network hears it at once.
const ONLINE_SPREAD_MS: u64 = 250;

/// Why a connection ended or an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A close code of docs/protocol.md.
    pub close_code: u16,
    /// The peer's words, if it had any.
    pub detail: String,
}

impl Reason {
    fn of(close_code: u16) -> Self {
        Self {
            close_code,
            detail: String::new(),
        }
    }
}

/// What the client is doing, for users. A pure function of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// An attempt is under way.
    Connecting {
        /// Which one since the last connection, from 1.
        attempt: u32,
    },
    /// The hub has said welcome.
    Connected {
        /// Since when.
        since: Time,
        /// The last round trip, ms.
        rtt_ms: Option<u64>,
    },
    /// An attempt will follow.
    Waiting {
        /// Which one since the last connection, from 1.
        attempt: u32,
        /// When.
        retry_at: Time,
        /// What happened to the last one.
        reason: Reason,
    },
    /// As `Waiting`, while the browser says that there is no network. Attempts go on.
    Offline,
    /// Nothing will happen any more, unless the user asks.
    Closed {
        /// Why.
        reason: Reason,
    },
}

#[derive(Debug)]
enum State {
    Unstarted,
    Opening {
        connection: ConnectionId,
        until: Time,
    },
    AwaitingWelcome {
        connection: ConnectionId,
        greeted: Time,
        until: Time,
    },
    Connected {
        connection: ConnectionId,
        since: Time,
        heartbeat: Heartbeat,
    },
    Waiting {
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
    own_heartbeat: Option<HeartbeatPolicy>,
    is_online: bool,
}

impl Connection {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            state: State::Unstarted,
            attempt: 1,
            last_id: ConnectionId(0),
            backoff: Backoff::new(config.backoff),
            own_heartbeat: config.heartbeat,
            is_online: true,
        }
    }

    pub(crate) fn status(&self) -> Status {
        match &self.state {
            State::Unstarted | State::Opening { .. } | State::AwaitingWelcome { .. } => {
                Status::Connecting {
                    attempt: self.attempt,
                }
            }
            State::Connected {
                since, heartbeat, ..
            } => Status::Connected {
                since: *since,
                rtt_ms: heartbeat.rtt_ms(),
            },
            State::Waiting { .. } if !self.is_online => Status::Offline,
            State::Waiting { until, reason } => Status::Waiting {
                attempt: self.attempt,
                retry_at: *until,
                reason: reason.clone(),
            },
            State::ClosedByHub { reason } => Status::Closed {
                reason: reason.clone(),
            },
            State::ClosedByUser => Status::Closed {
                reason: Reason::of(codes::DONE),
            },
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Opening { until, .. }
            | State::AwaitingWelcome { until, .. }
            | State::Waiting { until, .. } => Some(*until),
            State::Connected { heartbeat, .. } => Some(heartbeat.deadline()),
            State::Unstarted | State::ClosedByHub { .. } | State::ClosedByUser => None,
        }
    }

    /// The connection over which the hub has said welcome.
    pub(crate) fn established(&self) -> Option<ConnectionId> {
        match self.state {
            State::Connected { connection, .. } => Some(connection),
            _ => None,
        }
    }

    /// The connection over which our hello has gone out: more records may follow it.
    pub(crate) fn greeted(&self) -> Option<ConnectionId> {
        match self.state {
            State::AwaitingWelcome { connection, .. } | State::Connected { connection, .. } => {
                Some(connection)
            }
            _ => None,
        }
    }

    pub(crate) fn is_current(&self, connection: ConnectionId) -> bool {
        self.current() == Some(connection)
    }

    pub(crate) fn is_closed_by_user(&self) -> bool {
        matches!(self.state, State::ClosedByUser)
    }

    fn current(&self) -> Option<ConnectionId> {
        match self.state {
            State::Opening { connection, .. }
            | State::AwaitingWelcome { connection, .. }
            | State::Connected { connection, .. } => Some(connection),
            _ => None,
        }
    }

    pub(crate) fn start(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Unstarted) {
            self.open(now, metrics, effects);
        }
    }

    /// The transport is open. True if the hello may go out.
    pub(crate) fn opened(&mut self, now: Time, connection: ConnectionId) -> bool {
        let State::Opening {
            connection: expected,
            ..
        } = self.state
        else {
            return false;
        };
        if expected != connection {
            return false;
        }
        self.state = State::AwaitingWelcome {
            connection,
            greeted: now,
            until: now.plus(WELCOME_MS_MAX),
        };
        true
    }

    /// The welcome came. True if it was waited for.
    pub(crate) fn welcomed(
        &mut self,
        now: Time,
        welcome: &Welcome<'_>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let State::AwaitingWelcome {
            connection,
            greeted,
            ..
        } = self.state
        else {
            return false;
        };
        let rtt_ms = now.since(greeted);
        metrics.connected(now, rtt_ms);
        self.backoff.welcomed(welcome.spread_ms);
        self.attempt = 0;
        self.state = State::Connected {
            connection,
            since: now,
            heartbeat: Heartbeat::new(now, self.heartbeat_policy(welcome), Some(rtt_ms)),
        };
        effects.push(Effect::StatusChanged);
        true
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

    pub(crate) fn heard(&mut self, now: Time) {
        if let State::Connected { heartbeat, .. } = &mut self.state {
            heartbeat.heard(now);
        }
    }

    pub(crate) fn pong(
        &mut self,
        now: Time,
        t: u64,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if let State::Connected { heartbeat, .. } = &mut self.state {
            let before = heartbeat.rtt_ms();
            if heartbeat.pong(now, t) {
                metrics.rtt_ms.record(heartbeat.rtt_ms().unwrap_or(0));
                if heartbeat.rtt_ms() != before {
                    effects.push(Effect::StatusChanged);
                }
            }
        }
    }

    /// The transport ended by itself.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        reason: Reason,
        rng: &mut fastrand::Rng,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if let State::Connected { since, .. } = self.state {
            self.backoff.was_useful_for(now.since(since));
            self.attempt = 1;
            metrics.disconnected(now);
        } else {
            self.attempt = self.attempt.saturating_add(1);
        }
        self.state = if codes::comes_back(reason.close_code) {
            let until = self
                .backoff
                .next(now, reason.close_code, &reason.detail, rng);
            metrics.backoff_ms.record(until.since(now));
            State::Waiting { until, reason }
        } else {
            State::ClosedByHub { reason }
        };
        effects.push(Effect::StatusChanged);
    }

    /// We end the current connection and try again later.
    pub(crate) fn give_up(
        &mut self,
        now: Time,
        code: u16,
        detail: &str,
        rng: &mut fastrand::Rng,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(connection) = self.current() {
            effects.push(Effect::Abandon { connection, code });
            let reason = Reason {
                close_code: code,
                detail: detail.to_owned(),
            };
            self.ended(now, reason, rng, metrics, effects);
        }
    }

    pub(crate) fn tick(
        &mut self,
        now: Time,
        rng: &mut fastrand::Rng,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let over = match &mut self.state {
            State::Opening { until, .. } if now >= *until => codes::OPEN_TIMEOUT,
            State::AwaitingWelcome { until, .. } if now >= *until => codes::WELCOME_TIMEOUT,
            State::Waiting { until, .. } if now >= *until => {
                self.open(now, metrics, effects);
                return;
            }
            State::Connected {
                connection,
                heartbeat,
                ..
            } => match heartbeat.tick(now) {
                Beat::Rest => return,
                Beat::Ping(t) => {
                    effects.push(ping(*connection, t));
                    return;
                }
                Beat::Dead => {
                    metrics.missed_heartbeats += 1;
                    codes::HEARTBEAT_TIMEOUT
                }
            },
            _ => return,
        };
        self.give_up(now, over, "", rng, metrics, effects);
    }

    /// The user wants an attempt now: whatever there is gives way, and the backoff is forgotten.
    pub(crate) fn reconnect(
        &mut self,
        now: Time,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(self.state, State::Unstarted | State::ClosedByUser) {
            return;
        }
        if let Some(connection) = self.current() {
            effects.push(Effect::Abandon {
                connection,
                code: codes::REPLACED,
            });
        }
        if self.established().is_some() {
            metrics.disconnected(now);
        }
        self.backoff.forget();
        self.attempt = 1;
        self.open(now, metrics, effects);
    }

    /// The browser's guess about the network: a reason to look, never a reason to stop.
    pub(crate) fn online(
        &mut self,
        now: Time,
        is_online: bool,
        rng: &mut fastrand::Rng,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_online == is_online {
            return;
        }
        self.is_online = is_online;
        if is_online {
            self.backoff.back_online();
        }
        match &mut self.state {
            State::Connected {
                connection,
                heartbeat,
                ..
            } => {
                if let Beat::Ping(t) = heartbeat.probe(now) {
                    effects.push(ping(*connection, t));
                }
            }
            State::Waiting { until, .. } => {
                if is_online {
                    *until = (*until).min(now.plus(rng.u64(0..=ONLINE_SPREAD_MS)));
                }
                effects.push(Effect::StatusChanged);
            }
            _ => {}
        }
    }

    pub(crate) fn close(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        if self.is_closed_by_user() {
            return;
        }
        if let Some(connection) = self.current() {
            effects.push(Effect::Abandon {
                connection,
                code: codes::DONE,
            });
        }
        if self.established().is_some() {
            metrics.disconnected(now);
        }
        self.state = State::ClosedByUser;
        effects.push(Effect::StatusChanged);
    }

    fn open(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        let connection = self.last_id.next();
        self.last_id = connection;
        metrics.attempts += 1;
        self.state = State::Opening {
            connection,
            until: now.plus(OPEN_MS_MAX),
        };
        effects.push(Effect::Open { connection });
        effects.push(Effect::StatusChanged);
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
