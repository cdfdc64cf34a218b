//! An event stream: a post for the ticket, then an EventSource that never reconnects by itself
//! (rule T2).
//!
//! Message events go directly to JavaScript, like a socket's. The data of each event is a frame.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, EventSource};

use super::delegate::{Delegate, Failure};
use super::fetch::post;
use super::longpoll::format_url;
use crate::codes;
use crate::ids::ConnectionId;
use crate::wire::ToClient;
use crate::wire::record::parts;

pub(super) struct Stream {
    connection: ConnectionId,
    delegate: Weak<dyn Delegate>,
    abort: AbortController,
    source: RefCell<Option<Source>>,
}

struct Source {
    source: EventSource,
    _failed: Closure<dyn FnMut()>,
}

impl Stream {
    /// Fails if the browser has no AbortController.
    pub(super) fn open(
        base: &str,
        connection: ConnectionId,
        hello: &str,
        receiver: Function,
        delegate: Weak<dyn Delegate>,
    ) -> Result<Rc<Self>, JsValue> {
        let stream = Rc::new(Self {
            connection,
            delegate,
            abort: AbortController::new()?,
            source: RefCell::new(None),
        });
        let session_url = format_url(base, "v1/session");
        let events_url = format_url(base, "v1/events?ticket=");
        let frame = JsValue::from_str(hello);
        let myself = stream.clone();
        spawn_local(async move {
            let signal = myself.abort.signal();
            let answer = post(&myself.delegate, &session_url, &frame, &signal, None).await;
            if signal.aborted() {
                return;
            }
            match answer.map(|text| ticket(&String::from(text))) {
                Ok(Some(ticket)) => myself.listen(&format_url(&events_url, &ticket), &receiver),
                Ok(None) => myself.fail(codes::NOT_A_HUB),
                Err(failure) => myself.tell(&failure),
            }
        });
        Ok(stream)
    }

    fn listen(self: &Rc<Self>, url: &str, receiver: &Function) {
        let Ok(source) = EventSource::new(url) else {
            self.fail(codes::CONNECTION_LOST);
            return;
        };
        let (connection, delegate) = (self.connection, self.delegate.clone());
        let failed = Closure::<dyn FnMut()>::new(move || {
            // The browser would reconnect with the same ticket, which is valid once. The core opens
            // another stream instead.
            if let Some(delegate) = delegate.upgrade() {
                delegate.ended(connection, codes::CONNECTION_LOST, "");
            }
        });
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        source.set_onmessage(Some(receiver));
        self.source.replace(Some(Source {
            source,
            _failed: failed,
        }));
        // The core waits for the welcome from now on. A buffering proxy may delay even the response
        // head, and so the open event.
        if let Some(delegate) = self.delegate.upgrade() {
            delegate.opened(self.connection);
        }
    }

    fn fail(&self, code: u16) {
        if let Some(delegate) = self.delegate.upgrade() {
            delegate.ended(self.connection, code, "");
        }
    }

    fn tell(&self, failure: &Failure) {
        if let Some(delegate) = self.delegate.upgrade() {
            delegate.failed(self.connection, failure);
        }
    }

    pub(super) fn abandon(&self) {
        self.abort.abort();
        if let Some(Source { source, .. }) = &*self.source.borrow() {
            source.set_onerror(None);
            source.set_onmessage(None);
            source.close();
        }
    }
}

fn ticket(frame: &str) -> Option<String> {
    parts(frame, b'\n').find_map(|record| match ToClient::decode(record) {
        Ok(ToClient::Ticket { ticket, .. }) => Some(ticket.to_owned()),
        _ => None,
    })
}
