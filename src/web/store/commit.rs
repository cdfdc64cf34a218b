//! Writes a batch of the core's in one transaction.
//!
//! A batch may change the same row several times. Each change sees the result of the one before.

use js_sys::{Array, Map};
use wasm_bindgen::prelude::*;
use web_sys::IdbTransaction;

use super::super::host::Host;
use super::batch_record::{self, BatchRecord, Span};
use super::request::{Aborted, Answers, Request, ask, between, finish};
use super::row::{self, RowRecord, key_of, number};
use super::work::{entries, read_single_rows, stored_rows};
use super::{BATCHES, DEAD_LETTERS, DEAD_LETTERS_MAX, KEYS, ROWS, Store, VERDICTS, VERDICTS_MAX};
use crate::Outcome;
use crate::ids::RowNo;
use crate::interface::publication::{DISCARDED, RowOutcome, SavedRow, WIPED};
use crate::interface::storage::{Batch, StoreAnswer};

/// The row that a save writes.
#[derive(Clone, Copy)]
enum Target {
    /// A stored row, which the save replaces.
    Existing(RowNo),
    /// A new row, by its index among the batch's new rows.
    New(usize),
}

/// Rows that get their numbers from the browser, with their keys.
type NewRows = Vec<(JsValue, Option<JsValue>)>;

/// The stored state of the rows in a batch.
struct Known {
    found: Answers,
    /// The batch records that the batch changes.
    changed: Vec<Span>,
    /// Their current contents.
    batch_records: Vec<BatchRecord>,
    /// The current contents of other rows. The last entry of a row counts.
    rows: Vec<(RowNo, RowRecord)>,
}

impl Known {
    /// Returns a row that was read. Rows outside of batch records arrive in the order of the
    /// requests.
    fn row(&mut self, n: RowNo) -> Option<RowRecord> {
        if let Some(span) = self.changed.iter().find(|span| span.has(n)) {
            let record = self
                .batch_records
                .iter()
                .find(|record| record.span == *span);
            return record.and_then(|record| record.row(n));
        }
        let read = self.found.one().map(RowRecord::from);
        let mut newest = self.rows.iter().rev();
        let newest = newest.find(|(other, _)| *other == n);
        newest.map(|(_, row)| row.clone()).or(read)
    }
}

impl Store {
    pub(super) async fn commit(
        &self,
        tx: &IdbTransaction,
        batch: &Batch,
        rows: &[JsValue],
    ) -> Result<StoreAnswer, Aborted> {
        let before = self.before(tx, batch).await?;
        let changed = self.changed(batch);
        let mut known = Known {
            found: ask(tx, self.commit_reads(batch, &changed)).await?,
            changed,
            batch_records: Vec::new(),
            rows: Vec::new(),
        };
        for span in &known.changed {
            if let Some(record) = known.found.one() {
                known
                    .batch_records
                    .push(BatchRecord::new(span.last, record));
            }
        }
        let mut writes = Vec::new();
        let (saved, mut new_rows) = self.save(batch, rows, &before, &mut known, &mut writes);
        let updated = self.apply_updates(batch, &mut known, &mut writes);
        write_outcomes(self.host(), &batch.outcomes, &mut known, &mut writes);
        if batch.outcomes.iter().any(is_wiped) {
            // Nothing tells which keys name wiped rows. A missing key only means that no
            // publication replaces a row.
            writes.push(Request::Delete(KEYS, self.keys()));
        }
        let removed = self.remove_ended(batch, known.batch_records, &mut writes);
        let has_keys = new_rows.iter().any(|(_, key)| key.is_some());
        let mut first = RowNo(0);
        let mut new_spans = Vec::new();
        if has_keys || new_rows.len() >= batch_record::ROWS_MIN {
            // The browser numbers the first new row, and the others count on from it. The
            // transaction keeps other writers out.
            let (row, key) = new_rows.remove(0);
            let number_asked = vec![Request::Add(ROWS, row)];
            first = number(&ask(tx, number_asked).await?.result().unwrap_or_default());
            if let Some(key) = key {
                writes.push(Request::Put(KEYS, key_of(first), key));
            }
            new_spans = number_all(first.next(), new_rows, &mut writes);
            finish(tx, writes).await?;
        } else {
            let has_new_rows = !new_rows.is_empty();
            let adds = new_rows.into_iter().map(|(row, _)| Request::Add(ROWS, row));
            let mut answers = finish(tx, adds.chain(writes).collect()).await?;
            if has_new_rows {
                first = number(&answers.result().unwrap_or_default());
            }
        }
        for span in new_spans {
            self.batch_records.add(span);
        }
        for span in removed {
            self.batch_records.remove(span);
        }
        // Earlier, a row that ends meanwhile would be restored again, and nothing would remove it.
        for (n, row) in &updated {
            self.host().restored(n.0 as f64, row.value());
        }
        let mut numbered = Vec::with_capacity(saved.len());
        for ((target, was_there), row) in saved.into_iter().zip(rows) {
            let n = match target {
                Target::Existing(n) => n,
                Target::New(at) => RowNo(first.0 + at as u64),
            };
            let tag = RowRecord::from(row.clone()).tag_number();
            numbered.push(SavedRow { n, was_there, tag });
        }
        Ok(StoreAnswer::Committed {
            saved: numbered,
            updated: updated.iter().map(|(n, row)| row.stored(*n)).collect(),
        })
    }

