//! A database that is open: one handle for work, rexie's, and one for listening, because rexie has no ear for the end of its own.
//!
//! Both are closed together: when nothing uses them any more, and nothing is kept open that another version of the page waits for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use idb::{Event as _, Factory, Request as _};
use js_sys::Reflect;
use rexie::{ObjectStore, Rexie};
use wasm_bindgen::JsValue;

use super::{ROWS, TABLES, VERSION};

/// How long the second handle may take, ms. Chosen: it opens what is open, and a page that waits for the first is not to wait for long.
const EAR_MS_MAX: u32 = 1_000;

/// What has become of a database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum End {
    /// The browser has closed it, or removes it: what is opened next may be empty, and for a moment nothing can be.
    Closed,
    /// It has, or is to have, a later version than this code knows.
    Outdated,
}

pub(super) struct Handle {
    /// Until the drop.
    rexie: Option<Rexie>,
    ear: idb::Database,
    /// The partition's producer is known to be the one that the core knows.
    pub(super) is_entered: Cell<bool>,
}

impl Handle {
    /// Opens it. `on_end` is called from within a call of the browser's, which closing it would disturb.
    pub(super) async fn open(
        name: &str,
        on_end: impl Fn(End) + Clone + 'static,
    ) -> Result<Self, Option<End>> {
        let rexie = Rc::new(RefCell::new(Some(rexie(name).await?)));
        // A later version may have come in between: it waits for rexie's handle, and the ear for it.
        let unheard = rexie.clone();
        let patience = Timeout::new(EAR_MS_MAX, move || {
            if let Some(rexie) = unheard.take() {
                rexie.close();
            }
        });
        let ear = ear(name, on_end).await;
        drop(patience);
        match (rexie.take(), ear) {
            (Some(rexie), Ok(ear)) => Ok(Self {
                rexie: Some(rexie),
                ear,
                is_entered: Cell::new(false),
            }),
            (rexie, ear) => {
                if let Some(rexie) = rexie {
                    rexie.close();
                }
                Err(ear.err().flatten())
            }
        }
    }

    pub(super) fn rexie(&self) -> Option<&Rexie> {
        self.rexie.as_ref()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(rexie) = self.rexie.take() {
            rexie.close();
        }
        self.ear.close();
    }
}

async fn rexie(name: &str) -> Result<Rexie, Option<End>> {
    let builder = Rexie::builder(name).version(VERSION);
    let builder = TABLES.into_iter().fold(builder, |builder, name| {
        builder.add_object_store(ObjectStore::new(name).auto_increment(name == ROWS))
    });
    builder.build().await.map_err(|error| match error {
        rexie::Error::IdbError(idb::Error::DomException(error)) => {
            let is_outdated = error.name() == "VersionError";
            Some(if is_outdated {
                End::Outdated
            } else {
                End::Closed
            })
        }
        _ => None,
    })
}

async fn ear(
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
    let mut ear = request.await.map_err(|_| Some(End::Closed))?;
    if ear.version() != Ok(VERSION) {
        ear.close();
        return Err(Some(End::Outdated));
    }
    let closed = on_end.clone();
    ear.on_close(move |_| closed(End::Closed));
    ear.on_version_change(move |event| {
        let version = Reflect::get(&event, &JsValue::from_str("newVersion"));
        on_end(match version {
            Ok(version) if !version.is_null() => End::Outdated,
            _ => End::Closed,
        });
    });
    Ok(ear)
}
