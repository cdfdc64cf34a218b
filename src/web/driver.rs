//! Drives the core: events in with the time, effects out to the socket, the timer and JavaScript.
//!
//! No borrow is held while JavaScript runs. What fails while effects are done comes back as an event afterwards.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use js_sys::{Date, JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Response, WebSocket};

use super::fetch::Failure;
use super::handles::TransportHandles;
use super::host::Host;
use super::lifecycle::{Lifecycle, is_hidden};
use super::store::{Done, End, Fault, Store, Task};
use super::websocket::Socket;
use crate::boundary;
use crate::ids::{ConnectionId, Epoch, TopicNo};
use crate::{
    Client, Effect, Event, NewRow, Outcome, PublishRefusal, Reason, Run, Status, StoreAnswer,
    StoreFault, StoreRequest, TabMessage, Time, TokenReason, Transport, Until, codes,
    wire::{push_cursor, push_epoch},
};

/// The wall clock and the monotonic one disagree by so much, ms: the machine slept, or its clock was set.
const JUMP_MS: f64 = 2_000.0;

/// Between looks at the clocks while the page can be seen, ms: a page that is awake again may hear of it by nothing else.
/// Chosen: with the time that a probe has, all is well 5 s after a wake.
const WATCH_MS: u64 = 2_000;

/// Longest time-out a browser knows, ms; a longer one fires at once.
const TIMER_MS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = performance, js_name = now)]
    fn performance_now() -> Result<f64, JsValue>;
}

/// The browser's monotonic clock, ms; the wall clock where it has none.
fn now_ms() -> f64 {
    performance_now().unwrap_or_else(|_| Date::now())
}

pub(super) fn now() -> Time {
    Time(now_ms() as u64)
}

pub(super) struct Driver {
    /// Of the hub, in order of preference, each with a slash at its end.
    bases: Vec<String>,
    host: Host,
    client: RefCell<Client>,
    wires: RefCell<Vec<Rc<TransportHandles>>>,
    storage: Option<Rc<Store>>,
    lifecycle: RefCell<Option<Lifecycle>>,
    /// How far the wall clock is ahead of the monotonic one.
    ahead_ms: Cell<f64>,
    /// Nobody sees the page: its timers may be a minute late.
    is_hidden: Cell<bool>,
    timer: RefCell<Option<Timeout>>,
    armed: Cell<Option<Time>>,
    /// Kept between turns for its capacity.
    effects: RefCell<Vec<Effect>>,
    /// A connection that the browser refused to make, or to send on, to be told after the effects that asked for it.
    refused: Cell<Option<(ConnectionId, &'static str)>>,
    myself: Weak<Self>,
}

impl Driver {
    pub(super) fn new(
        bases: Vec<String>,
        host: Host,
        client: Client,
        database: Option<&str>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|myself: &Weak<Self>| Self {
            storage: database.map(|name| {
                let driver = myself.clone();
                let on_end = move |end| {
                    if let Some(driver) = driver.upgrade() {
                        if end != End::Closed {
                            driver.host.barred(end == End::Foreign);
                        }
                        driver.tell(Event::StorageEnded);
                    }
                };
                Store::new(name, host.clone().unchecked_into(), Box::new(on_end))
            }),
            bases,
            host,
            client: RefCell::new(client),
            wires: RefCell::new(Vec::new()),
            lifecycle: RefCell::new(Lifecycle::new(myself.clone())),
            ahead_ms: Cell::new(Date::now() - now_ms()),
            is_hidden: Cell::new(is_hidden()),
            timer: RefCell::new(None),
            armed: Cell::new(None),
            effects: RefCell::new(Vec::new()),
            refused: Cell::new(None),
            myself: myself.clone(),
        })
    }

    /// The browser's storage, if the outbox is in it.
    pub(super) fn storage(&self) -> Option<Rc<Store>> {
        self.storage.clone()
    }