    /// Returns the batch records that lose or change some of their rows. Records that lose all rows
    /// are not among them, unless a row becomes a dead letter.
    fn changed(&self, batch: &Batch) -> Vec<Span> {
        let mut changed = Vec::new();
        let mut add = |span: Option<Span>| {
            if let Some(span) = span.filter(|span| !changed.contains(span)) {
                changed.push(span);
            }
        };
        for update in &batch.updates {
            add(self.batch_records.find(update.n));
        }
        for ended in batch
            .outcomes
            .iter()
            .filter(|ended| leaves_dead_letter(ended))
        {
            add(self.batch_records.find(ended.n));
        }
        for (first, last) in runs(&batch.outcomes) {
            for span in self.batch_records.overlapping(first, last) {
                add(Some(span).filter(|span| span.first < first || last < span.last));
            }
        }
        changed
    }

    /// Requests everything that the batch needs, in the order in which the answers are consumed.
    fn commit_reads(&self, batch: &Batch, changed: &[Span]) -> Vec<Request> {
        let mut reads = Vec::new();
        for span in changed {
            reads.push(Request::Values(BATCHES, key_of(span.last)));
        }
        for save in &batch.saves {
            if let Some(name) = &save.key {
                reads.push(Request::Values(KEYS, self.key(&save.topic, name)));
            }
        }
        let updated = batch.updates.iter().map(|update| update.n);
        let dead_letters = batch
            .outcomes
            .iter()
            .filter(|ended| leaves_dead_letter(ended));
        let mut has_dead_letters = false;
        for n in updated.chain(
            dead_letters
                .map(|ended| ended.n)
                .inspect(|_| has_dead_letters = true),
        ) {
            if !changed.iter().any(|span| span.has(n)) {
                reads.push(Request::Values(ROWS, key_of(n)));
            }
        }
        if has_dead_letters {
            reads.push(Request::Keys(DEAD_LETTERS, JsValue::UNDEFINED));
        }
        reads
    }

    /// Maps the tag of each known call to its row's number. Empty if the batch contains no repeated
    /// call.
    async fn before(&self, tx: &IdbTransaction, batch: &Batch) -> Result<Map, Aborted> {
        let calls = Map::new();
        if !batch.saves.iter().any(|save| save.is_repeated) {
            return Ok(calls);
        }
        let all = JsValue::UNDEFINED;
        let mut reads = stored_rows(&all);
        reads.extend(entries(DEAD_LETTERS, &all));
        reads.extend(entries(VERDICTS, &all));
        let mut found = ask(tx, reads).await?;
        let mut rows = self.rows(&mut found);
        rows.extend(read_single_rows(&mut found));
        for (n, row) in rows {
            if let Some(row) = row {
                calls.set(&row.tag(), &key_of(n));
            }
        }
        let (keys, verdicts) = (found.next(), found.next());
        for (n, verdict) in keys.iter().zip(verdicts.iter()) {
            calls.set(&row::verdict_tag(verdict), &n);
        }
        Ok(calls)
    }

