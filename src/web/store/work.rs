//! The steps of a task inside its transaction. It reads, decides, and writes everything at once.
//!
//! A task awaits only requests of its own transaction, because a transaction without a pending
//! request commits.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::IdbTransaction;

use super::batch_record::BatchRecord;
use super::request::{Aborted, Answers, Request, after, ask, finish};
use super::row::{self, FoundRow, RowRecord, key_of, number};
use super::{
    BATCHES, DEAD_LETTERS, DOCUMENTS, Done, KEYS, PARTITIONS, ROWS, Store, Task, VERDICTS,
};
use crate::ids::RowNo;
use crate::interface::storage::{LoadQuery, StoreAnswer, StoreRequest};

/// The index of a partition's former producers, which spaces separate (js/src/rows.ts).
const FORMERS: u32 = 6;

impl Store {
    pub(super) async fn work(&self, tx: &IdbTransaction, task: &Task) -> Result<Done, Aborted> {
        match task {
            Task::Core(StoreRequest::Commit(batch), rows) => {
                self.commit(tx, batch, rows).await.map(Done::Answer)
            }
            Task::Core(StoreRequest::Load(query), _) => {
                self.load(tx, query).await.map(Done::Answer)
            }
            Task::Core(StoreRequest::Rename { from, to }, _) => {
                self.rename(tx, from, to).await.map(Done::Answer)
            }
            _ => {
                let found = ask(tx, self.reads(task)).await?;
                let (writes, done) = self.decide(task, found);
                if writes.is_empty() {
                    return Ok(done);
                }
                let is_taking = matches!(task, Task::TakeDeadLetter { .. });
                let mut answers = finish(tx, writes).await?;
                if is_taking && let Done::Value(taken) = &done {
                    let n = answers.result().unwrap_or_default();
                    taken.unchecked_ref::<Array>().set(0, n);
                }
                Ok(done)
            }
        }
    }

