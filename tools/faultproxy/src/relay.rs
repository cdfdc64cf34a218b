//! One connection: requests and responses one after another, each by its rule, and then plain
//! bytes.
//!
//! Knows no sockets: both sides are streams. The relay reads bytes into a `Sink`, and its pump
//! writes them.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;

use crate::faults::Action;
use crate::flow::{Direction, Ending, Reset};
use crate::http::{self, Body, HEAD_BYTES_MAX, Read, Request};
use crate::sink::{Sink, sink};
use crate::state::{Counters, Start, State};

/// The most bytes of one read. Chosen: a TLS record.
const READ_BYTES: usize = 16_384;

/// Relays a connection to its end. An error asks for a RST in both directions.
pub(crate) async fn relay<C, U>(
    client: C,
    upstream: U,
    start: Start,
    state: &watch::Receiver<State>,
    counters: &Counters,
) -> Result<(), Reset>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (client_in, client_out) = tokio::io::split(client);
    let (upstream_in, upstream_out) = tokio::io::split(upstream);
    let up = sink(Direction::Up, start, state, Arc::clone(&counters.bytes_up));
    let down = sink(
        Direction::Down,
        start,
        state,
        Arc::clone(&counters.bytes_down),
    );
    let mut relay = Relay {
        client: Source::new(client_in),
        upstream: Source::new(upstream_in),
        to_upstream: up.0,
        to_client: down.0,
        state,
        counters,
    };
    tokio::try_join!(
        async {
            relay.run().await;
            Ok(())
        },
        up.1.run(upstream_out),
        down.1.run(client_out),
    )
    .map(|_| ())
}

struct Relay<'a, C, U> {
    client: Source<C>,
    upstream: Source<U>,
    to_upstream: Sink,
    to_client: Sink,
    state: &'a watch::Receiver<State>,
    counters: &'a Counters,
}

/// Whether the `Sec-WebSocket-Protocol` header of a 101 response passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subprotocol {
    Kept,
    Stripped,
}

/// How the relay handles a response.
#[derive(Clone, Copy)]
struct Handling {
    subprotocol: Subprotocol,
    /// The body passes in pieces of at least this size.
    hold_bytes: usize,
}

impl Handling {
    const PLAIN: Self = Self {
        subprotocol: Subprotocol::Kept,
        hold_bytes: 0,
    };
}

/// What follows a response.
enum Next {
    Request,
    /// Plain bytes in both directions.
    Bytes,
}

impl<C: AsyncRead + Unpin, U: AsyncRead + Unpin> Relay<'_, C, U> {
    async fn run(&mut self) {
        while let Some(request) = self.request().await {
            let action = self.state.borrow().action(&request);
            if action.is_some() {
                self.counters.count_ruled();
            }
            let next = match action {
                Some(Action::Answer(answer)) => {
                    let bytes = http::answer(&answer, &request);
                    self.answer(request, bytes).await;
                    Next::Request
                }
                Some(Action::BlockUpgrade) => {
                    let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
                    self.answer(request, Bytes::from_static(refusal)).await;
                    Next::Request
                }
                Some(Action::Swallow) => return self.swallow().await,
                Some(Action::StripSubprotocol) => {
                    let handling = Handling {
                        subprotocol: Subprotocol::Stripped,
                        hold_bytes: 0,
                    };
                    self.exchange(request, handling).await
                }
                Some(Action::Buffer(buffer)) => {
                    let hold_bytes = usize::try_from(buffer.bytes.get()).unwrap_or(usize::MAX);
                    let handling = Handling {
                        subprotocol: Subprotocol::Kept,
                        hold_bytes,
                    };
                    self.exchange(request, handling).await
                }
                None => self.exchange(request, Handling::PLAIN).await,
            };
            if let Next::Bytes = next {
                break;
            }
        }
        tokio::join!(
            copy_all(&mut self.client, &mut self.to_upstream),
            copy_all(&mut self.upstream, &mut self.to_client),
        );
    }

    /// The head of the next request. `None` if something else comes next.
    async fn request(&mut self) -> Option<Request> {
        loop {
            match http::request(&mut self.client.buffer) {
                Read::Head(request) => return Some(request),
                Read::NotHttp => return None,
                Read::Partial => {}
            }
            // An upstream that sends bytes or ends now is not an HTTP server.
            if !self.upstream.buffer.is_empty() {
                return None;
            }
            tokio::select! {
                more = self.client.fill() => if !more { return None },
                _ = self.upstream.fill() => return None,
            }
        }
    }

    /// Sends the proxy's own answer, after the whole request, like a server.
    async fn answer(&mut self, request: Request, bytes: Bytes) {
        let mut body = request.body;
        loop {
            body.take(&mut self.client.buffer);
            if body == Body::Done || !self.client.fill().await {
                break;
            }
        }
        self.to_client.send(bytes).await;
    }

    /// Reads and drops bytes until the client ends.
    async fn swallow(&mut self) {
        loop {
            self.client.buffer.clear();
            if !self.client.fill().await {
                break;
            }
        }
        self.to_upstream.end(self.client.ending());
        self.to_client.end(Ending::Finished);
    }

    /// Relays a request and its response at the same time.
    async fn exchange(&mut self, request: Request, handling: Handling) -> Next {
        let Self {
            client,
            upstream,
            to_upstream,
            to_client,
            ..
        } = self;
        let response = respond(upstream, to_client, &request, handling);
        let (is_sent, is_answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut up = pin!(async {
            to_upstream.send(request.bytes.clone()).await;
            copy_body(client, to_upstream, request.body, 0).await;
            is_sent.store(true, Ordering::Relaxed);
            if is_answered.load(Ordering::Relaxed) {
                return;
            }
            // The next request may wait here. But the upstream must learn now that the client has
            // ended.
            while client.buffer.len() < HEAD_BYTES_MAX && client.fill().await {}
            if client.ended.is_some() && client.buffer.is_empty() {
                to_upstream.end(client.ending());
            }
            pending::<()>().await;
        });
        let next = tokio::select! {
            next = response => next,
            () = &mut up => Next::Bytes,
        };
        is_answered.store(true, Ordering::Relaxed);
        if !is_sent.load(Ordering::Relaxed) {
            up.await;
        }
        next
    }
}

