//! A hub, a connection and a client with everything in between in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use longhaul::document::value::{Value, read};
use longhaul::document::{Document, Step};
use longhaul::ids::{Chain, Epoch, RowNo, Seq};
use longhaul::wire::Kind;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::diff::follow;
use crate::{at, change};

/// A hub's log, with every state that it had.
struct Log {
    epoch: u64,
    entries: Vec<(Option<String>, Kind, String)>,
    states: Vec<Value>,
    /// What it knows of the outbox `me`: the place of each row that took effect; none where it was
    /// refused.
    verdicts: BTreeMap<u64, Option<u64>>,
}

impl Log {
    fn new(epoch: u64) -> Self {
        Self {
            epoch,
            entries: Vec::new(),
            states: vec![Value::Null],
            verdicts: BTreeMap::new(),
        }
    }

    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    fn offer(&mut self, id: Option<String>, kind: Kind, text: &str) -> Option<u64> {
        let mut state = self.states.last().unwrap().clone();
        change(kind, text).apply(&mut state).ok()?;
        self.states.push(state);
        self.entries.push((id, kind, text.to_owned()));
        Some(self.head())
    }

    fn publish(&mut self, row: u64, kind: Kind, text: &str) -> Option<u64> {
        if let Some(verdict) = self.verdicts.get(&row) {
            return *verdict;
        }
        let verdict = self.offer(Some(format!("me:{row}")), kind, text);
        self.verdicts.insert(row, verdict);
        verdict
    }
}

/// What is on its way to the client.
enum Record {
    Snapshot(u64, u64, u64, String),
    Entry(u64),
    Checkpoint(u64, u64),
    Verdict(u64, u64, Option<u64>),
}

struct World {
    log: Log,
    document: Document,
    /// Rows without a verdict: number, kind, text.
    rows: VecDeque<(u64, Kind, String)>,
    sent: usize,
    /// All rows that there ever were, those of them whose nack has come, and up to where the last
    /// snapshot had verdicts.
    published: Vec<(u64, Kind, String)>,
    dead: BTreeSet<u64>,
    last: u64,
    inbox: VecDeque<Record>,
    /// Up to where the connection has been given entries.
    given: Option<u64>,
    old_states: BTreeMap<u64, Vec<Value>>,
    /// The page's copy.
    copy: Json,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            log: Log::new(1),
            document: Document::new("me"),
            rows: VecDeque::new(),
            sent: 0,
            published: Vec::new(),
            dead: BTreeSet::new(),
            last: 0,
            inbox: VecDeque::new(),
            given: None,
            old_states: BTreeMap::new(),
            copy: Json::Null,
        };
        world.subscribe(false);
        world
    }

    /// A new connection, or the same one asked again: the hub answers as rule D7 says.
    fn subscribe(&mut self, is_trimmed: bool) {
        let head = self.log.head();
        let after = self
            .document
            .cursor()
            .filter(|cursor| cursor.epoch.0 == self.log.epoch && !is_trimmed);
        let after = after.map(|cursor| cursor.seq.0);
        self.given = Some(after.unwrap_or(head));
        if after.is_none() {
            let last = self.log.verdicts.keys().max().copied().unwrap_or(0);
            let text = self.log.states.last().unwrap().to_json();
            let epoch = self.log.epoch;
            self.inbox
                .push_back(Record::Snapshot(epoch, head, last, text));
        }
    }

    fn reconnect(&mut self, is_trimmed: bool) {
        self.inbox.clear();
        self.sent = 0;
        self.subscribe(is_trimmed);
    }

    fn publish(&mut self, kind: Kind, text: &str) {
        let row = self.published.len() as u64 + 1;
        let change = change(kind, text);
        if self.document.check(&change).is_ok() {
            self.document.publish(RowNo(row), change);
            self.rows.push_back((row, kind, text.to_owned()));
            self.published.push((row, kind, text.to_owned()));
        }
    }

    fn send(&mut self) {
        if let Some((row, kind, text)) = self.rows.get(self.sent).cloned() {
            self.sent += 1;
            let verdict = self.log.publish(row, kind, &text);
            self.inbox
                .push_back(Record::Verdict(row, self.log.epoch, verdict));
        }
    }

    /// The hub writes what is there for the connection.
    fn write(&mut self) {
        let Some(given) = self.given else { return };
        self.inbox
            .extend((given + 1..=self.log.head()).map(Record::Entry));
        self.given = Some(self.log.head());
        let hash = self.log.states.last().unwrap().hash48();
        self.inbox
            .push_back(Record::Checkpoint(self.log.head(), hash));
    }

    fn take(&mut self) {
        let step = match self.inbox.pop_front() {
            None => return,
            Some(Record::Snapshot(epoch, seq, last, text)) => {
                self.last = last;
                self.document.snapshot(at(epoch, seq), RowNo(last), &text)
            }
            Some(Record::Entry(seq)) => {
                let (id, kind, text) = &self.log.entries[seq as usize - 1];
                self.document
                    .change((Seq(seq), Chain(seq)), id.as_deref(), *kind, text)
            }
            Some(Record::Checkpoint(seq, hash)) => self.document.checkpoint(Seq(seq), hash),
            Some(Record::Verdict(row, epoch, verdict)) => {
                self.rows.retain(|(one, ..)| *one != row);
                self.sent = self.sent.saturating_sub(1);
                match verdict {
                    Some(seq) => self.document.acked(RowNo(row), Epoch(epoch), Seq(seq)),
                    None => {
                        self.dead.insert(row);
                        self.document.dead(RowNo(row));
                    }
                }
                Step::Old
            }
        };
        assert_ne!(step, Step::Diverged);
    }

    /// The hub comes back without its memory.
    fn restart(&mut self) {
        let next = self.log.epoch + 1;
        let old = std::mem::replace(&mut self.log, Log::new(next));
        self.old_states.insert(old.epoch, old.states);
        self.reconnect(false);
    }

    /// What is confirmed is a state that the hub had; what is shown is that and what it has not.
    fn check(&mut self, is_one_log: bool) {
        let Some(cursor) = self.document.cursor() else {
            return;
        };
        let states = self
            .old_states
            .get(&cursor.epoch.0)
            .unwrap_or(&self.log.states);
        let confirmed = &states[cursor.seq.0 as usize];
        assert_eq!(self.document.confirmed(), confirmed);
        if !is_one_log {
            return;
        }
        let (mut expected, mut laid) = (confirmed.clone(), 0);
        for (row, kind, text) in &self.published {
            let is_in =
                matches!(self.log.verdicts.get(row), Some(Some(seq)) if *seq <= cursor.seq.0);
            if !is_in && !self.dead.contains(row) && *row > self.last {
                laid += 1;
                let _ = change(*kind, text).apply(&mut expected);
            }
        }
        assert_eq!(self.document.laid(), laid);
        assert_eq!(self.document.value(), &expected);
    }

    /// The page looks.
    fn look(&mut self) {
        if let Some(commands) = self.document.look() {
            follow(&mut self.copy, &commands);
        }
        let copy = read(&self.copy.to_string()).unwrap();
        assert_eq!(&copy, self.document.value());
    }

    fn settle(&mut self) {
        for _ in 0..3 {
            while self.sent < self.rows.len() {
                self.send();
            }
            self.write();
            while !self.inbox.is_empty() {
                self.take();
            }
        }
        let head = self.log.states.last().unwrap();
        assert_eq!((self.document.pending(), self.document.laid()), (0, 0));
        assert_eq!(self.document.value(), head);
        assert_eq!(self.document.confirmed(), head);
        assert!(self.rows.is_empty());
        self.look();
    }
}

