//! Models the documents of a page, as js/src/document.ts does.
//!
//! Passes each record to its document, and shows the oracle the confirmed value after each.

use std::collections::BTreeMap;

use longhaul::Outcome;
use longhaul::document::patch::Change;
use longhaul::document::{Document, Step};
use longhaul::ids::{Chain, Cursor, Epoch, RowNo, Seq, TopicNo};
use longhaul::wire::{DocumentRecord, Kind};

use crate::oracle::PageId;
use crate::page::Watch;

/// A record that waits for the core's decision.
#[derive(Clone, Debug)]
pub enum Coming {
    /// A snapshot.
    Snapshot {
        /// The seq of its last entry.
        seq: Seq,
        /// The chain after that entry.
        chain: Chain,
        /// The last own row with a verdict.
        last: RowNo,
        /// The value as JSON.
        value: String,
    },
    /// One entry.
    Change {
        /// Its seq.
        seq: Seq,
        /// The chain after it.
        chain: Chain,
        /// Its id.
        id: Option<String>,
        /// Patch or merge.
        kind: Kind,
        /// The change as JSON.
        payload: String,
    },
}

struct Followed {
    topic: String,
    document: Document,
}

/// The documents of a page.
#[derive(Default)]
pub struct Documents {
    followed: BTreeMap<TopicNo, Followed>,
    /// Documents that need a snapshot.
    pub diverged: Vec<TopicNo>,
}

impl Documents {
    /// Begins to follow a document.
    pub fn follow(&mut self, no: TopicNo, topic: &str, producer: &str) {
        let followed = Followed {
            topic: topic.to_owned(),
            document: Document::new(producer),
        };
        self.followed.insert(no, followed);
    }

    /// The number of followed documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.followed.len()
    }

    /// Whether the page follows no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followed.is_empty()
    }

    /// Reads a record. None for a checkpoint, which needs no decision of the core.
    #[must_use]
    pub fn read(record: &DocumentRecord<'_>) -> Option<(TopicNo, Coming)> {
        match *record {
            DocumentRecord::Snapshot {
                no,
                seq,
                chain,
                last,
                value,
            } => {
                let value = value.to_owned();
                Some((
                    no,
                    Coming::Snapshot {
                        seq,
                        chain,
                        last,
                        value,
                    },
                ))
            }
            DocumentRecord::Change {
                no,
                seq,
                chain,
                id,
                kind,
                payload,
                ..
            } => {
                let (id, payload) = (id.map(str::to_owned), payload.to_owned());
                Some((
                    no,
                    Coming::Change {
                        seq,
                        chain,
                        id,
                        kind,
                        payload,
                    },
                ))
            }
            DocumentRecord::Checkpoint { .. } => None,
        }
    }

    /// The core has delivered a record.
    pub fn deliver(
        &mut self,
        page: PageId,
        no: TopicNo,
        epoch: Epoch,
        coming: &Coming,
        watch: &mut Watch<'_>,
    ) {
        let Some(followed) = self.followed.get_mut(&no) else {
            return;
        };
        let document = &mut followed.document;
        let step = match coming {
            Coming::Snapshot {
                seq,
                chain,
                last,
                value,
            } => {
                watch.coverage.met("state: snapshot");
                let at = Cursor {
                    epoch,
                    seq: *seq,
                    chain: *chain,
                };
                document.snapshot(at, *last, value)
            }
            Coming::Change {
                seq,
                chain,
                id,
                kind,
                payload,
            } => document.change((*seq, *chain), id.as_deref(), *kind, payload),
        };
        self.stepped(page, no, step, watch);
    }

    /// The hub has sent a checkpoint.
    pub fn checkpoint(
        &mut self,
        page: PageId,
        (no, seq, hash): (TopicNo, Seq, u64),
        watch: &mut Watch<'_>,
    ) {
        if let Some(followed) = self.followed.get_mut(&no) {
            watch.coverage.met("state: checkpoint");
            let step = followed.document.checkpoint(seq, hash);
            self.stepped(page, no, step, watch);
        }
    }

    fn stepped(&mut self, page: PageId, no: TopicNo, step: Step, watch: &mut Watch<'_>) {
        if step == Step::Diverged {
            watch.coverage.met("state: document diverged");
            self.diverged.push(no);
            return;
        }
        if let Some(followed) = self.followed.get(&no)
            && let Some(cursor) = followed.document.cursor()
        {
            let confirmed = followed.document.confirmed().to_json();
            watch
                .oracle
                .confirmed(page, no, &followed.topic, cursor, &confirmed);
        }
    }

    /// Whether a change applies to each visible value of this topic.
    #[must_use]
    pub fn takes(&mut self, topic: &str, kind: Kind, text: &str) -> bool {
        let Ok(change) = read(kind, text) else {
            return false;
        };
        let mut followed = self
            .followed
            .values_mut()
            .filter(|followed| followed.topic == topic);
        followed.all(|followed| followed.document.check(&change).is_ok())
    }

    /// An own change has its row.
    pub fn queued(&mut self, topic: &str, row: RowNo, kind: Kind, text: &str) {
        for followed in self
            .followed
            .values_mut()
            .filter(|followed| followed.topic == topic)
        {
            if let Ok(change) = read(kind, text) {
                followed.document.publish(row, change);
            }
        }
    }

    /// A row has its outcome.
    pub fn settled(&mut self, row: RowNo, outcome: &Outcome) {
        for followed in self.followed.values_mut() {
            match outcome {
                Outcome::Acked { epoch, seq, .. } => followed.document.acked(row, *epoch, *seq),
                Outcome::Dead { .. } => followed.document.dead(row),
            }
        }
    }

    /// Whether every visible value is confirmed.
    #[must_use]
    pub fn is_settled(&mut self) -> bool {
        self.followed.values_mut().all(|followed| {
            followed.document.is_known()
                && followed.document.laid() == 0
                && followed.document.value().to_json() == followed.document.confirmed().to_json()
        })
    }
}

fn read(kind: Kind, text: &str) -> Result<Change, longhaul::document::patch::Fault> {
    match kind {
        Kind::Merge => Change::merge(text),
        Kind::Patch | Kind::Message => Change::patch(text),
    }
}
