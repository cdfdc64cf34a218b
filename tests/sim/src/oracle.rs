//! Checks the invariants of docs/architecture.md over a history.
//!
//! Receives the hub's appended entries, the pages' messages, and the outcome of each publication.
//! Panics at the first violation, with the numbers: a panic is how this program reports a finding.

use std::collections::{BTreeMap, HashMap};

use longhaul::Outcome;
use longhaul::ids::{Cursor, Epoch, From, RowNo, Seq, TopicNo};
use longhaul::wire::public_id::message_id;
use longhaul::wire::{Kind, ResumeFailure};
use serde_json::Value;

use crate::archive::Archive;
use crate::server::WALL_MS;

/// A page's number, never used twice.
pub type PageId = u32;

/// An entry that the hub has appended.
#[derive(Clone, Debug)]
struct Entry {
    payload: String,
    id: Option<String>,
}

/// The next message that a subscription must get.
#[derive(Clone, Debug)]
enum Owed {
    /// The first message is still missing.
    First { from: From },
    /// This message comes next.
    Next { epoch: Epoch, seq: Seq },
    /// The page has learned that the log is another one, which begins at this seq.
    NewEpoch { epoch: Option<Epoch>, seq: Seq },
}

#[derive(Clone, Debug)]
struct Subscription {
    topic: String,
    /// The hub has answered.
    has_begun: bool,
    owed: Owed,
}

#[derive(Clone, Debug)]
struct Row {
    topic: String,
    payload: String,
    outcome: Option<Outcome>,
}

/// The oracle's knowledge.
#[derive(Debug, Default)]
pub struct Oracle {
    logs: HashMap<(String, Epoch), Vec<Entry>>,
    /// The value after each entry of a document's log, by another library than ours.
    documents: HashMap<(String, Epoch), Vec<Value>>,
    /// The position of each page's documents.
    followed: BTreeMap<(PageId, TopicNo), (String, Option<Cursor>)>,
    heads: HashMap<String, (Epoch, Seq)>,
    /// How often a log contains an id.
    ids: HashMap<(Epoch, String), u32>,
    /// The last row number of a producer in a log.
    last_n: HashMap<(Epoch, String), u64>,
    subscriptions: BTreeMap<(PageId, TopicNo), Subscription>,
    rows: BTreeMap<(PageId, RowNo), Row>,
    /// The checks of rows in storage.
    pub archive: Archive,
    /// The number of messages that pages received.
    pub delivered: u64,
}

impl Oracle {
    /// The hub has appended an entry.
    ///
    /// # Panics
    /// If the log has an id twice, or a producer's rows out of order.
    pub fn appended(
        &mut self,
        topic: &str,
        epoch: Epoch,
        seq: Seq,
        (kind, payload): (Kind, &str),
        id: Option<&str>,
    ) {
        self.written(topic, epoch, kind, payload);
        let log = self.logs.entry((topic.to_owned(), epoch)).or_default();
        assert_eq!(
            log.len() as u64 + 1,
            seq.0,
            "I16: a hole in the log of {topic}"
        );
        log.push(Entry {
            payload: payload.to_owned(),
            id: id.map(str::to_owned),
        });
        self.heads.insert(topic.to_owned(), (epoch, seq));
        let Some(id) = id else { return };
        let times = self.ids.entry((epoch, id.to_owned())).or_default();
        *times += 1;
        assert_eq!(*times, 1, "I4: {id} was appended twice to {topic}");
        if let Some((producer, n)) = id
            .rsplit_once(':')
            .and_then(|(p, n)| Some((p, n.parse().ok()?)))
        {
            let last = self.last_n.entry((epoch, producer.to_owned())).or_insert(0);
            assert!(*last < n, "I8: {id} after {last} in {topic}");
            *last = n;
        }
    }

