//! Executes the storage requests of the core and of js/src/storage.ts in IndexedDB. Only this
//! folder names IndexedDB and rexie, which opens it.
//!
//! A request succeeds when its transaction is complete. A transaction waits for nothing but its own
//! requests. Every version names every object store, because rexie removes the others.

mod batch_record;
mod commit;
mod handle;
mod request;
mod row;
mod task;
mod work;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use idb::TransactionMode;
use js_sys::{JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use self::batch_record::BatchRecords;
pub(super) use self::handle::End;
use self::handle::Handle;
use self::request::Aborted;
pub(super) use self::task::{Done, Task};
use super::host::Host;

/// Of the schema. A later one must keep the stores of this one: docs/decisions/outbox.md.
const VERSION: u32 = 2;

/// Partition → what is known of it, as the wrapper has it; first its producer.
const PARTITIONS: &str = "partitions";
/// Number, given by the browser → row.
const ROWS: &str = "rows";
/// The highest of their numbers → rows that were saved together.
const PACKS: &str = "packs";
/// Partition, topic and key → number of the row that may still be replaced.
const KEYS: &str = "keys";
/// Number → verdict that another tab may wait for.
const VERDICTS: &str = "verdicts";
/// Number → dead letter: a row with its code and message at the end.
const LETTERS: &str = "letters";

/// Partition and topic → what a document was when own changes of it began to wait: epoch, seq and
/// JSON after the partition.
const DOCUMENTS: &str = "documents";

const TABLES: [&str; 7] = [PARTITIONS, ROWS, PACKS, KEYS, VERDICTS, LETTERS, DOCUMENTS];

/// How long storage may take to open, ms. Chosen: Safari's first open may hang for ever (WebKit
/// 226547); longer than a busy disk takes.
const OPEN_MS_MAX: u32 = 3_000;

/// Before storage is tried again that did not open, ms, each time twice as long. Measured: Chromium
/// refuses to open while it removes.
const REST_MS: u32 = 100;

/// It is given up before such a rest. Chosen: what opens again does so within a second.
const REST_MS_MAX: u32 = 800;

/// So many verdicts are kept for tabs that wait for them. Chosen: a tab that slept through more
/// learns that its rows are gone, not how.
const VERDICTS_MAX: u64 = 10_000;

/// So many dead letters are kept; the oldest go first. Chosen: nobody reads more.
const LETTERS_MAX: usize = 1_000;

/// Why nothing was done.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The handle is of no use.
    Lost,
    /// It is to be opened again, and may be another database then.
    Closed,
    /// The same, and what was asked for may have been done.
    Unknown,
    /// The transaction was aborted: for want of room, if it happens again with a fresh handle.
    /// Browsers do not tell.
    Aborted,
}

pub(super) struct Store {
    name: String,
    /// Whose rows, once that is known: all others stay untouched.
    partition: OnceCell<JsString>,
    host: Host,
    handle: RefCell<Option<Rc<Handle>>>,
    packs: BatchRecords,
    /// The core's last request failed, and is tried once more with another handle.
    is_repeated: Cell<bool>,
    /// The database is a later version's, or not ours at all: this code is not to touch it.
    is_barred: Cell<bool>,
    /// It was open once: rows may be there.
    was_open: Cell<bool>,
    /// No storage of ours is there, and none was.
    is_nowhere: Cell<bool>,
    /// What is under way, with its answers to the core.
    works: Cell<u32>,
    /// The client is: the database is closed with the last work.
    is_closed: Cell<bool>,
    /// The database has ended.
    on_end: Box<dyn Fn(End)>,
}

