//! One connection: requests and their responses one after the other, each as its rule says, then bytes as they come.
//!
//! Knows no socket: both sides are streams. What is read goes into a `Sink`, and its pump writes it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;

use crate::faults::Action;
use crate::http::{self, Body, HEAD_BYTES_MAX, Read, Request};
use crate::proxy::{Born, Counters, State};
use crate::sink::{Direction, Ending, Reset, Sink, sink};

/// Bytes asked of a socket at once. Chosen: a TLS record.
const READ_BYTES: usize = 16_384;

/// Carries a connection to its end. An error asks for a RST both ways.
pub(crate) async fn relay<C, U>(
    client: C,
    upstream: U,
    born: Born,
    state: &watch::Receiver<State>,
    counters: &Counters,
) -> Result<(), Reset>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (client_in, client_out) = tokio::io::split(client);
    let (upstream_in, upstream_out) = tokio::io::split(upstream);
    let up = sink(Direction::Up, born, state, Arc::clone(&counters.bytes_up));
    let down = sink(
        Direction::Down,
        born,
        state,
        Arc::clone(&counters.bytes_down),
    );
    let mut link = Link {
        client: Source::new(client_in),
        upstream: Source::new(upstream_in),
        to_upstream: up.0,
        to_client: down.0,
        state,
        counters,
    };
    tokio::try_join!(
        async {
            link.run().await;
            Ok(())
        },
        up.1.run(upstream_out),
        down.1.run(client_out),
    )
    .map(|_| ())
}

struct Link<'a, C, U> {
    client: Source<C>,
    upstream: Source<U>,
    to_upstream: Sink,
    to_client: Sink,
    state: &'a watch::Receiver<State>,
    counters: &'a Counters,
}

/// What follows a response.
enum Next {
    Request,
    /// Bytes as they come, both ways.
    Bytes,
}

