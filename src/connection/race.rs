//! A race: one transport, and others that join it until the first welcome.
//!
//! Owns the attempts of the race and the transports that have not joined it. The next transport
//! joins after a head start, or when an attempt has failed at once.

use crate::config::HEAD_START_MS;
use crate::connection::attempt::Attempt;
use crate::connection::connector::Connector;
use crate::connection::status::Reason;
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::transport::Transport;

#[derive(Debug)]
pub(super) struct Race {
    pub(super) attempts: Vec<Attempt>,
    /// The transports that have not joined, the next one first.
    pub(super) waiting: Vec<Transport>,
    next_joins: Time,
    /// Why the first failed attempt failed.
    pub(super) reason: Option<Reason>,
}

/// An attempt that has its welcome.
#[derive(Debug)]
pub(super) struct Winner {
    pub(super) attempt: Attempt,
    /// From the hello to the welcome.
    pub(super) rtt_ms: u64,
}

impl Race {
    pub(super) fn start(
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) -> Self {
        let mut waiting = connector.order();
        let first = if waiting.is_empty() {
            Transport::WebSocket
        } else {
            waiting.remove(0)
        };
        let race = Self {
            attempts: vec![connector.open(context, subscriptions, first)],
            waiting,
            next_joins: context.now.plus(HEAD_START_MS),
            reason: None,
        };
        context.status_changed();
        race
    }

    /// Goes on with the replacement of a connection that was lost.
    pub(super) fn go_on(
        connector: &Connector,
        context: &mut Context<'_>,
        replacement: Attempt,
        reason: Reason,
    ) -> Self {
        let mut waiting = connector.order();
        waiting.retain(|transport| *transport != replacement.transport);
        context.status_changed();
        Self {
            attempts: vec![replacement],
            waiting,
            next_joins: context.now.plus(HEAD_START_MS),
            reason: Some(reason),
        }
    }

    /// When the next transport joins.
    fn joins_at(&self) -> Option<Time> {
        (!self.waiting.is_empty()).then_some(self.next_joins)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let attempts = self.attempts.iter().map(Attempt::deadline);
        attempts.chain(self.joins_at()).min()
    }

    /// The transport that began first and has not failed yet.
    pub(super) fn leading(&self) -> Option<Transport> {
        self.attempts.first().map(|attempt| attempt.transport)
    }

    pub(super) fn tick(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        if self.joins_at().is_some_and(|at| context.now >= at) {
            self.join(connector, context, subscriptions);
        }
    }

    /// The next transport joins.
    pub(super) fn join(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        if self.waiting.is_empty() {
            return;
        }
        let transport = self.waiting.remove(0);
        let attempt = connector.open(context, subscriptions, transport);
        self.attempts.push(attempt);
        self.next_joins = context.now.plus(HEAD_START_MS);
        if self.attempts.len() == 1 {
            context.status_changed();
        }
    }

    /// Removes an attempt.
    pub(super) fn take(&mut self, connection: ConnectionId) -> Option<Attempt> {
        let at = self
            .attempts
            .iter()
            .position(|attempt| attempt.id == connection)?;
        Some(self.attempts.remove(at))
    }

    /// Removes the attempt that a welcome belongs to, if it waits for one.
    pub(super) fn take_winner(&mut self, now: Time, connection: ConnectionId) -> Option<Winner> {
        let attempts = &mut self.attempts;
        let at = attempts.iter().position(|it| it.id == connection)?;
        let rtt_ms = attempts.get(at)?.waited_ms(now)?;
        Some(Winner {
            attempt: attempts.remove(at),
            rtt_ms,
        })
    }
}