fn any_change() -> impl Strategy<Value = (Kind, String)> {
    let key = 0_u8..4;
    prop_oneof![
        (key.clone(), 0_u8..9).prop_map(|(key, n)| (Kind::Merge, format!("{{\"{key}\":{n}}}"))),
        key.clone()
            .prop_map(|key| (Kind::Merge, format!("{{\"{key}\":null}}"))),
        key.clone()
            .prop_map(|key| (Kind::Merge, format!("{{\"{key}\":[]}}"))),
        (key.clone(), 0_u8..9).prop_map(|(key, n)| (
            Kind::Patch,
            format!("[{{\"op\":\"add\",\"path\":\"/{key}/-\",\"value\":{n}}}]")
        )),
        (key.clone(), key.clone()).prop_map(|(a, b)| (
            Kind::Patch,
            format!("[{{\"op\":\"move\",\"from\":\"/{a}\",\"path\":\"/{b}\"}}]")
        )),
        key.prop_map(|key| (
            Kind::Patch,
            format!("[{{\"op\":\"remove\",\"path\":\"/{key}\"}}]")
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn d7_a_document_is_a_state_of_the_hub_plus_what_is_pending_whatever_happens(
        steps in proptest::collection::vec((0_u8..36, any_change()), 1..120),
        has_restarts in any::<bool>(),
    ) {
        let mut world = World::new();
        for (what, (kind, text)) in steps {
            match what {
                0..6 => world.publish(kind, &text),
                6..12 => world.send(),
                12..16 => { world.log.offer(None, kind, &text); }
                16..20 => world.write(),
                20..28 => world.take(),
                28 | 29 => world.reconnect(what == 29),
                30 if has_restarts => world.restart(),
                31..35 => world.look(),
                _ => while !world.inbox.is_empty() {
                    world.take();
                    world.check(!has_restarts);
                },
            }
            world.check(!has_restarts);
        }
        world.settle();
    }
}
