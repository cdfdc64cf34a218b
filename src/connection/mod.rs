//! The connection to the hub: one state machine, and what outlives its states.
//!
//! `Connection` is the entry to this room. Functions that may make a request take the
//! subscriptions, because every hello contains them. The room knows nothing else of topics or
//! rows.

mod arrival;
mod attempt;
mod connected;
mod connector;
mod established;
mod heartbeat;
mod hello;
mod idle;
mod negotiation;
mod poll_interval;
mod poll_policy;
mod poll_timeout;
mod race;
mod state;
mod status;
mod token;
mod transitions;
mod wake;

pub(crate) use arrival::Piece;
pub use negotiation::{Tried, TriedOutcome};
pub use status::{Reason, Status};
pub(crate) use token::TokenFailure;

use crate::codes;
use crate::config::Config;
use crate::connection::attempt::Attempt;
use crate::connection::connected::Connected;
use crate::connection::connector::Connector;
use crate::connection::heartbeat::Beat;
use crate::connection::state::State;
use crate::connection::transitions::Ended;
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::transport::{Transport, TransportSet};
use crate::wire::{ToHub, Welcome};

/// An attempt that ends later than this after its deadline, ms, shows that the page slept. Chosen:
/// as for heartbeats.
const LATE_MS: u64 = 2_000;

#[derive(Debug)]
pub(crate) struct Connection {
    state: State,
    connector: Connector,
}

