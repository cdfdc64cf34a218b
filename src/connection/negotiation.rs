//! Which transport to try, when another one joins, and when to look for a better one.
//!
//! Owns the order, the memory of what worked and what was tried. Opens nothing itself.

use std::collections::VecDeque;

use crate::config::{PROBE_AFTER_MS, PROBE_AFTER_MS_MAX, PROBE_FLAP_MS, PROBE_FLAPPED_MS_MAX};
use crate::connection::poll_policy::PollPolicy;
use crate::time::Time;
use crate::transport::{Transport, TransportSet};

/// How many outcomes are kept for people who ask.
const TRIED_MAX: usize = 16;

/// Failed attempts with what worked before, until the next one begins with another transport: one failure may be anything.
/// From there on each has one, so that the last of three has its turn with the fourth attempt, some seconds after the loss.
const FAILURES_FIRST: u32 = 2;

/// How a try of a transport went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriedOutcome {
    /// The hub said welcome.
    Ok,
    /// It never opened.
    Blocked,
    /// It opened and ended before the welcome.
    OpenedThenClosed,
    /// It did not open in time.
    Silent,
    /// It opened and nothing came through.
    Buffered,
    /// The hub or something before it said no.
    Refused,
    /// Another transport was first.
    Superseded,
}

/// One try of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub transport: Transport,
    /// How it went.
    pub outcome: TriedOutcome,
    /// The close code it ended with, 0 if it did not.
    pub close_code: u16,
    /// The peer's words.
    pub detail: String,
    /// How long it took, ms.
    pub took_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Negotiation {
    /// In order of preference; what the user wants and the browser has.
    wanted: Vec<Transport>,
    served: TransportSet,
    /// What worked on this network before.
    worked: Option<Transport>,
    /// What is urgent and what is free decides which transports come into question.
    pub(crate) poll_policy: PollPolicy,
    tried: VecDeque<Tried>,
    probes: u32,
    moved_up: Option<Time>,
    /// How often a better transport was lost again soon after the move.
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
            moved_up: None,
            flaps: 0,
        }
    }

    /// What the user wants and the hub serves, in order of preference.
    fn served(&self) -> impl Iterator<Item = Transport> + '_ {
        let served = self.served;
        let is_served = move |transport: &Transport| served.has(*transport);
        // A hub that serves none of ours is told from its refusals, not by never asking.
        let any = self.wanted.iter().any(is_served);
        self.wanted
            .iter()
            .copied()
            .filter(move |transport| !any || is_served(transport))
    }

    /// What comes into question now, in order. Where polls are among it they are the best while nothing is urgent, and stand
    /// in for a stream while the browser has no connection for one.
    fn allowed(&self) -> Vec<Transport> {
        let mut allowed: Vec<Transport> = self.served().collect();
        if let Some(at) = allowed.iter().position(|each| *each == Transport::LongPoll) {
            if self.poll_policy.is_quiet() {
                allowed.remove(at);
                allowed.insert(0, Transport::LongPoll);
            } else {
                allowed.retain(|each| !self.is_set_aside(*each));
            }
        }
        allowed
    }

    /// Whether polls stand in for this one.
    pub(crate) fn is_set_aside(&self, transport: Transport) -> bool {
        transport == Transport::EventSource
            && !self.poll_policy.has_place()
            && self.served().any(|each| each == Transport::LongPoll)
    }

    /// The hub has said what it serves.
    pub(crate) fn serves(&mut self, served: TransportSet) {
        self.served = served;
    }

    /// The order of an attempt after so many that failed. What worked here comes first, until it has failed repeatedly.
    pub(crate) fn order(&self, failed: u32) -> Vec<Transport> {
        let mut order = self.allowed();
        let is_quiet = self.poll_policy.is_quiet();
        let worked = match self.worked {
            _ if is_quiet => None,
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
        if is_quiet {
            // Nobody waits: no race.
            order.truncate(1);
        }
        order
    }

    /// Whether a transport that fails at once makes room for the next one in the same attempt. Where one has worked before, a
    /// quick failure means that the hub is away, and three requests instead of one would only make a storm of it.
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

    /// A transport has been useful. Gives when to look for a better one.
    pub(crate) fn connected(
        &mut self,
        now: Time,
        transport: Transport,
        is_move: bool,
    ) -> Option<Time> {
        if self.is_telling(transport) {
            self.worked = Some(transport);
        }
        self.probes = 0;
        if self.poll_policy.is_short() {
            self.moved_up = None;
        } else if is_move {
            // A hub that calls another transport the better one after each move is left on what there is.
            let before = self.moved_up.replace(now);
            let is_flap = before.is_some_and(|before| now.since(before) < PROBE_FLAP_MS);
            self.flaps = self.flaps.saturating_add(u32::from(is_flap));
        }
        self.next_probe(now, transport)
    }

    /// Whether getting through by `transport` says something of this network: short polls are a choice.
    pub(crate) fn is_telling(&self, transport: Transport) -> bool {
        transport != Transport::LongPoll || !self.poll_policy.is_short()
    }

    /// When to look for something better than `transport` after one that began `now`: soon at first, then at growing intervals, and rarely
    /// where a better one was lost again soon after each move.
    pub(crate) fn next_probe(&mut self, now: Time, transport: Transport) -> Option<Time> {
        self.better(transport)?;
        // They take turns, so that each has its own within the interval.
        let turns = u64::try_from(self.all_better(transport).len()).unwrap_or(1);
        let turns = turns.max(1);
        let ms = if self.flaps > 0 {
            PROBE_AFTER_MS_MAX << self.flaps.min(4)
        } else {
            (PROBE_AFTER_MS << self.probes.min(4)).min(PROBE_AFTER_MS_MAX / turns)
        };
        Some(now.plus(ms.min(PROBE_FLAPPED_MS_MAX)))
    }

    /// What a look for something better tries: each better one in turn.
    pub(crate) fn probe(&mut self, transport: Transport) -> Option<Transport> {
        let better = self.better(transport);
        self.probes = self.probes.saturating_add(1);
        better
    }

    /// Those before it in order. What is set aside has one alone that stands in for it.
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

    /// The connection is gone.
    pub(crate) fn lost(&mut self, now: Time) {
        let Some(moved_up) = self.moved_up.take() else {
            return;
        };
        self.flaps = if now.since(moved_up) < PROBE_FLAP_MS {
            self.flaps.saturating_add(1)
        } else {
            0
        };
    }

    /// Whether one is before the other in order.
    pub(crate) fn prefers(&self, one: Transport, other: Transport) -> bool {
        self.all_better(other).contains(&one)
    }

    /// Whether nothing better is known, or wanted.
    pub(crate) fn is_best(&self, transport: Transport) -> bool {
        self.poll_policy.is_quiet() || self.served().next() == Some(transport)
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
    fn a_better_transport_is_looked_for_within_30_s_and_rarely_where_it_flaps() {
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
    fn looks_go_to_each_better_transport_in_turn() {
        let mut n = negotiation(None);
        n.connected(Time(0), LongPoll, false);
        let looks: Vec<_> = (0..4).map(|_| n.probe(LongPoll).unwrap()).collect();
        assert_eq!(looks, [WebSocket, EventSource, WebSocket, EventSource]);
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
