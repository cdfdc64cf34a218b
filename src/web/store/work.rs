//! What a task does inside its transaction: it reads what it must know, decides, and writes all at
//! once. Nothing else is waited for.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::IdbTransaction;

use super::batch_record::BatchRecord;
use super::request::{Aborted, Answers, Request, after, ask, finish};
use super::row::{self, RowRecord};
use super::{DOCUMENTS, Done, KEYS, LETTERS, PACKS, PARTITIONS, ROWS, Store, Task, VERDICTS};
use crate::ids::{NUMBER_MAX, RowNo};
use crate::interface::storage::{LoadQuery, StoreAnswer, StoreRequest};

/// Where a partition has the producers that it had before, with spaces between them
/// (js/src/rows.ts).
const FORMERS: u32 = 6;

impl Store {
    pub(super) async fn work(&self, tx: &IdbTransaction, task: &Task) -> Result<Done, Aborted> {
        match task {
            Task::Core(StoreRequest::Commit(batch), rows) => {
                self.commit(tx, batch, rows).await.map(Done::Answer)
            }
            Task::Core(StoreRequest::Load(look), _) => self.load(tx, look).await.map(Done::Answer),
            Task::Core(StoreRequest::Rename { from, to }, _) => {
                self.rename(tx, from, to).await.map(Done::Answer)
            }
            _ => {
                let found = ask(tx, self.reads(task)).await?;
                let (writes, done) = self.decide(task, found);
                if writes.is_empty() {
                    return Ok(done);
                }
                let renews = matches!(task, Task::TakeLetter { .. });
                let mut answers = finish(tx, writes).await?;
                if renews && let Done::Value(taken) = &done {
                    let n = answers.result().unwrap_or_default();
                    taken.unchecked_ref::<Array>().set(0, n);
                }
                Ok(done)
            }
        }
    }

    /// What must be known before anything is decided.
    fn reads(&self, task: &Task) -> Vec<Request> {
        let all = JsValue::UNDEFINED;
        match task {
            Task::Core(..) => vec![
                Request::Values(PARTITIONS, self.partition().into()),
                Request::Values(ROWS, all.clone()),
                Request::Values(PACKS, all),
            ],
            Task::Read { are_letters: true } => entries(LETTERS, &all),
            Task::Read { are_letters: false } => stored_rows(&all),
            Task::TakeLetter { n, .. } => vec![Request::Values(LETTERS, key_of(*n))],
            Task::Wipe => {
                let mut reads = entries(ROWS, &all);
                reads.extend(entries(PACKS, &all));
                reads.extend(entries(LETTERS, &all));
                reads
            }
            Task::Keep { .. } => Vec::new(),
            Task::Kept { topic } => vec![Request::Values(DOCUMENTS, self.document(topic))],
            Task::Partitions => {
                let mut reads = entries(PARTITIONS, &all);
                reads.push(Request::Values(ROWS, all.clone()));
                reads.push(Request::Values(PACKS, all));
                reads
            }
        }
    }

    fn decide(&self, task: &Task, mut found: Answers) -> (Vec<Request>, Done) {
        let mut writes = Vec::new();
        let value = match task {
            Task::Core(..) => {
                let answer = self.enter(found, &mut writes);
                return (writes, Done::Answer(answer));
            }
            Task::Read { are_letters } => {
                let rows = if *are_letters {
                    records(&mut found)
                } else {
                    self.rows(&mut found)
                };
                let own = Array::new();
                for (n, row) in rows {
                    if let Some(row) = row
                        && row.is_of(self.partition())
                    {
                        own.push(&Array::of2(&key_of(n), row.value()));
                    }
                }
                own.into()
            }
            Task::TakeLetter { n, is_wanted } => match found.one().map(RowRecord::from) {
                None => JsValue::UNDEFINED,
                Some(row) => {
                    if *is_wanted {
                        row.renew();
                        writes.push(Request::Add(ROWS, row.value().clone()));
                    }
                    writes.push(Request::Delete(LETTERS, key_of(*n)));
                    Array::of2(&0.into(), &(row.bytes() as f64).into()).into()
                }
            },
            Task::Wipe => {
                let last = self.wipe(found, &mut writes);
                key_of(last)
            }
            Task::Keep { topic, document } => {
                let key = self.document(topic);
                writes.push(match document {
                    Some(document) => {
                        let kept = Array::of1(self.partition()).concat(document);
                        Request::Put(DOCUMENTS, kept.into(), key)
                    }
                    None => Request::Delete(DOCUMENTS, key),
                });
                JsValue::TRUE
            }
            Task::Kept { .. } => found.one().unwrap_or_default(),
            Task::Partitions => partitions(found).into(),
        };
        (writes, Done::Value(value))
    }

