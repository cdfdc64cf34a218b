//! Drives the core: events in with the time, effects out to the socket, the timer and JavaScript.
//!
//! No borrow is held while JavaScript runs. What fails while effects are done comes back as an event afterwards.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use wasm_bindgen::prelude::*;

use super::host::Host;
use super::websocket::Socket;
use crate::ids::{ConnectionId, Epoch};
use crate::{Client, Effect, Event, Outcome, PublishRefusal, Status, Time, codes, push_epoch};

/// Longest time-out a browser knows, ms; a longer one fires at once.
const TIMER_MS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The browser's monotonic clock.
pub(super) fn now() -> Time {
    Time(performance_now() as u64)
}

pub(super) struct Driver {
    url: String,
    host: Host,
    client: RefCell<Client>,
    socket: RefCell<Option<Socket>>,
    timer: RefCell<Option<Timeout>>,
    armed: Cell<Option<Time>>,
    /// Kept between turns for its capacity.
    effects: RefCell<Vec<Effect>>,
    /// A socket that the browser refused to make, to be told after the effects that asked for it.
    refused: Cell<Option<ConnectionId>>,
    myself: Weak<Self>,
}

impl Driver {
    pub(super) fn new(url: String, host: Host, client: Client) -> Rc<Self> {
        Rc::new_cyclic(|myself| Self {
            url,
            host,
            client: RefCell::new(client),
            socket: RefCell::new(None),
            timer: RefCell::new(None),
            armed: Cell::new(None),
            effects: RefCell::new(Vec::new()),
            refused: Cell::new(None),
            myself: myself.clone(),
        })
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
        if let Some(connection) = self.refused.take() {
            self.drive(Event::Ended {
                connection,
                code: codes::CONNECTION_LOST,
                reason: "the browser refused to open a WebSocket to this address",
            });
        }
        self.arm(now);
    }

    /// The way of every message: -1 drops it, 0 and up delivers it but for so many, -2 says that the host was told.
    pub(super) fn receive(&self, now: Time, run: u32, event: Event<'_>) -> i32 {
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

    pub(super) fn opened(&self, connection: ConnectionId) {
        let has_subprotocol = self
            .socket
            .borrow()
            .as_ref()
            .is_some_and(|s| s.connection == connection && s.has_subprotocol());
        if has_subprotocol {
            self.drive(Event::Opened { connection });
            self.host.settle();
        } else {
            self.let_go(connection, codes::SUBPROTOCOL_MISSING);
            self.ended(connection, codes::SUBPROTOCOL_MISSING, "");
        }
    }

    pub(super) fn ended(&self, connection: ConnectionId, code: u16, reason: &str) {
        self.let_go(connection, code);
        self.drive(Event::Ended {
            connection,
            code,
            reason,
        });
        self.host.settle();
    }

    fn let_go(&self, connection: ConnectionId, code: u16) {
        let is_current = |s: &mut Socket| s.connection == connection;
        let socket = self.socket.borrow_mut().take_if(is_current);
        if let Some(socket) = socket {
            socket.abandon(code);
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
            let ms = deadline.since(now).min(TIMER_MS_MAX);
            Timeout::new(ms as u32, move || {
                if let Some(driver) = myself.upgrade() {
                    driver.armed.set(None);
                    driver.drive(Event::Deadline);
                    driver.host.settle();
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
            Effect::Open { connection } => self.open(connection),
            Effect::Send {
                connection,
                records,
            } => self.with_socket(connection, |s| host.transmit(&s.socket, &records)),
            Effect::SendPublication {
                connection,
                head,
                row,
            } => self.with_socket(connection, |s| {
                host.transmit_publication(&s.socket, &head, row.0 as f64);
            }),
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
            Effect::Streaming { no, epoch } => host.streaming(no.0, &hex(epoch)),
            Effect::Refused { no, code, message } => host.refused(no.0, &code, &message),
            Effect::Queued { request, row } => host.queued(request, row.0 as f64),
            Effect::PublishRefused { request, why } => {
                let bytes_max = match why {
                    PublishRefusal::PayloadTooLarge { bytes_max } => Some(bytes_max as f64),
                    PublishRefusal::OutboxFull | PublishRefusal::Closed => None,
                };
                host.publish_refused(request, why == PublishRefusal::Closed, bytes_max);
            }
            Effect::Settled {
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

    fn open(&self, connection: ConnectionId) {
        let receiver = self.host.receiver(connection.0 as f64);
        match Socket::open(&self.url, connection, &receiver, self.myself.clone()) {
            Ok(socket) => drop(self.socket.replace(Some(socket))),
            Err(_) => self.refused.set(Some(connection)),
        }
    }

    fn with_socket(&self, connection: ConnectionId, act: impl FnOnce(&Socket)) {
        if let Some(socket) = &*self.socket.borrow()
            && socket.connection == connection
        {
            act(socket);
        }
    }

    fn tell_status(&self, now: Time) {
        let status = self.client.borrow().status();
        match status {
            Status::Connecting { attempt } => {
                self.host.status_changed(0, attempt, 0.0, None, 0, "");
            }
            Status::Connected { since, rtt_ms } => {
                let rtt_ms = rtt_ms.map(|ms| ms as f64);
                self.host
                    .status_changed(1, 0, now.since(since) as f64, rtt_ms, 0, "");
            }
            Status::Waiting {
                attempt,
                retry_at,
                reason,
            } => self.host.status_changed(
                2,
                attempt,
                retry_at.since(now) as f64,
                None,
                reason.close_code.into(),
                &reason.detail,
            ),
            Status::Offline => self.host.status_changed(3, 0, 0.0, None, 0, ""),
            Status::Closed { reason } => {
                self.host
                    .status_changed(4, 0, 0.0, None, reason.close_code.into(), &reason.detail)
            }
        }
    }
}

fn hex(epoch: Epoch) -> String {
    let mut text = String::new();
    push_epoch(&mut text, epoch);
    text
}
