//! Long-polling: one post at a time, and each is a pure function of its cursors (rule T3).
//!
//! A new poll replaces the one under way. Its answer includes the messages that the other one would
//! have brought.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::delegate::Delegate;
use super::fetch::post;
use crate::ids::ConnectionId;

pub(super) struct Poll {
    connection: ConnectionId,
    url: String,
    delegate: Weak<dyn Delegate>,
    abort: RefCell<Option<AbortController>>,
    /// The number of the current poll. Answers to earlier polls are stale.
    number: Cell<u32>,
}

impl Poll {
    pub(super) fn new(
        base: &str,
        connection: ConnectionId,
        delegate: Weak<dyn Delegate>,
    ) -> Rc<Self> {
        Rc::new(Self {
            connection,
            url: format_url(base, "v1/poll"),
            delegate,
            abort: RefCell::new(None),
            number: Cell::new(0),
        })
    }

    pub(super) fn send(self: &Rc<Self>, records: &str) {
        self.abandon();
        let Ok(abort) = AbortController::new() else {
            return;
        };
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        let signal = abort.signal();
        self.abort.replace(Some(abort));
        let frame = JsValue::from_str(records);
        let myself = self.clone();
        spawn_local(async move {
            let polling = Some(myself.connection);
            let answer = post(&myself.delegate, &myself.url, &frame, &signal, polling).await;
            if myself.number.get() != number || signal.aborted() {
                return;
            }
            if let Some(delegate) = myself.delegate.upgrade() {
                match answer {
                    Ok(text) => delegate.answered(myself.connection, &text),
                    Err(failure) => delegate.failed(myself.connection, &failure),
                }
            }
        });
    }

    pub(super) fn abandon(&self) {
        if let Some(abort) = self.abort.take() {
            abort.abort();
        }
    }
}

pub(super) fn format_url(base: &str, path: &str) -> String {
    let mut url = String::from(base);
    url.push_str(path);
    url
}
