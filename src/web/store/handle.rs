//! A database that is open. It is opened as it is found and looked at first: one that this code did
//! not make stays as it is. rexie brings an earlier version of ours up to date, and is closed
//! again: it has no ear for the end of its own. What stays open is a handle of the crate that rexie
//! is made of.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use idb::event::DatabaseEvent as _;
use idb::{Factory, ObjectStoreParams, TransactionMode};
use js_sys::Reflect;
use rexie::{ObjectStore, Rexie};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbTransaction};

use super::{PACKS, ROWS, TABLES, VERSION};

/// What has become of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum End {
    /// The browser has closed it, or removes it: what is opened next may be empty, and for a moment
    /// nothing can be.
    Closed,
    /// It has, or is to have, a later version than this code knows.
    Outdated,
    /// It is somebody else's, who has given it the outbox's name.
    Foreign,
    /// There is no storage here, or the browser forbids it: nothing was ever kept.
    Absent,
}

pub(super) struct Handle {
    database: idb::Database,
    /// The browser may call them when the database is closed already: they leave it with the
    /// handle.
    listeners: Listeners,
    /// The partition's producer is known to be the one that the core knows.
    pub(super) is_entered: Cell<bool>,
    cut: Rc<Cut>,
}

/// The browser may close a database under a transaction. Chromium says nothing of one that was
/// about to be complete then: neither that it is, nor that it was aborted. So its end is told here.
#[derive(Default)]
struct Cut {
    running: RefCell<Vec<IdbTransaction>>,
    has_come: Cell<bool>,
}

impl Cut {
    fn come(&self) {
        self.has_come.set(true);
        for transaction in self.running.take() {
            if let Some(aborted) = transaction.onabort() {
                let _ = aborted.call0(&JsValue::UNDEFINED);
            }
        }
    }
}

impl Handle {
    /// Opens it. `on_end` is called from within a call of the browser's, which closing it would
    /// disturb.
    pub(super) async fn open(
        name: &str,
        on_end: impl Fn(End) + Clone + 'static,
    ) -> Result<Self, Option<End>> {
        let mut database = find(name).await?;
        if is_earlier(&database)? {
            database.close();
            upgrade(name).await?;
            database = find(name).await?;
            // Removed in between, and made anew: the next one brings it up to date.
            if is_earlier(&database)? {
                database.close();
                return Err(Some(End::Closed));
            }
        }
        let cut = Rc::new(Cut::default());
        let database = IdbDatabase::from(database);
        let listeners = Listeners::new(&database, cut.clone(), on_end);
        Ok(Self {
            database: database.into(),
            listeners,
            is_entered: Cell::new(false),
            cut,
        })
    }

    /// The browser has closed it: what became of transactions under way is not known.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.has_come.get()
    }

    /// Does what is to be done in a transaction, which ends in any case.
    pub(super) async fn watch<T>(
        &self,
        transaction: &IdbTransaction,
        work: impl Future<Output = T>,
    ) -> T {
        let running = &self.cut.running;
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
        self.listeners.leave();
        self.database.close();
    }
}

/// Hear of the database's end, more than once if need be.
struct Listeners {
    database: IdbDatabase,
    _closed: Closure<dyn Fn()>,
    _changed: Closure<dyn Fn(JsValue)>,
}

impl Listeners {
    fn new(database: &IdbDatabase, cut: Rc<Cut>, on_end: impl Fn(End) + Clone + 'static) -> Self {
        let told = on_end.clone();
        let closed = Closure::new(move || {
            cut.come();
            told(End::Closed);
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

    fn leave(&self) {
        self.database.set_onclose(None);
        self.database.set_onversionchange(None);
    }
}

/// Opens the database at the version that it has; one that was not there is made, with the stores
/// by which it is known as ours. Nothing is ever opened at a version that it has not got: that
/// would ask the tabs of its owner to let go of it.
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

/// Whether it is ours, and of an earlier version. One without any store is nobody's; what is
/// neither is closed.
fn is_earlier(database: &idb::Database) -> Result<bool, Option<End>> {
    let names = database.store_names();
    let version = database.version().unwrap_or_default();
    let is_ours = TABLES
        .into_iter()
        // Packs came with version 2.
        .filter(|table| version >= VERSION || *table != PACKS)
        .all(|table| names.iter().any(|name| name == table));
    let is_free = names.is_empty() && version < VERSION;
    if (is_ours || is_free) && version <= VERSION {
        return Ok(version < VERSION);
    }
    database.close();
    Err(Some(if is_ours { End::Outdated } else { End::Foreign }))
}

/// Brings the database up to this version: rexie removes the object stores that are not named.
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
