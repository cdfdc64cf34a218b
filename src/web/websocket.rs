//! Opens one WebSocket, reports its events to the delegate, and abandons it at once on request.
//!
//! Message events go directly to JavaScript. Nothing waits for a close event, because it may be a
//! minute late or missing.

use std::rc::Weak;

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, WebSocket};

use super::delegate::Delegate;
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
    /// Fails if the browser rejects the address, for example an insecure address on a secure page.
    pub(super) fn open(
        base: &str,
        connection: ConnectionId,
        receiver: &Function,
        delegate: Weak<dyn Delegate>,
    ) -> Result<Self, JsValue> {
        let base = base.strip_prefix("http").unwrap_or(base);
        let mut url = String::from("ws");
        url.push_str(base);
        url.push_str("v1/connect");
        let socket = WebSocket::new_with_str(&url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (for_open, for_failure) = (delegate.clone(), delegate.clone());
        let opened = Closure::<dyn FnMut()>::new(move || {
            if let Some(delegate) = for_open.upgrade() {
                delegate.opened(connection);
            }
        });
        let closed = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(delegate) = delegate.upgrade() {
                delegate.ended(connection, event.code(), &event.reason());
            }
        });
        // If a policy of the page forbids the address, the browser fires only this event and no
        // close event.
        let failed = Closure::<dyn FnMut()>::new(move || {
            if let Some(delegate) = for_failure.upgrade() {
                delegate.ended(connection, codes::CONNECTION_LOST, "");
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

    /// Whether the hub selected our subprotocol in the handshake (rule W1).
    pub(super) fn has_subprotocol(&self) -> bool {
        self.socket.protocol() == SUBPROTOCOL
    }

    /// Removes the listeners and closes the socket, if the browser allows it with `code`.
    pub(super) fn abandon(&self, code: u16) {
        self.socket.set_onopen(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
        self.socket.set_onmessage(None);
        // A page may use only these codes, and the call throws for others. The close matters more
        // than its code.
        let code = if matches!(code, 1000 | 3000..=4999) {
            code
        } else {
            codes::DONE
        };
        let _ = self.socket.close_with_code(code);
    }
}
