//! Drives the core: passes events in with the time, and has `effects` execute the effects.
//!
//! Owns the core, the timer and the open connections. Holds no borrow while JavaScript runs. A
//! failed effect returns as an event after the others.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use js_sys::{Date, JsString, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Response, WebSocket};

use super::delegate::{Delegate, Failure};
use super::handles::TransportHandles;
use super::host::Host;
use super::lifecycle::{Lifecycle, is_hidden};
use super::store::{End, Store};
use super::websocket::Socket;
use crate::boundary;
use crate::ids::{ConnectionId, TopicNo};
use crate::{Client, Effect, Event, Run, Time, Transport, codes};

/// The wall clock and the monotonic clock differ by more than this after a sleep or a change of the
/// clock, ms.
const JUMP_MS: f64 = 2_000.0;

/// The interval of clock checks while the page is visible, ms. No event may tell a page that it has
/// slept. Chosen: with a probe's timeout, the client recovers within 5 s of a wake.
const WATCH_MS: u64 = 2_000;

/// The longest timeout that a browser supports, ms. A longer one fires at once.
const TIMER_MS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = performance, js_name = now)]
    fn performance_now() -> Result<f64, JsValue>;
}

/// Reads the browser's monotonic clock, ms, or the wall clock if there is none.
fn now_ms() -> f64 {
    performance_now().unwrap_or_else(|_| Date::now())
}

pub(super) fn now() -> Time {
    Time(now_ms() as u64)
}

pub(super) struct Driver {
    /// The hub's addresses in order of preference, each with a slash at its end.
    bases: Vec<String>,
    pub(super) host: Host,
    pub(super) client: RefCell<Client>,
    handles: RefCell<Vec<Rc<TransportHandles>>>,
    pub(super) storage: Option<Rc<Store>>,
    lifecycle: RefCell<Option<Lifecycle>>,
    /// The lead of the wall clock over the monotonic clock.
    ahead_ms: Cell<f64>,
    /// The page is hidden, so its timers may be a minute late.
    is_hidden: Cell<bool>,
    timer: RefCell<Option<Timeout>>,
    armed: Cell<Option<Time>>,
    /// Reused to keep its capacity.
    effects: RefCell<Vec<Effect>>,
    /// A connection that the browser refused to open or to send on. The core learns of it after the
    /// effects.
    refused: Cell<Option<(ConnectionId, &'static str)>>,
    pub(super) myself: Weak<Self>,
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
            handles: RefCell::new(Vec::new()),
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

    /// The durable outbox's storage, if there is one.
    pub(super) fn storage(&self) -> Option<Rc<Store>> {
        self.storage.clone()
    }

    /// Reads from the client. The borrow lasts as long as the call.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Client) -> T) -> T {
        read(&self.client.borrow())
    }

    /// Handles an event of JavaScript's and executes the effects. JavaScript then settles by
    /// itself.
    pub(super) fn drive(&self, event: Event<'_>) {
        let now = now();
        let mut effects = self.effects.take();
        self.client.borrow_mut().handle(now, event, &mut effects);
        self.perform(now, &mut effects);
        self.effects.replace(effects);
        if let Some((connection, reason)) = self.refused.take() {
            self.close_connection(connection, codes::CONNECTION_LOST);
            self.drive(Event::Ended {
                connection,
                code: codes::CONNECTION_LOST,
                reason,
                retry_after_ms: 0,
            });
        }
        self.arm(now);
    }

