//! An established connection, and the replacement that may open beside it.
//!
//! Owns the moments at which the client probes for a better transport or renews an event stream,
//! and the handover to the replacement.

use crate::backoff::repeat::RepeatPause;
use crate::codes;
use crate::config::{HEAD_START_MS, PAUSE_MS};
use crate::connection::attempt::Attempt;
use crate::connection::connector::Connector;
use crate::connection::established::Established;
use crate::connection::negotiation::{Negotiation, TriedOutcome};
use crate::connection::race::{Race, Winner};
use crate::connection::status::Reason;
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::transport::Transport;
use crate::wire::Welcome;

/// The shortest time from a failed probe to the next one, ms. Chosen: a network that refuses at
/// once gets no loop of requests.
const PROBE_MS_MIN: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Connected {
    pub(super) established: Established,
    pub(super) replacement: Option<Attempt>,
    pub(super) next_probe: Option<Time>,
    /// The subscriptions have changed, and the transport only listens.
    pub(super) is_outdated: bool,
    /// The pause before another attempt to renew the event stream.
    renewal: RepeatPause,
    renew_at: Option<Time>,
}

impl Connected {
    /// The first connection after a race. The other attempts end, unless one is for a better
    /// transport.
    pub(super) fn after_race(
        connector: &mut Connector,
        context: &mut Context<'_>,
        race: Race,
        winner: Winner,
        welcome: &Welcome<'_>,
    ) -> Self {
        note_welcome(connector, context.now, &winner.attempt);
        let mut connected = Self::new(connector, context.now, &winner, welcome);
        context.metrics.connected(context.now, winner.rtt_ms);
        for attempt in race.attempts {
            connected.supersede(connector, context, attempt);
        }
        connected.begin(connector, context, Step::Connect)
    }

    /// Hands over to the replacement.
    pub(super) fn replaced(
        self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        winner: Winner,
        welcome: &Welcome<'_>,
    ) -> Self {
        let before = self.established;
        let step = if before.transport == winner.attempt.transport {
            Step::Renew
        } else {
            note_welcome(connector, context.now, &winner.attempt);
            Step::Switch
        };
        let connected = Self::new(connector, context.now, &winner, welcome);
        context.abandon(before.id, codes::REPLACED);
        context.metrics.rtt_ms.record(winner.rtt_ms);
        context.metrics.transport_switches += u64::from(step == Step::Switch);
        connected.begin(connector, context, step)
    }

    fn new(connector: &mut Connector, now: Time, winner: &Winner, welcome: &Welcome<'_>) -> Self {
        connector.backoff.welcomed(welcome.spread_ms);
        connector.credentials.tokens.accepted();
        let policy = connector.heartbeat_policy(welcome);
        Self {
            established: Established::new(now, winner, policy, welcome),
            replacement: None,
            next_probe: None,
            is_outdated: winner.attempt.is_outdated,
            renewal: RepeatPause::default(),
            renew_at: None,
        }
    }

    fn begin(mut self, connector: &mut Connector, context: &mut Context<'_>, step: Step) -> Self {
        let transport = self.established.transport;
        let negotiation = &mut connector.negotiation;
        connector.race_no = 0;
        self.next_probe = negotiation.connected(context.now, transport, step == Step::Switch);
        if negotiation.is_telling(transport) {
            context.effects.push(Effect::Remember { transport });
        }
        let is_degraded = self.is_degraded(negotiation);
        context.metrics.degraded(context.now, is_degraded);
        context.status_changed();
        self
    }

    /// Another attempt won the race. The attempt goes on if its transport is better.
    fn supersede(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        attempt: Attempt,
    ) {
        let negotiation = &mut connector.negotiation;
        let is_better = negotiation.prefers(attempt.transport, self.established.transport);
        if is_better && self.replacement.is_none() {
            self.replacement = Some(attempt);
            return;
        }
        let reason = Reason::of(0);
        negotiation.note(attempt.tried(context.now, TriedOutcome::Superseded, &reason));
        context.abandon(attempt.id, codes::REPLACED);
    }

    /// Another welcome has arrived over the established connection. Returns whether one was due.
    pub(super) fn welcomed_again(
        &mut self,
        negotiation: &Negotiation,
        now: Time,
        welcome: &Welcome<'_>,
    ) -> bool {
        // The hub may have turned the better transports off, or on again.
        let probe = negotiation.next_probe(now, self.established.transport);
        self.next_probe = probe.and(self.next_probe.or(probe));
        self.established.welcomed_again(welcome)
    }

    pub(super) fn is_degraded(&self, negotiation: &Negotiation) -> bool {
        !negotiation.is_best(self.established.transport)
    }

    pub(super) fn take_replacement(&mut self, connection: ConnectionId) -> Option<Attempt> {
        self.replacement.take_if(|attempt| attempt.id == connection)
    }

    /// Removes the replacement if it waits for the welcome that has arrived.
    pub(super) fn take_winner(&mut self, now: Time, connection: ConnectionId) -> Option<Winner> {
        let replacement = self.replacement.as_ref();
        let rtt_ms = replacement
            .filter(|attempt| attempt.id == connection)?
            .waited_ms(now)?;
        let attempt = self.replacement.take()?;
        Some(Winner { attempt, rtt_ms })
    }