impl<C: AsyncRead + Unpin, U: AsyncRead + Unpin> Link<'_, C, U> {
    async fn run(&mut self) {
        while let Some(request) = self.request().await {
            let action = self.state.borrow().action(&request);
            if action.is_some() {
                self.counters.ruled();
            }
            let next = match action {
                Some(Action::Answer(answer)) => {
                    let bytes = http::answer(&answer, request.is_head);
                    self.answer(request, bytes).await;
                    Next::Request
                }
                Some(Action::BlockUpgrade) => {
                    let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
                    self.answer(request, Bytes::from_static(refusal)).await;
                    Next::Request
                }
                Some(Action::Swallow) => return self.swallow().await,
                Some(Action::StripSubprotocol) => self.exchange(request, true, 0).await,
                Some(Action::Buffer(buffer)) => {
                    let bytes = usize::try_from(buffer.bytes.get()).unwrap_or(usize::MAX);
                    self.exchange(request, false, bytes).await
                }
                None => self.exchange(request, false, 0).await,
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

    /// The next request's head; `None` if something else than a request comes next.
    async fn request(&mut self) -> Option<Request> {
        loop {
            match http::request(&mut self.client.buffer) {
                Read::Head(request) => return Some(request),
                Read::NotHttp => return None,
                Read::Partial => {}
            }
            // An upstream that speaks or ends unasked is not a server that waits for a request.
            if !self.upstream.buffer.is_empty() {
                return None;
            }
            tokio::select! {
                more = self.client.fill() => if !more { return None },
                _ = self.upstream.fill() => return None,
            }
        }
    }

    /// The proxy's own answer, after the whole request as servers do.
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

    /// Reads and drops until the client gives up.
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

    /// A request and its response, at the same time.
    async fn exchange(&mut self, request: Request, strip: bool, hold_bytes: usize) -> Next {
        let Self {
            client,
            upstream,
            to_upstream,
            to_client,
            ..
        } = self;
        let response = respond(upstream, to_client, &request, strip, hold_bytes);
        let (is_sent, is_answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut up = pin!(async {
            to_upstream.send(request.bytes.clone()).await;
            copy_body(client, to_upstream, request.body, 0).await;
            is_sent.store(true, Ordering::Relaxed);
            if is_answered.load(Ordering::Relaxed) {
                return;
            }
            // The next request may wait here; that the client has gone must be told now.
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
    strip: bool,
    hold_bytes: usize,
) -> Next {
    loop {
        let response = match http::response(&mut upstream.buffer) {
            Read::Head(response) => response,
            Read::NotHttp => return Next::Bytes,
            Read::Partial if upstream.fill().await => continue,
            Read::Partial => return Next::Bytes,
        };
        if response.status == 101 {
            let bytes = if strip {
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
        let is_whole = copy_body(upstream, to_client, response.body, hold_bytes).await;
        return if is_whole { Next::Request } else { Next::Bytes };
    }
}

/// Passes a body on, at least so many bytes at a time. False if the source ended first.
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

/// One side's bytes as they come in.
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

    /// Reads more. False at the end, however often it is asked. May be dropped at any time.
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
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::Faults;

    /// For ever, in virtual time.
    const DAY: Duration = Duration::from_secs(86_400);

    /// What a test's pipe holds by itself, as sockets do.
    const PIPE_BYTES: usize = 1 << 20;

    /// A connection without sockets, in virtual time.
    struct Bench {
        client: DuplexStream,
        upstream: DuplexStream,
        state: watch::Sender<State>,
        relay: JoinHandle<Result<(), Reset>>,
    }

    fn bench(faults: &str) -> Bench {
        numbered(1, faults)
    }

    fn numbered(number: u64, faults: &str) -> Bench {
        let (client, far_client) = duplex(PIPE_BYTES);
        let (upstream, far_upstream) = duplex(PIPE_BYTES);
        let state = watch::Sender::new(state(faults));
        let receiver = state.subscribe();
        let relay = tokio::spawn(async move {
            let counters = Counters::default();
            let born = State::born(number);
            relay(far_client, far_upstream, born, &receiver, &counters).await
        });
        Bench {
            client,
            upstream,
            state,
            relay,
        }
    }

    fn state(faults: &str) -> State {
        State::with(Faults::from_json(faults.as_bytes()).unwrap())
    }

    impl Bench {
        fn set(&self, faults: &str) {
            self.state.send_replace(state(faults));
        }
    }

    async fn hears(stream: &mut DuplexStream, wanted: &[u8]) {
        let mut heard = vec![0; wanted.len()];
        let reading = tokio::time::timeout(DAY, stream.read_exact(&mut heard));
        reading.await.expect("nothing comes").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&heard),
            String::from_utf8_lossy(wanted)
        );
    }

    /// Nothing comes, however long one waits.
    async fn is_silent(stream: &mut DuplexStream) {
        let heard = tokio::time::timeout(DAY, stream.read_u8()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    const UPGRADE: &[u8] = b"GET /v1/connect HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    const SWITCHED: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: longhaul.v1\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    #[tokio::test(start_paused = true)]
    async fn bytes_and_ends_go_both_ways() {
        let mut it = bench("{}");
        it.client.write_all(b"to you").await.unwrap();
        hears(&mut it.upstream, b"to you").await;
        it.upstream.write_all(b"to me").await.unwrap();
        hears(&mut it.client, b"to me").await;
        it.client.shutdown().await.unwrap();
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
        // The other half is still open.
        it.upstream.write_all(b"late").await.unwrap();
        hears(&mut it.client, b"late").await;
        it.upstream.shutdown().await.unwrap();
        assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
        it.relay.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn latency_is_a_directions_own_and_costs_no_bandwidth() {
        let mut it = bench(r#"{ "down": { "latencyMs": 300 } }"#);
        let start = Instant::now();
        it.client.write_all(b"quick").await.unwrap();
        hears(&mut it.upstream, b"quick").await;
        assert_eq!(start.elapsed().as_millis(), 0);
        let much = [7; 100_000];
        it.upstream.write_all(&much).await.unwrap();
        hears(&mut it.client, &much).await;
        assert!((300..305).contains(&start.elapsed().as_millis()));
    }

    async fn delays(number: u64, seed: u64) -> Vec<u128> {
        let faults =
            format!(r#"{{ "seed": {seed}, "up": {{ "latencyMs": 10, "jitterMs": 90 }} }}"#);
        let mut it = numbered(number, &faults);
        let mut delays = Vec::new();
        for n in 0..20 {
            let start = Instant::now();
            it.client.write_all(&[n]).await.unwrap();
            hears(&mut it.upstream, &[n]).await;
            delays.push(start.elapsed().as_millis());
        }
        delays
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_is_the_seeds_and_the_connections() {
        let first = delays(1, 5).await;
        assert!(first.iter().all(|ms| (10..=101).contains(ms)), "{first:?}");
        assert!(first.iter().max() > first.iter().min());
        assert_eq!(delays(1, 5).await, first);
        assert_ne!(delays(1, 6).await, first);
        assert_ne!(delays(2, 5).await, first);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_keeps_the_order() {
        let mut it = bench(r#"{ "up": { "jitterMs": 1000 } }"#);
        for n in 0..100 {
            it.client.write_all(&[n]).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
            tokio::task::yield_now().await;
        }
        hears(&mut it.upstream, &(0..100).collect::<Vec<u8>>()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn bandwidth_is_kept_within_a_twentieth() {
        let mut it = bench(r#"{ "down": { "bytesPerSec": 10000 } }"#);
        let start = Instant::now();
        it.upstream.write_all(&[1; 50_000]).await.unwrap();
        hears(&mut it.client, &[1; 50_000]).await;
        let took = start.elapsed().as_millis();
        assert!((4_750..=5_250).contains(&took), "{took} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_waits_when_the_queue_is_full() {
        let mut it = bench(r#"{ "stop": "up" }"#);
        let much = vec![0; PIPE_BYTES + 2 * crate::sink::QUEUE_BYTES_MAX];
        let sent = it.client.write_all(&much);
        let sent = tokio::time::timeout(Duration::from_secs(60), sent).await;
        assert!(sent.is_err());
        is_silent(&mut it.upstream).await;
        // It lost nothing of what it took.
        it.set("{}");
        drop(it.client);
        let mut heard = Vec::new();
        it.upstream.read_to_end(&mut heard).await.unwrap();
        assert!(heard.len() > PIPE_BYTES && heard.len() < much.len());
    }

    #[tokio::test(start_paused = true)]
    async fn slices_are_so_many_bytes_a_write() {
        // The upstream notes each write.
        let (client, mut far_client) = duplex(1 << 16);
        let (upstream, far_upstream) = duplex(1 << 16);
        let state = watch::Sender::new(state(r#"{ "up": { "slice": 3 } }"#));
        let seen = Writes::default();
        let upstream = Watched(upstream, seen.clone());
        let receiver = state.subscribe();
        let counters = Counters::default();
        let carried = relay(client, upstream, State::born(1), &receiver, &counters);
        let act = async {
            far_client.write_all(b"0123456789").await.unwrap();
            far_client.shutdown().await.unwrap();
            drop(far_upstream);
        };
        let _ = tokio::join!(carried, act);
        assert_eq!(*seen.lock().unwrap(), [3, 3, 3, 1]);
    }

    type Writes = Arc<std::sync::Mutex<Vec<usize>>>;

    /// Notes the size of each write.
    struct Watched(DuplexStream, Writes);

    impl AsyncRead for Watched {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Watched {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            self.1.lock().unwrap().push(buf.len());
            std::task::Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reset_after_bytes_lets_exactly_so_many_through() {
        let mut it = bench(r#"{ "down": { "resetAfterBytes": 4 } }"#);
        it.upstream.write_all(b"0123456789").await.unwrap();
        hears(&mut it.client, b"0123").await;
        assert!(it.relay.await.unwrap().is_err());
        assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn reset_after_bytes_meets_an_open_connection_that_is_past_it_at_its_next_byte() {
        let mut it = bench("{}");
        it.client.write_all(b"0123456789").await.unwrap();
        hears(&mut it.upstream, b"0123456789").await;
        it.set(r#"{ "up": { "resetAfterBytes": 4 } }"#);
        it.client.write_all(b"x").await.unwrap();
        assert!(it.relay.await.unwrap().is_err());
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn stop_both_lets_no_byte_and_no_end_through_until_it_ends() {
        let mut it = bench("{}");
        it.client.write_all(b"hello").await.unwrap();
        hears(&mut it.upstream, b"hello").await;
        it.set(r#"{ "stop": "both" }"#);
        it.client.write_all(b"up").await.unwrap();
        it.client.shutdown().await.unwrap();
        it.upstream.write_all(b"down").await.unwrap();
        is_silent(&mut it.upstream).await;
        is_silent(&mut it.client).await;
        it.set("{}");
        hears(&mut it.upstream, b"up").await;
        hears(&mut it.client, b"down").await;
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn stop_one_way_leaves_the_other() {
        let mut it = bench(r#"{ "stop": "up" }"#);
        it.client.write_all(b"up").await.unwrap();
        it.upstream.write_all(b"down").await.unwrap();
        hears(&mut it.client, b"down").await;
        is_silent(&mut it.upstream).await;
        it.set(r#"{ "stop": "down" }"#);
        hears(&mut it.upstream, b"up").await;
        it.upstream.write_all(b"again").await.unwrap();
        is_silent(&mut it.client).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_is_gone_while_all_stands_still_is_not_told() {
        for last_words in ["", "last words"] {
            let mut it = bench(r#"{ "stop": "both" }"#);
            it.client.write_all(last_words.as_bytes()).await.unwrap();
            drop(it.client);
            is_silent(&mut it.upstream).await;
            assert!(!it.relay.is_finished());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frozen_bytes_and_ends_go_on_after_the_thaw() {
        let mut it = bench("{}");
        it.state.send_replace(State::frozen());
        it.client.write_all(b"up").await.unwrap();
        it.client.shutdown().await.unwrap();
        it.upstream.write_all(b"down").await.unwrap();
        is_silent(&mut it.upstream).await;
        is_silent(&mut it.client).await;
        it.set("{}");
        hears(&mut it.upstream, b"up").await;
        hears(&mut it.client, b"down").await;
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_the_proxys_and_the_next_request_has_its_own_rule() {
        let mut it = bench(
            r#"{ "http": [{ "pathPrefix": "/v1/", "times": 2,
                 "action": { "answer": { "status": 503, "headers": { "Retry-After": "7" }, "body": "away" } } }] }"#,
        );
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\
            Content-Type: text/html; charset=utf-8\r\nContent-Length: 4\r\n\r\naway";
        // One with a body, two at once, and the rule is used up by the third.
        let body = "4\r\nbody\r\n0\r\n\r\n";
        let post = format!("POST /v1/poll HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let get = b"GET /v1/x HTTP/1.1\r\n\r\n";
        it.client.write_all(post.as_bytes()).await.unwrap();
        it.client.write_all(get).await.unwrap();
        hears(&mut it.client, refusal).await;
        hears(&mut it.client, refusal).await;
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
        it.upstream.write_all(OK).await.unwrap();
        hears(&mut it.client, OK).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_of_one_method_leaves_the_others() {
        let mut it = bench(
            r#"{ "http": [{ "method": "POST", "action": { "answer": { "status": 429 } } }] }"#,
        );
        let preflight = b"OPTIONS /v1/publish HTTP/1.1\r\n\r\n";
        it.client.write_all(preflight).await.unwrap();
        hears(&mut it.upstream, preflight).await;
        it.upstream.write_all(OK).await.unwrap();
        hears(&mut it.client, OK).await;
        let post = b"POST /v1/publish HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        it.client.write_all(post).await.unwrap();
        hears(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
    }

    #[tokio::test(start_paused = true)]
    async fn rules_come_to_a_connection_that_is_open() {
        let mut it = bench("{}");
        let get = b"GET /v1/x HTTP/1.1\r\n\r\n";
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
        it.upstream.write_all(OK).await.unwrap();
        hears(&mut it.client, OK).await;
        it.set(r#"{ "http": [{ "action": { "answer": { "status": 429 } } }] }"#);
        it.client.write_all(get).await.unwrap();
        hears(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
        is_silent(&mut it.upstream).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_subprotocol_is_stripped_and_then_bytes_pass() {
        let mut it = bench(r#"{ "http": [{ "upgrade": true, "action": "stripSubprotocol" }] }"#);
        it.client.write_all(UPGRADE).await.unwrap();
        hears(&mut it.upstream, UPGRADE).await;
        it.upstream.write_all(SWITCHED).await.unwrap();
        it.upstream.write_all(b"\x81\x02hi").await.unwrap();
        hears(
            &mut it.client,
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi",
        )
        .await;
        // What looks like a request is none any more.
        it.client.write_all(UPGRADE).await.unwrap();
        hears(&mut it.upstream, UPGRADE).await;
        it.upstream.write_all(SWITCHED).await.unwrap();
        hears(&mut it.client, SWITCHED).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upgrade_is_blocked_and_other_requests_pass() {
        let mut it = bench(r#"{ "http": [{ "action": "blockUpgrade" }] }"#);
        it.client.write_all(UPGRADE).await.unwrap();
        hears(
            &mut it.client,
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        let get = b"GET /v1/connect HTTP/1.1\r\n\r\n";
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_swallowed_path_is_silent_and_the_others_are_not() {
        let faults = r#"{ "http": [{ "pathPrefix": "/v1/connect", "action": "swallow" }] }"#;
        let mut it = bench(faults);
        it.client.write_all(UPGRADE).await.unwrap();
        is_silent(&mut it.client).await;
        is_silent(&mut it.upstream).await;
        drop(it.client);
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
        let mut it = bench(faults);
        it.client
            .write_all(b"GET /v1/poll HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        hears(&mut it.upstream, b"GET /v1/poll HTTP/1.1\r\n\r\n").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffered_body_comes_when_the_buffer_is_full_or_it_ends() {
        let mut it = bench(
            r#"{ "http": [{ "pathPrefix": "/v1/events", "action": { "buffer": { "bytes": 10 } } }] }"#,
        );
        let get = b"GET /v1/events HTTP/1.1\r\n\r\n";
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
        it.upstream.write_all(head).await.unwrap();
        it.upstream.write_all(b"3\r\none\r\n").await.unwrap();
        hears(&mut it.client, head).await;
        is_silent(&mut it.client).await;
        it.upstream.write_all(b"3\r\ntwo\r\n").await.unwrap();
        hears(&mut it.client, b"3\r\none\r\n3\r\ntwo\r\n").await;
        it.upstream.write_all(b"1\r\n3\r\n").await.unwrap();
        is_silent(&mut it.client).await;
        it.upstream.write_all(b"0\r\n\r\n").await.unwrap();
        hears(&mut it.client, b"1\r\n3\r\n0\r\n\r\n").await;
        // And the connection goes on.
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_without_an_end_of_its_own_lasts_as_long_as_its_connection() {
        let mut it = bench("{}");
        let get = b"GET / HTTP/1.0\r\n\r\n";
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
        it.upstream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nso it")
            .await
            .unwrap();
        hears(&mut it.client, b"HTTP/1.0 200 OK\r\n\r\nso it").await;
        it.upstream.write_all(b" goes").await.unwrap();
        it.upstream.shutdown().await.unwrap();
        hears(&mut it.client, b" goes").await;
        assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_heads_only_announce_are_not_waited_for() {
        let mut it = bench("{}");
        for (request, response) in [
            (
                "HEAD / HTTP/1.1",
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1",
                "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n",
            ),
            ("GET / HTTP/1.1", "HTTP/1.1 204 N\r\n\r\n"),
        ] {
            let request = format!("{request}\r\n\r\n");
            it.client.write_all(request.as_bytes()).await.unwrap();
            hears(&mut it.upstream, request.as_bytes()).await;
            it.upstream.write_all(response.as_bytes()).await.unwrap();
            hears(&mut it.client, response.as_bytes()).await;
        }
        // An early word, and an answer before the request has ended.
        let head = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
        it.client.write_all(head).await.unwrap();
        hears(&mut it.upstream, head).await;
        it.upstream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        hears(&mut it.client, b"HTTP/1.1 100 Continue\r\n\r\n").await;
        it.upstream.write_all(OK).await.unwrap();
        hears(&mut it.client, OK).await;
        // What is left of its body is no next request, and the next request is found behind it.
        it.set(
            r#"{ "http": [{ "pathPrefix": "/2", "action": { "answer": { "status": 429 } } }] }"#,
        );
        it.client
            .write_all(b"bodyGET /2 HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        hears(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
        hears(&mut it.upstream, b"body").await;
        is_silent(&mut it.upstream).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_while_it_waits_for_an_answer_is_told_to_the_upstream() {
        let mut it = bench("{}");
        let get = b"GET /v1/events HTTP/1.1\r\n\r\n";
        it.client.write_all(get).await.unwrap();
        hears(&mut it.upstream, get).await;
        drop(it.client);
        assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_speaks_first_is_heard() {
        let mut it = bench("{}");
        it.upstream.write_all(b"INFO {}\r\n").await.unwrap();
        hears(&mut it.client, b"INFO {}\r\n").await;
        it.client.write_all(b"GET is a word here").await.unwrap();
        hears(&mut it.upstream, b"GET is a word here").await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_leaves_between_two_requests_is_told_to_the_client() {
        let mut it = bench("{}");
        it.upstream.shutdown().await.unwrap();
        assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
    }
}
