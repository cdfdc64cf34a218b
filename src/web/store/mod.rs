//! The browser's storage: what `crate::store` and the wrapper ask for, done in IndexedDB through rexie. The one place that names either.
//!
//! Success is a transaction that is complete, and nothing else. No future of rexie's is dropped before it is over, inside a
//! transaction nothing else is waited for, and every object store is named at every version: rexie removes those that are not.

mod row;
mod task;
mod work;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{JsString, Promise};
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

pub(super) use self::task::{Done, Task};
use super::host::Host;

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
const LETTERS_MAX: usize = 1_000;

/// Why nothing was done.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The handle is of no use.
    Lost,
    /// The transaction was aborted: for want of room, if it happens again with a fresh handle. Browsers do not tell.
    Aborted,
}

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

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    fn partition(&self) -> &JsString {
        self.partition.get_or_init(JsString::default)
    }

    /// Does a task in a transaction of its own; nothing where that can't be. A handle that has died is replaced once: browsers
    /// close them without a word.
    pub(super) async fn perform(self: Rc<Self>, task: Task) -> Result<Done, Fault> {
        let mut fault = Fault::Lost;
        for _ in 0..2 {
            let Some(database) = self.open(task.is_for_all()).await else {
                break;
            };
            fault = match self.attempt(&database, &task).await {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            drop(database);
            self.let_go();
        }
        Err(fault)
    }

    async fn attempt(&self, database: &Rexie, task: &Task) -> Result<Done, Fault> {
        let mode = if task.is_reading() {
            TransactionMode::ReadOnly
        } else {
            TransactionMode::ReadWrite
        };
        let transaction = database.transaction(&TABLES, mode);
        let transaction = transaction.map_err(|_| Fault::Lost)?;
        match self.work(&transaction, task).await {
            Ok(done) => match transaction.done().await {
                Ok(result) if result.is_committed() => Ok(done),
                _ => Err(Fault::Aborted),
            },
            Err(_) => {
                // What fails half way is undone whole; a request's error has seen to that already.
                let _ = transaction.abort().await;
                Err(Fault::Aborted)
            }
        }
    }

    /// The database, opened where it is not. It may come too late for this call and in time for the next.
    async fn open(self: &Rc<Self>, is_for_all: bool) -> Option<Rc<Rexie>> {
        if !is_for_all && self.partition.get().is_none() {
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
}

async fn open(name: &str) -> Option<Rexie> {
    let builder = Rexie::builder(name).version(VERSION);
    let builder = TABLES.into_iter().fold(builder, |builder, name| {
        builder.add_object_store(ObjectStore::new(name).auto_increment(name == ROWS))
    });
    builder.build().await.ok()
}
