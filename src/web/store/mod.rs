//! Executes the storage requests of the core and of js/src/storage.ts in IndexedDB. Only this
//! folder names IndexedDB and rexie, which opens it. A request succeeds when its transaction is
//! complete. Every version names every object store, because rexie removes the others.

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

/// The version of the schema. A later one must keep the object stores of this one:
/// docs/decisions/outbox.md.
const VERSION: u32 = 2;

/// Partition → its record, which the wrapper defines. The first element is the producer.
const PARTITIONS: &str = "partitions";
/// Number → row. The browser assigns the number.
const ROWS: &str = "rows";
/// Highest number of a batch record → its rows.
const BATCHES: &str = "packs";
/// Partition, topic and key → number of the row that may still be replaced.
const KEYS: &str = "keys";
/// Number → verdict that another tab may wait for.
const VERDICTS: &str = "verdicts";
/// Number → dead letter: a row with its code and message as the last elements.
const DEAD_LETTERS: &str = "letters";

/// Partition and topic → a document's value from before the pending changes. The elements are
/// partition, epoch, seq and JSON.
const DOCUMENTS: &str = "documents";

const TABLES: [&str; 7] = [
    PARTITIONS,
    ROWS,
    BATCHES,
    KEYS,
    VERDICTS,
    DEAD_LETTERS,
    DOCUMENTS,
];

/// How long storage may take to open, ms. Chosen: longer than a busy disk takes. Safari's first
/// open may hang for ever (WebKit 226547).
const OPEN_MS_MAX: u32 = 3_000;

/// The pause before storage that failed to open is tried again, ms. It doubles each time. Measured:
/// Chromium refuses to open a database while it removes it.
const PAUSE_MS: u32 = 100;

/// Storage fails instead of a pause of this length. Chosen: a database that opens again does so
/// within a second.
const PAUSE_MS_MAX: u32 = 800;

/// The most verdicts in storage. Chosen: a tab that slept through more learns that its rows have
/// left, but not their outcomes.
const VERDICTS_MAX: u64 = 10_000;

/// The most dead letters in storage. The oldest are deleted first. Chosen: nobody reads more.
const DEAD_LETTERS_MAX: usize = 1_000;

/// Why a task failed.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The database can't be reached.
    Lost,
    /// The database must be opened again, and may be another one then.
    Closed,
    /// The same as `Closed`, but the task may have succeeded.
    Unknown,
    /// The browser aborted the transaction. If that happens again with a new handle, the disk is
    /// full. Browsers don't report the reason.
    Aborted,
}

pub(super) struct Store {
    name: String,
    /// The partition that this store works on, once the wrapper knows it.
    partition: OnceCell<JsString>,
    host: Host,
    handle: RefCell<Option<Rc<Handle>>>,
    batch_records: BatchRecords,
    /// The core's last request failed. The store tries it once more with another handle.
    is_repeated: Cell<bool>,
    /// The database has a later version, or another owner. This code must not touch it.
    is_forbidden: Cell<bool>,
    /// The database was open once, so it may contain rows.
    was_open: Cell<bool>,
    /// There is no database of ours, and there was none before.
    is_absent: Cell<bool>,
    /// The number of tasks under way. The core's answer is a part of its task.
    works: Cell<u32>,
    /// The client is closed. The last task closes the database.
    is_closed: Cell<bool>,
    /// Reports the end of the database.
    on_end: Box<dyn Fn(End)>,
}