    /// The partition's producer, made with it; and how much it holds.
    fn enter(&self, mut found: Answers, writes: &mut Vec<Request>) -> StoreAnswer {
        let before = found.one();
        let fresh = JsValue::from(self.host().partition(before.as_ref()));
        // Where there is no room any more, what is there can still be sent.
        if before.as_ref() != Some(&fresh) {
            let key = self.partition().into();
            writes.push(Request::Put(PARTITIONS, fresh.clone(), key));
        }
        let partition = fresh.unchecked_ref::<Array>();
        let producer = partition.get(0);
        let formers = partition.get(FORMERS).as_string().unwrap_or_default();
        let (mut rows, mut bytes) = (0, 0);
        for row in values(&mut found) {
            if row.is_of(self.partition()) {
                rows += 1;
                bytes += row.bytes();
            }
        }
        self.packs.opened(producer.clone());
        StoreAnswer::Opened {
            producer: producer.as_string().unwrap_or_default(),
            rows,
            bytes,
            formers: formers.split(' ').map(str::to_owned).collect(),
        }
    }

    /// Gives the partition another producer, unless it has another one already.
    async fn rename(
        &self,
        tx: &IdbTransaction,
        from: &str,
        to: &str,
    ) -> Result<StoreAnswer, Aborted> {
        let key: JsValue = self.partition().into();
        let found = ask(tx, vec![Request::Values(PARTITIONS, key.clone())])
            .await?
            .one();
        let partition: Array = found.ok_or(Aborted)?.unchecked_into();
        let producer = partition.get(0).as_string().unwrap_or_default();
        if producer != from {
            return Ok(StoreAnswer::Renamed { producer });
        }
        let formers = partition.get(FORMERS).as_string().unwrap_or_default();
        partition.set(0, to.into());
        partition.set(FORMERS, format!("{formers} {from}").into());
        finish(tx, vec![Request::Put(PARTITIONS, partition.into(), key)]).await?;
        Ok(StoreAnswer::Renamed {
            producer: to.to_owned(),
        })
    }

    async fn load(&self, tx: &IdbTransaction, look: &LoadQuery) -> Result<StoreAnswer, Aborted> {
        let known = key_of(look.after);
        let later = after(&known);
        let keys = if look.is_whole {
            JsValue::UNDEFINED
        } else {
            later.clone()
        };
        let mut reads = vec![
            Request::Keys(ROWS, keys.clone()),
            Request::Values(ROWS, later),
        ];
        reads.extend(entries(PACKS, &keys));
        if look.with_dead_letters {
            reads.extend(entries(LETTERS, &JsValue::UNDEFINED));
        }
        if look.is_whole {
            reads.push(Request::Values(PARTITIONS, self.partition().into()));
        }
        let mut found = ask(tx, reads).await?;
        let keys = found.next();
        let mut values = found.next().into_iter();
        let mut singles = Vec::new();
        for key in keys.iter() {
            let n = number(&key);
            let is_new = n > look.after;
            let value = is_new.then(|| values.next()).flatten();
            singles.push((n, value.map(RowRecord::from)));
        }
        if look.is_whole {
            self.packs.forget();
        }
        let (keys, packs) = (found.next(), found.next());
        let all = merged(singles, self.packs.unpack(&keys, &packs));
        let there: Vec<RowNo> = all.iter().map(|(n, _)| *n).collect();
        let named = if look.with_dead_letters {
            records(&mut found)
        } else {
            Vec::new()
        };
        let partition = if look.is_whole { found.one() } else { None };
        let producer = partition.and_then(|it| it.unchecked_into::<Array>().get(0).as_string());
        let is_there = |n: &RowNo| there.binary_search(n).is_ok();
        let gone: Vec<RowNo> = look
            .awaited
            .iter()
            .copied()
            .filter(|n| !is_there(n))
            .collect();
        let mut ends = Vec::new();
        for n in &gone {
            ends.extend([VERDICTS, LETTERS].map(|table| Request::Values(table, key_of(*n))));
        }
        let mut ends = ask(tx, ends).await?;
        let mut ended = Vec::new();
        for n in gone {
            let acked = ends.one().map(row::outcome);
            let dead = ends.one().map(|letter| RowRecord::from(letter).dead());
            ended.push((n, acked.or(dead)));
        }
        let mut rows = Vec::new();
        for (n, row) in all {
            if n > look.after
                && let Some(row) = row
                && row.is_of(self.partition())
            {
                rows.push(row.stored(n));
                self.host().restored(n.0 as f64, row.value());
            }
        }
        let mut dead = Vec::new();
        for (n, letter) in named {
            if let Some(letter) = letter
                && letter.is_of(self.partition())
            {
                dead.push(letter.named(n));
            }
        }
        Ok(StoreAnswer::Loaded {
            producer,
            rows,
            last: there.last().copied().unwrap_or(look.after),
            there,
            outcomes: ended,
            dead_letters: dead,
        })
    }

