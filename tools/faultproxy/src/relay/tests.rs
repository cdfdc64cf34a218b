//! A connection without sockets, in virtual time. `shape` and `rules` use it too.

mod rules;
mod shape;

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::Faults;

/// A time that stands for ever.
const DAY: Duration = Duration::from_secs(86_400);

/// The capacity of a test's pipe, like a socket's buffer.
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
        let start = State::start(number);
        relay(far_client, far_upstream, start, &receiver, &counters).await
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

async fn receives(stream: &mut DuplexStream, wanted: &[u8]) {
    let mut received = vec![0; wanted.len()];
    let reading = tokio::time::timeout(DAY, stream.read_exact(&mut received));
    reading.await.expect("nothing comes").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&received),
        String::from_utf8_lossy(wanted)
    );
}

/// Nothing arrives for a day.
async fn is_silent(stream: &mut DuplexStream) {
    let received = tokio::time::timeout(DAY, stream.read_u8()).await;
    assert!(received.is_err(), "{received:?}");
}

const UPGRADE: &[u8] = b"GET /v1/connect HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: longhaul.v1\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test(start_paused = true)]
async fn bytes_and_ends_go_both_ways() {
    let mut it = bench("{}");
    it.client.write_all(b"to you").await.unwrap();
    receives(&mut it.upstream, b"to you").await;
    it.upstream.write_all(b"to me").await.unwrap();
    receives(&mut it.client, b"to me").await;
    it.client.shutdown().await.unwrap();
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    // The other half is still open.
    it.upstream.write_all(b"late").await.unwrap();
    receives(&mut it.client, b"late").await;
    it.upstream.shutdown().await.unwrap();
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
    it.relay.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_upstream_learns_that_a_client_left_before_its_answer() {
    let mut it = bench("{}");
    let get = b"GET /v1/events HTTP/1.1\r\n\r\n";
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
    drop(it.client);
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_may_send_first() {
    let mut it = bench("{}");
    it.upstream.write_all(b"INFO {}\r\n").await.unwrap();
    receives(&mut it.client, b"INFO {}\r\n").await;
    it.client.write_all(b"GET is a word here").await.unwrap();
    receives(&mut it.upstream, b"GET is a word here").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_learns_that_the_upstream_left_between_two_requests() {
    let mut it = bench("{}");
    it.upstream.shutdown().await.unwrap();
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
}
