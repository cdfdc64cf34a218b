//! A batch of the core's: what it writes. Several things may be said of one row in a batch, and
//! each sees what the one before has made of it.

use js_sys::{Array, Map};
use wasm_bindgen::prelude::*;
use web_sys::IdbTransaction;

use super::super::host::Host;
use super::batch_record::{self, BatchRecord, Span};
use super::request::{Aborted, Answers, Request, ask, between, finish};
use super::row::{self, RowRecord};
use super::work::{entries, key_of, number, records, stored_rows};
use super::{KEYS, LETTERS, LETTERS_MAX, PACKS, ROWS, Store, VERDICTS, VERDICTS_MAX};
use crate::Outcome;
use crate::ids::RowNo;
use crate::interface::publication::{DISCARDED, RowOutcome, SavedRow, WIPED};
use crate::interface::storage::{Batch, StoreAnswer};

/// A save's row.
#[derive(Clone, Copy)]
enum Place {
    /// The row that it took the place of.
    Taken(RowNo),
    /// A fresh one: so many come before it.
    Fresh(usize),
}

/// Rows that the browser is still to number, with their keys.
type Fresh = Vec<(JsValue, Option<JsValue>)>;

/// What is known of rows that a batch is about.
struct Known {
    found: Answers,
    /// Where packs are of which something changes.
    changed: Vec<Span>,
    /// Those, as they are by now.
    packs: Vec<BatchRecord>,
    /// Other rows, as they are by now; the newest counts.
    rows: Vec<(RowNo, RowRecord)>,
}

impl Known {
    /// A row that was read. Those outside of packs come in the order of the requests.
    fn row(&mut self, n: RowNo) -> Option<RowRecord> {
        if let Some(span) = self.changed.iter().find(|span| span.has(n)) {
            let pack = self.packs.iter().find(|pack| pack.span == *span);
            return pack.and_then(|pack| pack.row(n));
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
            packs: Vec::new(),
            rows: Vec::new(),
        };
        for span in &known.changed {
            if let Some(pack) = known.found.one() {
                known.packs.push(BatchRecord::new(span.last, pack));
            }
        }
        let mut writes = Vec::new();
        let (saved, mut fresh) = self.save(batch, rows, &before, &mut known, &mut writes);
        let marked = self.mark(batch, &mut known, &mut writes);
        end(self.host(), &batch.outcomes, &mut known, &mut writes);
        if batch.outcomes.iter().any(is_wiped) {
            // Which of the keys were theirs is not known; without one nothing takes another row's
            // place.
            writes.push(Request::Delete(KEYS, self.keys()));
        }
        let gone = self.end_packs(batch, known.packs, &mut writes);
        let has_keys = fresh.iter().any(|(_, key)| key.is_some());
        let mut first = RowNo(0);
        let mut made = Vec::new();
        if has_keys || fresh.len() >= batch_record::ROWS_MIN {
            // The others' numbers follow: nobody else can write meanwhile.
            let (row, key) = fresh.remove(0);
            let number_asked = vec![Request::Add(ROWS, row)];
            first = number(&ask(tx, number_asked).await?.result().unwrap_or_default());
            if let Some(key) = key {
                writes.push(Request::Put(KEYS, key_of(first), key));
            }
            made = number_all(first.next(), fresh, &mut writes);
            finish(tx, writes).await?;
        } else {
            let has_fresh = !fresh.is_empty();
            let adds = fresh.into_iter().map(|(row, _)| Request::Add(ROWS, row));
            let mut answers = finish(tx, adds.chain(writes).collect()).await?;
            if has_fresh {
                first = number(&answers.result().unwrap_or_default());
            }
        }
        for span in made {
            self.packs.learn(span);
        }
        for span in gone {
            self.packs.is_gone(span);
        }
        // Not before: what ends meanwhile would be known again, and for good.
        for (n, row) in &marked {
            self.host().restored(n.0 as f64, row.value());
        }
        let mut numbered = Vec::with_capacity(saved.len());
        for ((place, was_there), row) in saved.into_iter().zip(rows) {
            let n = match place {
                Place::Taken(n) => n,
                Place::Fresh(at) => RowNo(first.0 + at as u64),
            };
            let tag = RowRecord::from(row.clone()).tag_number();
            numbered.push(SavedRow { n, was_there, tag });
        }
        Ok(StoreAnswer::Committed {
            saved: numbered,
            updated: marked.iter().map(|(n, row)| row.stored(*n)).collect(),
        })
    }