    /// Looks at the client, for as long as the call takes.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Client) -> T) -> T {
        look(&self.client.borrow())
    }

    /// Handles an event of JavaScript's and does the effects. JavaScript settles by itself.
    pub(super) fn drive(&self, event: Event<'_>) {
        let now = now();
        let mut effects = self.effects.take();
        self.client.borrow_mut().handle(now, event, &mut effects);
        self.perform(now, &mut effects);
        self.effects.replace(effects);
        if let Some((connection, reason)) = self.refused.take() {
            self.let_go(connection, codes::CONNECTION_LOST);
            self.drive(Event::Ended {
                connection,
                code: codes::CONNECTION_LOST,
                reason,
                floor_ms: 0,
            });
        }
        self.arm(now);
    }

    /// The way of every message: -1 drops it, 0 and up delivers it but for so many, -2 says that the host was told.
    pub(super) fn messages(&self, connection: ConnectionId, no: TopicNo, run: Run) -> i32 {
        // Timers of a hidden page are late: what arrives there must look at the clock.
        if !self.is_hidden.get() {
            let mut client = self.client.borrow_mut();
            if client.deliver_next(connection, no, &run) {
                return 0;
            }
        }
        let event = Event::Messages {
            connection,
            no,
            run,
        };
        self.receive(run.id, event)
    }

    /// Handles an event that brings a run, and answers as `messages` does.
    pub(super) fn receive(&self, run: u32, event: Event<'_>) -> i32 {
        let now = now();
        let mut effects = self.effects.take();
        self.client.borrow_mut().handle(now, event, &mut effects);
        let answer = match effects.as_slice() {
            [] => -1,
            [
                Effect::Deliver {
                    run: this, skip, ..
                },
            ] if *this == run => *skip as i32,
            _ => -2,
        };
        if answer == -2 {
            self.perform(now, &mut effects);
            self.arm(now);
        } else {
            effects.clear();
        }
        self.effects.replace(effects);
        answer
    }

    /// The end: nothing of the browser calls us any more.
    pub(super) fn close(&self) {
        self.drive(Event::Close);
        drop(self.lifecycle.take());
        if let Some(store) = &self.storage {
            store.close();
        }
    }

    pub(super) fn opened(&self, connection: ConnectionId) {
        self.with_wire(connection, |wire| {
            if let Some(socket) = wire.socket() {
                // From here on the close event tells more.
                self.host.mute(&socket.socket);
            }
        });
        let lacks_subprotocol = self.wires.borrow().iter().any(|wire| {
            wire.connection == connection && wire.socket().is_some_and(|s| !s.has_subprotocol())
        });
        if lacks_subprotocol {
            self.ended(connection, codes::SUBPROTOCOL_MISSING, "");
        } else {
            self.tell(Event::Opened { connection });
        }
    }

    pub(super) fn ended(&self, connection: ConnectionId, code: u16, reason: &str) {
        self.let_go(connection, code);
        self.tell(Event::Ended {
            connection,
            code,
            reason,
            floor_ms: 0,
        });
    }

    /// A request got no frame for an answer.
    pub(super) fn failed(&self, connection: ConnectionId, failure: &Failure) {
        self.let_go(connection, failure.code);
        self.tell(Event::Ended {
            connection,
            code: failure.code,
            reason: &failure.detail,
            floor_ms: failure.floor_ms,
        });
    }

    /// A post of publications got no answer of a hub. One for its token's sake is the connection's end: that shows the same.
    pub(super) fn post_failed(&self, connection: ConnectionId, failure: &Failure) {
        if failure.code == codes::UNAUTHORIZED {
            self.failed(connection, failure);
        } else {
            let floor_ms = failure.floor_ms;
            self.tell(Event::PostFailed {
                connection,
                floor_ms,
            });
        }
    }

    /// The text of an answer. `polling` is the connection whose poll it answers.
    pub(super) fn text(&self, response: &Response, polling: Option<ConnectionId>) -> Promise {
        self.host
            .text(response, polling.map(|connection| connection.0 as f64))
    }

    /// Records came as an answer.
    pub(super) fn received(&self, connection: ConnectionId, frame: &JsString) {
        self.host.received(connection.0 as f64, frame);
    }

    /// Records came as the answer to a poll.
    pub(super) fn answered(&self, connection: ConnectionId, frame: &JsString) {
        self.received(connection, frame);
        self.tell(Event::Answered { connection });
    }

    pub(super) fn online(&self, is_online: bool) {
        self.tell(Event::Online(is_online));
    }

    pub(super) fn woke(&self) {
        self.tell(Event::Woke);
    }

    /// Whether somebody sees the page has changed.
    pub(super) fn hidden(&self, is_hidden: bool) {
        self.is_hidden.set(is_hidden);
    }

    pub(super) fn suspend(&self) {
        self.tell(Event::Suspend);
    }

    /// What a post begins with.
    pub(super) fn hello(&self) -> String {
        self.client.borrow().hello()
    }

    /// What a post shows the hub.
    pub(super) fn token(&self) -> Option<String> {
        self.client.borrow().token().map(str::to_owned)
    }

    /// Sends a frame of publications where there is no socket.
    pub(super) fn post(&self, connection: ConnectionId, frame: &JsString) {
        self.with_wire(connection, |wire| wire.post(frame));
    }

    /// Handles an event that JavaScript did not begin, and lets it act on what it was told.
    fn tell(&self, event: Event<'_>) {
        let ahead_ms = Date::now() - now_ms();
        let slept_ms = ahead_ms - self.ahead_ms.replace(ahead_ms);
        if slept_ms.abs() > JUMP_MS {
            // A clock that was set back makes no token younger: what is negative is 0 here.
            let ms = slept_ms as u64;
            self.drive(Event::Slept { ms });
        }
        self.drive(event);
        self.host.settle();
    }

    fn let_go(&self, connection: ConnectionId, code: u16) {
        let mut wires = self.wires.borrow_mut();
        let at = wires.iter().position(|wire| wire.connection == connection);
        let wire = at.map(|at| wires.swap_remove(at));
        drop(wires);
        if let Some(wire) = wire {
            wire.abandon(code);
            if let Some(socket) = wire.socket() {
                self.host.mute(&socket.socket);
            }
        }
    }

    /// Sets the timer to the client's deadline.
    fn arm(&self, now: Time) {
        let deadline = self.client.borrow().deadline();
        if deadline == self.armed.get() {
            return;
        }
        self.armed.set(deadline);
        let timer = deadline.map(|deadline| {
            let myself = self.myself.clone();
            let ms_max = if self.is_hidden.get() {
                TIMER_MS_MAX
            } else {
                WATCH_MS
            };
            let ms = deadline.since(now).min(ms_max);
            Timeout::new(ms as u32, move || {
                if let Some(driver) = myself.upgrade() {
                    driver.armed.set(None);
                    driver.tell(Event::Deadline);
                }
            })
        });
        drop(self.timer.replace(timer));
    }

    fn perform(&self, now: Time, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            self.perform_one(now, effect);
        }
    }

    fn perform_one(&self, now: Time, effect: Effect) {
        let host = &self.host;
        match effect {
            Effect::Open {
                connection,
                transport,
                address,
                records,
            } => self.open(connection, transport, address, &records),
            Effect::Poll {
                connection,
                records,
            } => self.with_wire(connection, |wire| wire.poll(&records)),
            Effect::AskToken { reason } => host.ask_token(match reason {
                TokenReason::Initial => boundary::token_reason::INITIAL,
                TokenReason::Expiring => boundary::token_reason::EXPIRING,
                TokenReason::Rejected => boundary::token_reason::REJECTED,
            }),
            Effect::Slot { is_wanted } => host.place(is_wanted),
            Effect::Remember { transport } => host.remember(number_of(transport)),
            Effect::Send {
                connection,
                records,
            } => self.with_wire(connection, |wire| {
                if let Some(s) = self.open_socket(wire) {
                    host.transmit(&s.socket, &records);
                }
            }),
            Effect::SendPublication {
                connection,
                head,
                row,
            } => self.with_wire(connection, |wire| {
                let row = row.map_or(0.0, |row| row.0 as f64);
                if wire.socket().is_none() {
                    host.post_publication(connection.0 as f64, &head, row);
                } else if let Some(s) = self.open_socket(wire) {
                    host.transmit_publication(&s.socket, &head, row);
                }
            }),
            Effect::AbandonPosts { connection } => {
                self.with_wire(connection, TransportHandles::abandon_posts)
            }
            Effect::DropPosts { connection } => {
                self.with_wire(connection, TransportHandles::drop_posts)
            }
            Effect::Abandon { connection, code } => self.let_go(connection, code),
            Effect::StatusChanged => self.tell_status(now),
            Effect::Deliver { no, run, skip } => host.deliver(no.0, run, skip),
            Effect::Hold { run } => host.hold(run),
            Effect::Discard { run } => host.discard(run),
            Effect::Gap {
                no,
                epoch,
                first,
                last,
                reason,
            } => host.gap(
                no.0,
                &hex(epoch),
                first.0 as f64,
                last.map(|last| last.0 as f64),
                reason.as_str(),
            ),
            Effect::Streaming { no, after } => {
                let mut cursor = String::new();
                push_cursor(&mut cursor, &after);
                host.streaming(no.0, &cursor);
            }
            Effect::Refused { no, code, message } => host.refused(no.0, &code, &message),
            Effect::RowAssigned {
                request,
                row,
                is_durable,
            } => host.queued(request, row.0 as f64, is_durable),
            Effect::PublishRefused { request, why } => {
                let (why, bytes_max) = match why {
                    PublishRefusal::OutboxFull => (boundary::refusal::OUTBOX_FULL, 0),
                    PublishRefusal::StorageFull => (boundary::refusal::STORAGE_FULL, 0),
                    PublishRefusal::PayloadTooLarge { bytes_max } => {
                        (boundary::refusal::PAYLOAD_TOO_LARGE, bytes_max)
                    }
                    PublishRefusal::Closed => (boundary::refusal::CLOSED, 0),
                    PublishRefusal::OutcomeUnknown => (boundary::refusal::OUTCOME_UNKNOWN, 0),
                    PublishRefusal::Wiped => (boundary::refusal::WIPED, 0),
                };
                host.publish_refused(request, why, bytes_max as f64);
            }
            Effect::Forget { row } => host.forget(row.0 as f64),
            Effect::Store(request) => self.store(request),
            Effect::Leader { is_wanted } => host.seek_sender(is_wanted),
            Effect::SendTabMessage {
                producer,
                tab_message,
            } => self.tell_others(&producer, tab_message),
            Effect::OutboxLost { rows } => host.outbox_lost(rows as f64),
            Effect::OutboxRefused { code, message } => host.outbox_refused(&code, &message),
            Effect::Outcome {
                row,
                attempts,
                outcome,
            } => match outcome {
                Outcome::Acked {
                    epoch,
                    seq,
                    duplicate,
                } => host.acked(row.0 as f64, &hex(epoch), seq.0 as f64, duplicate),
                Outcome::Dead { code, message } => {
                    host.dead(row.0 as f64, attempts, &code, &message)
                }
            },
        }
    }

    /// Has storage do what the core asks for, and tells the core.
    fn store(&self, request: StoreRequest) {
        let Some(store) = self.storage.clone() else {
            return;
        };
        let myself = self.myself.clone();
        // What the wrapper keeps of new rows is asked for before anything is waited for.
        let rows = match &request {
            StoreRequest::Commit(batch) => batch.saves.iter().map(|save| self.row(save)).collect(),
            StoreRequest::Open | StoreRequest::Load(_) | StoreRequest::Rename { .. } => Vec::new(),
        };
        let work = store.begin();
        spawn_local(async move {
            let answer = match store.perform(Task::Core(request, rows)).await {
                Ok(Done::Answer(answer)) => answer,
                Ok(Done::Value(_)) | Err(Fault::Lost) => StoreAnswer::Failed(StoreFault::Lost),
                Err(Fault::Closed) => StoreAnswer::Failed(StoreFault::Closed),
                Err(Fault::Unknown) => StoreAnswer::Failed(StoreFault::Unknown),
                Err(Fault::Aborted) => StoreAnswer::Failed(StoreFault::Full),
            };
            if let Some(driver) = myself.upgrade() {
                driver.tell(Event::Stored { answer });
            }
            // The core may have asked for more by now.
            drop(work);
        });
    }

    /// A publication as storage keeps it.
    fn row(&self, save: &NewRow) -> JsValue {
        let (until_ms, is_hub_time) = match save.until {
            Until::Hub(ms) => (ms, true),
            Until::Left(ms) => (save.created_ms.saturating_add(ms), false),
        };
        let (bytes, created_ms) = (save.bytes as f64, save.created_ms as f64);
        let host = &self.host;
        host.row(
            save.request,
            bytes,
            created_ms,
            until_ms as f64,
            is_hub_time,
        )
    }

    fn tell_others(&self, producer: &str, tab_message: TabMessage) {
        let host = &self.host;
        match tab_message {
            TabMessage::Added { last, rows, bytes } => {
                host.tell_added(producer, last.0 as f64, rows as f64, bytes as f64);
            }
            TabMessage::Ended {
                n,
                attempts,
                bytes,
                outcome,
            } => {
                let (row, bytes) = (n.0 as f64, bytes as f64);
                match outcome {
                    Outcome::Acked {
                        epoch,
                        seq,
                        duplicate,
                    } => {
                        let seq = seq.0 as f64;
                        let epoch = hex(epoch);
                        host.tell_acked(producer, row, attempts, bytes, &epoch, seq, duplicate);
                    }
                    Outcome::Dead { code, message } => {
                        host.tell_dead(producer, row, attempts, bytes, &code, &message);
                    }
                }
            }
            TabMessage::OutcomeStored { n } => host.tell_noted(producer, n.0 as f64),
            TabMessage::Cancelled { n } => host.tell_given_up(producer, n.0 as f64),
            TabMessage::Renamed { producer: name } => host.tell_renamed(producer, &name),
            // The wrapper tells of this itself.
            TabMessage::DeadLetterTaken { .. } => {}
        }
    }

    fn open(&self, connection: ConnectionId, transport: Transport, address: usize, records: &str) {
        let receiver = self.host.receiver(connection.0 as f64);
        let base = self.bases.get(address).map_or("", String::as_str);
        match TransportHandles::open(transport, base, connection, records, receiver, &self.myself) {
            Ok(wire) => self.wires.borrow_mut().push(Rc::new(wire)),
            Err(_) => {
                let why = "the browser refused to open a connection to this address";
                self.refused.set(Some((connection, why)));
            }
        }
    }

    /// The socket, unless it is closing: then a browser discards what is sent without a word, and its close event may be a minute away.
    fn open_socket<'a>(&self, wire: &'a TransportHandles) -> Option<&'a Socket> {
        let socket = wire.socket()?;
        if socket.socket.ready_state() > WebSocket::OPEN {
            self.refused.set(Some((wire.connection, "")));
            return None;
        }
        Some(socket)
    }

    /// Acts on a connection that is still there. `act` may run JavaScript, so no borrow is held meanwhile.
    fn with_wire(&self, connection: ConnectionId, act: impl FnOnce(&TransportHandles)) {
        let wires = self.wires.borrow();
        let wire = wires.iter().find(|wire| wire.connection == connection);
        let wire = wire.cloned();
        drop(wires);
        if let Some(wire) = wire {
            act(&wire);
        }
    }

    fn tell_status(&self, now: Time) {
        let mut shown = Shown::default();
        let mut because = |reason: Reason| {
            shown.close_code = reason.close_code;
            shown.detail = reason.detail;
        };
        let status = self.client.borrow().status();
        match status {
            Status::Connecting { attempt, transport } => {
                shown.kind = boundary::status::CONNECTING;
                shown.attempt = attempt;
                shown.transport = number_of(transport);
            }
            Status::Connected {
                transport,
                since,
                rtt_ms,
                repeat_at,
            } => {
                shown.kind = boundary::status::CONNECTED;
                shown.transport = number_of(transport);
                shown.ms = now.since(since) as f64;
                shown.rtt_ms = rtt_ms.map(|ms| ms as f64);
                shown.repeat_ms = repeat_at.map(|at| at.since(now) as f64);
            }
            Status::Waiting {
                attempt,
                retry_at,
                reason,
                is_exhausted,
            } => {
                because(reason);
                shown.kind = boundary::status::WAITING;
                shown.attempt = attempt;
                shown.is_exhausted = is_exhausted;
                shown.ms = retry_at.since(now) as f64;
            }
            Status::Offline => shown.kind = boundary::status::OFFLINE,
            Status::Closed { reason } => {
                because(reason);
                shown.kind = boundary::status::CLOSED;
            }
            Status::Unauthorized { reason } => {
                because(reason);
                shown.kind = boundary::status::UNAUTHORIZED;
            }
        }
        self.host.status_changed(
            shown.kind,
            shown.transport,
            shown.attempt,
            shown.is_exhausted,
            shown.ms,
            shown.rtt_ms,
            shown.repeat_ms,
            shown.close_code.into(),
            &shown.detail,
        );
    }
}

/// A status as its leaves: all that JavaScript is told.
#[derive(Default)]
struct Shown {
    kind: u32,
    transport: u32,
    attempt: u32,
    is_exhausted: bool,
    ms: f64,
    rtt_ms: Option<f64>,
    repeat_ms: Option<f64>,
    close_code: u16,
    detail: String,
}

/// A transport's number in JavaScript.
pub(super) fn number_of(transport: Transport) -> u32 {
    match transport {
        Transport::WebSocket => boundary::transport::WEBSOCKET,
        Transport::EventSource => boundary::transport::EVENTSOURCE,
        Transport::LongPoll => boundary::transport::LONGPOLL,
    }
}

fn hex(epoch: Epoch) -> String {
    let mut text = String::new();
    push_epoch(&mut text, epoch);
    text
}