    fn written(&mut self, topic: &str, epoch: Epoch, kind: Kind, payload: &str) {
        if kind == Kind::Message {
            return;
        }
        let document = self
            .documents
            .entry((topic.to_owned(), epoch))
            .or_insert_with(|| vec![Value::Null]);
        let mut value = document.last().cloned().unwrap_or_default();
        let applied = match kind {
            Kind::Patch => serde_json::from_str(payload).is_ok_and(|patch: json_patch::Patch| {
                json_patch::patch(&mut value, &patch).is_ok()
            }),
            _ => serde_json::from_str(payload).is_ok_and(|merge| {
                json_patch::merge(&mut value, &merge);
                true
            }),
        };
        assert!(applied, "D2: {topic} took {payload}, which does not apply");
        document.push(value);
    }

    /// A page follows a document.
    pub fn followed(&mut self, page: PageId, no: TopicNo, topic: &str) {
        self.followed.insert((page, no), (topic.to_owned(), None));
    }

    /// A page has this confirmed value of a document.
    ///
    /// # Panics
    /// If the hub never had that value there.
    pub fn confirmed(&mut self, page: PageId, no: TopicNo, topic: &str, at: Cursor, json: &str) {
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let after = usize::try_from(at.seq.0).unwrap_or(usize::MAX);
        let hubs = self.documents.get(&(topic.to_owned(), at.epoch));
        let wanted = match hubs {
            Some(states) => states.get(after).cloned(),
            None => (after == 0).then_some(Value::Null),
        };
        assert_eq!(
            Some(value),
            wanted,
            "a document that the hub never had: page {page}, {topic} after {}",
            at.seq.0
        );
        if let Some((_, cursor)) = self.followed.get_mut(&(page, no)) {
            *cursor = Some(at);
        }
    }

    fn is_up_to_date(&self, topic: &str, cursor: Option<&Cursor>) -> bool {
        let head = self.heads.get(topic);
        cursor
            .is_some_and(|at| head.is_none_or(|(epoch, seq)| (at.epoch, at.seq) == (*epoch, *seq)))
    }

    /// The hub has lost its memory, so its topics begin anew.
    pub fn hub_forgot(&mut self) {
        self.heads.clear();
        self.archive.has_hub_forgotten = true;
    }

    /// A page has ended, so nothing waits for its subscriptions.
    pub fn page_gone(&mut self, page: PageId) {
        self.subscriptions.retain(|(of, _), _| *of != page);
        self.followed.retain(|(of, _), _| *of != page);
    }

    /// A page subscribes.
    pub fn subscribed(&mut self, page: PageId, no: TopicNo, topic: &str, from: From) {
        let topic = topic.to_owned();
        let owed = Owed::First { from };
        self.subscriptions.insert(
            (page, no),
            Subscription {
                topic,
                has_begun: false,
                owed,
            },
        );
    }

    /// A page unsubscribes.
    pub fn unsubscribed(&mut self, page: PageId, no: TopicNo) {
        self.subscriptions.remove(&(page, no));
    }

    /// A page has learned the epoch of its messages.
    ///
    /// # Panics
    /// If the epoch has changed without a gap (I14).
    pub fn streaming(&mut self, page: PageId, no: TopicNo, epoch: Epoch) {
        let Some(subscription) = self.subscriptions.get_mut(&(page, no)) else {
            return;
        };
        subscription.has_begun = true;
        match &mut subscription.owed {
            Owed::First { .. } => {}
            Owed::Next { epoch: before, .. } => {
                assert_eq!(*before, epoch, "I14: a new epoch came without a word");
            }
            Owed::NewEpoch { epoch: told, seq } => {
                assert!(
                    told.is_none_or(|told| told == epoch),
                    "I14: another epoch than told"
                );
                subscription.owed = Owed::Next { epoch, seq: *seq };
            }
        }
    }