impl Store {
    pub(super) fn new(name: &str, host: Host, on_end: Box<dyn Fn(End)>) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            partition: OnceCell::new(),
            host,
            handle: RefCell::new(None),
            batch_records: BatchRecords::default(),
            is_repeated: Cell::new(false),
            is_forbidden: Cell::new(false),
            was_open: Cell::new(false),
            is_absent: Cell::new(false),
            works: Cell::new(0),
            is_closed: Cell::new(false),
            on_end,
        })
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Keeps the database open until the returned value is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> Work {
        self.works.set(self.works.get().saturating_add(1));
        Work(self.clone())
    }

    /// Closes the database after the tasks under way. An open database would keep the wasm's memory
    /// alive.
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

    /// Runs a task in a transaction of its own, and tries once more with another handle. The retry
    /// is necessary because browsers let handles die silently. A database that opens again may be
    /// empty. So the core's requests fail with `Closed` until the core has opened it.
    pub(super) async fn perform(self: Rc<Self>, task: Task) -> Result<Done, Fault> {
        let is_opening = task.is_opening();
        let is_later = task.is_for_opened();
        let mut is_repeated = is_later && self.is_repeated.take();
        loop {
            let Some(handle) = self.open(task.is_for_all()).await else {
                // Without storage there is nothing to remove.
                return match task {
                    Task::Wipe if self.is_absent.get() => Ok(Done::Value(0.into())),
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
            if handle.was_force_closed() {
                Fault::Unknown
            } else {
                Fault::Aborted
            }
        })
    }

    /// Returns the database, and opens it if necessary. A slow open times out for this call and may
    /// succeed for the next.
    async fn open(self: &Rc<Self>, is_for_all: bool) -> Option<Rc<Handle>> {
        if !is_for_all && self.partition.get().is_none() {
            let name = JsFuture::from(self.host.partition_name()).await.ok()?;
            let _ = self.partition.set(name.unchecked_into());
        }
        if self.handle.borrow().is_none() && !self.is_forbidden.get() {
            let myself = self.clone();
            let opened = Promise::new(&mut |resolve, _| {
                let myself = myself.clone();
                let late = resolve.clone();
                let timeout = Timeout::new(OPEN_MS_MAX, move || {
                    let _ = late.call0(&JsValue::UNDEFINED);
                });
                spawn_local(async move {
                    let mut pause_ms = PAUSE_MS;
                    loop {
                        let store = Rc::downgrade(&myself);
                        let on_end = move |end| ended(&store, end);
                        match Handle::open(&myself.name, on_end).await {
                            Ok(handle) => {
                                myself.was_open.set(true);
                                myself.handle.replace(Some(Rc::new(handle)));
                                myself.close_idle();
                            }
                            Err(Some(End::Closed)) if pause_ms < PAUSE_MS_MAX => {
                                pause(pause_ms).await;
                                pause_ms *= 2;
                                continue;
                            }
                            Err(end) => {
                                let has_no_database =
                                    matches!(end, Some(End::Absent | End::Foreign));
                                myself
                                    .is_absent
                                    .set(has_no_database && !myself.was_open.get());
                                if let Some(end @ (End::Outdated | End::Foreign)) = end {
                                    myself.end(end);
                                }
                            }
                        }
                        break;
                    }
                    drop(timeout);
                    let _ = resolve.call0(&JsValue::UNDEFINED);
                });
            });
            let _ = JsFuture::from(opened).await;
        }
        self.handle.borrow().clone()
    }

    /// Closes the database, and for good if it doesn't belong to this code.
    fn end(&self, end: End) {
        self.handle.take();
        if end == End::Closed || !self.is_forbidden.replace(true) {
            (self.on_end)(end);
        }
    }
}

/// A task is under way.
pub(super) struct Work(Rc<Store>);

impl Drop for Work {
    fn drop(&mut self) {
        let Self(store) = self;
        store.works.set(store.works.get().saturating_sub(1));
        store.close_idle();
    }
}

async fn pause(ms: u32) {
    let over = Promise::new(&mut |resolve, _| {
        Timeout::new(ms, move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        })
        .forget();
    });
    let _ = JsFuture::from(over).await;
}

/// Handles the end of a database outside of the browser's call, because that call runs a listener
/// which the handle's drop removes. A task in progress keeps the handle open.
fn ended(store: &Weak<Store>, end: End) {
    if let Some(store) = store.upgrade() {
        spawn_local(async move { store.end(end) });
    }
}
