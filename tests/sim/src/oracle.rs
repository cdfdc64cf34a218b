//! What must hold over a history, whatever happens (the invariants of docs/architecture.md).
//!
//! Sees what the hub has appended, what pages were given, and what became of each publication.
//! Panics at the first thing that must not be, with the numbers: a panic is this program's way of
//! saying that it has found something.

use std::collections::{BTreeMap, HashMap};

use longhaul::Outcome;
use longhaul::ids::{Cursor, Epoch, From, RowNo, Seq, TopicNo};
use longhaul::wire::public_id::message_id;
use longhaul::wire::{Kind, ResumeFailure};
use serde_json::Value;

use crate::archive::Archive;
use crate::server::WALL_MS;

/// One page of one incarnation.
pub type PageId = u32;

/// An entry that the hub has appended.
#[derive(Clone, Debug)]
struct Entry {
    payload: String,
    id: Option<String>,
}

/// What a subscription is owed next.
#[derive(Clone, Debug)]
enum Owed {
    /// Nothing has come yet.
    First { from: From },
    /// This one.
    Next { epoch: Epoch, seq: Seq },
    /// The log is another one, and the page was told; it begins where it says.
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

/// What the oracle knows.
#[derive(Debug, Default)]
pub struct Oracle {
    logs: HashMap<(String, Epoch), Vec<Entry>>,
    /// A document after each entry of its log, by another library than ours.
    documents: HashMap<(String, Epoch), Vec<Value>>,
    /// Where each page's documents stand.
    followed: BTreeMap<(PageId, TopicNo), (String, Option<Cursor>)>,
    heads: HashMap<String, (Epoch, Seq)>,
    /// How often an id stands in one log.
    ids: HashMap<(Epoch, String), u32>,
    /// The last n of a producer in one log.
    last_n: HashMap<(Epoch, String), u64>,
    subscriptions: BTreeMap<(PageId, TopicNo), Subscription>,
    rows: BTreeMap<(PageId, RowNo), Row>,
    /// What must hold of rows in storage.
    pub archive: Archive,
    /// What the hub had of each epoch when it died: acks of before stay true.
    pub delivered: u64,
}

impl Oracle {
    /// The hub has appended this.
    ///
    /// # Panics
    /// If it has an id twice, or a producer's rows out of order.
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

    /// A page holds this of a document as confirmed.
    ///
    /// # Panics
    /// If the hub never had it there.
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

    /// The hub's topics are new ones from now on.
    pub fn hub_forgot(&mut self) {
        self.heads.clear();
        self.archive.has_hub_forgotten = true;
    }

    /// A page is gone: what it waited for is nobody's any more.
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

    /// A page stops.
    pub fn unsubscribed(&mut self, page: PageId, no: TopicNo) {
        self.subscriptions.remove(&(page, no));
    }

    /// A page was told which log its messages are of.
    ///
    /// # Panics
    /// If that is another one than before and it was not told of the change first (I14).
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

    /// A page was told what it cannot have.
    ///
    /// # Panics
    /// If the range is not exactly what it was owed.
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

    /// A page was given a message.
    ///
    /// # Panics
    /// If it is not the one that it was owed, or not what the hub had appended (I12, I16).
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
    /// If it has one already, or was said to stand where it does not.
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

    /// A page is told what became of a row in storage, of whomever.
    ///
    /// # Panics
    /// If that is not so, or it was told before.
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
            // Who wipes or gives up does not know what is on its way, and a hub that has forgotten
            // everything may take it after all.
            Outcome::Dead { code, .. } => code == "expired",
        };
        if is_verdict {
            let id = message_id(producer, n);
            self.check(page, (&topic, &payload), &id, outcome);
        }
    }

    /// What a page is told of a publication is what the hub's logs say.
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
            // What is on its way may still arrive.
            Outcome::Dead { code, .. } if code == "wiped" => {}
            Outcome::Dead { .. } => {
                // In the log that there is: a hub that has forgotten everything may well say no
                // where it once said yes.
                if let Some((epoch, _)) = self.heads.get(topic) {
                    assert!(
                        !self.ids.contains_key(&(*epoch, id.to_owned())),
                        "I16: {id} of page {page} is a dead letter and took effect"
                    );
                }
            }
        }
    }

    /// Whether every page has all that it is owed.
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

    /// The end: all pages are connected and quiet.
    ///
    /// # Panics
    /// If a page has not all that it is owed, or a publication has no outcome, or two.
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