    /// A page has received a gap.
    ///
    /// # Panics
    /// If the gap doesn't begin at the next message.
    pub fn gap(
        &mut self,
        page: PageId,
        no: TopicNo,
        epoch: Epoch,
        first: Seq,
        last: Option<Seq>,
        reason: ResumeFailure,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&(page, no)) else {
            return;
        };
        let after = last.map_or(Seq(1), Seq::next);
        subscription.owed = match (&subscription.owed, last) {
            (Owed::First { from }, _) => {
                if let From::Seq(seq) = from {
                    assert_eq!(*seq, first, "I12: the gap is not where it was asked");
                }
                match last {
                    Some(_) => Owed::Next { epoch, seq: after },
                    None => Owed::First { from: From::Start },
                }
            }
            (Owed::Next { epoch: ours, seq }, _) => {
                assert_eq!(
                    (*ours, *seq),
                    (epoch, first),
                    "I12: a gap ({reason:?}) elsewhere than owed"
                );
                match last {
                    Some(last) => {
                        assert!(last >= first, "I12: an empty gap");
                        Owed::Next { epoch, seq: after }
                    }
                    None => Owed::NewEpoch {
                        epoch: None,
                        seq: Seq(1),
                    },
                }
            }
            (Owed::NewEpoch { epoch: None, .. }, Some(_)) => {
                assert_eq!(first, Seq(1), "I12: a new log's gap begins at 1");
                Owed::NewEpoch {
                    epoch: Some(epoch),
                    seq: after,
                }
            }
            (owed @ Owed::NewEpoch { .. }, _) => panic!("I12: a gap too many: {owed:?}"),
        };
    }

    /// A page has received a message.
    ///
    /// # Panics
    /// If it is not the next one, or differs from the hub's entry (I12, I16).
    pub fn delivered(&mut self, page: PageId, no: TopicNo, epoch: Epoch, seq: Seq, payload: &str) {
        let Some(subscription) = self.subscriptions.get_mut(&(page, no)) else {
            return;
        };
        let topic = subscription.topic.clone();
        match &subscription.owed {
            Owed::First {
                from: From::Seq(first),
            } => {
                assert_eq!(
                    seq, *first,
                    "I12: {topic} does not begin where it was asked"
                );
            }
            Owed::First { .. } => {}
            Owed::Next {
                epoch: ours,
                seq: owed,
            } => {
                assert_eq!(
                    (epoch, seq),
                    (*ours, *owed),
                    "I12: page {page} has {topic} out of order"
                );
            }
            Owed::NewEpoch { .. } => panic!("I14: {topic} {} before its epoch was told", seq.0),
        }
        subscription.owed = Owed::Next {
            epoch,
            seq: seq.next(),
        };
        let log = self.logs.get(&(topic.clone(), epoch));
        let at = usize::try_from(seq.0 - 1).unwrap_or(usize::MAX);
        let entry = log.and_then(|log| log.get(at));
        assert_eq!(
            entry.map(|entry| entry.payload.as_str()),
            Some(payload),
            "I16: {topic} {} is not what the hub has",
            seq.0
        );
        self.delivered += 1;
    }

    /// A page's publication has a row.
    pub fn queued(&mut self, page: PageId, row: RowNo, topic: &str, payload: &str) {
        let row_before = self.rows.insert(
            (page, row),
            Row {
                topic: topic.to_owned(),
                payload: payload.to_owned(),
                outcome: None,
            },
        );
        assert!(
            row_before.is_none_or(|before| before.outcome.is_none()),
            "I3: a settled row was replaced"
        );
    }

    /// A row has its outcome.
    ///
    /// # Panics
    /// If it has one already, or the log contains another entry at that position.
    pub fn settled(&mut self, page: PageId, n: RowNo, id: &str, outcome: Outcome) {
        let row = self.rows.get_mut(&(page, n));
        let Some(row) = row else {
            panic!("I3: row {} was never queued", n.0)
        };
        assert!(row.outcome.is_none(), "I3: row {} has two outcomes", n.0);
        row.outcome = Some(outcome.clone());
        let (topic, payload) = (row.topic.clone(), row.payload.clone());
        self.check(page, (&topic, &payload), id, &outcome);
    }

    /// A page learns the outcome of a stored row, its own or another page's.
    ///
    /// # Panics
    /// If the outcome is wrong, or the page has learned it before.
    pub fn told(
        &mut self,
        now: u64,
        page: PageId,
        (producer, n): (&str, RowNo),
        outcome: &Outcome,
    ) {
        let hub_ms = WALL_MS + now;
        let (topic, payload) = self.archive.settled(page, producer, n, outcome, hub_ms);
        let is_verdict = match outcome {
            Outcome::Acked { .. } => true,
            // A page that wipes or cancels doesn't know which rows are on their way. A hub without
            // memory may still accept them.
            Outcome::Dead { code, .. } => code == "expired",
        };
        if is_verdict {
            let id = message_id(producer, n);
            self.check(page, (&topic, &payload), &id, outcome);
        }
    }

    /// Compares a publication's outcome with the hub's logs.
    fn check(&self, page: PageId, (topic, payload): (&str, &str), id: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Acked { epoch, seq, .. } => {
                let log = self.logs.get(&(topic.to_owned(), *epoch));
                let at = usize::try_from(seq.0 - 1).unwrap_or(usize::MAX);
                let entry = log.and_then(|log| log.get(at));
                let there = entry.and_then(|entry| entry.id.as_deref());
                assert_eq!(there, Some(id), "I6: acked where another one stands");
                let body = entry.map(|entry| entry.payload.as_str());
                assert_eq!(body, Some(payload), "I2: acked with another body");
            }
            // A publication on its way may still arrive.
            Outcome::Dead { code, .. } if code == "wiped" => {}
            Outcome::Dead { .. } => {
                // Only the current log counts, because a hub without memory may nack what it has
                // acked before.
                if let Some((epoch, _)) = self.heads.get(topic) {
                    assert!(
                        !self.ids.contains_key(&(*epoch, id.to_owned())),
                        "I16: {id} of page {page} is a dead letter and took effect"
                    );
                }
            }
        }
    }

    /// Whether every page has all of its messages.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        let mut followed = self.followed.values();
        followed.all(|(topic, at)| self.is_up_to_date(topic, at.as_ref()))
            && self.subscriptions.values().all(|subscription| {
                let head = self.heads.get(&subscription.topic);
                match (&subscription.owed, head) {
                    (Owed::First { .. }, _) | (_, None) => subscription.has_begun,
                    (Owed::Next { epoch, seq }, Some((ours, head))) => {
                        (epoch, *seq) == (ours, head.next())
                    }
                    (Owed::NewEpoch { .. }, _) => false,
                }
            })
    }

    /// Checks the end of a history, when all pages are connected and nothing happens any more.
    ///
    /// # Panics
    /// If a page misses a message, or a publication has no outcome.
    pub fn check_end(&self, live: &[PageId]) {
        for ((page, no), subscription) in &self.subscriptions {
            assert!(
                subscription.has_begun,
                "liveness: subscription {} of page {page} never began",
                no.0
            );
            let Some((epoch, head)) = self.heads.get(&subscription.topic) else {
                continue;
            };
            match &subscription.owed {
                Owed::First { .. } => {}
                Owed::Next { epoch: ours, seq } => assert_eq!(
                    (*ours, *seq),
                    (*epoch, head.next()),
                    "liveness: page {page} ({}) is behind in {}",
                    no.0,
                    subscription.topic
                ),
                Owed::NewEpoch { .. } => panic!("liveness: page {page} awaits an epoch"),
            }
        }
        for ((page, no), (topic, at)) in &self.followed {
            assert!(
                self.is_up_to_date(topic, at.as_ref()),
                "liveness: page {page}'s document {topic} ({}) stands at {at:?}",
                no.0
            );
        }
        self.archive.check_end(live);
        for ((page, n), row) in &self.rows {
            let is_live = live.contains(page);
            assert!(
                !is_live || row.outcome.is_some(),
                "I16: row {} of page {page} has no outcome",
                n.0
            );
            if let Some(Outcome::Dead { code, .. }) = &row.outcome {
                let is_refused = row.topic.starts_with("d/") && code == "patch_failed";
                assert!(
                    matches!(code.as_str(), "expired" | "wiped") || is_refused,
                    "I16: row {} of page {page} is dead: {code}",
                    n.0
                );
            }
        }
    }
}
