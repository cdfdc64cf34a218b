//! What goes up beside an event stream or a poll: posts of publications, one at a time so that their order holds (rule T1).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::driver::Driver;
use super::fetch::post;
use super::longpoll::format_url;
use crate::ids::ConnectionId;

pub(super) struct Upstream {
    connection: ConnectionId,
    url: String,
    driver: Weak<Driver>,
    abort: Option<AbortController>,
    waiting: RefCell<Array>,
    is_posting: Cell<bool>,
}

impl Upstream {
    pub(super) fn new(base: &str, connection: ConnectionId, driver: Weak<Driver>) -> Rc<Self> {
        Rc::new(Self {
            connection,
            url: format_url(base, "v1/publish"),
            driver,
            abort: AbortController::new().ok(),
            waiting: RefCell::new(Array::new()),
            is_posting: Cell::new(false),
        })
    }

    /// Posts a frame of publications, after those before it.
    pub(super) fn send(self: &Rc<Self>, frame: &JsString) {
        self.waiting.borrow().push(frame);
        if !self.is_posting.replace(true) {
            let myself = self.clone();
            spawn_local(async move { myself.run().await });
        }
    }

    async fn run(&self) {
        while let Some((driver, abort)) = self.driver.upgrade().zip(self.abort.as_ref()) {
            let frames = self.waiting.replace(Array::new());
            if frames.length() == 0 || abort.signal().aborted() {
                break;
            }
            frames.unshift(&JsValue::from_str(&driver.hello()));
            let token = driver.token();
            drop(driver);
            let frame = frames.join("\n").into();
            let answer = post(&self.url, token.as_deref(), &frame, &abort.signal()).await;
            if abort.signal().aborted() {
                return;
            }
            if let Some(driver) = self.driver.upgrade() {
                match answer {
                    Ok(text) => driver.received(self.connection, &text),
                    Err(failure) => {
                        // What waits behind is sent again with what failed.
                        self.waiting.replace(Array::new());
                        driver.post_failed(self.connection, &failure);
                    }
                }
            }
        }
        self.is_posting.set(false);
    }

    pub(super) fn abandon(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}
