//! Chooses the transports of a race, their order, and the time of probes for better ones.
//!
//! Owns the order, the transport that worked before, and the last outcomes. Opens nothing itself.

use std::collections::VecDeque;

use crate::config::{PROBE_AFTER_MS, PROBE_AFTER_MS_MAX, PROBE_FLAP_MS, PROBE_FLAPPED_MS_MAX};
use crate::connection::poll_policy::PollPolicy;
use crate::time::Time;
use crate::transport::{Transport, TransportSet};

/// How many outcomes the client keeps for diagnosis.
const TRIED_MAX: usize = 16;

/// Failed races that begin with the transport that worked before: one failure may be anything.
/// Then each transport begins one race. So the last of three begins the fourth race, some seconds
/// after the loss.
const FAILURES_FIRST: u32 = 2;

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriedOutcome {
    /// The hub sent its welcome.
    Ok,
    /// It never opened.
    Blocked,
    /// It opened and ended before the welcome.
    OpenedThenClosed,
    /// It did not open in time.
    Silent,
    /// It opened, and nothing arrived.
    Buffered,
    /// The hub, or a proxy, refused it.
    Refused,
    /// Another attempt won the race.
    Superseded,
}

/// One attempt, for diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its transport.
    pub transport: Transport,
    /// Its outcome.
    pub outcome: TriedOutcome,
    /// The close code that ended it, or 0.
    pub close_code: u16,
    /// The peer's text.
    pub detail: String,
    /// How long it took, ms.
    pub took_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Negotiation {
    /// What the user wants and the browser has, in order of preference.
    wanted: Vec<Transport>,
    served: TransportSet,
    /// The transport that worked on this network before.
    worked: Option<Transport>,
    /// Decides which transports are allowed now.
    pub(crate) poll_policy: PollPolicy,
    tried: VecDeque<Tried>,
    probes: u32,
    upgraded: Option<Time>,
    /// How often a better transport was lost soon after the upgrade.
    flaps: u32,
}

impl Negotiation {
    pub(crate) fn new(wanted: Vec<Transport>, worked: Option<Transport>) -> Self {
        Self {
            wanted,
            served: TransportSet::ALL,
            worked,
            poll_policy: PollPolicy::default(),
            tried: VecDeque::new(),
            probes: 0,
            upgraded: None,
            flaps: 0,
        }
    }

