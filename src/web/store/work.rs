//! What a task does inside its transaction. Five kinds of requests do for all of them: each further one costs a kilobyte.

use js_sys::Array;
use rexie::{KeyRange, Result, Store as Table, Transaction};
use wasm_bindgen::prelude::*;

use super::row::{self, Row};
use super::{
    DOCUMENTS, Done, KEYS, LETTERS, LETTERS_MAX, PARTITIONS, ROWS, Store, Task, VERDICTS,
    VERDICTS_MAX,
};
use crate::Outcome;
use crate::ids::{NUMBER_MAX, RowNo};
use crate::outbox::{DISCARDED, StoredRow};
use crate::store::{Batch, Ended, Mark, Save, StoreAnswer, StoreRequest};

type Text = (js_sys::JsString, js_sys::JsString);

impl Store {
    pub(super) async fn work(&self, tx: &Transaction, task: &Task) -> Result<Done> {
        Ok(match task {
            Task::Core(StoreRequest::Open, _) => Done::Answer(self.enter(tx).await?),
            Task::Core(StoreRequest::Commit(batch), texts) => {
                Done::Answer(self.commit(tx, batch, texts).await?)
            }
            Task::Core(
                StoreRequest::Load {
                    after,
                    asked,
                    with_letters,
                },
                _,
            ) => Done::Answer(self.load(tx, *after, asked, *with_letters).await?),
            Task::Read { are_letters } => {
                let table = tx.store(if *are_letters { LETTERS } else { ROWS })?;
                let found = Array::new();
                for (n, value) in all(&table, None).await? {
                    if Row::from(value.clone()).is_of(self.partition()) {
                        found.push(&Array::of2(&n, &value));
                    }
                }
                Done::Value(found.into())
            }
            Task::TakeLetter { n, is_wanted } => {
                let letters = tx.store(LETTERS)?;
                let key = key_of(*n);
                let Some(row) = one(&letters, &key).await?.map(Row::from) else {
                    return Ok(Done::Value(JsValue::UNDEFINED));
                };
                letters.delete(key).await?;
                let mut renewed = JsValue::from(0);
                if *is_wanted {
                    row.renew();
                    renewed = tx.store(ROWS)?.add(row.value(), None).await?;
                }
                let bytes = (row.bytes() as f64).into();
                Done::Value(Array::of2(&renewed, &bytes).into())
            }
            Task::Wipe => {
                self.wipe(tx).await?;
                Done::Value(true.into())
            }
            Task::Keep { topic, document } => {
                let documents = tx.store(DOCUMENTS)?;
                let key = self.document(topic);
                if let Some(document) = document {
                    let kept = Array::of1(self.partition()).concat(document);
                    put(&documents, &kept, &key).await?;
                } else {
                    documents.delete(key).await?;
                }
                Done::Value(true.into())
            }
            Task::Kept { topic } => {
                let documents = tx.store(DOCUMENTS)?;
                Done::Value(one(&documents, &self.document(topic)).await?.into())
            }
            Task::Partitions => Done::Value(partitions(tx).await?.into()),
        })
    }

    /// The partition's producer, made with it; and how much it holds.
    async fn enter(&self, tx: &Transaction) -> Result<StoreAnswer> {
        let partitions = tx.store(PARTITIONS)?;
        let before = one(&partitions, self.partition()).await?;
        let fresh = self.host().partition(before.as_ref());
        let producer = fresh.get(0).as_string().unwrap_or_default();
        // Where there is no room any more, what is there can still be sent.
        if before.as_ref() != Some(&fresh) {
            put(&partitions, &fresh, self.partition()).await?;
        }
        let (mut rows, mut bytes) = (0, 0);
        for (_, value) in all(&tx.store(ROWS)?, None).await? {
            let row = Row::from(value);
            if row.is_of(self.partition()) {
                rows += 1;
                bytes += row.bytes();
            }
        }
        Ok(StoreAnswer::Opened {
            producer,
            rows,
            bytes,
        })
    }

