//! What the core asks of JavaScript: js/src/host.ts is the other side.
//!
//! None of these runs a listener of the user: JavaScript notes what it is told and acts in
//! `settle`.

use js_sys::{Array, Function, JsString, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Response, WebSocket};

#[wasm_bindgen]
extern "C" {
    /// The object that the wrapper hands in: js/src/host.ts.
    pub type Host;

    /// The handler of a socket's message events, so that a message goes to JavaScript without a
    /// stop here.
    #[wasm_bindgen(method)]
    pub(super) fn receiver(this: &Host, connection: f64) -> Function;

    /// A socket's error is nobody's from now on. One that Node's `ws` makes throws what nobody
    /// listens to.
    #[wasm_bindgen(method)]
    pub(super) fn mute(this: &Host, socket: &WebSocket);

    /// Sends records; those of one turn share a frame.
    #[wasm_bindgen(method)]
    pub(super) fn transmit(this: &Host, socket: &WebSocket, records: &str);

    /// Sends a publication: its head, then the payload that JavaScript keeps for the row.
    #[wasm_bindgen(method, js_name = transmitPublication)]
    pub(super) fn transmit_publication(this: &Host, socket: &WebSocket, head: &str, row: f64);

    /// The same for a connection that has no socket: JavaScript calls `post` with what it has
    /// gathered in this turn.
    #[wasm_bindgen(method, js_name = postPublication)]
    pub(super) fn post_publication(this: &Host, connection: f64, head: &str, row: f64);

    /// Records that came as an answer.
    #[wasm_bindgen(method)]
    pub(super) fn received(this: &Host, connection: f64, frame: &JsString);

    /// The text of an answer: a promise of it, or of nothing where it is too long. `polling` is the
    /// connection whose poll it answers.
    #[wasm_bindgen(method)]
    pub(super) fn text(this: &Host, response: &Response, polling: Option<f64>) -> Promise;

    /// Ask the user's function for a token; `token` or `no_token` follows, never in the same turn.
    /// 0 initial, 1 expiring, 2 rejected.
    #[wasm_bindgen(method, js_name = askToken)]
    pub(super) fn ask_token(this: &Host, reason: u32);

    /// A place for what is held over HTTP is wanted, or no longer: JavaScript calls `placed`, after
    /// this turn.
    #[wasm_bindgen(method)]
    pub(super) fn place(this: &Host, is_wanted: bool);

    /// This transport was useful.
    #[wasm_bindgen(method)]
    pub(super) fn remember(this: &Host, transport: u32);

    /// The status is now this. `ms` is how far off the attempt is, or how long ago the connection
    /// began; `repeat_ms` how far off is what the client asks for again.
    #[wasm_bindgen(method, js_name = statusChanged)]
    pub(super) fn status_changed(
        this: &Host,
        kind: u32,
        transport: u32,
        attempt: u32,
        is_exhausted: bool,
        ms: f64,
        rtt_ms: Option<f64>,
        repeat_ms: Option<f64>,
        close_code: u32,
        detail: &str,
    );

    #[wasm_bindgen(method)]
    pub(super) fn deliver(this: &Host, no: u32, run: u32, skip: u32);

    #[wasm_bindgen(method)]
    pub(super) fn hold(this: &Host, run: u32);

    #[wasm_bindgen(method)]
    pub(super) fn discard(this: &Host, run: u32);

    #[wasm_bindgen(method)]
    pub(super) fn streaming(this: &Host, no: u32, cursor: &str);

    /// `last` is absent where nobody knows it.
    #[wasm_bindgen(method)]
    pub(super) fn gap(
        this: &Host,
        no: u32,
        epoch: &str,
        first: f64,
        last: Option<f64>,
        reason: &str,
    );

    #[wasm_bindgen(method)]
    pub(super) fn refused(this: &Host, no: u32, code: &str, message: &str);

    #[wasm_bindgen(method)]
    pub(super) fn queued(this: &Host, request: u32, row: f64, is_durable: bool);

    /// The row of a call of publish, as js/src/rows.ts has it.
    #[wasm_bindgen(method)]
    pub(super) fn row(
        this: &Host,
        request: u32,
        bytes: f64,
        created_ms: f64,
        until_ms: f64,
        is_hub_time: bool,
    ) -> JsValue;

    /// What the call of a row of storage is known by, for as long as its end may not be noted.
    #[wasm_bindgen(method, js_name = tagOf)]
    pub(super) fn tag_of(this: &Host, row: f64) -> JsValue;

    /// A row of storage, as src/web/store/row.rs has it: its payload may be asked for from now on.
    #[wasm_bindgen(method)]
    pub(super) fn restored(this: &Host, row: f64, value: &JsValue);

    /// A row is no longer in storage.
    #[wasm_bindgen(method)]
    pub(super) fn forget(this: &Host, row: f64);

    /// The name of the partition, once it is known whose rows these are.
    #[wasm_bindgen(method, js_name = partitionName)]
    pub(super) fn partition_name(this: &Host) -> Promise;

    /// What is to be kept of the partition, given what was: an array, first its producer.
    #[wasm_bindgen(method)]
    pub(super) fn partition(this: &Host, before: Option<&JsValue>) -> Array;

    /// This client wants to be the one that sends what is in storage, or no longer: JavaScript
    /// calls `sender`, after this turn.
    #[wasm_bindgen(method, js_name = seekSender)]
    pub(super) fn seek_sender(this: &Host, is_wanted: bool);

    /// Tell the other tabs: new rows up to the highest number, of this producer, as with the next
    /// ones.
    #[wasm_bindgen(method, js_name = tellAdded)]
    pub(super) fn tell_added(this: &Host, producer: &str, last: f64, rows: f64, bytes: f64);

    /// Tell the other tabs: a row took effect.
    #[wasm_bindgen(method, js_name = tellAcked)]
    pub(super) fn tell_acked(
        this: &Host,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        epoch: &str,
        seq: f64,
        duplicate: bool,
    );

    /// Tell the other tabs: a row never will.
    #[wasm_bindgen(method, js_name = tellDead)]
    pub(super) fn tell_dead(
        this: &Host,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        code: &str,
        message: &str,
    );

    /// Tell the other tabs: storage has noted the end of a row.
    #[wasm_bindgen(method, js_name = tellNoted)]
    pub(super) fn tell_noted(this: &Host, producer: &str, row: f64);

    /// Tell the other tabs: the user gave a row up.
    #[wasm_bindgen(method, js_name = tellGivenUp)]
    pub(super) fn tell_given_up(this: &Host, producer: &str, row: f64);

    /// Tell the other tabs: the outbox of this name has another one.
    #[wasm_bindgen(method, js_name = tellRenamed)]
    pub(super) fn tell_renamed(this: &Host, producer: &str, name: &str);

    /// The hub does not take the outbox's rows from whom the token names.
    #[wasm_bindgen(method, js_name = outboxRefused)]
    pub(super) fn outbox_refused(this: &Host, code: &str, message: &str);

    /// The browser has removed the storage that the outbox was in.
    #[wasm_bindgen(method, js_name = outboxLost)]
    pub(super) fn outbox_lost(this: &Host, rows: f64);

    /// The outbox's storage is not to be touched: another page has, or wants, a later version of
    /// it, or it is foreign, somebody else's of the same name.
    #[wasm_bindgen(method)]
    pub(super) fn barred(this: &Host, is_foreign: bool);

    /// Why: 0 the outbox is full, 1 storage is, 2 the payload is larger than `bytes_max`, 3 the
    /// client is closed, 4 nobody knows the outcome of a call that was made before, 5 the outbox
    /// was wiped.
    #[wasm_bindgen(method, js_name = publishRefused)]
    pub(super) fn publish_refused(this: &Host, request: u32, why: u32, bytes_max: f64);

    #[wasm_bindgen(method)]
    pub(super) fn acked(this: &Host, row: f64, epoch: &str, seq: f64, duplicate: bool);

    #[wasm_bindgen(method)]
    pub(super) fn dead(this: &Host, row: f64, attempts: u32, code: &str, message: &str);

    /// The core has finished a turn that JavaScript did not begin: act on what it told.
    #[wasm_bindgen(method)]
    pub(super) fn settle(this: &Host);
}