    /// Handles a messages record. -1: drop it. 0 or more: deliver all messages but the first so
    /// many. -2: the host has received calls.
    pub(super) fn messages(&self, connection: ConnectionId, no: TopicNo, run: Run) -> i32 {
        // A hidden page's timers are late, so each arrival handles overdue deadlines.
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

    /// Handles an event that brings a run. Returns the same numbers as `messages`.
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

    /// Closes the client. The browser makes no more calls afterwards.
    pub(super) fn close(&self) {
        self.drive(Event::Close);
        drop(self.lifecycle.take());
        if let Some(store) = &self.storage {
            store.close();
        }
    }

    /// Posts a frame of publications, for a connection without a socket.
    pub(super) fn post(&self, connection: ConnectionId, frame: &JsString) {
        self.with_handle(connection, |handle| handle.post(frame));
    }

    /// Handles an event that JavaScript did not begin, and lets JavaScript settle.
    pub(super) fn tell(&self, event: Event<'_>) {
        let ahead_ms = Date::now() - now_ms();
        let slept_ms = ahead_ms - self.ahead_ms.replace(ahead_ms);
        if slept_ms.abs() > JUMP_MS {
            // If the clock was set back, tokens don't age: the cast turns a negative value into 0.
            let ms = slept_ms as u64;
            self.drive(Event::Slept { ms });
        }
        self.drive(event);
        self.host.settle();
    }

    pub(super) fn close_connection(&self, connection: ConnectionId, code: u16) {
        let mut handles = self.handles.borrow_mut();
        let at = handles
            .iter()
            .position(|handle| handle.connection == connection);
        let handle = at.map(|at| handles.swap_remove(at));
        drop(handles);
        if let Some(handle) = handle {
            handle.abandon(code);
            if let Some(socket) = handle.socket() {
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

    pub(super) fn open(
        &self,
        connection: ConnectionId,
        transport: Transport,
        address: usize,
        records: &str,
    ) {
        let receiver = self.host.receiver(connection.0 as f64);
        let base = self.bases.get(address).map_or("", String::as_str);
        let delegate: Weak<dyn Delegate> = self.myself.clone();
        match TransportHandles::open(transport, base, connection, records, receiver, &delegate) {
            Ok(handle) => self.handles.borrow_mut().push(Rc::new(handle)),
            Err(_) => {
                let why = "the browser refused to open a connection to this address";
                self.refused.set(Some((connection, why)));
            }
        }
    }

    /// Returns the socket unless it is closing. A browser silently discards data for a closing
    /// socket, whose close event may be a minute away.
    pub(super) fn open_socket<'a>(&self, handle: &'a TransportHandles) -> Option<&'a Socket> {
        let socket = handle.socket()?;
        if socket.socket.ready_state() > WebSocket::OPEN {
            self.refused.set(Some((handle.connection, "")));
            return None;
        }
        Some(socket)
    }

    /// Runs `act` on a connection if it still exists. `act` may run JavaScript, so this function
    /// drops its borrow before.
    pub(super) fn with_handle(
        &self,
        connection: ConnectionId,
        act: impl FnOnce(&TransportHandles),
    ) {
        let handles = self.handles.borrow();
        let handle = handles
            .iter()
            .find(|handle| handle.connection == connection);
        let handle = handle.cloned();
        drop(handles);
        if let Some(handle) = handle {
            act(&handle);
        }
    }
}

impl Delegate for Driver {
    fn opened(&self, connection: ConnectionId) {
        self.with_handle(connection, |handle| {
            if let Some(socket) = handle.socket() {
                // The close event has more details than an error event.
                self.host.mute(&socket.socket);
            }
        });
        let lacks_subprotocol = self.handles.borrow().iter().any(|handle| {
            handle.connection == connection && handle.socket().is_some_and(|s| !s.has_subprotocol())
        });
        if lacks_subprotocol {
            self.ended(connection, codes::SUBPROTOCOL_MISSING, "");
        } else {
            self.tell(Event::Opened { connection });
        }
    }

    fn ended(&self, connection: ConnectionId, code: u16, reason: &str) {
        self.close_connection(connection, code);
        self.tell(Event::Ended {
            connection,
            code,
            reason,
            retry_after_ms: 0,
        });
    }

    fn failed(&self, connection: ConnectionId, failure: &Failure) {
        self.close_connection(connection, failure.code);
        self.tell(Event::Ended {
            connection,
            code: failure.code,
            reason: &failure.detail,
            retry_after_ms: failure.retry_after_ms,
        });
    }

    fn post_failed(&self, connection: ConnectionId, failure: &Failure) {
        if failure.code == codes::UNAUTHORIZED {
            self.failed(connection, failure);
        } else {
            let retry_after_ms = failure.retry_after_ms;
            self.tell(Event::PostFailed {
                connection,
                retry_after_ms,
            });
        }
    }

    fn text(&self, response: &Response, polling: Option<ConnectionId>) -> Promise {
        self.host
            .text(response, polling.map(|connection| connection.0 as f64))
    }

    fn received(&self, connection: ConnectionId, frame: &JsString) {
        self.host.received(connection.0 as f64, frame);
    }

    fn answered(&self, connection: ConnectionId, frame: &JsString) {
        self.received(connection, frame);
        self.tell(Event::Answered { connection });
    }

    fn online(&self, is_online: bool) {
        self.tell(Event::Online(is_online));
    }

    fn woke(&self) {
        self.tell(Event::Woke);
    }

    fn hidden(&self, is_hidden: bool) {
        self.is_hidden.set(is_hidden);
    }

    fn suspend(&self) {
        self.tell(Event::Suspend);
    }

    fn hello(&self) -> String {
        self.client.borrow().hello()
    }

    fn token(&self) -> Option<String> {
        self.client.borrow().token().map(str::to_owned)
    }
}

/// Returns a transport's number in JavaScript.
pub(super) fn number_of(transport: Transport) -> u32 {
    match transport {
        Transport::WebSocket => boundary::transport::WEBSOCKET,
        Transport::EventSource => boundary::transport::EVENTSOURCE,
        Transport::LongPoll => boundary::transport::LONGPOLL,
    }
}
