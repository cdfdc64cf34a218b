//! The class `Core` that JavaScript uses: one client. Every method takes `&self` and returns before
//! JavaScript runs again.
//!
//! The wrapper rejects numbers that are out of range, unless they are harmless here.

use std::rc::Rc;

use js_sys::{Array, Date, JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::driver::{Driver, now, number_of};
use super::host::Host;
use super::options::CoreOptions;
use super::store::{Done, Store, Task};
use crate::boundary;
use crate::ids::{Chain, ConnectionId, From, RowNo, Seq, TopicNo};
use crate::wire::public_id::public_name;
use crate::wire::{Kind, from};
use crate::{Client, Event, Publication, Run, TriedOutcome};

/// One client, driven by the browser.
#[wasm_bindgen]
pub struct Core {
    pub(super) driver: Rc<Driver>,
}

#[wasm_bindgen]
impl Core {
    /// Creates a client, which `start` starts. Consumes the options.
    #[wasm_bindgen(constructor)]
    pub fn new(options: CoreOptions, host: Host) -> Self {
        let client = Client::new(&options.config);
        Self {
            driver: Driver::new(options.bases, host, client, options.database.as_deref()),
        }
    }

    /// Makes the first attempt.
    pub fn start(&self) {
        self.driver.drive(Event::Start);
    }

    /// Passes on a messages record. -1: drop it. 0 or more: deliver all messages but the first so
    /// many. -2: the host has received calls.
    #[expect(
        clippy::too_many_arguments,
        reason = "numbers are free to cross, objects are not"
    )]
    pub fn messages(
        &self,
        connection: f64,
        no: u32,
        run: u32,
        first: f64,
        count: u32,
        chain: f64,
        chars: u32,
    ) -> i32 {
        let run = Run {
            id: run,
            first: Seq(first as u64),
            count,
            chain: Chain(chain as u64),
            chars,
        };
        self.driver
            .messages(ConnectionId(connection as u64), TopicNo(no), run)
    }

    /// Passes on any other record.
    pub fn record(&self, connection: f64, text: &str) {
        self.driver.drive(Event::Record {
            connection: ConnectionId(connection as u64),
            text,
        });
    }

    /// Reports received bytes that are no complete record yet. Returns whether the connection is
    /// established.
    pub fn heard(&self, connection: f64, has_more: bool, bytes: u32) -> bool {
        let connection = ConnectionId(connection as u64);
        self.driver.drive(Event::Heard {
            connection,
            has_more,
            bytes: bytes as usize,
        });
        self.driver.read(|client| client.is_established(connection))
    }

    /// Reports unreadable input. js/src/incoming.ts defines the numbers.
    pub fn garbage(&self, connection: f64, what: u32) {
        self.driver.drive(Event::Garbage {
            connection: ConnectionId(connection as u64),
            what: match what {
                boundary::unreadable::BINARY => "a binary frame",
                boundary::unreadable::PART_MISSING => "a part that does not follow the one before",
                boundary::unreadable::TOO_LARGE => "a frame over the limit of 262144 characters",
                _ => "a record that can't be read",
            },
        });
    }

    /// Begins a subscription. `begin` is a position as the protocol writes it (rule C4).
    pub fn subscribe(&self, no: u32, topic: &str, begin: &str, is_passive: bool) {
        self.driver.drive(Event::Subscribe {
            no: TopicNo(no),
            topic,
            from: from(begin).unwrap_or(From::Live),
            is_passive,
        });
    }

    /// Begins a subscription to a document.
    pub fn follow(&self, no: u32, topic: &str) {
        self.driver.drive(Event::Follow {
            no: TopicNo(no),
            topic,
        });
    }

    /// Passes on a document's snapshot. Returns the same numbers as `messages`.
    pub fn snapshot(&self, connection: f64, no: u32, run: u32, seq: f64, chain: f64) -> i32 {
        self.driver.receive(
            run,
            Event::Snapshot {
                connection: ConnectionId(connection as u64),
                no: TopicNo(no),
                run,
                seq: Seq(seq as u64),
                chain: Chain(chain as u64),
            },
        )
    }

    /// Asks for a snapshot of a document.
    pub fn resync(&self, no: u32) {
        self.driver.drive(Event::Resync { no: TopicNo(no) });
    }

    /// Changes whether a subscription is passive.
    #[wasm_bindgen(js_name = setPassive)]
    pub fn set_passive(&self, no: u32, is_passive: bool) {
        self.driver.drive(Event::Passive {
            no: TopicNo(no),
            is_passive,
        });
    }

    /// Grants or revokes the slot for event streams and long polls.
    #[wasm_bindgen(js_name = slotGranted)]
    pub fn slot_granted(&self, is_granted: bool) {
        self.driver.drive(Event::Slot { is_granted });
    }

    /// Whether every subscription is passive, so that the client makes short polls.
    #[wasm_bindgen(js_name = isIdle)]
    pub fn is_idle(&self) -> bool {
        self.driver.read(Client::is_idle)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, no: u32) {
        self.driver.drive(Event::Unsubscribe { no: TopicNo(no) });
    }

    /// Publishes a message (kind 0), a patch (1) or a merge (2). The host receives its row.
    /// `is_repeated` if an earlier instance may have stored the call.
    #[expect(
        clippy::too_many_arguments,
        reason = "numbers are free to cross, objects are not"
    )]
    pub fn publish(
        &self,
        request: u32,
        topic: &str,
        kind: u32,
        bytes: f64,
        ttl_ms: Option<f64>,
        key: Option<String>,
        called_ms: f64,
        is_repeated: bool,
    ) {
        self.driver.drive(Event::Publish(Publication {
            kind: kind_of(kind),
            request,
            topic,
            bytes: bytes as u64,
            ttl_ms: ttl_ms.map(|ms| ms as u64),
            machine_ms: called_ms as u64,
            key: key.as_deref(),
            is_repeated,
        }));
    }

    /// Restores a row of an inherited outbox, in order and before `start`. `ttl_ms` is the rest of
    /// its time to live.
    #[expect(
        clippy::too_many_arguments,
        reason = "numbers are free to cross, objects are not"
    )]
    pub fn restore(
        &self,
        row: f64,
        attempts: u32,
        topic: &str,
        kind: u32,
        bytes: f64,
        ttl_ms: Option<f64>,
        key: Option<String>,
    ) {
        self.driver.drive(Event::Restore {
            row: RowNo(row as u64),
            attempts,
            publication: Publication {
                kind: kind_of(kind),
                request: 0,
                topic,
                bytes: bytes as u64,
                ttl_ms: ttl_ms.map(|ms| ms as u64),
                machine_ms: Date::now() as u64,
                key: key.as_deref(),
                is_repeated: false,
            },
        });
    }

    /// Passes on a token, and how long it is valid if that is known.
    pub fn token(&self, text: &str, lives_ms: Option<f64>) {
        self.driver.drive(Event::Token {
            text,
            lives_ms: lives_ms.map(|ms| ms as u64),
        });
    }

    /// Reports that the app refused to give a token, or could not get one.
    #[wasm_bindgen(js_name = noToken)]
    pub fn no_token(&self, detail: &str, is_refusal: bool) {
        self.driver.drive(Event::NoToken { detail, is_refusal });
    }

    /// Makes an attempt now.
    pub fn reconnect(&self) {
        self.driver.drive(Event::Reconnect);
    }

    /// Sends a frame of publications by post, for a connection without a socket.
    pub fn post(&self, connection: f64, frame: &JsString) {
        self.driver.post(ConnectionId(connection as u64), frame);
    }

    /// Lists the last attempts, oldest first. The array has transport, outcome, close code, ms and
    /// detail of each, one after another.
    pub fn tried(&self) -> Array {
        let row = Array::new();
        self.driver.read(|client| {
            for tried in client.tried() {
                row.push(&number_of(tried.transport).into());
                row.push(&outcome_number(tried.outcome).into());
                row.push(&tried.close_code.into());
                row.push(&(tried.took_ms as f64).into());
                row.push(&tried.detail.as_str().into());
            }
        });
        row
    }

    /// Closes the client.
    pub fn close(&self) {
        self.driver.close();
    }

    /// The identity of the outbox. Empty until storage has given it.
    pub fn producer(&self) -> String {
        self.driver.read(|client| client.producer().to_owned())
    }

    /// The identity of the memory outbox, for publications that storage could not take.
    #[wasm_bindgen(js_name = memoryProducer)]
    pub fn memory_producer(&self) -> String {
        self.driver
            .read(|client| client.memory_producer().to_owned())
    }

    /// Makes this client the leader, or ends that.
    #[wasm_bindgen(js_name = leader)]
    pub fn leader(&self, is_granted: bool) {
        self.driver.drive(Event::Leader { is_granted });
    }

    /// Whether no publication waits, in storage or in memory.
    #[wasm_bindgen(js_name = isFlushed)]
    pub fn is_flushed(&self) -> bool {
        self.driver.read(Client::is_flushed)
    }

    /// Whether rows wait for an action of the user.
    #[wasm_bindgen(js_name = isStopped)]
    pub fn is_stopped(&self) -> bool {
        self.driver.read(Client::is_stopped)
    }

    /// Returns the public form of a producer, which readers see.
    #[wasm_bindgen(js_name = publicName)]
    pub fn public_name(&self, producer: &str) -> String {
        public_name(producer)
    }

    /// Cancels a row.
    #[wasm_bindgen(js_name = cancel)]
    pub fn cancel(&self, row: f64) {
        let n = RowNo(row as u64);
        self.driver.drive(Event::Cancel { n });
    }

    /// Reads the number and value of each row or dead letter in storage (src/web/store/row.rs).
    /// Resolves with undefined if storage fails.
    pub fn stored(&self, are_dead_letters: bool) -> Promise {
        self.task(Task::Read { are_dead_letters })
    }

    /// Removes a dead letter. If it `is_wanted`, stores it as a new row. Resolves with the new
    /// row's number, if there is one, and the size. Resolves with undefined if there is no such
    /// dead letter or storage fails.
    #[wasm_bindgen(js_name = takeDeadLetter)]
    pub fn take_dead_letter(&self, row: f64, is_wanted: bool) -> Promise {
        let n = RowNo(row as u64);
        self.task(Task::TakeDeadLetter { n, is_wanted })
    }

    /// Stores a document's confirmed value (epoch, seq and JSON) while its own changes are pending,
    /// or deletes it. Resolves with whether that succeeded.
    pub fn keep(&self, topic: String, document: Option<Array>) -> Promise {
        self.task(Task::Keep { topic, document })
    }

    /// Reads a document's stored value, whose first element is the partition. Resolves with
    /// undefined if there is none.
    pub fn kept(&self, topic: String) -> Promise {
        self.task(Task::Kept { topic })
    }

    /// Removes all rows and dead letters. Resolves with the highest number among them, or with
    /// undefined if storage fails.
    pub fn wipe(&self) -> Promise {
        self.task(Task::Wipe)
    }

    fn task(&self, task: Task) -> Promise {
        promise(self.driver.storage(), task)
    }

    /// Lists the partitions of a database that have rows, for a service worker. Resolves with
    /// undefined if storage fails.
    pub fn partitions(database: &str) -> Promise {
        let nobody = JsValue::UNDEFINED.unchecked_into();
        let store = Store::new(database, nobody, Box::new(|_| {}));
        promise(Some(store), Task::Partitions)
    }

    /// Returns counters and histograms, with their names in the API.
    pub fn metrics(&self) -> JsValue {
        let metrics = self.driver.read(|client| client.metrics(now()));
        serde_wasm_bindgen::to_value(&metrics).unwrap_or(JsValue::UNDEFINED)
    }

    /// The number of rows without a verdict.
    #[wasm_bindgen(js_name = outboxRows)]
    pub fn outbox_rows(&self) -> u32 {
        self.driver.read(Client::outbox_rows) as u32
    }
}