    async fn commit(&self, tx: &Transaction, batch: &Batch, texts: &[Text]) -> Result<StoreAnswer> {
        let rows = tx.store(ROWS)?;
        let saved = self.save(tx, &rows, &batch.saves, texts).await?;
        let mut marked = Vec::new();
        for mark in &batch.marks {
            marked.extend(self.mark(tx, &rows, mark).await?);
        }
        if !batch.ends.is_empty() {
            end(tx, &rows, &batch.ends).await?;
        }
        Ok(StoreAnswer::Committed { saved, marked })
    }

    /// The browser numbers the first; those that follow at once have the next numbers, because nobody else can write meanwhile.
    async fn save(
        &self,
        tx: &Transaction,
        rows: &Table,
        saves: &[Save],
        texts: &[Text],
    ) -> Result<Vec<(RowNo, bool)>> {
        let mut saved = Vec::with_capacity(saves.len());
        let mut last: Option<RowNo> = None;
        let mut gathered = Vec::new();
        for (save, (text, tag)) in saves.iter().zip(texts) {
            let row = Row::new(self.partition(), save, text, tag);
            let mut key = None;
            if let Some(name) = &save.key {
                let place = self.key(&save.topic, name);
                rows.put_all(std::mem::take(&mut gathered).into_iter())
                    .await?;
                if let Some(n) = one(&tx.store(KEYS)?, &place).await? {
                    put(rows, row.value(), &n).await?;
                    saved.push((number(&n), true));
                    continue;
                }
                key = Some(place);
            }
            let n = if let Some(last) = last {
                let n = last.next();
                gathered.push((row.value().clone(), Some(key_of(n))));
                n
            } else {
                number(&rows.add(row.value(), None).await?)
            };
            last = Some(n);
            saved.push((n, false));
            if let Some(key) = key {
                put(&tx.store(KEYS)?, &key_of(n), &key).await?;
            }
        }
        rows.put_all(gathered.into_iter()).await?;
        Ok(saved)
    }

    fn key(&self, topic: &str, name: &str) -> JsValue {
        Array::of3(self.partition(), &topic.into(), &name.into()).into()
    }

    fn document(&self, topic: &str) -> JsValue {
        Array::of2(self.partition(), &topic.into()).into()
    }

    /// Notes what is done with a row, and gives what it is by now: something may have taken its place.
    async fn mark(&self, tx: &Transaction, rows: &Table, mark: &Mark) -> Result<Option<StoredRow>> {
        let key = key_of(mark.n);
        let Some(row) = one(rows, &key).await?.map(Row::from) else {
            return Ok(None);
        };
        row.mark(mark);
        if let Some(name) = row.key() {
            let key = self.key(&row.topic(), &name);
            tx.store(KEYS)?.delete(key).await?;
        }
        put(rows, row.value(), &key).await?;
        self.host().restored(mark.n.0 as f64, row.value());
        Ok(Some(row.stored(mark.n)))
    }

    async fn load(
        &self,
        tx: &Transaction,
        after: RowNo,
        asked: &[RowNo],
        with_letters: bool,
    ) -> Result<StoreAnswer> {
        let later = KeyRange::lower_bound(&key_of(after), Some(true)).ok();
        let mut rows = Vec::new();
        let mut numbers = Vec::new();
        for (key, value) in all(&tx.store(ROWS)?, later).await? {
            let n = number(&key);
            numbers.push(n);
            let row = Row::from(value);
            if row.is_of(self.partition()) {
                rows.push(row.stored(n));
                self.host().restored(n.0 as f64, row.value());
            }
        }
        let verdicts = tx.store(VERDICTS)?;
        let letters = tx.store(LETTERS)?;
        let mut ended = Vec::new();
        for n in asked.iter().filter(|n| numbers.binary_search(n).is_err()) {
            let key = key_of(*n);
            let acked = one(&verdicts, &key).await?.map(row::acked);
            let letter = one(&letters, &key).await?;
            let dead = letter.map(|letter| Row::from(letter).dead());
            ended.push((*n, acked.or(dead)));
        }
        let mut named = Vec::new();
        if with_letters {
            for (key, letter) in all(&letters, None).await? {
                let letter = Row::from(letter);
                if letter.is_of(self.partition()) {
                    named.push(letter.named(number(&key)));
                }
            }
        }
        Ok(StoreAnswer::Loaded {
            rows,
            last: numbers.last().copied().unwrap_or(after),
            ended,
            letters: named,
        })
    }

