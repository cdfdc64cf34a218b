//! The browser's storage: what `crate::store` asks for, done in IndexedDB through rexie. The one place that names either.
//!
//! Success is a transaction that is complete, and nothing else. No future of rexie's is dropped before it is over, inside a
//! transaction nothing else is waited for, and every object store is named at every version: rexie removes those that are not.

mod row;
mod transaction;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{Array, JsString, Promise};
use rexie::{KeyRange, ObjectStore, Rexie, Store as Table, TransactionMode};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use self::row::Row;
use self::transaction::{Fault, in_transaction};
use super::host::Host;
use crate::Outcome;
use crate::ids::{NUMBER_MAX, RowNo};
use crate::outbox::DISCARDED;
use crate::store::{Batch, Ended, Mark, Save, StoreAnswer, StoreFault, StoreRequest};

/// Of the schema. A later one must keep the stores of this one: docs/decisions.md.
const VERSION: u32 = 1;

/// Partition → what is known of it, as the wrapper has it; first its producer.
const PARTITIONS: &str = "partitions";
/// Number, given by the browser → row.
const ROWS: &str = "rows";
/// Partition, topic and key → number of the row that may still be replaced.
const KEYS: &str = "keys";
/// Number → verdict that another tab may wait for.
const VERDICTS: &str = "verdicts";
/// Number → dead letter: attempts, code and message before a row.
const LETTERS: &str = "letters";

/// Partition and topic → what a document was when own changes of it began to wait: epoch, seq and JSON after the partition.
const DOCUMENTS: &str = "documents";

const TABLES: [&str; 6] = [PARTITIONS, ROWS, KEYS, VERDICTS, LETTERS, DOCUMENTS];

/// How long storage may take to open, ms. Chosen: Safari's first open may hang for ever (WebKit 226547); longer than a busy disk takes.
const OPEN_MS_MAX: u32 = 3_000;

/// So many verdicts are kept for tabs that wait for them. Chosen: a tab that slept through more learns that its rows are gone, not how.
const VERDICTS_MAX: u64 = 10_000;

/// So many dead letters are kept; the oldest go first. Chosen: nobody reads more.
const LETTERS_MAX: u32 = 1_000;

pub(super) struct Store {
    name: String,
    /// Whose rows, once that is known: all others stay untouched.
    partition: OnceCell<JsString>,
    host: Host,
    database: RefCell<Option<Rc<Rexie>>>,
}

