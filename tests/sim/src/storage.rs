//! Models the browser's storage, as src/web/store implements it. A request succeeds as a whole or
//! changes nothing, and no number is assigned twice.
//!
//! All clients of a browser share it. The caller injects failures and removals.

use std::collections::BTreeMap;

use longhaul::ids::RowNo;
use longhaul::{
    Batch, DeadLetter, LoadQuery, NewRow, Outcome, RowOutcome, RowUpdate, SavedRow, StoreAnswer,
    StoreRequest, StoredRow, Until,
};

/// A row and its payload.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The row as the core sees it.
    pub row: StoredRow,
    /// The payload. It also identifies the call, because no two calls have the same payload.
    pub payload: String,
    key: Option<Box<str>>,
}

/// One partition.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    producer: Option<String>,
    formers: Vec<String>,
    last: RowNo,
    rows: BTreeMap<RowNo, Kept>,
    verdicts: BTreeMap<RowNo, (Outcome, String)>,
    letters: BTreeMap<RowNo, (Kept, Outcome)>,
}

/// An answer, and the payloads of the rows that it is about.
pub type Answered = (StoreAnswer, Vec<(RowNo, String)>);

impl Storage {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Kept> {
        self.rows.values()
    }

    /// The dead letters: payload and reason.
    pub fn letters(&self) -> impl Iterator<Item = (&Kept, &Outcome)> {
        self.letters.values().map(|(kept, outcome)| (kept, outcome))
    }

    /// Removes all rows and dead letters. Returns the highest number among them.
    pub fn wipe(&mut self) -> RowNo {
        let rows = std::mem::take(&mut self.rows).into_keys();
        let letters = std::mem::take(&mut self.letters).into_keys();
        rows.chain(letters).max().unwrap_or_default()
    }

    /// Executes a request. `producer` names a new partition, and `payload` returns the payload of a
    /// call.
    pub fn answer(
        &mut self,
        request: &StoreRequest,
        producer: &str,
        payload: impl Fn(u32) -> String,
    ) -> Answered {
        match request {
            StoreRequest::Open => {
                let producer = self.producer.get_or_insert_with(|| producer.to_owned());
                let opened = StoreAnswer::Opened {
                    producer: producer.clone(),
                    rows: u64::try_from(self.rows.len()).unwrap_or(u64::MAX),
                    bytes: self.rows.values().map(|kept| kept.row.bytes).sum(),
                    formers: self.formers.clone(),
                };
                (opened, Vec::new())
            }
            StoreRequest::Commit(batch) => self.commit(batch, payload),
            StoreRequest::Load(look) => self.load(look),
            StoreRequest::Rename { from, to } => {
                if self.producer.as_ref() == Some(from) {
                    self.producer = Some(to.clone());
                    self.formers.push(from.clone());
                }
                let producer = self.producer.clone().unwrap_or_default();
                (StoreAnswer::Renamed { producer }, Vec::new())
            }
        }
    }

    fn commit(&mut self, batch: &Batch, payload: impl Fn(u32) -> String) -> Answered {
        let mut restored = Vec::new();
        let saved = batch.saves.iter();
        let saved = saved
            .map(|save| self.save(save, payload(save.request)))
            .collect();
        let mut marked = Vec::new();
        for mark in &batch.updates {
            if let Some(kept) = self.mark(mark) {
                marked.push(kept.row.clone());
                restored.push((mark.n, kept.payload.clone()));
            }
        }
        for ended in &batch.outcomes {
            self.end(ended);
        }
        (
            StoreAnswer::Committed {
                saved,
                updated: marked,
            },
            restored,
        )
    }

    /// Returns the row of an earlier identical call, as far as storage keeps it.
    fn before(&self, payload: &str) -> Option<RowNo> {
        let rows = self.rows.iter().map(|(n, kept)| (n, &kept.payload));
        let letters = self.letters.iter().map(|(n, (kept, _))| (n, &kept.payload));
        let verdicts = self.verdicts.iter().map(|(n, (_, tag))| (n, tag));
        let mut all = rows.chain(letters).chain(verdicts);
        all.find(|(_, tag)| *tag == payload).map(|(n, _)| *n)
    }

