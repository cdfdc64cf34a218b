//! A database that is open. rexie makes it, with every object store of this version, and closes it again: it has no ear for the end of
//! its own. What is left open is a handle of the crate that rexie is made of.

use std::cell::Cell;

use idb::{Event as _, Factory, Request as _, TransactionMode};
use js_sys::Reflect;
use rexie::{ObjectStore, Rexie};
use wasm_bindgen::JsValue;
use web_sys::IdbTransaction;

use super::{ROWS, TABLES, VERSION};

/// What has become of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum End {
    /// The browser has closed it, or removes it: what is opened next may be empty, and for a moment nothing can be.
    Closed,
    /// It has, or is to have, a later version than this code knows.
    Outdated,
}

pub(super) struct Handle {
    database: idb::Database,
    /// The partition's producer is known to be the one that the core knows.
    pub(super) is_entered: Cell<bool>,
}

impl Handle {
    /// Opens it. `on_end` is called from within a call of the browser's, which closing it would disturb.
    pub(super) async fn open(
        name: &str,
        on_end: impl Fn(End) + Clone + 'static,
    ) -> Result<Self, Option<End>> {
        make(name).await?;
        Ok(Self {
            database: listening(name, on_end).await?,
            is_entered: Cell::new(false),
        })
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
        self.database.close();
    }
}

/// Makes the database, or brings it up to this version: rexie removes the object stores that are not named.
async fn make(name: &str) -> Result<(), Option<End>> {
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

async fn listening(
    name: &str,
    on_end: impl Fn(End) + Clone + 'static,
) -> Result<idb::Database, Option<End>> {
    let request = Factory::new().and_then(|factory| factory.open(name, None));
    let mut request = request.map_err(|_| None)?;
    // It was removed in between: an empty one is of no use.
    request.on_upgrade_needed(|event| {
        let creation = event
            .target()
            .ok()
            .and_then(|request| request.transaction());
        let _ = creation.map(idb::Transaction::abort);
    });
    let mut database = request.await.map_err(|_| Some(End::Closed))?;
    if database.version() != Ok(VERSION) {
        database.close();
        return Err(Some(End::Outdated));
    }
    let closed = on_end.clone();
    database.on_close(move |_| closed(End::Closed));
    database.on_version_change(move |event| {
        let version = Reflect::get(&event, &JsValue::from_str("newVersion"));
        on_end(match version {
            Ok(version) if !version.is_null() => End::Outdated,
            _ => End::Closed,
        });
    });
    Ok(database)
}