impl Store {
    pub(super) fn new(name: &str, host: Host) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            partition: OnceCell::new(),
            host,
            database: RefCell::new(None),
        })
    }

    fn partition(&self) -> &JsString {
        self.partition.get_or_init(JsString::default)
    }

    /// Does what is asked. A handle that has died is replaced once: browsers close them without a word.
    pub(super) async fn answer(self: Rc<Self>, request: StoreRequest) -> StoreAnswer {
        let texts = self.texts(&request);
        let mut fault = Fault::Lost;
        for _ in 0..2 {
            let Some(database) = self.open().await else {
                break;
            };
            fault = match self.attempt(&database, &request, &texts).await {
                Ok(answer) => return answer,
                Err(fault) => fault,
            };
            drop(database);
            self.let_go();
        }
        StoreAnswer::Failed(match fault {
            Fault::Lost => StoreFault::Lost,
            Fault::Aborted => StoreFault::Full,
        })
    }

    /// What the wrapper keeps of new rows, text and tag, asked for before anything is waited for.
    fn texts(&self, request: &StoreRequest) -> Vec<(JsString, JsString)> {
        let StoreRequest::Commit(batch) = request else {
            return Vec::new();
        };
        let calls = batch.saves.iter().map(|save| save.request);
        calls
            .map(|call| (self.host.text(call), self.host.tag(call)))
            .collect()
    }

    async fn attempt(
        &self,
        database: &Rexie,
        request: &StoreRequest,
        texts: &[(JsString, JsString)],
    ) -> Result<StoreAnswer, Fault> {
        match request {
            StoreRequest::Open => self.enter(database).await,
            StoreRequest::Commit(batch) => self.commit(database, batch, texts).await,
            StoreRequest::Load { after, asked } => self.load(database, *after, asked).await,
        }
    }

    /// The database, opened where it is not. It may come too late for this call and in time for the next.
    async fn open(self: &Rc<Self>) -> Option<Rc<Rexie>> {
        if self.partition.get().is_none() {
            let name = JsFuture::from(self.host.partition_name()).await.ok()?;
            let _ = self.partition.set(name.unchecked_into());
        }
        if self.database.borrow().is_none() {
            let myself = self.clone();
            let opened = Promise::new(&mut |resolve, _| {
                let myself = myself.clone();
                let late = resolve.clone();
                let patience = Timeout::new(OPEN_MS_MAX, move || {
                    let _ = late.call0(&JsValue::UNDEFINED);
                });
                spawn_local(async move {
                    let database = open(&myself.name).await;
                    drop(patience);
                    if let Some(database) = database {
                        myself.database.replace(Some(Rc::new(database)));
                    }
                    let _ = resolve.call0(&JsValue::UNDEFINED);
                });
            });
            let _ = JsFuture::from(opened).await;
        }
        self.database.borrow().clone()
    }

    fn let_go(&self) {
        if let Some(database) = self.database.take().and_then(Rc::into_inner) {
            database.close();
        }
    }

    /// The partition's producer, made with it; and how much it holds.
    async fn enter(&self, database: &Rexie) -> Result<StoreAnswer, Fault> {
        in_transaction(database, TransactionMode::ReadWrite, async |tx| {
            let partitions = tx.store(PARTITIONS)?;
            let before = partitions.get(self.partition().into()).await?;
            let fresh = self.host.partition(before.as_ref());
            let producer = fresh.get(0).as_string().unwrap_or_default();
            partitions.put(&fresh, Some(self.partition())).await?;
            let (mut rows, mut bytes) = (0, 0);
            for value in tx.store(ROWS)?.get_all(None, None).await? {
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
        })
        .await
    }

    async fn commit(
        &self,
        database: &Rexie,
        batch: &Batch,
        texts: &[(JsString, JsString)],
    ) -> Result<StoreAnswer, Fault> {
        in_transaction(database, TransactionMode::ReadWrite, async |tx| {
            let rows = tx.store(ROWS)?;
            let keys = tx.store(KEYS)?;
            let saved = self.save(&rows, &keys, &batch.saves, texts).await?;
            let mut marked = Vec::new();
            for mark in &batch.marks {
                marked.extend(self.mark(&rows, &keys, mark).await?);
            }
            if !batch.ends.is_empty() {
                let letters = tx.store(LETTERS)?;
                end(&rows, &letters, &tx.store(VERDICTS)?, &batch.ends).await?;
            }
            Ok(StoreAnswer::Committed { saved, marked })
        })
        .await
    }

    /// The browser numbers the first; those that follow at once have the next numbers, because nobody else can write meanwhile.
    async fn save(
        &self,
        rows: &Table,
        keys: &Table,
        saves: &[Save],
        texts: &[(JsString, JsString)],
    ) -> rexie::Result<Vec<(RowNo, bool)>> {
        let mut saved = Vec::with_capacity(saves.len());
        let mut last: Option<RowNo> = None;
        let mut gathered = Vec::new();
        for (save, (text, tag)) in saves.iter().zip(texts) {
            let row = Row::new(self.partition(), save, text, tag);
            let mut key = None;
            if let Some(name) = &save.key {
                let place = self.key(&save.topic, name);
                rows.put_all(gathered.drain(..)).await?;
                if let Some(n) = keys.get(place.clone()).await? {
                    rows.put(row.value(), Some(&n)).await?;
                    saved.push((number(&n), true));
                    continue;
                }
                key = Some(place);
            }
            let n = if let Some(last) = last {
                let n = last.next();
                gathered.push((row.value().clone(), Some((n.0 as f64).into())));
                n
            } else {
                number(&rows.add(row.value(), None).await?)
            };
            last = Some(n);
            saved.push((n, false));
            if let Some(key) = key {
                keys.put(&(n.0 as f64).into(), Some(&key)).await?;
            }
        }
        rows.put_all(gathered.into_iter()).await?;
        Ok(saved)
    }

    fn key(&self, topic: &str, name: &str) -> JsValue {
        Array::of3(self.partition(), &topic.into(), &name.into()).into()
    }

    /// Notes what is done with a row, and gives what it is by now: something may have taken its place.
    async fn mark(
        &self,
        rows: &Table,
        keys: &Table,
        mark: &Mark,
    ) -> rexie::Result<Option<(RowNo, u64)>> {
        let key = JsValue::from(mark.n.0 as f64);
        let Some(row) = rows.get(key.clone()).await?.map(Row::from) else {
            return Ok(None);
        };
        row.mark(mark);
        if let Some(name) = row.key() {
            keys.delete(self.key(&row.topic(), &name)).await?;
        }
        rows.put(row.value(), Some(&key)).await?;
        self.host.restored(mark.n.0 as f64, row.value());
        Ok(Some((mark.n, row.bytes())))
    }

    async fn load(
        &self,
        database: &Rexie,
        after: RowNo,
        asked: &[RowNo],
    ) -> Result<StoreAnswer, Fault> {
        in_transaction(database, TransactionMode::ReadOnly, async |tx| {
            let rows = tx.store(ROWS)?;
            let later = || KeyRange::lower_bound(&(after.0 as f64).into(), Some(true)).ok();
            let numbers = rows.get_all_keys(later(), None).await?;
            let numbers: Vec<RowNo> = numbers.iter().map(number).collect();
            let values = rows.get_all(later(), None).await?;
            let mut loaded = Vec::new();
            for (n, value) in numbers.iter().zip(values) {
                let row = Row::from(value);
                if row.is_of(self.partition()) {
                    loaded.push(row.stored(*n));
                    self.host.restored(n.0 as f64, row.value());
                }
            }
            let verdicts = tx.store(VERDICTS)?;
            let letters = tx.store(LETTERS)?;
            let mut ended = Vec::new();
            for n in asked.iter().filter(|n| numbers.binary_search(n).is_err()) {
                let key = JsValue::from(n.0 as f64);
                let acked = verdicts.get(key.clone()).await?.map(row::acked);
                let dead = letters
                    .get(key)
                    .await?
                    .map(|letter| Row::from(letter).dead());
                ended.push((*n, acked.or(dead)));
            }
            Ok(StoreAnswer::Loaded {
                rows: loaded,
                last: numbers.last().copied().unwrap_or(after),
                ended,
            })
        })
        .await
    }

    /// The partition's rows and dead letters: the number and the value of each.
    pub(super) async fn read(self: Rc<Self>, are_letters: bool) -> Option<Array> {
        let database = self.open().await?;
        let name = if are_letters { LETTERS } else { ROWS };
        in_transaction(&database, TransactionMode::ReadOnly, async |tx| {
            let table = tx.store(name)?;
            let numbers = table.get_all_keys(None, None).await?;
            let values = table.get_all(None, None).await?;
            let found = Array::new();
            for (n, value) in numbers.iter().zip(values) {
                if Row::from(value.clone()).is_of(self.partition()) {
                    found.push(&Array::of2(n, &value));
                }
            }
            Ok(found)
        })
        .await
        .ok()
    }

    /// Forgets a dead letter, and where it `is_wanted` makes it the newest row. Gives that row's number and size.
    pub(super) async fn take_letter(
        self: Rc<Self>,
        n: RowNo,
        is_wanted: bool,
    ) -> Option<(RowNo, u64)> {
        let database = self.open().await?;
        in_transaction(&database, TransactionMode::ReadWrite, async |tx| {
            let letters = tx.store(LETTERS)?;
            let key = JsValue::from(n.0 as f64);
            let Some(row) = letters.get(key.clone()).await?.map(Row::from) else {
                return Ok(None);
            };
            letters.delete(key).await?;
            if !is_wanted {
                return Ok(Some((RowNo(0), 0)));
            }
            row.renew();
            let n = tx.store(ROWS)?.add(row.value(), None).await?;
            Ok(Some((number(&n), row.bytes())))
        })
        .await
        .ok()
        .flatten()
    }

    /// Keeps what a document is, or no longer.
    pub(super) async fn keep(self: Rc<Self>, topic: &str, document: Option<Array>) -> bool {
        let Some(database) = self.open().await else {
            return false;
        };
        let key: JsValue = Array::of2(self.partition(), &topic.into()).into();
        let kept = in_transaction(&database, TransactionMode::ReadWrite, async |tx| {
            let documents = tx.store(DOCUMENTS)?;
            if let Some(document) = document {
                document.unshift(self.partition());
                documents.put(&document, Some(&key)).await?;
            } else {
                documents.delete(key).await?;
            }
            Ok(())
        });
        kept.await.is_ok()
    }

    /// What a document was, if that is kept.
    pub(super) async fn kept(self: Rc<Self>, topic: &str) -> Option<JsValue> {
        let database = self.open().await?;
        let key: JsValue = Array::of2(self.partition(), &topic.into()).into();
        in_transaction(&database, TransactionMode::ReadOnly, async |tx| {
            tx.store(DOCUMENTS)?.get(key).await
        })
        .await
        .ok()
        .flatten()
    }

    /// Removes all rows and dead letters of the partition.
    pub(super) async fn wipe(self: Rc<Self>) -> bool {
        let Some(database) = self.open().await else {
            return false;
        };
        let wiped = in_transaction(&database, TransactionMode::ReadWrite, async |tx| {
            for name in [ROWS, LETTERS] {
                let table = tx.store(name)?;
                let numbers = table.get_all_keys(None, None).await?;
                for (n, value) in numbers.into_iter().zip(table.get_all(None, None).await?) {
                    if Row::from(value).is_of(self.partition()) {
                        table.delete(n).await?;
                    }
                }
            }
            let all = KeyRange::bound(
                &Array::of1(self.partition()),
                &Array::of2(self.partition(), &Array::new()),
                None,
                None,
            );
            if let Ok(all) = all {
                tx.store(KEYS)?.delete(all.clone().into()).await?;
                tx.store(DOCUMENTS)?.delete(all.into()).await?;
            }
            Ok(())
        });
        wiped.await.is_ok()
    }
}

