//! Posts publications for an event stream or a long poll, one post at a time to keep their order
//! (rule T1).
//!
//! Each post is one frame, so that the hub accepts its size and a slow network delivers it in time.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::delegate::Delegate;
use super::fetch::post;
use super::longpoll::format_url;
use crate::config::POST_MS_MAX;
use crate::ids::ConnectionId;
use crate::wire::slow_ms;

/// The approximate limit of a post's characters. A single larger publication may exceed it. A post
/// of this size gets through the slowest network before the timeout.
const FRAME_CHARS_MAX: u32 = 32 * 1024;
const _: () = assert!(slow_ms(3 * FRAME_CHARS_MAX as usize) < POST_MS_MAX);

pub(super) struct Upstream {
    connection: ConnectionId,
    url: String,
    delegate: Weak<dyn Delegate>,
    abort: RefCell<Option<AbortController>>,
    waiting: RefCell<Array>,
    is_posting: Cell<bool>,
}

impl Upstream {
    pub(super) fn new(
        base: &str,
        connection: ConnectionId,
        delegate: Weak<dyn Delegate>,
    ) -> Rc<Self> {
        Rc::new(Self {
            connection,
            url: format_url(base, "v1/publish"),
            delegate,
            abort: RefCell::new(AbortController::new().ok()),
            waiting: RefCell::new(Array::new()),
            is_posting: Cell::new(false),
        })
    }

    /// Posts a frame of publications after the frames before it.
    pub(super) fn send(self: &Rc<Self>, frame: &JsString) {
        self.waiting.borrow().push(frame);
        if !self.is_posting.replace(true) {
            let myself = self.clone();
            spawn_local(async move { myself.run().await });
        }
    }

    /// Takes as many waiting frames as fit one post.
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
            let (Some(delegate), Some(abort)) = (self.delegate.upgrade(), abort) else {
                break;
            };
            let frames = self.next_frames();
            if frames.length() == 0 {
                break;
            }
            frames.unshift(&JsValue::from_str(&delegate.hello()));
            let frame = frames.join("\n");
            drop(delegate);
            let signal = abort.signal();
            let answer = post(&self.delegate, &self.url, &frame.into(), &signal, None).await;
            if abort.signal().aborted() {
                continue;
            }
            if let Some(delegate) = self.delegate.upgrade() {
                match answer {
                    Ok(text) => delegate.received(self.connection, &text),
                    Err(failure) => {
                        // The core sends the waiting publications again together with the failed
                        // ones.
                        self.drop_waiting();
                        delegate.post_failed(self.connection, &failure);
                    }
                }
            }
        }
        self.is_posting.set(false);
    }

    /// Drops the frames whose post has not begun.
    pub(super) fn drop_waiting(&self) {
        self.waiting.replace(Array::new());
    }

    /// Aborts the post under way and drops the waiting frames. Later frames are posted.
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
