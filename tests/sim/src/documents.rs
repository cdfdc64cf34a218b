//! The documents of a page: what js/src/document.ts does around them.
//!
//! Hands each record to its document, and shows the oracle what is confirmed after each.

use std::collections::BTreeMap;

use longhaul::Outcome;
use longhaul::document::patch::Change;
use longhaul::document::{Document, Step};
use longhaul::ids::{Chain, Cursor, Epoch, RowNo, Seq, TopicNo};
use longhaul::wire::{DocumentRecord, Kind};

use crate::oracle::PageId;
use crate::page::Watch;

/// A record that waits for the core's word.
#[derive(Clone, Debug)]
pub enum Coming {
    /// The whole value.
    Snapshot {
        /// After which entry.
        seq: Seq,
        /// The chain there.
        chain: Chain,
        /// The last own row with a verdict.
        last: RowNo,
        /// JSON.
        value: String,
    },
    /// One entry.
    Change {
        /// Which.
        seq: Seq,
        /// The chain after it.
        chain: Chain,
        /// Its id.
        id: Option<String>,
        /// Patch or merge.
        kind: Kind,
        /// JSON.
        payload: String,
    },
}

struct Followed {
    topic: String,
    document: Document,
}

/// See the module.
#[derive(Default)]
pub struct Documents {
    sheets: BTreeMap<TopicNo, Followed>,
    /// Documents that must be asked for anew.
    pub diverged: Vec<TopicNo>,
}

impl Documents {
    /// A document is followed.
    pub fn follow(&mut self, no: TopicNo, topic: &str, producer: &str) {
        let sheet = Followed {
            topic: topic.to_owned(),
            document: Document::new(producer),
        };
        self.sheets.insert(no, sheet);
    }

    /// How many are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sheets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sheets.is_empty()
    }

    /// Reads a record, but for a checkpoint, which needs no word of the core.
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

    /// The core has let a record through.
    pub fn deliver(
        &mut self,
        page: PageId,
        no: TopicNo,
        epoch: Epoch,
        coming: &Coming,
        watch: &mut Watch<'_>,
    ) {
        let Some(sheet) = self.sheets.get_mut(&no) else {
            return;
        };
        let document = &mut sheet.document;
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

    /// The hub has said what the document hashes to.
    pub fn checkpoint(
        &mut self,
        page: PageId,
        (no, seq, hash): (TopicNo, Seq, u64),
        watch: &mut Watch<'_>,
    ) {
        if let Some(sheet) = self.sheets.get_mut(&no) {
            watch.coverage.met("state: checkpoint");
            let step = sheet.document.checkpoint(seq, hash);
            self.stepped(page, no, step, watch);
        }
    }

    fn stepped(&mut self, page: PageId, no: TopicNo, step: Step, watch: &mut Watch<'_>) {
        if step == Step::Diverged {
            watch.coverage.met("state: document diverged");
            self.diverged.push(no);
            return;
        }
        if let Some(sheet) = self.sheets.get(&no)
            && let Some(cursor) = sheet.document.cursor()
        {
            let confirmed = sheet.document.confirmed().to_json();
            watch
                .oracle
                .confirmed(page, no, &sheet.topic, cursor, &confirmed);
        }
    }

    /// Whether a change can be made to what is shown, wherever it is.
    #[must_use]
    pub fn takes(&mut self, topic: &str, kind: Kind, text: &str) -> bool {
        let Ok(change) = read(kind, text) else {
            return false;
        };
        let mut sheets = self
            .sheets
            .values_mut()
            .filter(|sheet| sheet.topic == topic);
        sheets.all(|sheet| sheet.document.check(&change).is_ok())
    }

    /// An own change has its row.
    pub fn queued(&mut self, topic: &str, row: RowNo, kind: Kind, text: &str) {
        for sheet in self
            .sheets
            .values_mut()
            .filter(|sheet| sheet.topic == topic)
        {
            if let Ok(change) = read(kind, text) {
                sheet.document.publish(row, change);
            }
        }
    }

    /// A row has its outcome.
    pub fn settled(&mut self, row: RowNo, outcome: &Outcome) {
        for sheet in self.sheets.values_mut() {
            match outcome {
                Outcome::Acked { epoch, seq, .. } => sheet.document.acked(row, *epoch, *seq),
                Outcome::Dead { .. } => sheet.document.dead(row),
            }
        }
    }

    /// Whether all is confirmed that is shown.
    #[must_use]
    pub fn is_settled(&mut self) -> bool {
        self.sheets.values_mut().all(|sheet| {
            sheet.document.is_known()
                && sheet.document.laid() == 0
                && sheet.document.value().to_json() == sheet.document.confirmed().to_json()
        })
    }
}

fn read(kind: Kind, text: &str) -> Result<Change, longhaul::document::patch::Fault> {
    match kind {
        Kind::Merge => Change::merge(text),
        Kind::Patch | Kind::Message => Change::patch(text),
    }
}