    /// The reads that `decide` needs.
    fn reads(&self, task: &Task) -> Vec<Request> {
        let all = JsValue::UNDEFINED;
        match task {
            Task::Core(..) => vec![
                Request::Values(PARTITIONS, self.partition().into()),
                Request::Values(ROWS, all.clone()),
                Request::Values(BATCHES, all),
            ],
            Task::Read {
                are_dead_letters: true,
            } => entries(DEAD_LETTERS, &all),
            Task::Read {
                are_dead_letters: false,
            } => stored_rows(&all),
            Task::TakeDeadLetter { n, .. } => vec![Request::Values(DEAD_LETTERS, key_of(*n))],
            Task::Wipe => {
                let mut reads = entries(ROWS, &all);
                reads.extend(entries(BATCHES, &all));
                reads.extend(entries(DEAD_LETTERS, &all));
                reads
            }
            Task::Keep { .. } => Vec::new(),
            Task::Kept { topic } => vec![Request::Values(DOCUMENTS, self.document(topic))],
            Task::Partitions => {
                let mut reads = entries(PARTITIONS, &all);
                reads.push(Request::Values(ROWS, all.clone()));
                reads.push(Request::Values(BATCHES, all));
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
            Task::Read { are_dead_letters } => {
                let rows = if *are_dead_letters {
                    read_single_rows(&mut found)
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
            Task::TakeDeadLetter { n, is_wanted } => match found.one().map(RowRecord::from) {
                None => JsValue::UNDEFINED,
                Some(row) => {
                    if *is_wanted {
                        row.renew();
                        writes.push(Request::Add(ROWS, row.value().clone()));
                    }
                    writes.push(Request::Delete(DEAD_LETTERS, key_of(*n)));
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

    /// Creates the partition and its producer if they are missing. Answers with the producer and
    /// the counts of the partition's rows and bytes.
    fn enter(&self, mut found: Answers, writes: &mut Vec<Request>) -> StoreAnswer {
        let before = found.one();
        let current = JsValue::from(self.host().partition(before.as_ref()));
        // An unnecessary write would fail on a full disk. Rows that are already stored can still be
        // sent.
        if before.as_ref() != Some(&current) {
            let key = self.partition().into();
            writes.push(Request::Put(PARTITIONS, current.clone(), key));
        }
        let partition = current.unchecked_ref::<Array>();
        let producer = partition.get(0);
        let formers = partition.get(FORMERS).as_string().unwrap_or_default();
        let (mut rows, mut bytes) = (0, 0);
        for row in values(&mut found) {
            if row.is_of(self.partition()) {
                rows += 1;
                bytes += row.bytes();
            }
        }
        self.batch_records.opened(producer.clone());
        StoreAnswer::Opened {
            producer: producer.as_string().unwrap_or_default(),
            rows,
            bytes,
            formers: formers.split(' ').map(str::to_owned).collect(),
        }
    }

    /// Gives the partition another producer, unless another client has already done so.
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

    async fn load(&self, tx: &IdbTransaction, query: &LoadQuery) -> Result<StoreAnswer, Aborted> {
        let known = key_of(query.after);
        let later = after(&known);
        let keys = if query.is_whole {
            JsValue::UNDEFINED
        } else {
            later.clone()
        };
        let mut reads = vec![
            Request::Keys(ROWS, keys.clone()),
            Request::Values(ROWS, later),
        ];
        reads.extend(entries(BATCHES, &keys));
        if query.with_dead_letters {
            reads.extend(entries(DEAD_LETTERS, &JsValue::UNDEFINED));
        }
        if query.is_whole {
            reads.push(Request::Values(PARTITIONS, self.partition().into()));
        }
        let mut found = ask(tx, reads).await?;
        let keys = found.next();
        let mut values = found.next().into_iter();
        let mut singles = Vec::new();
        for key in keys.iter() {
            let n = number(&key);
            let is_new = n > query.after;
            let value = is_new.then(|| values.next()).flatten();
            singles.push((n, value.map(RowRecord::from)));
        }
        if query.is_whole {
            self.batch_records.clear();
        }
        let (keys, batch_records) = (found.next(), found.next());
        let all = merged(singles, self.batch_records.unpack(&keys, &batch_records));
        let there: Vec<RowNo> = all.iter().map(|(n, _)| *n).collect();
        let dead_rows = if query.with_dead_letters {
            read_single_rows(&mut found)
        } else {
            Vec::new()
        };
        let partition = if query.is_whole { found.one() } else { None };
        let producer = partition.and_then(|it| it.unchecked_into::<Array>().get(0).as_string());
        let is_stored = |n: &RowNo| there.binary_search(n).is_ok();
        let missing: Vec<RowNo> = query
            .awaited
            .iter()
            .copied()
            .filter(|n| !is_stored(n))
            .collect();
        let mut outcome_reads = Vec::new();
        for n in &missing {
            outcome_reads
                .extend([VERDICTS, DEAD_LETTERS].map(|table| Request::Values(table, key_of(*n))));
        }
        let mut answers = ask(tx, outcome_reads).await?;
        let mut outcomes = Vec::new();
        for n in missing {
            let acked = answers.one().map(row::outcome);
            let dead = answers
                .one()
                .map(|dead_letter| RowRecord::from(dead_letter).dead_outcome());
            outcomes.push((n, acked.or(dead)));
        }
        let mut rows = Vec::new();
        for (n, row) in all {
            if n > query.after
                && let Some(row) = row
                && row.is_of(self.partition())
            {
                rows.push(row.stored(n));
                self.host().restored(n.0 as f64, row.value());
            }
        }
        let mut dead_letters = Vec::new();
        for (n, dead_letter) in dead_rows {
            if let Some(dead_letter) = dead_letter
                && dead_letter.is_of(self.partition())
            {
                dead_letters.push(dead_letter.to_dead_letter(n));
            }
        }
        Ok(StoreAnswer::Loaded {
            producer,
            rows,
            last: there.last().copied().unwrap_or(query.after),
            there,
            outcomes,
            dead_letters,
        })
    }

    /// Deletes the partition's rows and dead letters, and returns the highest number among them.
    fn wipe(&self, mut found: Answers, writes: &mut Vec<Request>) -> RowNo {
        let mut last = RowNo(0);
        let rows = read_single_rows(&mut found);
        let (keys, batch_records) = (found.next(), found.next());
        for (table, rows) in [(ROWS, rows), (DEAD_LETTERS, read_single_rows(&mut found))] {
            for (n, row) in rows {
                if row.is_some_and(|row| row.is_of(self.partition())) {
                    last = last.max(n);
                    writes.push(Request::Delete(table, key_of(n)));
                }
            }
        }
        for (key, record) in keys.iter().zip(batch_records.iter()) {
            let mut rows = BatchRecord::new(number(&key), record).into_rows();
            if rows
                .next()
                .is_some_and(|(_, row)| row.is_of(self.partition()))
            {
                last = last.max(number(&key));
                writes.push(Request::Delete(BATCHES, key));
            }
        }
        let all = self.keys();
        writes.extend([KEYS, DOCUMENTS].map(|table| Request::Delete(table, all.clone())));
        last
    }

    /// Returns the rows that `stored_rows` has read, in the order of their numbers.
    pub(super) fn rows(&self, found: &mut Answers) -> Vec<FoundRow> {
        let singles = read_single_rows(found);
        let (keys, batch_records) = (found.next(), found.next());
        merged(singles, self.batch_records.unpack(&keys, &batch_records))
    }

    fn document(&self, topic: &str) -> JsValue {
        Array::of2(self.partition(), &topic.into()).into()
    }
}

/// Requests the keys and the values of a range.
pub(super) fn entries(table: &'static str, range: &JsValue) -> Vec<Request> {
    vec![
        Request::Keys(table, range.clone()),
        Request::Values(table, range.clone()),
    ]
}

pub(super) fn stored_rows(range: &JsValue) -> Vec<Request> {
    let mut reads = entries(ROWS, range);
    reads.extend(entries(BATCHES, range));
    reads
}

/// Returns the rows that have a record each, from their keys and values.
pub(super) fn read_single_rows(found: &mut Answers) -> Vec<FoundRow> {
    let (keys, values) = (found.next(), found.next());
    let rows = values.into_iter().map(|value| Some(RowRecord::from(value)));
    keys.iter().map(|key| number(&key)).zip(rows).collect()
}

/// Merges two lists that are sorted by number into one.
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

/// Returns all rows, from the values of both object stores.
fn values(found: &mut Answers) -> Vec<RowRecord> {
    let mut rows: Vec<RowRecord> = found.next().iter().map(RowRecord::from).collect();
    for record in found.next().iter() {
        let rows_of_record = BatchRecord::new(RowNo(0), record).into_rows();
        rows.extend(rows_of_record.map(|(_, row)| row));
    }
    rows
}

/// Returns the partitions that have rows.
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
