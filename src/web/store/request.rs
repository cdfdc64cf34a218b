//! Makes the requests of a transaction. Independent requests start together, and the last ones
//! commit the transaction early, because each wait costs a round trip to storage.
//!
//! The browser calls a promise's functions, never a closure of ours. A dropped future leaves no
//! listener that could throw and so abort the transaction.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbKeyRange, IdbRequest, IdbTransaction};

/// No limit.
const ALL: u32 = u32::MAX;

/// A request and its object store.
pub(super) enum Request {
    /// Reads the values of a key or range, in the order of their keys.
    Values(&'static str, JsValue),
    /// Reads the keys of a key or range.
    Keys(&'static str, JsValue),
    /// Adds a value. The browser assigns its key.
    Add(&'static str, JsValue),
    /// Writes a value under its key.
    Put(&'static str, JsValue, JsValue),
    /// Deletes the values of a key or range.
    Delete(&'static str, JsValue),
}

/// The transaction failed and has changed nothing.
pub(super) struct Aborted;

/// The answers to requests, in the order of the requests.
pub(super) struct Answers(std::vec::IntoIter<IdbRequest>);

impl Answers {
    /// Takes the answer to a request for keys or values.
    pub(super) fn next(&mut self) -> Array {
        self.result()
            .map_or_else(Array::new, JsCast::unchecked_into)
    }

    /// Takes the answer to a request for the value of one key.
    pub(super) fn one(&mut self) -> Option<JsValue> {
        let values = self.next();
        (values.length() > 0).then(|| values.get(0))
    }

    /// Takes the answer to any other request.
    pub(super) fn result(&mut self) -> Option<JsValue> {
        self.0.next().and_then(|request| request.result().ok())
    }
}

/// Makes requests and waits for their answers. The transaction stays open.
pub(super) async fn ask(tx: &IdbTransaction, requests: Vec<Request>) -> Result<Answers, Aborted> {
    let made = make(tx, requests)?;
    if let Some(last) = made.last() {
        wait(|resolve, reject| {
            last.set_onsuccess(Some(resolve));
            last.set_onerror(Some(reject));
        })
        .await?;
    }
    Ok(Answers(made.into_iter()))
}

#[expect(
    deprecated,
    reason = "web-sys marks `commit` so; it is in the standard, and in every browser that has what this wasm needs"
)]
/// Makes the last requests and commits. Only a complete transaction is a success.
pub(super) async fn finish(
    tx: &IdbTransaction,
    requests: Vec<Request>,
) -> Result<Answers, Aborted> {
    let made = make(tx, requests)?;
    let ending = wait(|resolve, reject| {
        tx.set_oncomplete(Some(resolve));
        tx.set_onabort(Some(reject));
    });
    tx.commit().map_err(|_| Aborted)?;
    ending.await?;
    Ok(Answers(made.into_iter()))
}

/// Makes requests. Aborts the transaction if the browser refuses one of them.
fn make(tx: &IdbTransaction, requests: Vec<Request>) -> Result<Vec<IdbRequest>, Aborted> {
    let mut made = Vec::with_capacity(requests.len());
    for request in requests {
        if let Ok(request) = make_one(tx, &request) {
            made.push(request);
        } else {
            let _ = tx.abort();
            return Err(Aborted);
        }
    }
    Ok(made)
}

fn make_one(tx: &IdbTransaction, request: &Request) -> Result<IdbRequest, JsValue> {
    let (Request::Values(table, _)
    | Request::Keys(table, _)
    | Request::Add(table, _)
    | Request::Put(table, ..)
    | Request::Delete(table, _)) = request;
    let table = tx.object_store(table)?;
    match request {
        Request::Values(_, query) => table.get_all_with_key_and_limit(query, ALL),
        Request::Keys(_, query) => table.get_all_keys_with_key_and_limit(query, ALL),
        Request::Add(_, value) => table.add(value),
        Request::Put(_, value, key) => table.put_with_key(value, key),
        Request::Delete(_, query) => table.delete(query),
    }
}

/// Hands the functions of a promise to the browser, and waits for the promise.
fn wait(
    hand: impl Fn(&js_sys::Function, &js_sys::Function),
) -> impl Future<Output = Result<(), Aborted>> {
    let promise = Promise::new(&mut |resolve, reject| hand(&resolve, &reject));
    // The future listens at once. The page would report a rejection without a listener as an error.
    let over = JsFuture::from(promise);
    async { over.await.map(|_| ()).map_err(|_| Aborted) }
}

/// Returns the range from one key to another, both included.
pub(super) fn between(first: &JsValue, last: &JsValue) -> JsValue {
    IdbKeyRange::bound(first, last).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// Returns the range of all keys after one.
pub(super) fn after(key: &JsValue) -> JsValue {
    IdbKeyRange::lower_bound_with_open(key, true).map_or(JsValue::UNDEFINED, JsValue::from)
}
