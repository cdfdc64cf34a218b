//! Connections that nobody waits on, and connections that there is no place for.

use super::{Connection, State};
use crate::codes;
use crate::connection::Reason;
use crate::connection::negotiation::TriedOutcome;
use crate::context::Turn;
use crate::interface::effect::Effect;
use crate::time::Time;
use crate::transport::Transport;

/// Why a stream was not opened, in words for people.
pub(super) const NO_SLOT: &str = "other tabs have this browser's connections to the hub";

impl Connection {
    /// Whether every subscription is passive: then the client lives by short polls, after a while.
    pub(crate) fn set_demand(&mut self, now: Time, is_passive: bool) {
        let is_connected = self.established().is_some();
        if self
            .negotiation
            .poll_policy
            .set_demand(now, is_passive, is_connected)
        {
            self.reconsider(now);
        }
    }

    /// What was live has been passive for long enough.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        if self.negotiation.poll_policy.tick(turn.now) {
            self.reconsider(turn.now);
            if let State::Connected { replacement, .. } = &mut self.state
                && let Some(link) =
                    replacement.take_if(|link| link.transport != Transport::LongPoll)
            {
                turn.abandon(link.id, codes::REPLACED);
            }
            turn.metrics.degraded(turn.now, self.is_degraded());
        }
    }

    /// Another transport is the best one now, or polls are held no longer, or again.
    pub(super) fn reconsider(&mut self, now: Time) {
        if let State::Connected {
            link, next_look, ..
        } = &mut self.state
        {
            let look = self.negotiation.next_probe(now, link.transport);
            *next_look = look.map(|_| now);
            self.is_outdated |= link.transport == Transport::LongPoll;
        }
    }

    /// Wants a place among the connections that all tabs share while something is held over HTTP, or may be.
    pub(crate) fn seek_place(&mut self, effects: &mut Vec<Effect>) {
        let is_held = |transport: Transport| !transport.is_duplex();
        let is_opening = self.links().any(|link| is_held(link.transport));
        let is_wanted = match &self.state {
            State::Connected { link, .. } => is_opening || is_held(link.transport),
            // One that is kept for a moment costs less than giving it back and asking anew.
            State::Racing { .. } if !is_opening => return,
            State::Racing { .. } => true,
            // Locks keep a page from being cached, too.
            State::Waiting { reason, .. } if reason.close_code == codes::PAGE_SUSPENDED => false,
            State::Waiting { .. } | State::AwaitingToken { .. } => return,
            State::Unstarted
            | State::Unauthorized { .. }
            | State::ClosedByHub { .. }
            | State::ClosedByUser => false,
        };
        let is_wanted = is_wanted && !self.negotiation.poll_policy.is_quiet();
        if self.negotiation.poll_policy.seek(is_wanted) {
            effects.push(Effect::Slot { is_wanted });
        }
    }

    /// There is a place, or none: streams and held polls come into question, or give way to short polls.
    pub(crate) fn slot_granted(&mut self, turn: &mut Turn<'_>, is_granted: bool) {
        if !self.negotiation.poll_policy.slot_granted(is_granted) {
            return;
        }
        self.reconsider(turn.now);
        let gives_way = |transport| self.negotiation.is_set_aside(transport);
        let mut yielding = Vec::new();
        match &mut self.state {
            State::Connected { replacement, .. } => {
                yielding.extend(replacement.take_if(|link| gives_way(link.transport)));
            }
            State::Racing { links, waiting, .. } => {
                yielding.extend(links.extract_if(.., |link| gives_way(link.transport)));
                waiting.retain(|transport| !gives_way(*transport));
                if links.is_empty() {
                    self.race(turn);
                }
            }
            _ => {}
        }
        for link in yielding {
            let reason = Reason::new(codes::TOO_MANY_CONNECTIONS, NO_SLOT);
            let tried = link.tried(turn.now, TriedOutcome::Refused, &reason);
            self.negotiation.note(tried);
            turn.abandon(link.id, codes::REPLACED);
        }
        turn.metrics.degraded(turn.now, self.is_degraded());
    }
}
