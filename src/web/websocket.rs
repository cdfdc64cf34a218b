//! One WebSocket: opens, tells the driver how it goes, and can be abandoned at once.
//!
//! Message events go straight to JavaScript. A close event is never waited for: it may come a
//! minute late, or never.

use std::rc::Weak;

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, WebSocket};

use super::driver::Driver;
use crate::codes;
use crate::ids::ConnectionId;
use crate::wire::SUBPROTOCOL;

pub(super) struct Socket {
    pub(super) socket: WebSocket,
    _opened: Closure<dyn FnMut()>,
    _closed: Closure<dyn FnMut(CloseEvent)>,
    _failed: Closure<dyn FnMut()>,
}

impl Socket {
    /// Fails where the browser refuses the address: a bad one, or an insecure one on a secure page.
    pub(super) fn open(
        base: &str,
        connection: ConnectionId,
        receiver: &Function,
        driver: Weak<Driver>,
    ) -> Result<Self, JsValue> {
        let base = base.strip_prefix("http").unwrap_or(base);
        let mut url = String::from("ws");
        url.push_str(base);
        url.push_str("v1/connect");
        let socket = WebSocket::new_with_str(&url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (for_open, for_failure) = (driver.clone(), driver.clone());
        let opened = Closure::<dyn FnMut()>::new(move || {
            if let Some(driver) = for_open.upgrade() {
                driver.opened(connection);
            }
        });
        let closed = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(driver) = driver.upgrade() {
                driver.ended(connection, event.code(), &event.reason());
            }
        });
        // Where a policy of the page forbids the address, this is all that comes: no close event
        // follows.
        let failed = Closure::<dyn FnMut()>::new(move || {
            if let Some(driver) = for_failure.upgrade() {
                driver.ended(connection, codes::CONNECTION_LOST, "");
            }
        });
        socket.set_onerror(Some(failed.as_ref().unchecked_ref()));
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(receiver));
        Ok(Self {
            socket,
            _opened: opened,
            _closed: closed,
            _failed: failed,
        })
    }

    /// Whether the handshake brought our subprotocol back (rule W1).
    pub(super) fn has_subprotocol(&self) -> bool {
        self.socket.protocol() == SUBPROTOCOL
    }

    /// Lets go of the socket now and closes it as well as the browser allows.
    pub(super) fn abandon(&self, code: u16) {
        self.socket.set_onopen(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
        self.socket.set_onmessage(None);
        // A page may only use these codes; the call throws for others, and closing is all that
        // matters here.
        let code = if matches!(code, 1000 | 3000..=4999) {
            code
        } else {
            codes::DONE
        };
        let _ = self.socket.close_with_code(code);
    }
}
