//! The requests of a transaction. Those that do not wait for each other are made at once, and where
//! nothing follows them the transaction is told so: each wait is a round trip to the browser's
//! storage.
//!
//! What the browser calls are the functions of promises, none of ours: whoever stops waiting leaves
//! nothing behind that could throw inside a transaction and so abort it.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbKeyRange, IdbRequest, IdbTransaction};

/// So much as there is.
const ALL: u32 = u32::MAX;

/// One request, and the table that it is about.
pub(super) enum Request {
    /// The values of a key or range, in the order of their keys.
    Values(&'static str, JsValue),
    /// Its keys.
    Keys(&'static str, JsValue),
    /// A value that the browser numbers.
    Add(&'static str, JsValue),
    /// A value under its key.
    Put(&'static str, JsValue, JsValue),
    /// What a key or range has.
    Delete(&'static str, JsValue),
}

/// Nothing of the transaction has happened.
pub(super) struct Aborted;

/// The answers to requests, in their order.
pub(super) struct Answers(std::vec::IntoIter<IdbRequest>);

impl Answers {
    /// Of a request for keys or values.
    pub(super) fn next(&mut self) -> Array {
        self.result()
            .map_or_else(Array::new, JsCast::unchecked_into)
    }

    /// Of a request for the value of one key.
    pub(super) fn one(&mut self) -> Option<JsValue> {
        let values = self.next();
        (values.length() > 0).then(|| values.get(0))
    }

    /// Of any other.
    pub(super) fn result(&mut self) -> Option<JsValue> {
        self.0.next().and_then(|request| request.result().ok())
    }
}

/// Makes requests, and waits until they have their answers. The transaction goes on.
pub(super) async fn ask(tx: &IdbTransaction, requests: Vec<Request>) -> Result<Answers, Aborted> {
    let made = make(tx, requests)?;
    if let Some(last) = made.last() {
        over(|resolve, reject| {
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
/// Makes requests, the last ones. Success is a transaction that is complete, and nothing else.
pub(super) async fn finish(
    tx: &IdbTransaction,
    requests: Vec<Request>,
) -> Result<Answers, Aborted> {
    let made = make(tx, requests)?;
    let ending = over(|resolve, reject| {
        tx.set_oncomplete(Some(resolve));
        tx.set_onabort(Some(reject));
    });
    tx.commit().map_err(|_| Aborted)?;
    ending.await?;
    Ok(Answers(made.into_iter()))
}

/// Where one can't be made, nothing of the transaction is to happen.
fn make(tx: &IdbTransaction, requests: Vec<Request>) -> Result<Vec<IdbRequest>, Aborted> {
    let mut made = Vec::with_capacity(requests.len());
    for request in requests {
        if let Ok(request) = one(tx, &request) {
            made.push(request);
        } else {
            let _ = tx.abort();
            return Err(Aborted);
        }
    }
    Ok(made)
}

fn one(tx: &IdbTransaction, request: &Request) -> Result<IdbRequest, JsValue> {
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

/// A promise whose functions are handed to the browser.
fn over(
    hand: impl Fn(&js_sys::Function, &js_sys::Function),
) -> impl Future<Output = Result<(), Aborted>> {
    let promise = Promise::new(&mut |resolve, reject| hand(&resolve, &reject));
    // Listens from now on: a rejection that nobody hears is an error of the page's.
    let over = JsFuture::from(promise);
    async { over.await.map(|_| ()).map_err(|_| Aborted) }
}

/// All keys from one on to another; both are in it.
pub(super) fn between(first: &JsValue, last: &JsValue) -> JsValue {
    IdbKeyRange::bound(first, last).map_or(JsValue::UNDEFINED, JsValue::from)
}

/// All keys after one.
pub(super) fn after(key: &JsValue) -> JsValue {
    IdbKeyRange::lower_bound_with_open(key, true).map_or(JsValue::UNDEFINED, JsValue::from)
}
