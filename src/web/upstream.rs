//! What goes up beside an event stream or a poll: posts of publications, one at a time so that
//! their order holds (rule T1).
//!
//! A post is one frame, so that it stays within what the hub takes, and within what a slow line
//! carries in time.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::driver::Driver;
use super::fetch::post;
use super::longpoll::format_url;
use crate::config::POST_MS_MAX;
use crate::ids::ConnectionId;
use crate::wire::slow_ms;

/// A post has about so many characters at most, or one larger publication: over the slowest line
/// all get through in time.
const FRAME_CHARS_MAX: u32 = 32 * 1024;
const _: () = assert!(slow_ms(3 * FRAME_CHARS_MAX as usize) < POST_MS_MAX);

pub(super) struct Upstream {
    connection: ConnectionId,
    url: String,
    driver: Weak<Driver>,
    abort: RefCell<Option<AbortController>>,
    waiting: RefCell<Array>,
    is_posting: Cell<bool>,
}

impl Upstream {
    pub(super) fn new(base: &str, connection: ConnectionId, driver: Weak<Driver>) -> Rc<Self> {
        Rc::new(Self {
            connection,
            url: format_url(base, "v1/publish"),
            driver,
            abort: RefCell::new(AbortController::new().ok()),
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

    /// What waits, as far as it fits one frame.
    fn next_frames(&self) -> Array {
        let waiting = self.waiting.borrow();
        let frames = Array::new();
        let mut chars = 0;
        while waiting.length() > 0 {
            chars += JsString::unchecked_from_js_ref(&waiting.get(0)).length();
            if frames.length() > 0 && chars > FRAME_CHARS_MAX {
                break;
            }
            frames.push(&waiting.shift());
        }
        frames
    }

    async fn run(&self) {
        loop {
            let abort = self.abort.borrow().clone();
            let (Some(driver), Some(abort)) = (self.driver.upgrade(), abort) else {
                break;
            };
            let frames = self.next_frames();
            if frames.length() == 0 {
                break;
            }
            frames.unshift(&JsValue::from_str(&driver.hello()));
            let frame = frames.join("\n");
            drop(driver);
            let signal = abort.signal();
            let answer = post(&self.driver, &self.url, &frame.into(), &signal, None).await;
            if abort.signal().aborted() {
                continue;
            }
            if let Some(driver) = self.driver.upgrade() {
                match answer {
                    Ok(text) => driver.received(self.connection, &text),
                    Err(failure) => {
                        // What waits behind is sent again with what failed.
                        self.drop_waiting();
                        driver.post_failed(self.connection, &failure);
                    }
                }
            }
        }
        self.is_posting.set(false);
    }

    /// Forgets what is not under way yet.
    pub(super) fn drop_waiting(&self) {
        self.waiting.replace(Array::new());
    }

    /// Aborts what is under way; what comes later is posted.
    pub(super) fn cancel(&self) {
        self.drop_waiting();
        if let Some(abort) = self.abort.replace(AbortController::new().ok()) {
            abort.abort();
        }
    }

    pub(super) fn abandon(&self) {
        self.cancel();
        self.abort.replace(None);
    }
}