impl Connection {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            state: State::default(),
            connector: Connector::new(config),
        }
    }

    /// The only place where the state is replaced.
    fn change(&mut self, next: impl FnOnce(State, &mut Connector) -> State) {
        let state = std::mem::take(&mut self.state);
        self.state = next(state, &mut self.connector);
    }

    pub(crate) fn status(&self) -> Status {
        self.state.status(&self.connector)
    }

    pub(crate) fn tried(&self) -> impl Iterator<Item = &Tried> {
        self.connector.negotiation.tried()
    }

    /// Whether short polls are the best transport, because every subscription is passive.
    pub(crate) fn is_idle(&self) -> bool {
        self.connector.negotiation.poll_policy.is_idle()
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.state.is_degraded(&self.connector)
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.state.deadline(&self.connector)
    }

    pub(crate) fn established(&self) -> Option<ConnectionId> {
        self.state.established()
    }

    /// Whether publications go out in posts.
    pub(crate) fn is_posting(&self) -> bool {
        let connected = self.state.connected();
        connected.is_some_and(|it| !it.established.transport.is_duplex())
    }

    /// The sockets whose hello is sent: more records may follow it.
    pub(crate) fn greeted(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        let connected = self.state.connected().map(|it| &it.established);
        let established = connected.filter(|it| it.transport.is_duplex());
        let attempts = self.state.attempts().iter();
        let greeted = attempts.filter(|it| it.is_greeted_socket());
        established
            .map(|it| it.id)
            .into_iter()
            .chain(greeted.map(|it| it.id))
    }

    /// Whether events of this connection count. Those of older ones are stale.
    pub(crate) fn is_current(&self, connection: ConnectionId) -> bool {
        let mut attempts = self.state.attempts().iter();
        self.established() == Some(connection) || attempts.any(|it| it.id == connection)
    }

    pub(crate) fn is_closed_by_user(&self) -> bool {
        matches!(self.state, State::ClosedByUser)
    }

    /// The token that requests over HTTP have.
    pub(crate) fn token(&self) -> Option<&str> {
        self.connector.credentials.tokens.current()
    }

    /// The hello of a post of publications (rule T1).
    pub(crate) fn hello_of_post(&self) -> String {
        self.connector.credentials.of_post()
    }

    /// Whether another event stream is on its way, or planned, because this one lacks a
    /// subscription.
    pub(crate) fn is_renewing(&self) -> bool {
        self.state.connected().is_some_and(Connected::is_renewing)
    }

    /// When the client repeats a request because of the hub's last answer (rule R7).
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        self.state.connected().and_then(Connected::repeat_at)
    }

    /// Whether a part of a record may arrive here: after the welcome, or in the answer to a poll.
    pub(crate) fn may_answer(&self, connection: ConnectionId) -> bool {
        let is_poll = |it: &Attempt| it.id == connection && it.transport == Transport::LongPoll;
        self.established() == Some(connection) || self.state.attempts().iter().any(is_poll)
    }

    pub(crate) fn start(&mut self, context: &mut Context<'_>, subscriptions: &Subscriptions) {
        context.metrics.started(context.now);
        self.change(|state, connector| match state {
            State::Unstarted => State::connect(connector, context, subscriptions, None),
            state => state,
        });
    }

    /// A socket is open, or a stream has its ticket.
    pub(crate) fn opened(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        connection: ConnectionId,
    ) {
        if let Some(attempt) = self.state.attempt_mut(connection) {
            let hello = self.connector.credentials.hello(subscriptions);
            attempt.opened(context, &hello);
        }
    }

    pub(crate) fn tick(&mut self, context: &mut Context<'_>, subscriptions: &Subscriptions) {
        let now = context.now;
        let attempts = self.state.attempts().iter();
        let overdue: Vec<_> = attempts
            .filter(|it| now >= it.deadline())
            .map(|it| (it.id, it.timeout_code(), now.since(it.deadline())))
            .collect();
        for (connection, code, late_ms) in overdue {
            self.abandon(context, subscriptions, connection, &Reason::of(code));
            if late_ms > LATE_MS {
                self.state.expedite(context);
            }
        }
        self.change(|state, connector| state.tick(connector, context, subscriptions));
    }

    /// A transport has ended, or has never opened. The hub wants no other one within
    /// `retry_after_ms`.
    pub(crate) fn ended(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        connection: ConnectionId,
        reason: &Reason,
        retry_after_ms: u64,
    ) {
        let ended = Ended {
            connection,
            reason,
            retry_after_ms,
        };
        self.change(|state, connector| state.ended(connector, context, subscriptions, &ended));
    }

    /// Closes a connection for this reason.
    pub(crate) fn abandon(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        connection: ConnectionId,
        reason: &Reason,
    ) {
        context.abandon(connection, reason.close_code);
        self.ended(context, subscriptions, connection, reason, 0);
    }

    /// A welcome has arrived. Returns whether the connection waited for one.
    pub(crate) fn welcomed(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        welcome: &Welcome<'_>,
    ) -> bool {
        if let Some(names) = welcome.transports {
            let served = TransportSet::of_names(names);
            self.connector.negotiation.serves(served);
        }
        let now = context.now;
        let mut is_due = true;
        self.change(|state, connector| match state {
            State::Racing(mut race) => match race.take_winner(now, connection) {
                Some(winner) => State::Connected(Box::new(Connected::after_race(
                    connector, context, race, winner, welcome,
                ))),
                None => {
                    is_due = false;
                    State::Racing(race)
                }
            },
            State::Connected(mut connected) => {
                if connected.established.id == connection {
                    let negotiation = &connector.negotiation;
                    is_due = connected.welcomed_again(negotiation, now, welcome);
                } else if let Some(winner) = connected.take_winner(now, connection) {
                    *connected = connected.replaced(connector, context, winner, welcome);
                } else {
                    is_due = false;
                }
                State::Connected(connected)
            }
            state => {
                is_due = false;
                state
            }
        });
        if is_due {
            self.connector.credentials.session = Some(welcome.session.to_owned());
        }
        is_due
    }

    /// The hub has changed the reconnect window (rule R3).
    pub(crate) fn set_reconnect_window(&mut self, ms: u64) {
        self.connector.backoff.set_reconnect_window(ms);
    }

    /// Something has arrived over the established connection.
    pub(crate) fn heard(&mut self, context: &mut Context<'_>) {
        if let Some(connected) = self.state.connected_mut()
            && let Beat::Ping(t) = connected.established.heartbeat.heard(context.now)
        {
            let mut records = String::new();
            ToHub::Ping { t: t.0 }.encode(&mut records);
            context.send(connected.established.id, records);
        }
    }

    /// Part of something has arrived.
    pub(crate) fn arriving(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        piece: Piece,
    ) {
        if let Some(connected) = self.state.connected_mut()
            && connected.established.id == connection
        {
            connected.established.arriving(context.now, piece);
            self.heard(context);
        } else if let Some(attempt) = self.state.attempt_mut(connection) {
            attempt.arriving(context.now, piece.bytes);
        }
    }

    /// Messages have arrived, and the caller did not look at the clock. Returns whether that is
    /// enough: only where the heartbeat pings.
    pub(crate) fn heard_untimed(&mut self, connection: ConnectionId) -> bool {
        let established = self.state.connected_mut().map(|it| &mut it.established);
        let mut socket = established.filter(|it| it.id == connection && it.transport.is_duplex());
        if let Some(established) = &mut socket {
            established.heartbeat.heard_untimed();
            established.progressed();
            self.connector.negotiation.poll_policy.news();
            return true;
        }
        false
    }

    /// Something complete has arrived that is no heartbeat.
    pub(crate) fn progressed(&mut self) {
        if let Some(connected) = self.state.connected_mut() {
            connected.established.progressed();
        }
    }

    /// New messages have arrived.
    pub(crate) fn news(&mut self) {
        self.connector.negotiation.poll_policy.news();
    }

    /// The hub could not resume a subscription.
    pub(crate) fn setback(&mut self) {
        self.connector.negotiation.poll_policy.setback();
    }

    /// The answer to a poll is complete. Sends the next poll, or waits for its time.
    pub(crate) fn answered(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        connection: ConnectionId,
    ) {
        if let Some(connected) = self.state.connected_mut()
            && connected.established.id == connection
        {
            connected.answered(&mut self.connector, context, subscriptions);
        } else if self.is_current(connection) {
            // It has ended without a welcome.
            let reason = Reason::of(codes::NOT_A_HUB);
            self.abandon(context, subscriptions, connection, &reason);
        }
    }

    /// The hub has sent a ping. A transport that only listens can't answer it, and the hub knows.
    pub(crate) fn pinged(&self, context: &mut Context<'_>, connection: ConnectionId, t: u64) {
        if self.greeted().any(|greeted| greeted == connection) {
            let mut records = String::new();
            ToHub::Pong { t }.encode(&mut records);
            context.send(connection, records);
        }
    }

    pub(crate) fn pong(&mut self, context: &mut Context<'_>, t: u64) {
        let Some(connected) = self.state.connected_mut() else {
            return;
        };
        let heartbeat = &mut connected.established.heartbeat;
        let before = heartbeat.rtt_ms();
        if heartbeat.pong(context.now, t) {
            let rtt_ms = heartbeat.rtt_ms();
            context.metrics.rtt_ms.record(rtt_ms.unwrap_or(0));
            if rtt_ms != before {
                context.status_changed();
            }
        }
    }

    /// The subscriptions have changed. Transports that only listen need another request.
    pub(crate) fn subscriptions_changed(&mut self) {
        if let Some(connected) = self.state.connected_mut() {
            connected.is_outdated |= !connected.established.transport.is_duplex();
        }
        for attempt in self.state.attempts_mut() {
            attempt.is_outdated = !attempt.transport.is_duplex();
        }
    }

    /// Notes whether every subscription is passive. Then the client is idle after a while.
    pub(crate) fn set_demand(&mut self, now: Time, is_passive: bool) {
        let is_connected = self.established().is_some();
        let poll_policy = &mut self.connector.negotiation.poll_policy;
        if poll_policy.set_demand(now, is_passive, is_connected) {
            self.state.reconsider(&self.connector, now);
        }
    }

    /// Asks for a slot, or gives it back.
    pub(crate) fn seek_slot(&mut self, context: &mut Context<'_>) {
        self.state.seek_slot(&mut self.connector, context);
    }

    pub(crate) fn slot_granted(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        is_granted: bool,
    ) {
        self.change(|state, connector| {
            state.slot_granted(connector, context, subscriptions, is_granted)
        });
    }

    /// Asks for a fresh token while connected, when it is time.
    pub(crate) fn renew_token(&mut self, context: &mut Context<'_>) {
        if self.established().is_some() {
            self.connector.credentials.tokens.renew(context);
        }
    }

    pub(crate) fn token_given(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        text: &str,
        lives_ms: Option<u64>,
    ) {
        let tokens = &mut self.connector.credentials.tokens;
        tokens.given(context.now, text, lives_ms, context.rng);
        self.change(|state, connector| state.token_given(connector, context, subscriptions));
    }

    pub(crate) fn token_failed(
        &mut self,
        context: &mut Context<'_>,
        failure: TokenFailure,
        detail: &str,
    ) {
        let tokens = &mut self.connector.credentials.tokens;
        tokens.failed(context.now, failure, context.rng);
        self.change(|state, connector| state.token_failed(connector, context, failure, detail));
    }

    pub(crate) fn reconnect(&mut self, context: &mut Context<'_>, subscriptions: &Subscriptions) {
        self.change(|state, connector| state.reconnect(connector, context, subscriptions));
    }

    /// The browser's guess about the network: a reason to probe, and never a reason to stop.
    pub(crate) fn online(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        is_online: bool,
    ) {
        if self.connector.is_online == is_online {
            return;
        }
        self.connector.is_online = is_online;
        if is_online {
            self.connector.backoff.back_online();
            self.connector.credentials.tokens.back_online();
        }
        self.woke(context, subscriptions);
        if matches!(self.state, State::Waiting { .. }) {
            context.status_changed();
        }
    }

    pub(crate) fn woke(&mut self, context: &mut Context<'_>, subscriptions: &Subscriptions) {
        self.change(|state, connector| state.woke(connector, context, subscriptions));
    }

    pub(crate) fn slept(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        ms: u64,
    ) {
        self.connector.credentials.tokens.slept(ms);
        self.change(|state, connector| state.slept(connector, context, subscriptions, ms));
    }

    pub(crate) fn suspend(&mut self, context: &mut Context<'_>) {
        self.change(|state, connector| state.suspend(connector, context));
    }

    pub(crate) fn close(&mut self, context: &mut Context<'_>) {
        self.change(|state, _| state.close(context));
    }
}