    fn save(&mut self, save: &NewRow, payload: String) -> SavedRow {
        let tag = tag(&payload);
        if save.is_repeated
            && let Some(n) = self.before(&payload)
        {
            let was_there = true;
            return SavedRow { n, was_there, tag };
        }
        let takes_place_of = |kept: &&Kept| {
            kept.row.is_replaceable && kept.key == save.key && kept.row.topic == save.topic
        };
        let replaced = self
            .rows
            .values()
            .find(takes_place_of)
            .map(|kept| kept.row.n);
        let n = replaced.unwrap_or_else(|| {
            self.last = self.last.next();
            self.last
        });
        let row = StoredRow {
            n,
            topic: save.topic.clone(),
            kind: save.kind,
            bytes: save.bytes,
            until: save.until,
            is_replaceable: save.key.is_some(),
            is_cancelled: false,
            attempts: 0,
            tag,
        };
        let key = save.key.clone();
        self.rows.insert(n, Kept { row, payload, key });
        let was_there = replaced.is_some();
        SavedRow { n, was_there, tag }
    }

    fn mark(&mut self, mark: &RowUpdate) -> Option<&Kept> {
        let kept = self.rows.get_mut(&mark.n)?;
        kept.row.is_replaceable = false;
        kept.row.is_cancelled |= mark.is_cancelled;
        if let (Until::Left(ms), Some(from)) = (kept.row.until, mark.counts_from_ms) {
            kept.row.until = Until::Hub(from + ms);
        }
        kept.row.attempts = kept.row.attempts.max(mark.attempts);
        Some(kept)
    }

    fn end(&mut self, ended: &RowOutcome) {
        let Some(kept) = self.rows.remove(&ended.n) else {
            return;
        };
        match &ended.outcome {
            Outcome::Dead { code, .. } if code != "discarded" && code != "wiped" => {
                self.letters.insert(ended.n, (kept, ended.outcome.clone()));
            }
            outcome if ended.is_foreign => {
                let verdict = (outcome.clone(), kept.payload);
                self.verdicts.insert(ended.n, verdict);
            }
            Outcome::Dead { .. } | Outcome::Acked { .. } => {}
        }
    }

    fn load(&self, look: &LoadQuery) -> Answered {
        let LoadQuery { after, awaited, .. } = look;
        let later = self.rows.range(after.next()..);
        let kept: Vec<&Kept> = later.map(|(_, kept)| kept).collect();
        let gone = awaited.iter().filter(|n| !self.rows.contains_key(n));
        let ended = gone.map(|n| {
            let dead = self.letters.get(n).map(|(_, outcome)| outcome);
            let kept = self.verdicts.get(n).map(|(outcome, _)| outcome);
            (*n, kept.or(dead).cloned())
        });
        let loaded = StoreAnswer::Loaded {
            producer: self.producer.clone().filter(|_| look.is_whole),
            rows: kept.iter().map(|kept| kept.row.clone()).collect(),
            there: if look.is_whole {
                self.rows.keys().copied().collect()
            } else {
                kept.iter().map(|kept| kept.row.n).collect()
            },
            last: kept.last().map_or(*after, |kept| kept.row.n),
            outcomes: ended.collect(),
            dead_letters: self.letters.values().map(letter).collect(),
        };
        let restored = kept.iter().map(|kept| (kept.row.n, kept.payload.clone()));
        (loaded, restored.collect())
    }
}

/// Hashes a call's payload to its tag: 48 bits of FNV-1a.
fn tag(payload: &str) -> u64 {
    let hash = payload
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    hash & ((1 << 48) - 1)
}

fn letter((kept, outcome): &(Kept, Outcome)) -> DeadLetter {
    let code = match outcome {
        Outcome::Dead { code, .. } => code.clone(),
        Outcome::Acked { .. } => String::new(),
    };
    let StoredRow { n, topic, .. } = kept.row.clone();
    DeadLetter { n, topic, code }
}
