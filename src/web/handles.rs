//! The open connections of a client, one a transport at most while it moves from one to another.

use std::rc::{Rc, Weak};

use js_sys::{Function, JsString};
use wasm_bindgen::prelude::*;

use super::driver::Driver;
use super::eventsource::Stream;
use super::longpoll::Poll;
use super::upstream::Upstream;
use super::websocket::Socket;
use crate::Transport;
use crate::ids::ConnectionId;

/// One connection and how to let go of it.
pub(super) struct TransportHandles {
    pub(super) connection: ConnectionId,
    way: Way,
}

enum Way {
    Socket(Socket),
    Stream(Rc<Stream>, Rc<Upstream>),
    Poll(Rc<Poll>, Rc<Upstream>),
}

impl TransportHandles {
    /// Fails where the browser refuses at once.
    pub(super) fn open(
        transport: Transport,
        base: &str,
        connection: ConnectionId,
        records: &str,
        receiver: Function,
        driver: &Weak<Driver>,
    ) -> Result<Self, JsValue> {
        let upstream = || Upstream::new(base, connection, driver.clone());
        let way = match transport {
            Transport::WebSocket => {
                Way::Socket(Socket::open(base, connection, &receiver, driver.clone())?)
            }
            Transport::EventSource => Way::Stream(
                Stream::open(base, connection, records, receiver, driver.clone())?,
                upstream(),
            ),
            Transport::LongPoll => {
                let poll = Poll::new(base, connection, driver.clone());
                poll.send(records);
                Way::Poll(poll, upstream())
            }
        };
        Ok(Self { connection, way })
    }

    /// The socket, if it is one.
    pub(super) fn socket(&self) -> Option<&Socket> {
        match &self.way {
            Way::Socket(socket) => Some(socket),
            Way::Stream(..) | Way::Poll(..) => None,
        }
    }

    pub(super) fn poll(&self, records: &str) {
        if let Way::Poll(poll, _) = &self.way {
            poll.send(records);
        }
    }

    pub(super) fn post(&self, frame: &JsString) {
        if let Way::Stream(_, upstream) | Way::Poll(_, upstream) = &self.way {
            upstream.send(frame);
        }
    }

    pub(super) fn abandon_posts(&self) {
        if let Way::Stream(_, upstream) | Way::Poll(_, upstream) = &self.way {
            upstream.cancel();
        }
    }

    pub(super) fn drop_posts(&self) {
        if let Way::Stream(_, upstream) | Way::Poll(_, upstream) = &self.way {
            upstream.drop_waiting();
        }
    }

    pub(super) fn abandon(&self, code: u16) {
        match &self.way {
            Way::Socket(socket) => socket.abandon(code),
            Way::Stream(stream, upstream) => {
                stream.abandon();
                upstream.abandon();
            }
            Way::Poll(poll, upstream) => {
                poll.abandon();
                upstream.abandon();
            }
        }
    }
}