    /// Packs of which something changes, or goes, but for those that go as a whole.
    fn changed(&self, batch: &Batch) -> Vec<Span> {
        let mut changed = Vec::new();
        let mut add = |span: Option<Span>| {
            if let Some(span) = span.filter(|span| !changed.contains(span)) {
                changed.push(span);
            }
        };
        for mark in &batch.updates {
            add(self.packs.of(mark.n));
        }
        for ended in batch.outcomes.iter().filter(|ended| is_letter(ended)) {
            add(self.packs.of(ended.n));
        }
        for (first, last) in runs(&batch.outcomes) {
            for span in self.packs.among(first, last) {
                add(Some(span).filter(|span| span.first < first || last < span.last));
            }
        }
        changed
    }

    /// In the order in which the answers are taken.
    fn commit_reads(&self, batch: &Batch, changed: &[Span]) -> Vec<Request> {
        let mut reads = Vec::new();
        for span in changed {
            reads.push(Request::Values(PACKS, key_of(span.last)));
        }
        for save in &batch.saves {
            if let Some(name) = &save.key {
                reads.push(Request::Values(KEYS, self.key(&save.topic, name)));
            }
        }
        let marked = batch.updates.iter().map(|mark| mark.n);
        let letters = batch.outcomes.iter().filter(|ended| is_letter(ended));
        let mut has_letters = false;
        for n in marked.chain(letters.map(|ended| ended.n).inspect(|_| has_letters = true)) {
            if !changed.iter().any(|span| span.has(n)) {
                reads.push(Request::Values(ROWS, key_of(n)));
            }
        }
        if has_letters {
            reads.push(Request::Keys(LETTERS, JsValue::UNDEFINED));
        }
        reads
    }