impl Store {
    pub(super) fn new(name: &str, host: Host, on_end: Box<dyn Fn(End)>) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            partition: OnceCell::new(),
            host,
            handle: RefCell::new(None),
            packs: BatchRecords::default(),
            is_repeated: Cell::new(false),
            is_barred: Cell::new(false),
            was_open: Cell::new(false),
            is_nowhere: Cell::new(false),
            works: Cell::new(0),
            is_closed: Cell::new(false),
            on_end,
        })
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Keeps the database open for a work, until that is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> Work {
        self.works.set(self.works.get().saturating_add(1));
        Work(self.clone())
    }

    /// The client is closed: what is under way comes to its end. A database that stayed open would
    /// keep the wasm's memory.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.close_idle();
    }

    fn close_idle(&self) {
        if self.is_closed.get() && self.works.get() == 0 {
            self.handle.take();
        }
    }

    fn partition(&self) -> &JsString {
        self.partition.get_or_init(JsString::default)
    }

    /// Does a task in a transaction of its own; nothing where that can't be. It is tried once more
    /// with another handle: browsers let handles die without a word. What is opened then may be
    /// empty, so the core's own work waits until the core knows whose rows are there.
    pub(super) async fn perform(self: Rc<Self>, task: Task) -> Result<Done, Fault> {
        let is_opening = task.is_opening();
        let is_later = task.is_for_opened();
        let mut is_repeated = is_later && self.is_repeated.take();
        loop {
            let Some(handle) = self.open(task.is_for_all()).await else {
                // Where nothing can be kept there is nothing to remove.
                return match task {
                    Task::Wipe if self.is_nowhere.get() => Ok(Done::Value(0.into())),
                    _ => Err(Fault::Lost),
                };
            };
            if is_later && !handle.is_entered.get() {
                self.is_repeated.set(is_repeated);
                return Err(Fault::Closed);
            }
            let fault = match self.attempt(&handle, &task).await {
                Ok(done) => {
                    if is_opening {
                        handle.is_entered.set(true);
                    }
                    return Ok(done);
                }
                Err(fault) => fault,
            };
            drop(handle);
            self.handle.take();
            if is_repeated {
                return Err(if is_opening { Fault::Lost } else { fault });
            }
            if is_later && matches!(fault, Fault::Unknown) {
                return Err(fault);
            }
            if is_later {
                self.is_repeated.set(true);
                return Err(Fault::Closed);
            }
            is_repeated = true;
        }
    }

    async fn attempt(&self, handle: &Handle, task: &Task) -> Result<Done, Fault> {
        let mode = if task.is_reading() {
            TransactionMode::ReadOnly
        } else {
            TransactionMode::ReadWrite
        };
        let transaction = handle.transaction(task.tables(), mode);
        let transaction = transaction.ok_or(Fault::Lost)?;
        let worked = handle.watch(&transaction, self.work(&transaction, task));
        worked.await.map_err(|Aborted| {
            if handle.was_cut() {
                Fault::Unknown
            } else {
                Fault::Aborted
            }
        })
    }

    /// The database, opened where it is not. It may come too late for this call and in time for the
    /// next.
    async fn open(self: &Rc<Self>, is_for_all: bool) -> Option<Rc<Handle>> {
        if !is_for_all && self.partition.get().is_none() {
            let name = JsFuture::from(self.host.partition_name()).await.ok()?;
            let _ = self.partition.set(name.unchecked_into());
        }
        if self.handle.borrow().is_none() && !self.is_barred.get() {
            let myself = self.clone();
            let opened = Promise::new(&mut |resolve, _| {
                let myself = myself.clone();
                let late = resolve.clone();
                let patience = Timeout::new(OPEN_MS_MAX, move || {
                    let _ = late.call0(&JsValue::UNDEFINED);
                });
                spawn_local(async move {
                    let mut rest_ms = REST_MS;
                    loop {
                        let store = Rc::downgrade(&myself);
                        let on_end = move |end| ended(&store, end);
                        match Handle::open(&myself.name, on_end).await {
                            Ok(handle) => {
                                myself.was_open.set(true);
                                myself.handle.replace(Some(Rc::new(handle)));
                                myself.close_idle();
                            }
                            Err(Some(End::Closed)) if rest_ms < REST_MS_MAX => {
                                rest(rest_ms).await;
                                rest_ms *= 2;
                                continue;
                            }
                            Err(end) => {
                                let is_absent = matches!(end, Some(End::Absent | End::Foreign));
                                myself.is_nowhere.set(is_absent && !myself.was_open.get());
                                if let Some(end @ (End::Outdated | End::Foreign)) = end {
                                    myself.end(end);
                                }
                            }
                        }
                        break;
                    }
                    drop(patience);
                    let _ = resolve.call0(&JsValue::UNDEFINED);
                });
            });
            let _ = JsFuture::from(opened).await;
        }
        self.handle.borrow().clone()
    }

    /// Lets the database go, for good where it is not this code's.
    fn end(&self, end: End) {
        self.handle.take();
        if end == End::Closed || !self.is_barred.replace(true) {
            (self.on_end)(end);
        }
    }
}

/// Storage is at work.
pub(super) struct Work(Rc<Store>);

impl Drop for Work {
    fn drop(&mut self) {
        let Self(store) = self;
        store.works.set(store.works.get().saturating_sub(1));
        store.close_idle();
    }
}

async fn rest(ms: u32) {
    let over = Promise::new(&mut |resolve, _| {
        Timeout::new(ms, move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        })
        .forget();
    });
    let _ = JsFuture::from(over).await;
}

/// A handle that is in use is closed when it no longer is. Not from within the browser's call: the
/// listener that it runs goes with it.
fn ended(store: &Weak<Store>, end: End) {
    if let Some(store) = store.upgrade() {
        spawn_local(async move { store.end(end) });
    }
}
