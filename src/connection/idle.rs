//! Connections of idle clients, and connections without a slot.
//!
//! `poll_policy` decides; this file changes the connections to match.

use crate::codes;
use crate::connection::attempt::Attempt;
use crate::connection::connector::Connector;
use crate::connection::negotiation::TriedOutcome;
use crate::connection::race::Race;
use crate::connection::state::State;
use crate::connection::status::Reason;
use crate::context::Context;
use crate::interface::effect::Effect;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::transport::Transport;

/// Why the client did not open a stream, for people.
pub(super) const NO_SLOT: &str = "other tabs have this browser's connections to the hub";

impl State {
    /// Makes the client idle if every subscription has been passive for long enough.
    pub(super) fn settle(&mut self, connector: &mut Connector, context: &mut Context<'_>) {
        let now = context.now;
        if !connector.negotiation.poll_policy.tick(now) {
            return;
        }
        self.reconsider(connector, now);
        if let Some(connected) = self.connected_mut() {
            let is_other = |it: &mut Attempt| it.transport != Transport::LongPoll;
            if let Some(attempt) = connected.replacement.take_if(is_other) {
                context.abandon(attempt.id, codes::REPLACED);
            }
        }
        context.metrics.degraded(now, self.is_degraded(connector));
    }

    /// The best transport has changed, or the choice between long polls and short polls.
    pub(super) fn reconsider(&mut self, connector: &Connector, now: Time) {
        if let Some(connected) = self.connected_mut() {
            let transport = connected.established.transport;
            let probe = connector.negotiation.next_probe(now, transport);
            connected.next_probe = probe.map(|_| now);
            connected.is_outdated |= transport == Transport::LongPoll;
        }
    }

    /// Asks for a slot while the connection is a stream or a long poll, or may become one.
    pub(super) fn seek_slot(&self, connector: &mut Connector, context: &mut Context<'_>) {
        let needs_slot = |transport: Transport| !transport.is_duplex();
        let is_opening = self.attempts().iter().any(|it| needs_slot(it.transport));
        let is_wanted = match self {
            Self::Connected(connected) => is_opening || needs_slot(connected.established.transport),
            // Keeping a slot for a moment costs less than giving it back and asking again.
            Self::Racing { .. } if !is_opening => return,
            Self::Racing { .. } => true,
            // A lock would keep the page out of the back-forward cache.
            Self::Waiting { reason, .. } if reason.close_code == codes::PAGE_SUSPENDED => false,
            Self::Waiting { .. } | Self::AwaitingToken { .. } => return,
            Self::Unstarted
            | Self::Unauthorized { .. }
            | Self::ClosedByHub { .. }
            | Self::ClosedByUser => false,
        };
        let poll_policy = &mut connector.negotiation.poll_policy;
        let is_wanted = is_wanted && !poll_policy.is_idle();
        if poll_policy.seek(is_wanted) {
            context.effects.push(Effect::Slot { is_wanted });
        }
    }

    /// The browser has granted a slot, or denied it. Without one, short polls replace streams.
    pub(super) fn slot_granted(
        mut self,
        connector: &mut Connector,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        is_granted: bool,
    ) -> Self {
        let now = context.now;
        if !connector.negotiation.poll_policy.slot_granted(is_granted) {
            return self;
        }
        self.reconsider(connector, now);
        let gives_way = |transport| connector.negotiation.is_set_aside(transport);
        let mut yielding = Vec::new();
        let next = match self {
            Self::Connected(mut connected) => {
                let replacement = &mut connected.replacement;
                yielding.extend(replacement.take_if(|it| gives_way(it.transport)));
                Self::Connected(connected)
            }
            Self::Racing(mut race) => {
                let attempts = &mut race.attempts;
                yielding.extend(attempts.extract_if(.., |it| gives_way(it.transport)));
                race.waiting.retain(|transport| !gives_way(*transport));
                if race.attempts.is_empty() {
                    race = Race::start(connector, context, subscriptions);
                }
                Self::Racing(race)
            }
            state => state,
        };
        for attempt in yielding {
            let reason = Reason::new(codes::TOO_MANY_CONNECTIONS, NO_SLOT);
            let tried = attempt.tried(now, TriedOutcome::Refused, &reason);
            connector.negotiation.note(tried);
            context.abandon(attempt.id, codes::REPLACED);
        }
        context.metrics.degraded(now, next.is_degraded(connector));
        next
    }
}