    /// The replacement has failed, and the established connection goes on.
    pub(super) fn replacement_failed(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        attempt: &Attempt,
        failure: &Reason,
    ) {
        let now = context.now;
        let transport = self.established.transport;
        let probe = connector.negotiation.next_probe(attempt.begun, transport);
        self.next_probe = probe.map(|at| at.max(now.plus(PROBE_MS_MIN)));
        if attempt.transport == transport {
            // It was to bring what the established connection lacks.
            context.metrics.repeats += 1;
            self.renew_at = Some(self.renewal.grow(now, PAUSE_MS, context.rng));
        }
        if failure.is_from_hub() {
            self.established.heartbeat.heard(now);
        }
        if failure.is_unauthorized() {
            connector.credentials.tokens.refused();
            connector.credentials.tokens.clear(context);
        }
    }

    /// Whether another event stream is on its way, or planned, because this one lacks a
    /// subscription.
    pub(super) fn is_renewing(&self) -> bool {
        let transport = self.established.transport;
        let replacement = self.replacement.as_ref();
        self.is_outdated
            || self.renew_at.is_some()
            || replacement.is_some_and(|attempt| attempt.transport == transport)
    }

    /// When the client repeats a request because of the hub's last answer (rule R7).
    pub(super) fn repeat_at(&self) -> Option<Time> {
        self.established.repeat_at().or(self.renew_at)
    }

    pub(super) fn deadline(&self, negotiation: &Negotiation) -> Option<Time> {
        let is_alone = self.replacement.is_none();
        // An event stream is renewed when the replacement under way has ended.
        let can_renew = is_alone || self.established.transport == Transport::LongPoll;
        let renew = if can_renew {
            Some(Time(0))
        } else {
            self.probe_yields_at()
        };
        [
            Some(self.established.deadline()),
            self.replacement.as_ref().map(Attempt::deadline),
            self.next_probe.filter(|_| is_alone),
            self.renew_at.filter(|_| is_alone),
            renew.filter(|_| self.is_outdated),
            negotiation.poll_policy.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn tick(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        let now = context.now;
        self.is_outdated |= self.renew_at.take_if(|at| now >= *at).is_some();
        self.renew_if_outdated(connector, context, subscriptions);
        let hello = connector.credentials.hello(subscriptions);
        self.established
            .tick(context, &hello, &connector.negotiation.poll_policy);
        self.probe_for_better(connector, context, subscriptions);
    }

    /// The answer to a poll is complete.
    pub(super) fn answered(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        let hello = connector.credentials.hello(subscriptions);
        let poll_policy = &mut connector.negotiation.poll_policy;
        if std::mem::take(&mut self.is_outdated) {
            self.established.ask(context, &hello, poll_policy);
        } else {
            self.established.answered(context, &hello, poll_policy);
        }
    }

    /// Sends changed subscriptions in another poll or event stream, if the transport only listens.
    fn renew_if_outdated(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        if !self.is_outdated {
            return;
        }
        let yields = self.probe_yields_at().is_some_and(|at| context.now >= at);
        match self.established.transport {
            Transport::LongPoll => {
                let hello = connector.credentials.hello(subscriptions);
                let poll_policy = &connector.negotiation.poll_policy;
                self.established.ask(context, &hello, poll_policy);
                self.is_outdated = false;
            }
            // A stream that opens began with older subscriptions. Another one must wait for its
            // end.
            Transport::EventSource if self.replacement.is_none() || yields => {
                self.end_probe(&mut connector.negotiation, context);
                self.is_outdated = false;
                self.renew_at = None;
                self.replacement =
                    Some(connector.open(context, subscriptions, Transport::EventSource));
            }
            Transport::EventSource | Transport::WebSocket => {}
        }
    }

    /// Opens a better transport beside a degraded connection, when it is time.
    fn probe_for_better(
        &mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
    ) {
        let is_due = self.next_probe.is_some_and(|at| context.now >= at);
        if is_due
            && self.replacement.is_none()
            && let Some(better) = connector.negotiation.probe(self.established.transport)
        {
            self.replacement = Some(connector.open(context, subscriptions, better));
        }
    }

    /// When a probe for another transport yields to a renewal, which can't wait longer.
    fn probe_yields_at(&self) -> Option<Time> {
        let probe = self.replacement.as_ref();
        let probe = probe.filter(|probe| probe.transport != self.established.transport);
        probe.map(|probe| probe.begun.plus(HEAD_START_MS))
    }

    fn end_probe(&mut self, negotiation: &mut Negotiation, context: &mut Context<'_>) {
        if let Some(probe) = self.replacement.take() {
            let (now, reason) = (context.now, Reason::of(codes::REPLACED));
            context.abandon(probe.id, codes::REPLACED);
            negotiation.note(probe.tried(now, TriedOutcome::Silent, &reason));
            self.next_probe = negotiation.next_probe(now, self.established.transport);
        }
    }
}

/// What a welcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The client was not connected.
    Connect,
    /// The same transport again.
    Renew,
    /// Another transport.
    Switch,
}

fn note_welcome(connector: &mut Connector, now: Time, attempt: &Attempt) {
    let tried = attempt.tried(now, TriedOutcome::Ok, &Reason::of(0));
    connector.negotiation.note(tried);
}
