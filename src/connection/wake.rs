//! Calls of the user and signals of the browser: reconnect, woke, slept, suspend, close.

use crate::backoff::hint::Hint;
use crate::codes;
use crate::connection::connector::Connector;
use crate::connection::state::State;
use crate::connection::status::Reason;
use crate::context::Context;
use crate::subscription::Subscriptions;
use crate::time::Time;

/// After the browser reports `online` or a wake-up, the next attempt comes within this time, ms.
/// Chosen: every page on the network gets the event at once.
const EXPEDITE_MS: u64 = 250;

/// After the browser has put the page to sleep, the next attempt comes after this time awake, ms,
/// if no event reports the wake-up. Chosen: no attempt begins on the way into sleep.
const SUSPENDED_MS: u64 = 1_000;

impl State {
    /// The user wants an attempt now. The client closes what is open and resets the backoff.
    pub(super) fn reconnect(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) -> Self {
        if matches!(self, Self::Unstarted | Self::ClosedByUser) {
            return self;
        }
        self.close_all(context, codes::REPLACED);
        connector.backoff.forget();
        connector.credentials.tokens.forget();
        connector.race_no = 1;
        Self::connect(connector, context, subscriptions, None)
    }

    /// The page may have slept. An open connection may be dead, and a wait may be over.
    pub(super) fn woke(
        mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) -> Self {
        match self {
            Self::Connected(mut connected) => {
                // What was arriving may have stood still as long as the page did.
                connected.established.progressed();
                let beat = connected.established.heartbeat.probe(context.now);
                Self::beat(connected, connector, context, subscriptions, beat)
            }
            Self::Waiting { .. } if connector.is_online => {
                self.expedite(context);
                self
            }
            state => state,
        }
    }

    /// Shortens a wait that the client chose itself, not one that the hub asked for (rule R5).
    pub(super) fn expedite(&mut self, context: &mut Context<'_>) {
        if let Self::Waiting { until, reason } = self
            && Hint::of(&reason.detail).retry_ms.is_none()
        {
            let soon = context.now.plus(context.rng.u64(0..=EXPEDITE_MS));
            *until = (*until).min(soon);
        }
    }

    /// The machine has slept for `ms`. Attempts from before that are dead, and have not failed.
    pub(super) fn slept(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        ms: u64,
    ) -> Self {
        match self {
            Self::Racing { .. } => {
                self.close_all(context, codes::REPLACED);
                Self::connect(connector, context, subscriptions, None)
            }
            Self::Waiting { until, reason } => {
                let until = Time(until.0.saturating_sub(ms));
                Self::Waiting { until, reason }.woke(connector, context, subscriptions)
            }
            state => state.woke(connector, context, subscriptions),
        }
    }

    /// The page goes to sleep. An open connection would keep it out of the back-forward cache, or
    /// be dead when the page is back.
    pub(super) fn suspend(self, connector: &mut Connector, context: &mut Context<'_>) -> Self {
        match &self {
            Self::Connected(connected) => {
                let useful_ms = context.now.since(connected.established.since);
                connector.backoff.was_useful_for(useful_ms);
                connector.race_no = 1;
            }
            Self::Racing { .. } => {}
            _ => return self,
        }
        self.close_all(context, codes::PAGE_SUSPENDED);
        context.status_changed();
        Self::Waiting {
            until: context.now.plus(SUSPENDED_MS),
            reason: Reason::of(codes::PAGE_SUSPENDED),
        }
    }

    pub(super) fn close(self, context: &mut Context<'_>) -> Self {
        if !matches!(self, Self::ClosedByUser) {
            self.close_all(context, codes::DONE);
            context.status_changed();
        }
        Self::ClosedByUser
    }

    /// Closes everything that is open.
    fn close_all(self, context: &mut Context<'_>, code: u16) {
        if let Some(connection) = self.established() {
            context.abandon(connection, code);
            context.metrics.disconnected(context.now);
            context.metrics.degraded(context.now, false);
        }
        for attempt in self.attempts() {
            context.abandon(attempt.id, code);
        }
    }
}