    /// Writes the saves. A save with the key of an unsent row overwrites that row.
    fn save(
        &self,
        batch: &Batch,
        rows: &[JsValue],
        before: &Map,
        known: &mut Known,
        writes: &mut Vec<Request>,
    ) -> (Vec<(Target, bool)>, NewRows) {
        let mut new_rows: NewRows = Vec::new();
        let mut saved: Vec<(Target, bool)> = Vec::with_capacity(rows.len());
        for (save, row) in batch.saves.iter().zip(rows) {
            let mut target = None;
            let mut key = None;
            if let Some(name) = &save.key {
                key = Some(self.key(&save.topic, name));
                target = known.found.one().map(|n| Target::Existing(number(&n)));
                if target.is_none() {
                    let mut before = batch.saves.iter().zip(&saved);
                    let same = before.find(|(other, _)| {
                        other.key.as_ref() == Some(name) && other.topic == save.topic
                    });
                    // A repeated call's row may have ended already, so nothing replaces that row.
                    let same = same.filter(|(other, (target, _))| {
                        !other.is_repeated || matches!(target, Target::New(_))
                    });
                    target = same.map(|(_, (target, _))| *target);
                }
            }
            if save.is_repeated
                && let tag = RowRecord::from(row.clone()).tag()
                && let Some(n) = before.get(&tag).as_f64()
            {
                saved.push((Target::Existing(number(&n.into())), true));
                continue;
            }
            let was_there = target.is_some();
            match target {
                Some(Target::Existing(n)) => {
                    known.rows.push((n, RowRecord::from(row.clone())));
                    writes.push(Request::Put(ROWS, row.clone(), key_of(n)));
                }
                Some(Target::New(at)) => {
                    if let Some((before, _)) = new_rows.get_mut(at) {
                        before.clone_from(row);
                    }
                }
                None => {
                    target = Some(Target::New(new_rows.len()));
                    new_rows.push((row.clone(), key));
                }
            }
            saved.extend(target.map(|target| (target, was_there)));
        }
        (saved, new_rows)
    }

    /// Writes the batch's updates, and returns the current state of each row. Another publication
    /// may have replaced it.
    fn apply_updates(
        &self,
        batch: &Batch,
        known: &mut Known,
        writes: &mut Vec<Request>,
    ) -> Vec<(RowNo, RowRecord)> {
        let mut updated = Vec::new();
        for update in &batch.updates {
            let Some(row) = known.row(update.n) else {
                continue;
            };
            row.apply(update);
            if let Some(name) = row.key() {
                writes.push(Request::Delete(KEYS, self.key(&row.topic(), &name)));
            }
            updated.push((update.n, row.clone()));
            // A batch record is written as a whole, later.
            if !known.changed.iter().any(|span| span.has(update.n)) {
                let value = row.value().clone();
                writes.push(Request::Put(ROWS, value, key_of(update.n)));
                known.rows.push((update.n, row));
            }
        }
        updated
    }

    /// Takes the ended rows out of their batch records. Returns the records that this deletes.
    fn remove_ended(
        &self,
        batch: &Batch,
        batch_records: Vec<BatchRecord>,
        writes: &mut Vec<Request>,
    ) -> Vec<Span> {
        let mut removed = Vec::new();
        for (first, last) in runs(&batch.outcomes) {
            for span in self.batch_records.overlapping(first, last) {
                if let Some(record) = batch_records.iter().find(|record| record.span == span) {
                    for n in span.first.max(first).0..=span.last.min(last).0 {
                        record.remove(RowNo(n));
                    }
                } else {
                    writes.push(Request::Delete(BATCHES, key_of(span.last)));
                    removed.push(span);
                }
            }
        }
        for record in batch_records {
            if record.is_empty() {
                removed.push(record.span);
            }
            writes.push(record.write());
        }
        removed
    }

