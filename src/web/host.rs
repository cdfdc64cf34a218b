//! The calls of the core into JavaScript, which js/src/host.ts implements.
//!
//! No call runs a listener of the user. JavaScript stores each call's data and acts in `settle`.

use js_sys::{Array, Function, JsString, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Response, WebSocket};

#[wasm_bindgen]
extern "C" {
    /// The object that the wrapper passes in: js/src/host.ts.
    pub type Host;

    /// Returns the handler of a socket's message events. Messages go directly to JavaScript.
    #[wasm_bindgen(method)]
    pub(super) fn receiver(this: &Host, connection: f64) -> Function;

    /// Ignores a socket's errors from now on. Node's `ws` throws an error event that has no
    /// listener.
    #[wasm_bindgen(method)]
    pub(super) fn mute(this: &Host, socket: &WebSocket);

    /// Sends records. The records of one turn share a frame.
    #[wasm_bindgen(method)]
    pub(super) fn transmit(this: &Host, socket: &WebSocket, records: &str);

    /// Sends a publication: the head, then the payload that JavaScript keeps for the row.
    #[wasm_bindgen(method, js_name = transmitPublication)]
    pub(super) fn transmit_publication(this: &Host, socket: &WebSocket, head: &str, row: f64);

    /// Does the same for a connection without a socket. JavaScript calls `post` with the
    /// publications of the turn.
    #[wasm_bindgen(method, js_name = postPublication)]
    pub(super) fn post_publication(this: &Host, connection: f64, head: &str, row: f64);

    /// Passes on the records of an answer.
    #[wasm_bindgen(method)]
    pub(super) fn received(this: &Host, connection: f64, frame: &JsString);

    /// Resolves with the text of an answer, or with undefined if it is too long. `polling` is the
    /// connection of the poll.
    #[wasm_bindgen(method)]
    pub(super) fn text(this: &Host, response: &Response, polling: Option<f64>) -> Promise;

    /// Asks the user's function for a token. 0: initial, 1: expiring, 2: rejected. `token` or
    /// `no_token` follows in a later turn.
    #[wasm_bindgen(method, js_name = askToken)]
    pub(super) fn ask_token(this: &Host, reason: u32);

    /// Requests a slot for event streams and long polls, or gives it back. JavaScript calls
    /// `slotGranted` after this turn.
    #[wasm_bindgen(method, js_name = seekSlot)]
    pub(super) fn seek_slot(this: &Host, is_wanted: bool);

    /// Remembers that this transport worked.
    #[wasm_bindgen(method)]
    pub(super) fn remember(this: &Host, transport: u32);

    /// Reports the status. `ms` is the time until the attempt, or since the connection began.
    /// `repeat_ms` is the time until the client repeats a request.
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

    /// Reports a gap. `last` is absent if it is unknown.
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

    /// Returns the row of a call of `publish`, in the form of js/src/rows.ts.
    #[wasm_bindgen(method)]
    pub(super) fn row(
        this: &Host,
        request: u32,
        bytes: f64,
        created_ms: f64,
        until_ms: f64,
        is_hub_time: bool,
    ) -> JsValue;

    /// Returns the tag of a stored row's call. JavaScript keeps it while the row's outcome may be
    /// missing in storage.
    #[wasm_bindgen(method, js_name = tagOf)]
    pub(super) fn tag_of(this: &Host, row: f64) -> JsValue;

    /// Passes on a stored row (src/web/store/row.rs). The core may ask for its payload from now on.
    #[wasm_bindgen(method)]
    pub(super) fn restored(this: &Host, row: f64, value: &JsValue);

    /// Reports that a row has left storage.
    #[wasm_bindgen(method)]
    pub(super) fn forget(this: &Host, row: f64);

    /// Resolves with the name of the partition once the owner of the rows is known.
    #[wasm_bindgen(method, js_name = partitionName)]
    pub(super) fn partition_name(this: &Host) -> Promise;

    /// Returns the partition's record, given the stored one. Its first element is the producer.
    #[wasm_bindgen(method)]
    pub(super) fn partition(this: &Host, before: Option<&JsValue>) -> Array;

    /// Requests leadership, or resigns. JavaScript calls `leader` after this turn.
    #[wasm_bindgen(method, js_name = seekLeadership)]
    pub(super) fn seek_leadership(this: &Host, is_wanted: bool);

    /// Reports new rows of this producer to the other tabs, up to the highest number. Also for the
    /// other messages, `producer` names the outbox.
    #[wasm_bindgen(method, js_name = broadcastAdded)]
    pub(super) fn broadcast_added(this: &Host, producer: &str, last: f64, rows: f64, bytes: f64);

    /// Reports to the other tabs that a row took effect.
    #[wasm_bindgen(method, js_name = broadcastAcked)]
    pub(super) fn broadcast_acked(
        this: &Host,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        epoch: &str,
        seq: f64,
        duplicate: bool,
    );

    /// Reports to the other tabs that a row is a dead letter.
    #[wasm_bindgen(method, js_name = broadcastDead)]
    pub(super) fn broadcast_dead(
        this: &Host,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        code: &str,
        message: &str,
    );

    /// Reports to the other tabs that storage has the outcome of a row.
    #[wasm_bindgen(method, js_name = broadcastOutcomeStored)]
    pub(super) fn broadcast_outcome_stored(this: &Host, producer: &str, row: f64);

    /// Reports to the other tabs that the user has cancelled a row.
    #[wasm_bindgen(method, js_name = broadcastCancelled)]
    pub(super) fn broadcast_cancelled(this: &Host, producer: &str, row: f64);

    /// Reports to the other tabs that the outbox has another identity.
    #[wasm_bindgen(method, js_name = broadcastRenamed)]
    pub(super) fn broadcast_renamed(this: &Host, producer: &str, name: &str);

    /// Reports that the hub rejects the outbox's rows from the token's subject.
    #[wasm_bindgen(method, js_name = outboxRefused)]
    pub(super) fn outbox_refused(this: &Host, code: &str, message: &str);

    /// Reports that the browser has removed the outbox's storage.
    #[wasm_bindgen(method, js_name = outboxLost)]
    pub(super) fn outbox_lost(this: &Host, rows: f64);

    /// Reports that this code must not touch the outbox's storage. Another page needs a later
    /// version of it, or other code uses the same name (`is_foreign`).
    #[wasm_bindgen(method)]
    pub(super) fn barred(this: &Host, is_foreign: bool);

    /// Rejects a call of `publish`. `why` is a number of `boundary::refusal`: outbox full, storage
    /// full, payload larger than `bytes_max`, client closed, outcome of an earlier call unknown, or
    /// outbox wiped.
    #[wasm_bindgen(method, js_name = publishRefused)]
    pub(super) fn publish_refused(this: &Host, request: u32, why: u32, bytes_max: f64);

    #[wasm_bindgen(method)]
    pub(super) fn acked(this: &Host, row: f64, epoch: &str, seq: f64, duplicate: bool);

    #[wasm_bindgen(method)]
    pub(super) fn dead(this: &Host, row: f64, attempts: u32, code: &str, message: &str);

    /// Tells JavaScript to act on the calls of a turn that it did not begin.
    #[wasm_bindgen(method)]
    pub(super) fn settle(this: &Host);
}
