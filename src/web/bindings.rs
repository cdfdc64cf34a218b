//! The class that JavaScript gets: one client. Every method takes `&self` and returns before
//! JavaScript runs again.
//!
//! The wrapper refuses numbers that are out of range, unless they are harmless here.

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
    /// A client that begins with `start`. Takes the options.
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

    /// A messages record: -1 drop, 0 and up deliver but for so many, -2 the host was told.
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

    /// Any other record.
    pub fn record(&self, connection: f64, text: &str) {
        self.driver.drive(Event::Record {
            connection: ConnectionId(connection as u64),
            text,
        });
    }

    /// So much of something came, and more may follow at once. Whether the connection counts.
    pub fn heard(&self, connection: f64, has_more: bool, bytes: u32) -> bool {
        let connection = ConnectionId(connection as u64);
        self.driver.drive(Event::Heard {
            connection,
            has_more,
            bytes: bytes as usize,
        });
        self.driver.look(|client| client.is_established(connection))
    }

    /// What could not be read. The numbers are of js/src/incoming.ts.
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

    /// Begins a subscription; `begin` is as on the wire (rule C4).
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

    /// A snapshot: as `messages`.
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

    /// A document needs a snapshot.
    pub fn resync(&self, no: u32) {
        self.driver.drive(Event::Resync { no: TopicNo(no) });
    }

    /// Whether somebody waits for the messages of a subscription has changed.
    #[wasm_bindgen(js_name = setPassive)]
    pub fn set_passive(&self, no: u32, is_passive: bool) {
        self.driver.drive(Event::Passive {
            no: TopicNo(no),
            is_passive,
        });
    }

    /// There is a place for what is held over HTTP, or none.
    pub fn placed(&self, is_granted: bool) {
        self.driver.drive(Event::Slot { is_granted });
    }

    /// Whether polls are short because nothing is urgent.
    #[wasm_bindgen(js_name = isQuiet)]
    pub fn is_quiet(&self) -> bool {
        self.driver.look(Client::is_idle)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, no: u32) {
        self.driver.drive(Event::Unsubscribe { no: TopicNo(no) });
    }

    /// A publication, kind 0 message, 1 patch, 2 merge; the host is told its row. `is_again` where
    /// an instance that is gone may have saved it.
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

    /// A row of the outbox that was inherited, in order and before `start`; `ttl_ms` is what is
    /// left of it.
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

    /// A token, as the hub wants it, and how long it is good where that is known.
    pub fn token(&self, text: &str, lives_ms: Option<f64>) {
        self.driver.drive(Event::Token {
            text,
            lives_ms: lives_ms.map(|ms| ms as u64),
        });
    }

    /// There is none: the app refused, or could not ask.
    #[wasm_bindgen(js_name = noToken)]
    pub fn no_token(&self, detail: &str, is_refusal: bool) {
        self.driver.drive(Event::NoToken { detail, is_refusal });
    }

    /// An attempt now.
    pub fn reconnect(&self) {
        self.driver.drive(Event::Reconnect);
    }

    /// Sends a frame of publications over a connection that has no socket.
    pub fn post(&self, connection: f64, frame: &JsString) {
        self.driver.post(ConnectionId(connection as u64), frame);
    }

    /// The last tries of transports, oldest first: transport, outcome, close code, ms and detail of
    /// each, in a row.
    pub fn tried(&self) -> Array {
        let row = Array::new();
        self.driver.look(|client| {
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

    /// The end.
    pub fn close(&self) {
        self.driver.close();
    }

    /// The identity of the outbox; empty before storage has told it.
    pub fn producer(&self) -> String {
        self.driver.look(|client| client.producer().to_owned())
    }

    /// The identity of what storage could not take.
    #[wasm_bindgen(js_name = spareProducer)]
    pub fn spare_producer(&self) -> String {
        self.driver
            .look(|client| client.spare_producer().to_owned())
    }

    /// Whether this client is the one that sends what is in storage.
    pub fn sender(&self, is_granted: bool) {
        self.driver.drive(Event::Leader { is_granted });
    }

    /// Whether nothing waits, anywhere.
    #[wasm_bindgen(js_name = isIdle)]
    pub fn is_idle(&self) -> bool {
        self.driver.look(Client::is_flushed)
    }

    /// Whether rows wait for something that only the user can bring.
    #[wasm_bindgen(js_name = isStopped)]
    pub fn is_stopped(&self) -> bool {
        self.driver.look(Client::is_stopped)
    }

    /// What readers see of a producer.
    #[wasm_bindgen(js_name = publicName)]
    pub fn public_name(&self, producer: &str) -> String {
        public_name(producer)
    }

    /// The user gives a row up.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn cancel(&self, row: f64) {
        let n = RowNo(row as u64);
        self.driver.drive(Event::Cancel { n });
    }

    /// Rows or dead letters in storage: number and value of each (src/web/store/row.rs); nothing
    /// where it can't be reached.
    pub fn stored(&self, are_letters: bool) -> Promise {
        self.task(Task::Read { are_letters })
    }

    /// Removes a dead letter, and where it `is_wanted` makes a row of it again. Number and size of
    /// that row, or nothing.
    #[wasm_bindgen(js_name = takeLetter)]
    pub fn take_letter(&self, row: f64, is_wanted: bool) -> Promise {
        let n = RowNo(row as u64);
        self.task(Task::TakeLetter { n, is_wanted })
    }

    /// Keeps what a document is (epoch, seq and JSON) while own changes of it wait, or no longer;
    /// whether that was done.
    pub fn keep(&self, topic: String, document: Option<Array>) -> Promise {
        self.task(Task::Keep { topic, document })
    }

    /// What is kept of a document, after the partition; or nothing.
    pub fn kept(&self, topic: String) -> Promise {
        self.task(Task::Kept { topic })
    }

    /// Removes all rows and dead letters: the highest number of a row that it removed, or nothing
    /// where that could not be done.
    pub fn wipe(&self) -> Promise {
        self.task(Task::Wipe)
    }

    fn task(&self, task: Task) -> Promise {
        promise(self.driver.storage(), task)
    }

    /// For a service worker: the partitions of a database that have rows, as the wrapper keeps
    /// them; nothing where it can't be reached.
    pub fn partitions(database: &str) -> Promise {
        let nobody = JsValue::UNDEFINED.unchecked_into();
        let store = Store::new(database, nobody, Box::new(|_| {}));
        promise(Some(store), Task::Partitions)
    }

    /// Counters and histograms, named as in the API.
    pub fn metrics(&self) -> JsValue {
        let metrics = self.driver.look(|client| client.metrics(now()));
        serde_wasm_bindgen::to_value(&metrics).unwrap_or(JsValue::UNDEFINED)
    }

    /// Rows without a verdict.
    #[wasm_bindgen(js_name = outboxRows)]
    pub fn outbox_rows(&self) -> u32 {
        self.driver.look(Client::outbox_rows) as u32
    }
}

/// What a task gives, or nothing where it could not be done.
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

/// An outcome's number in JavaScript.
fn outcome_number(outcome: TriedOutcome) -> u32 {
    match outcome {
        TriedOutcome::Ok => boundary::attempt::OK,
        TriedOutcome::Blocked => boundary::attempt::BLOCKED,
        TriedOutcome::OpenedThenClosed => boundary::attempt::OPENED_THEN_CLOSED,
        TriedOutcome::Silent => boundary::attempt::SILENT,
        TriedOutcome::Buffered => boundary::attempt::BUFFERED,
        TriedOutcome::Refused => boundary::attempt::REFUSED,
        TriedOutcome::Superseded => boundary::attempt::OVERTAKEN,
    }
}