    /// Returns the range of all keys of the partition.
    pub(super) fn keys(&self) -> JsValue {
        let first = Array::of1(self.partition());
        // IndexedDB sorts an array after any text.
        let last = Array::of2(self.partition(), &Array::new());
        between(&first, &last)
    }

    fn key(&self, topic: &str, name: &str) -> JsValue {
        Array::of3(self.partition(), &topic.into(), &name.into()).into()
    }
}

/// Whether the row becomes a dead letter.
fn leaves_dead_letter(ended: &RowOutcome) -> bool {
    let asked_for = [DISCARDED, WIPED];
    matches!(&ended.outcome, Outcome::Dead { code, .. } if !asked_for.contains(&code.as_str()))
}

fn is_wiped(ended: &RowOutcome) -> bool {
    matches!(&ended.outcome, Outcome::Dead { code, .. } if code == WIPED)
}

/// Groups the outcomes into runs of consecutive numbers.
fn runs(outcomes: &[RowOutcome]) -> impl Iterator<Item = (RowNo, RowNo)> {
    let runs = outcomes.chunk_by(|a, b| a.n.next() == b.n);
    runs.filter_map(|run| Some((run.first()?.n, run.last()?.n)))
}

/// Writes the rows that follow the one that the browser has numbered. The last row gets a record of
/// its own, which advances the browser's key generator.
fn number_all(first: RowNo, new_rows: NewRows, writes: &mut Vec<Request>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut n = first;
    let mut rows = new_rows.as_slice();
    while let [(row, key), rest @ ..] = rows {
        let unkeyed = rows.iter().take_while(|(_, key)| key.is_none()).count();
        let packed = unkeyed.min(rows.len() - 1).min(batch_record::ROWS_MAX);
        if packed >= batch_record::ROWS_MIN {
            let (together, rest) = rows.split_at(packed);
            let span = Span {
                first: n,
                last: RowNo(n.0 + packed as u64 - 1),
            };
            let together: Array = together.iter().map(|(row, _)| row).collect();
            writes.push(Request::Put(BATCHES, together.into(), key_of(span.last)));
            spans.push(span);
            n = span.last.next();
            rows = rest;
        } else {
            writes.push(Request::Put(ROWS, row.clone(), key_of(n)));
            if let Some(key) = key {
                writes.push(Request::Put(KEYS, key_of(n), key.clone()));
            }
            n = n.next();
            rows = rest;
        }
    }
    spans
}

fn write_outcomes(
    host: &Host,
    outcomes: &[RowOutcome],
    known: &mut Known,
    writes: &mut Vec<Request>,
) {
    let mut dead_letters = 0;
    let mut verdicts = RowNo(0);
    for ended in outcomes {
        let key = key_of(ended.n);
        match &ended.outcome {
            Outcome::Dead { code, message } if leaves_dead_letter(ended) => {
                if let Some(row) = known.row(ended.n) {
                    let dead_letter = row.make_dead_letter(ended.attempts, code, message);
                    writes.push(Request::Put(DEAD_LETTERS, dead_letter, key));
                    dead_letters += 1;
                }
            }
            outcome if ended.is_foreign => {
                let tag = host.tag_of(ended.n.0 as f64);
                let verdict = row::verdict(outcome, &tag);
                writes.push(Request::Put(VERDICTS, verdict.into(), key));
                verdicts = verdicts.max(ended.n);
            }
            Outcome::Acked { .. } | Outcome::Dead { .. } => {}
        }
    }
    for (first, last) in runs(outcomes) {
        writes.push(Request::Delete(
            ROWS,
            between(&key_of(first), &key_of(last)),
        ));
    }
    if verdicts.0 > VERDICTS_MAX {
        let old = key_of(RowNo(verdicts.0 - VERDICTS_MAX));
        writes.push(Request::Delete(VERDICTS, between(&key_of(RowNo(0)), &old)));
    }
    if dead_letters > 0 {
        let kept = known.found.next();
        let excess = (kept.length() as usize + dead_letters).saturating_sub(DEAD_LETTERS_MAX);
        let oldest = kept.iter().take(excess);
        writes.extend(oldest.map(|old| Request::Delete(DEAD_LETTERS, old)));
    }
}