    /// What the user wants and the hub serves, in order of preference.
    fn served(&self) -> impl Iterator<Item = Transport> + '_ {
        let served = self.served;
        let is_served = move |transport: &Transport| served.has(*transport);
        // Refusals show that the hub serves none of them. Without an attempt there is no refusal.
        let any = self.wanted.iter().any(is_served);
        self.wanted
            .iter()
            .copied()
            .filter(move |transport| !any || is_served(transport))
    }

    /// The transports that are allowed now, in order. Long-polling comes first for an idle client.
    /// It replaces streams while the client has no slot.
    fn allowed(&self) -> Vec<Transport> {
        let mut allowed: Vec<Transport> = self.served().collect();
        if let Some(at) = allowed.iter().position(|each| *each == Transport::LongPoll) {
            if self.poll_policy.is_idle() {
                allowed.remove(at);
                allowed.insert(0, Transport::LongPoll);
            } else {
                allowed.retain(|each| !self.is_set_aside(*each));
            }
        }
        allowed
    }

    /// Whether long-polling replaces this transport for now.
    pub(crate) fn is_set_aside(&self, transport: Transport) -> bool {
        transport == Transport::EventSource
            && !self.poll_policy.has_slot()
            && self.served().any(|each| each == Transport::LongPoll)
    }

    /// The hub has sent the list of transports that it serves.
    pub(crate) fn serves(&mut self, served: TransportSet) {
        self.served = served;
    }

    /// The order of the next race. The transport that worked before comes first, until it has
    /// failed repeatedly.
    pub(crate) fn order(&self, failed: u32) -> Vec<Transport> {
        let mut order = self.allowed();
        let is_idle = self.poll_policy.is_idle();
        let worked = match self.worked {
            _ if is_idle => None,
            Some(worked) if self.is_set_aside(worked) => Some(Transport::LongPoll),
            worked => worked,
        };
        if let Some(at) = order.iter().position(|each| Some(*each) == worked)
            && let Some(begin) = order.get_mut(..=at)
        {
            begin.rotate_right(1);
        }
        let count = order.len().max(1);
        let turns =
            usize::try_from((failed + 1).saturating_sub(FAILURES_FIRST)).unwrap_or(0) % count;
        order.rotate_left(turns);
        if is_idle {
            // Every subscription is passive, so one transport is enough.
            order.truncate(1);
        }
        order
    }

    /// Whether the next transport joins as soon as one has failed. Where one has worked before, a
    /// quick failure means that the hub is away. Then three requests instead of one would only add
    /// to the thundering herd.
    pub(crate) fn falls_through(&self) -> bool {
        self.worked.is_none()
    }

    pub(crate) fn note(&mut self, tried: Tried) {
        if self.tried.len() >= TRIED_MAX {
            self.tried.pop_front();
        }
        self.tried.push_back(tried);
    }

    pub(crate) fn tried(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter()
    }

    /// A connection is established. Returns when to probe for a better transport.
    pub(crate) fn connected(
        &mut self,
        now: Time,
        transport: Transport,
        is_switch: bool,
    ) -> Option<Time> {
        if self.is_telling(transport) {
            self.worked = Some(transport);
        }
        self.probes = 0;
        if self.poll_policy.is_short() {
            self.upgraded = None;
        } else if is_switch {
            // A hub may call another transport the better one after each move. Then the client
            // stays.
            let before = self.upgraded.replace(now);
            let is_flap = before.is_some_and(|before| now.since(before) < PROBE_FLAP_MS);
            self.flaps = self.flaps.saturating_add(u32::from(is_flap));
        }
        self.next_probe(now, transport)
    }

    /// Whether success with `transport` says something about this network. Short polls do not: they
    /// are the client's choice.
    pub(crate) fn is_telling(&self, transport: Transport) -> bool {
        transport != Transport::LongPoll || !self.poll_policy.is_short()
    }

    /// When to probe for a better transport than `transport`, after a probe that began `now`. The
    /// intervals grow, and are long where each upgrade was lost soon.
    pub(crate) fn next_probe(&self, now: Time, transport: Transport) -> Option<Time> {
        self.better(transport)?;
        // The better transports take turns, and each has one within the interval.
        let turns = u64::try_from(self.all_better(transport).len()).unwrap_or(1);
        let turns = turns.max(1);
        let ms = if self.flaps > 0 {
            PROBE_AFTER_MS_MAX << self.flaps.min(4)
        } else {
            (PROBE_AFTER_MS << self.probes.min(4)).min(PROBE_AFTER_MS_MAX / turns)
        };
        Some(now.plus(ms.min(PROBE_FLAPPED_MS_MAX)))
    }

    /// The transport of the next probe: each better one in turn.
    pub(crate) fn probe(&mut self, transport: Transport) -> Option<Transport> {
        let better = self.better(transport);
        self.probes = self.probes.saturating_add(1);
        better
    }

    /// The transports before this one in the order.
    fn all_better(&self, transport: Transport) -> Vec<Transport> {
        if self.is_set_aside(transport) {
            return vec![Transport::LongPoll];
        }
        let mut better = self.allowed();
        if let Some(at) = better.iter().position(|each| *each == transport) {
            better.truncate(at);
        }
        better
    }

    fn better(&self, transport: Transport) -> Option<Transport> {
        let better = self.all_better(transport);
        let turn = usize::try_from(self.probes).unwrap_or(0) % better.len().max(1);
        better.get(turn).copied()
    }

    /// The established connection is gone.
    pub(crate) fn lost(&mut self, now: Time) {
        let Some(upgraded) = self.upgraded.take() else {
            return;
        };
        self.flaps = if now.since(upgraded) < PROBE_FLAP_MS {
            self.flaps.saturating_add(1)
        } else {
            0
        };
    }

    /// Whether one transport is before the other in the order.
    pub(crate) fn prefers(&self, one: Transport, other: Transport) -> bool {
        self.all_better(other).contains(&one)
    }

    /// Whether no better transport is served and wanted.
    pub(crate) fn is_best(&self, transport: Transport) -> bool {
        self.poll_policy.is_idle() || self.served().next() == Some(transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transport::{EventSource, LongPoll, WebSocket};

    fn negotiation(worked: Option<Transport>) -> Negotiation {
        Negotiation::new(Transport::ALL.to_vec(), worked)
    }

    #[test]
    fn a05_what_worked_here_is_tried_first_and_the_rest_keeps_its_order() {
        assert_eq!(
            negotiation(None).order(0),
            [WebSocket, EventSource, LongPoll]
        );
        assert_eq!(
            negotiation(Some(LongPoll)).order(0),
            [LongPoll, WebSocket, EventSource]
        );
    }

    #[test]
    fn c31_after_two_failures_each_attempt_begins_with_the_next_transport() {
        let n = negotiation(Some(WebSocket));
        let first: Vec<_> = (0..7).map(|failed| n.order(failed)[0]).collect();
        assert_eq!(
            first,
            [
                WebSocket,
                WebSocket,
                EventSource,
                LongPoll,
                WebSocket,
                EventSource,
                LongPoll
            ]
        );
    }

    #[test]
    fn a14_the_hub_turns_transports_off_and_on() {
        let mut n = negotiation(None);
        n.serves(TransportSet::of_names("longpoll,pigeon,eventsource"));
        assert_eq!(n.order(0), [EventSource, LongPoll]);
        assert!(n.is_best(EventSource));
        n.serves(TransportSet::of_names("pigeon"));
        assert_eq!(
            n.order(0),
            [WebSocket, EventSource, LongPoll],
            "never nothing"
        );
    }

    #[test]
    fn the_client_probes_for_a_better_transport_within_30_s_and_rarely_where_it_flaps() {
        let mut n = negotiation(None);
        let mut now = Time(0);
        let mut at = n.connected(now, LongPoll, false);
        let mut waits = Vec::new();
        for _ in 0..5 {
            let next = at.unwrap();
            waits.push(next.since(now));
            now = next;
            n.probe(LongPoll);
            at = n.next_probe(now, LongPoll);
        }
        assert!(waits.iter().all(|ms| *ms <= 25_000), "{waits:?}");
        assert!(waits.is_sorted(), "{waits:?}");
        for _ in 0..5 {
            n.connected(now, WebSocket, true);
            n.lost(now.plus(1_000));
        }
        let wait = n.connected(now, LongPoll, false).unwrap().since(now);
        assert!(wait >= 120_000, "{wait}");
        n.connected(now, WebSocket, true);
        n.lost(now.plus(600_000));
        let wait = n.connected(now, LongPoll, false).unwrap().since(now);
        assert!(wait <= 25_000, "a long life on it is forgiveness: {wait}");
    }

    #[test]
    fn probes_go_to_each_better_transport_in_turn() {
        let mut n = negotiation(None);
        n.connected(Time(0), LongPoll, false);
        let probes: Vec<_> = (0..4).map(|_| n.probe(LongPoll).unwrap()).collect();
        assert_eq!(probes, [WebSocket, EventSource, WebSocket, EventSource]);
        assert_eq!(n.next_probe(Time(0), WebSocket), None);
    }

    #[test]
    fn what_was_tried_is_kept_up_to_a_limit() {
        let mut n = negotiation(None);
        for took_ms in 0..100 {
            n.note(Tried {
                transport: WebSocket,
                outcome: TriedOutcome::Blocked,
                close_code: 1006,
                detail: String::new(),
                took_ms,
            });
        }
        assert_eq!(n.tried().count(), TRIED_MAX);
        assert_eq!(n.tried().last().unwrap().took_ms, 99);
    }
}