    /// The rows that calls have or had, by what those are known by, where a call may have been
    /// saved before.
    async fn before(&self, tx: &IdbTransaction, batch: &Batch) -> Result<Map, Aborted> {
        let calls = Map::new();
        if !batch.saves.iter().any(|save| save.is_repeated) {
            return Ok(calls);
        }
        let all = JsValue::UNDEFINED;
        let mut reads = stored_rows(&all);
        reads.extend(entries(LETTERS, &all));
        reads.extend(entries(VERDICTS, &all));
        let mut found = ask(tx, reads).await?;
        let mut rows = self.rows(&mut found);
        rows.extend(records(&mut found));
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

    /// What takes the place of another row is written to it.
    fn save(
        &self,
        batch: &Batch,
        rows: &[JsValue],
        before: &Map,
        known: &mut Known,
        writes: &mut Vec<Request>,
    ) -> (Vec<(Place, bool)>, Fresh) {
        let mut fresh: Fresh = Vec::new();
        let mut saved: Vec<(Place, bool)> = Vec::with_capacity(rows.len());
        for (save, row) in batch.saves.iter().zip(rows) {
            let mut place = None;
            let mut key = None;
            if let Some(name) = &save.key {
                key = Some(self.key(&save.topic, name));
                place = known.found.one().map(|n| Place::Taken(number(&n)));
                if place.is_none() {
                    let mut before = batch.saves.iter().zip(&saved);
                    let same = before.find(|(other, _)| {
                        other.key.as_ref() == Some(name) && other.topic == save.topic
                    });
                    // One that was found again may be over.
                    let same = same.filter(|(other, (place, _))| {
                        !other.is_repeated || matches!(place, Place::Fresh(_))
                    });
                    place = same.map(|(_, (place, _))| *place);
                }
            }
            if save.is_repeated
                && let tag = RowRecord::from(row.clone()).tag()
                && let Some(n) = before.get(&tag).as_f64()
            {
                saved.push((Place::Taken(number(&n.into())), true));
                continue;
            }
            let had = place.is_some();
            match place {
                Some(Place::Taken(n)) => {
                    known.rows.push((n, RowRecord::from(row.clone())));
                    writes.push(Request::Put(ROWS, row.clone(), key_of(n)));
                }
                Some(Place::Fresh(at)) => {
                    if let Some((before, _)) = fresh.get_mut(at) {
                        before.clone_from(row);
                    }
                }
                None => {
                    place = Some(Place::Fresh(fresh.len()));
                    fresh.push((row.clone(), key));
                }
            }
            saved.extend(place.map(|place| (place, had)));
        }
        (saved, fresh)
    }

    /// Notes what is done with rows, and gives what each is by now: something may have taken its
    /// place.
    fn mark(
        &self,
        batch: &Batch,
        known: &mut Known,
        writes: &mut Vec<Request>,
    ) -> Vec<(RowNo, RowRecord)> {
        let mut marked = Vec::new();
        for mark in &batch.updates {
            let Some(row) = known.row(mark.n) else {
                continue;
            };
            row.mark(mark);
            if let Some(name) = row.key() {
                writes.push(Request::Delete(KEYS, self.key(&row.topic(), &name)));
            }
            marked.push((mark.n, row.clone()));
            // One of a pack is written with it.
            if !known.changed.iter().any(|span| span.has(mark.n)) {
                let value = row.value().clone();
                writes.push(Request::Put(ROWS, value, key_of(mark.n)));
                known.rows.push((mark.n, row));
            }
        }
        marked
    }

    /// Takes the rows that have ended out of their packs. Gives the packs that go with them.
    fn end_packs(
        &self,
        batch: &Batch,
        packs: Vec<BatchRecord>,
        writes: &mut Vec<Request>,
    ) -> Vec<Span> {
        let mut gone = Vec::new();
        for (first, last) in runs(&batch.outcomes) {
            for span in self.packs.among(first, last) {
                if let Some(pack) = packs.iter().find(|pack| pack.span == span) {
                    for n in span.first.max(first).0..=span.last.min(last).0 {
                        pack.remove(RowNo(n));
                    }
                } else {
                    writes.push(Request::Delete(PACKS, key_of(span.last)));
                    gone.push(span);
                }
            }
        }
        for pack in packs {
            if pack.is_empty() {
                gone.push(pack.span);
            }
            writes.push(pack.write());
        }
        gone
    }

    /// All keys of the partition.
    pub(super) fn keys(&self) -> JsValue {
        let first = Array::of1(self.partition());
        // An array is greater than any text.
        let last = Array::of2(self.partition(), &Array::new());
        between(&first, &last)
    }

    fn key(&self, topic: &str, name: &str) -> JsValue {
        Array::of3(self.partition(), &topic.into(), &name.into()).into()
    }
}

/// It is to be a dead letter.
fn is_letter(ended: &RowOutcome) -> bool {
    let asked_for = [DISCARDED, WIPED];
    matches!(&ended.outcome, Outcome::Dead { code, .. } if !asked_for.contains(&code.as_str()))
}

fn is_wiped(ended: &RowOutcome) -> bool {
    matches!(&ended.outcome, Outcome::Dead { code, .. } if code == WIPED)
}

/// Rows leave in runs of consecutive numbers.
fn runs(ends: &[RowOutcome]) -> impl Iterator<Item = (RowNo, RowNo)> {
    let runs = ends.chunk_by(|a, b| a.n.next() == b.n);
    runs.filter_map(|run| Some((run.first()?.n, run.last()?.n)))
}

/// Writes the rows that follow the one that the browser has numbered. The last has a record of its
/// own, which moves the browser's count.
fn number_all(first: RowNo, fresh: Fresh, writes: &mut Vec<Request>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut n = first;
    let mut rows = fresh.as_slice();
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
            writes.push(Request::Put(PACKS, together.into(), key_of(span.last)));
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

fn end(host: &Host, ends: &[RowOutcome], known: &mut Known, writes: &mut Vec<Request>) {
    let mut letters = 0;
    let mut verdicts = RowNo(0);
    for ended in ends {
        let key = key_of(ended.n);
        match &ended.outcome {
            Outcome::Dead { code, message } if is_letter(ended) => {
                if let Some(row) = known.row(ended.n) {
                    let letter = row.letter(ended.attempts, code, message);
                    writes.push(Request::Put(LETTERS, letter, key));
                    letters += 1;
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
    for (first, last) in runs(ends) {
        writes.push(Request::Delete(
            ROWS,
            between(&key_of(first), &key_of(last)),
        ));
    }
    if verdicts.0 > VERDICTS_MAX {
        let old = key_of(RowNo(verdicts.0 - VERDICTS_MAX));
        writes.push(Request::Delete(VERDICTS, between(&key_of(RowNo(0)), &old)));
    }
    if letters > 0 {
        let kept = known.found.next();
        let excess = (kept.length() as usize + letters).saturating_sub(LETTERS_MAX);
        let oldest = kept.iter().take(excess);
        writes.extend(oldest.map(|old| Request::Delete(LETTERS, old)));
    }
}