    /// Gives the last row that goes.
    fn wipe(&self, mut found: Answers, writes: &mut Vec<Request>) -> RowNo {
        let mut last = RowNo(0);
        let rows = records(&mut found);
        let (keys, packs) = (found.next(), found.next());
        for (table, rows) in [(ROWS, rows), (LETTERS, records(&mut found))] {
            for (n, row) in rows {
                if row.is_some_and(|row| row.is_of(self.partition())) {
                    last = last.max(n);
                    writes.push(Request::Delete(table, key_of(n)));
                }
            }
        }
        for (key, pack) in keys.iter().zip(packs.iter()) {
            let mut rows = BatchRecord::new(number(&key), pack).into_rows();
            if rows
                .next()
                .is_some_and(|(_, row)| row.is_of(self.partition()))
            {
                last = last.max(number(&key));
                writes.push(Request::Delete(PACKS, key));
            }
        }
        let all = self.keys();
        writes.extend([KEYS, DOCUMENTS].map(|table| Request::Delete(table, all.clone())));
        last
    }

    /// Rows in the order of their numbers, of the answers to `stored_rows`.
    pub(super) fn rows(&self, found: &mut Answers) -> Vec<FoundRow> {
        let singles = records(found);
        let (keys, packs) = (found.next(), found.next());
        merged(singles, self.packs.unpack(&keys, &packs))
    }

    fn document(&self, topic: &str) -> JsValue {
        Array::of2(self.partition(), &topic.into()).into()
    }
}

/// Keys and values.
pub(super) fn entries(table: &'static str, range: &JsValue) -> Vec<Request> {
    vec![
        Request::Keys(table, range.clone()),
        Request::Values(table, range.clone()),
    ]
}

pub(super) fn stored_rows(range: &JsValue) -> Vec<Request> {
    let mut reads = entries(ROWS, range);
    reads.extend(entries(PACKS, range));
    reads
}

/// A row or dead letter, which may not have been read.
pub(super) type FoundRow = (RowNo, Option<RowRecord>);

/// Those that have a record each, of keys and values.
pub(super) fn records(found: &mut Answers) -> Vec<FoundRow> {
    let (keys, values) = (found.next(), found.next());
    let rows = values.into_iter().map(|value| Some(RowRecord::from(value)));
    keys.iter().map(|key| number(&key)).zip(rows).collect()
}

/// In the order of their numbers, as each of the two is.
fn merged(singles: Vec<FoundRow>, packed: Vec<FoundRow>) -> Vec<FoundRow> {
    let mut rows = Vec::with_capacity(singles.len() + packed.len());
    let mut packed = packed.into_iter().peekable();
    for single in singles {
        while let Some(before) = packed.next_if(|(n, _)| *n < single.0) {
            rows.push(before);
        }
        rows.push(single);
    }
    rows.extend(packed);
    rows
}

/// All rows, of the values of both tables.
fn values(found: &mut Answers) -> Vec<RowRecord> {
    let mut rows: Vec<RowRecord> = found.next().iter().map(RowRecord::from).collect();
    for pack in found.next().iter() {
        let rows_of_pack = BatchRecord::new(RowNo(0), pack).into_rows();
        rows.extend(rows_of_pack.map(|(_, row)| row));
    }
    rows
}

/// Those that have rows.
fn partitions(mut found: Answers) -> Array {
    let (names, partitions) = (found.next(), found.next());
    let rows = values(&mut found);
    let waiting = Array::new();
    for (name, partition) in names.iter().zip(partitions.iter()) {
        if rows.iter().any(|row| row.is_of(name.unchecked_ref())) {
            waiting.push(&partition);
        }
    }
    waiting
}

pub(super) fn key_of(n: RowNo) -> JsValue {
    (n.0 as f64).into()
}

pub(super) fn number(key: &JsValue) -> RowNo {
    RowNo((key.as_f64().unwrap_or_default() as u64).min(NUMBER_MAX))
}