/// The partitions of a database that have rows, each as the wrapper has it.
pub(super) async fn partitions(name: &str) -> Option<Array> {
    let database = open(name).await?;
    let waiting = in_transaction(&database, TransactionMode::ReadOnly, async |tx| {
        let table = tx.store(PARTITIONS)?;
        let names = table.get_all_keys(None, None).await?;
        let values = table.get_all(None, None).await?;
        let rows = tx.store(ROWS)?.get_all(None, None).await?;
        let rows: Vec<Row> = rows.into_iter().map(Row::from).collect();
        let waiting = Array::new();
        for (name, value) in names.iter().zip(values) {
            if rows.iter().any(|row| row.is_of(name.unchecked_ref())) {
                waiting.push(&value);
            }
        }
        Ok(waiting)
    })
    .await;
    database.close();
    waiting.ok()
}

async fn open(name: &str) -> Option<Rexie> {
    let builder = Rexie::builder(name).version(VERSION);
    let builder = TABLES.into_iter().fold(builder, |builder, name| {
        builder.add_object_store(ObjectStore::new(name).auto_increment(name == ROWS))
    });
    builder.build().await.ok()
}

/// Rows leave in runs of consecutive numbers: one request each.
async fn end(rows: &Table, letters: &Table, verdicts: &Table, ends: &[Ended]) -> rexie::Result<()> {
    let mut foreign = Vec::new();
    for Ended {
        n,
        attempts,
        outcome,
        is_foreign,
    } in ends
    {
        let key = JsValue::from(n.0 as f64);
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
                if let Some(row) = rows.get(key.clone()).await?.map(Row::from) {
                    let letter = row.letter(*attempts, code, message);
                    letters.put(&letter, Some(&key)).await?;
                }
            }
        }
    }
    let mut numbers: Vec<RowNo> = ends.iter().map(|ended| ended.n).collect();
    numbers.sort_unstable();
    for run in numbers.chunk_by(|a, b| a.next() == *b) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        let (first, last) = ((first.0 as f64).into(), (last.0 as f64).into());
        if let Ok(range) = KeyRange::bound(&first, &last, None, None) {
            rows.delete(range.into()).await?;
        }
    }
    if let Some(last) = numbers.last().filter(|_| !foreign.is_empty()) {
        verdicts.put_all(foreign.into_iter()).await?;
        let old = last.0.saturating_sub(VERDICTS_MAX) as f64;
        if let Ok(range) = KeyRange::upper_bound(&old.into(), None) {
            verdicts.delete(range.into()).await?;
        }
    }
    let excess = letters.count(None).await?.saturating_sub(LETTERS_MAX);
    if excess > 0 {
        for old in letters.get_all_keys(None, Some(excess)).await? {
            letters.delete(old).await?;
        }
    }
    Ok(())
}

fn number(key: &JsValue) -> RowNo {
    RowNo((key.as_f64().unwrap_or_default() as u64).min(NUMBER_MAX))
}