    async fn wipe(&self, tx: &Transaction) -> Result<()> {
        for name in [ROWS, LETTERS] {
            let table = tx.store(name)?;
            for (n, value) in all(&table, None).await? {
                if Row::from(value).is_of(self.partition()) {
                    table.delete(n).await?;
                }
            }
        }
        let first = Array::of1(self.partition());
        // An array is greater than any text.
        let last = Array::of2(self.partition(), &Array::new());
        if let Ok(all) = KeyRange::bound(&first, &last, None, None) {
            for name in [KEYS, DOCUMENTS] {
                tx.store(name)?.delete(all.clone().into()).await?;
            }
        }
        Ok(())
    }
}

async fn partitions(tx: &Transaction) -> Result<Array> {
    let rows = all(&tx.store(ROWS)?, None).await?;
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| Row::from(row)).collect();
    let waiting = Array::new();
    for (name, value) in all(&tx.store(PARTITIONS)?, None).await? {
        if rows.iter().any(|row| row.is_of(name.unchecked_ref())) {
            waiting.push(&value);
        }
    }
    Ok(waiting)
}

/// Rows leave in runs of consecutive numbers: one request each.
async fn end(tx: &Transaction, rows: &Table, ends: &[Ended]) -> Result<()> {
    let mut has_letters = false;
    let mut foreign = Vec::new();
    for Ended {
        n,
        attempts,
        outcome,
        is_foreign,
        ..
    } in ends
    {
        let key = key_of(*n);
        match outcome {
            Outcome::Acked {
                epoch,
                seq,
                duplicate,
            } if *is_foreign => {
                let verdict = row::verdict(*epoch, *seq, *duplicate);
                foreign.push((verdict.into(), Some(key)));
            }
            Outcome::Acked { .. } => {}
            Outcome::Dead { code, .. } if code == DISCARDED => {}
            Outcome::Dead { code, message } => {
                if let Some(row) = one(rows, &key).await?.map(Row::from) {
                    let letters = tx.store(LETTERS)?;
                    put(&letters, &row.letter(*attempts, code, message), &key).await?;
                    has_letters = true;
                }
            }
        }
    }
    for run in ends.chunk_by(|a, b| a.n.next() == b.n) {
        if let [first, ..] = run
            && let [.., last] = run
            && let Ok(range) = KeyRange::bound(&key_of(first.n), &key_of(last.n), None, None)
        {
            rows.delete(range.into()).await?;
        }
    }
    let last = ends.iter().map(|ended| ended.n).max();
    if let Some(last) = last.filter(|_| !foreign.is_empty()) {
        let verdicts = tx.store(VERDICTS)?;
        verdicts.put_all(foreign.into_iter()).await?;
        let old = RowNo(last.0.saturating_sub(VERDICTS_MAX));
        if let Ok(range) = KeyRange::upper_bound(&key_of(old), None) {
            verdicts.delete(range.into()).await?;
        }
    }
    if has_letters {
        let letters = tx.store(LETTERS)?;
        let kept = letters.get_all_keys(None, None).await?;
        let excess = kept.len().saturating_sub(LETTERS_MAX);
        for old in kept.into_iter().take(excess) {
            letters.delete(old).await?;
        }
    }
    Ok(())
}

/// Keys and values, in the order of keys.
async fn all(table: &Table, range: Option<KeyRange>) -> Result<Vec<(JsValue, JsValue)>> {
    let keys = table.get_all_keys(range.clone(), None).await?;
    let values = table.get_all(range, None).await?;
    Ok(keys.into_iter().zip(values).collect())
}

async fn one(table: &Table, key: &JsValue) -> Result<Option<JsValue>> {
    let only = KeyRange::only(key).ok();
    Ok(table.get_all(only, Some(1)).await?.pop())
}

async fn put(table: &Table, value: &JsValue, key: &JsValue) -> Result<()> {
    let entry = (value.clone(), Some(key.clone()));
    table.put_all(vec![entry].into_iter()).await
}

fn key_of(n: RowNo) -> JsValue {
    (n.0 as f64).into()
}

fn number(key: &JsValue) -> RowNo {
    RowNo((key.as_f64().unwrap_or_default() as u64).min(NUMBER_MAX))
}