/// Resolves with the value of a task, or with undefined if the task failed.
fn promise(store: Option<Rc<Store>>, task: Task) -> Promise {
    future_to_promise(async move {
        let done = match store {
            Some(store) => {
                let _work = store.begin();
                store.perform(task).await.ok()
            }
            None => None,
        };
        Ok(match done {
            Some(Done::Value(value)) => value,
            Some(Done::Answer(_)) | None => JsValue::UNDEFINED,
        })
    })
}

fn kind_of(number: u32) -> Kind {
    match number {
        boundary::kind::MESSAGE => Kind::Message,
        boundary::kind::PATCH => Kind::Patch,
        _ => Kind::Merge,
    }
}

/// Returns an attempt outcome's number in JavaScript.
fn outcome_number(outcome: TriedOutcome) -> u32 {
    match outcome {
        TriedOutcome::Ok => boundary::attempt::OK,
        TriedOutcome::Blocked => boundary::attempt::BLOCKED,
        TriedOutcome::OpenedThenClosed => boundary::attempt::OPENED_THEN_CLOSED,
        TriedOutcome::Silent => boundary::attempt::SILENT,
        TriedOutcome::Buffered => boundary::attempt::BUFFERED,
        TriedOutcome::Refused => boundary::attempt::REFUSED,
        TriedOutcome::Superseded => boundary::attempt::SUPERSEDED,
    }
}