async fn respond<R: AsyncRead + Unpin>(
    upstream: &mut Source<R>,
    to_client: &mut Sink,
    request: &Request,
    handling: Handling,
) -> Next {
    loop {
        let response = match http::response(&mut upstream.buffer) {
            Read::Head(response) => response,
            Read::NotHttp => return Next::Bytes,
            Read::Partial if upstream.fill().await => continue,
            Read::Partial => return Next::Bytes,
        };
        if response.status == 101 {
            let bytes = if handling.subprotocol == Subprotocol::Stripped {
                http::without_header(&response.bytes, "sec-websocket-protocol")
            } else {
                response.bytes
            };
            to_client.send(bytes).await;
            return Next::Bytes;
        }
        to_client.send(response.bytes).await;
        match response.status {
            100..=199 => continue,
            200..=299 if request.is_connect => return Next::Bytes,
            _ if request.is_head => return Next::Request,
            _ => {}
        }
        let is_whole = copy_body(upstream, to_client, response.body, handling.hold_bytes).await;
        return if is_whole { Next::Request } else { Next::Bytes };
    }
}

/// Relays a body in pieces of at least `hold_bytes`. False if the source ends first.
async fn copy_body<R: AsyncRead + Unpin>(
    source: &mut Source<R>,
    sink: &mut Sink,
    mut body: Body,
    hold_bytes: usize,
) -> bool {
    let mut held = BytesMut::new();
    loop {
        held.unsplit(body.take(&mut source.buffer));
        let is_done = body == Body::Done;
        if is_done || held.len() >= hold_bytes {
            sink.send(held.split().freeze()).await;
        }
        if is_done {
            return true;
        }
        if !source.fill().await {
            sink.send(held.freeze()).await;
            return false;
        }
    }
}

async fn copy_all<R: AsyncRead + Unpin>(source: &mut Source<R>, sink: &mut Sink) {
    loop {
        sink.send(source.buffer.split().freeze()).await;
        if !source.fill().await {
            return sink.end(source.ending());
        }
    }
}

/// The incoming bytes of one side.
struct Source<R> {
    reader: R,
    buffer: BytesMut,
    ended: Option<Ending>,
}

impl<R: AsyncRead + Unpin> Source<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            ended: None,
        }
    }

    /// Reads more bytes. False at the end, also when called again. Cancel-safe.
    async fn fill(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.buffer.reserve(READ_BYTES);
        self.ended = match self.reader.read_buf(&mut self.buffer).await {
            Ok(0) => Some(Ending::Finished),
            Ok(_) => None,
            Err(_) => Some(Ending::Reset),
        };
        self.ended.is_none()
    }

    fn ending(&self) -> Ending {
        self.ended.unwrap_or(Ending::Finished)
    }
}

#[cfg(test)]
mod tests;
