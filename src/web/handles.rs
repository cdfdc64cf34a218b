//! Owns the transport handles of open connections. A client has at most one for each transport,
//! while it moves from one to another.

use std::rc::{Rc, Weak};

use js_sys::{Function, JsString};
use wasm_bindgen::prelude::*;

use super::delegate::Delegate;
use super::eventsource::Stream;
use super::longpoll::Poll;
use super::upstream::Upstream;
use super::websocket::Socket;
use crate::Transport;
use crate::ids::ConnectionId;

/// One connection with its handle.
pub(super) struct TransportHandles {
    pub(super) connection: ConnectionId,
    handle: Handle,
}

enum Handle {
    Socket(Socket),
    Stream(Rc<Stream>, Rc<Upstream>),
    Poll(Rc<Poll>, Rc<Upstream>),
}

impl TransportHandles {
    /// Fails if the browser refuses at once.
    pub(super) fn open(
        transport: Transport,
        base: &str,
        connection: ConnectionId,
        records: &str,
        receiver: Function,
        delegate: &Weak<dyn Delegate>,
    ) -> Result<Self, JsValue> {
        let upstream = || Upstream::new(base, connection, delegate.clone());
        let handle = match transport {
            Transport::WebSocket => {
                Handle::Socket(Socket::open(base, connection, &receiver, delegate.clone())?)
            }
            Transport::EventSource => Handle::Stream(
                Stream::open(base, connection, records, receiver, delegate.clone())?,
                upstream(),
            ),
            Transport::LongPoll => {
                let poll = Poll::new(base, connection, delegate.clone());
                poll.send(records);
                Handle::Poll(poll, upstream())
            }
        };
        Ok(Self { connection, handle })
    }

    /// Returns the socket, if the transport is WebSocket.
    pub(super) fn socket(&self) -> Option<&Socket> {
        match &self.handle {
            Handle::Socket(socket) => Some(socket),
            Handle::Stream(..) | Handle::Poll(..) => None,
        }
    }

    pub(super) fn poll(&self, records: &str) {
        if let Handle::Poll(poll, _) = &self.handle {
            poll.send(records);
        }
    }

    pub(super) fn post(&self, frame: &JsString) {
        if let Handle::Stream(_, upstream) | Handle::Poll(_, upstream) = &self.handle {
            upstream.send(frame);
        }
    }

    pub(super) fn abandon_posts(&self) {
        if let Handle::Stream(_, upstream) | Handle::Poll(_, upstream) = &self.handle {
            upstream.cancel();
        }
    }

    pub(super) fn drop_posts(&self) {
        if let Handle::Stream(_, upstream) | Handle::Poll(_, upstream) = &self.handle {
            upstream.drop_waiting();
        }
    }

    pub(super) fn abandon(&self, code: u16) {
        match &self.handle {
            Handle::Socket(socket) => socket.abandon(code),
            Handle::Stream(stream, upstream) => {
                stream.abandon();
                upstream.abandon();
            }
            Handle::Poll(poll, upstream) => {
                poll.abandon();
                upstream.abandon();
            }
        }
    }
}
