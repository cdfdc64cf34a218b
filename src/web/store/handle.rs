//! Owns an open database and the listeners for its end.
//!
//! A database opens at its current version first, so that foreign databases stay as they are. The
//! crate rexie only upgrades earlier versions, because it doesn't report a database's end. The open
//! handle belongs to `idb`, the crate under rexie.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use idb::event::DatabaseEvent as _;
use idb::{Factory, ObjectStoreParams, TransactionMode};
use js_sys::Reflect;
use rexie::{ObjectStore, Rexie};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbTransaction};

use super::{BATCHES, ROWS, TABLES, VERSION};

/// Why a database is unusable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum End {
    /// The browser has closed it or removes it. The next database may be empty, and opening may
    /// fail for a moment.
    Closed,
    /// It has a later version than this code knows, or another page upgrades it to one.
    Outdated,
    /// It belongs to other code that uses the same name.
    Foreign,
    /// The browser has no storage or forbids it, so nothing was ever stored.
    Absent,
}

pub(super) struct Handle {
    database: idb::Database,
    /// The drop removes them, because the browser may call them after the database is closed.
    listeners: Listeners,
    /// Storage's producer is the one that the core knows.
    pub(super) is_entered: Cell<bool>,
    forced_close: Rc<ForcedClose>,
}

/// The transactions that end with a forced close. The browser may close a database under a
/// transaction. Chromium then fires no event for a transaction that was about to complete. So this
/// code calls `onabort` itself.
#[derive(Default)]
struct ForcedClose {
    running: RefCell<Vec<IdbTransaction>>,
    has_happened: Cell<bool>,
}

impl ForcedClose {
    fn abort_running(&self) {
        self.has_happened.set(true);
        for transaction in self.running.take() {
            if let Some(aborted) = transaction.onabort() {
                let _ = aborted.call0(&JsValue::UNDEFINED);
            }
        }
    }
}

impl Handle {
    /// Opens the database. `on_end` runs inside a call of the browser's, so it must not close the
    /// database.
    pub(super) async fn open(
        name: &str,
        on_end: impl Fn(End) + Clone + 'static,
    ) -> Result<Self, Option<End>> {
        let mut database = find(name).await?;
        if is_earlier(&database)? {
            database.close();
            upgrade(name).await?;
            database = find(name).await?;
            // The browser removed the database and another tab made it anew. The next attempt
            // upgrades it.
            if is_earlier(&database)? {
                database.close();
                return Err(Some(End::Closed));
            }
        }
        let forced_close = Rc::new(ForcedClose::default());
        let database = IdbDatabase::from(database);
        let listeners = Listeners::new(&database, forced_close.clone(), on_end);
        Ok(Self {
            database: database.into(),
            listeners,
            is_entered: Cell::new(false),
            forced_close,
        })
    }

    /// The browser has closed the database. The outcome of running transactions is unknown.
    pub(super) fn was_force_closed(&self) -> bool {
        self.forced_close.has_happened.get()
    }

    /// Runs the work of a transaction, and ends it if the browser closes the database.
    pub(super) async fn watch<T>(
        &self,
        transaction: &IdbTransaction,
        work: impl Future<Output = T>,
    ) -> T {
        let running = &self.forced_close.running;
        running.borrow_mut().push(transaction.clone());
        let done = work.await;
        running.borrow_mut().retain(|other| other != transaction);
        done
    }

    pub(super) fn transaction(
        &self,
        tables: &[&str],
        mode: TransactionMode,
    ) -> Option<IdbTransaction> {
        let transaction = self.database.transaction(tables, mode);
        transaction.ok().map(IdbTransaction::from)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.listeners.remove();
        self.database.close();
    }
}

/// Listeners for the database's end. They may run more than once.
struct Listeners {
    database: IdbDatabase,
    _closed: Closure<dyn Fn()>,
    _changed: Closure<dyn Fn(JsValue)>,
}

impl Listeners {
    fn new(
        database: &IdbDatabase,
        forced_close: Rc<ForcedClose>,
        on_end: impl Fn(End) + Clone + 'static,
    ) -> Self {
        let on_close = on_end.clone();
        let closed = Closure::new(move || {
            forced_close.abort_running();
            on_close(End::Closed);
        });
        let changed = Closure::new(move |event: JsValue| {
            let version = Reflect::get(&event, &JsValue::from_str("newVersion"));
            on_end(match version {
                Ok(version) if !version.is_null() => End::Outdated,
                _ => End::Closed,
            });
        });
        database.set_onclose(Some(closed.as_ref().unchecked_ref()));
        database.set_onversionchange(Some(changed.as_ref().unchecked_ref()));
        Self {
            database: database.clone(),
            _closed: closed,
            _changed: changed,
        }
    }

    fn remove(&self) {
        self.database.set_onclose(None);
        self.database.set_onversionchange(None);
    }
}

/// Opens the database at its current version. Creates a missing one with the object stores that
/// identify it as ours. A request for a later version would ask the tabs of a foreign database's
/// owner to close it.
async fn find(name: &str) -> Result<idb::Database, Option<End>> {
    let request = Factory::new().and_then(|factory| factory.open(name, None));
    let mut request = request.map_err(|_| Some(End::Absent))?;
    request.on_upgrade_needed(|event| {
        let Ok(database) = event.database() else {
            return;
        };
        for name in TABLES {
            let mut params = ObjectStoreParams::new();
            params.auto_increment(name == ROWS);
            let _ = database.create_object_store(name, params);
        }
    });
    request.await.map_err(|_| Some(End::Closed))
}

/// Whether the database is ours and has an earlier version. A database without object stores is
/// free to use. Closes any other database.
fn is_earlier(database: &idb::Database) -> Result<bool, Option<End>> {
    let names = database.store_names();
    let version = database.version().unwrap_or_default();
    let is_ours = TABLES
        .into_iter()
        // Version 2 introduced batch records.
        .filter(|table| version >= VERSION || *table != BATCHES)
        .all(|table| names.iter().any(|name| name == table));
    let is_free = names.is_empty() && version < VERSION;
    if (is_ours || is_free) && version <= VERSION {
        return Ok(version < VERSION);
    }
    database.close();
    Err(Some(if is_ours { End::Outdated } else { End::Foreign }))
}

/// Upgrades the database to this version. rexie removes the object stores that have no name here.
async fn upgrade(name: &str) -> Result<(), Option<End>> {
    let builder = Rexie::builder(name).version(VERSION);
    let builder = TABLES.into_iter().fold(builder, |builder, name| {
        builder.add_object_store(ObjectStore::new(name).auto_increment(name == ROWS))
    });
    let made = builder.build().await.map_err(|error| match error {
        rexie::Error::IdbError(idb::Error::DomException(error)) => {
            let is_outdated = error.name() == "VersionError";
            Some(if is_outdated {
                End::Outdated
            } else {
                End::Closed
            })
        }
        _ => None,
    })?;
    made.close();
    Ok(())
}
