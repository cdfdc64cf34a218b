//! T2, H10 over real sockets: event streams, also with clients that read nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use longhaul_hub::core::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, hub, hub_with, until_forgotten, url, within};
use crate::http::{FOREIGN, PAGE, Stream, ask, field, post, send, ticket, until_free};
#[cfg(target_os = "linux")]
use crate::program::{address, program};

#[tokio::test]
async fn t2_an_event_stream_carries_frames_from_the_welcome_on() {
    let hub = hub().await;
    ask(hub.address(), "publish", "hello 1\npub p 1 0 t \"data: \"").await;
    let ticket = ticket(hub.address(), "sub 1 t start\nsub 2 u live").await;
    let mut stream = Stream::open(&url(&hub), &format!("?x=1&ticket={ticket}"), None).await;
    let opening = within(stream.response.chunk()).await.unwrap().unwrap();
    assert!(opening.starts_with(b":"), "something at once: {opening:?}");
    let records = stream.event().await.unwrap();
    let verbs: Vec<&str> = records.iter().map(|record| field(record, 0)).collect();
    assert_eq!(verbs, ["welcome", "subscribed", "subscribed", "m"]);
    assert!(
        records[3].ends_with(" FI3pxaekTRnlbNmuGlVL9n:1 \"data: \""),
        "{records:?}"
    );
    for n in 1..=3 {
        let frame = format!("hello 1\npub q {n} 0 u {n}");
        ask(hub.address(), "publish", frame).await;
        let records = stream.event().await.unwrap();
        assert!(records[0].starts_with(&format!("m 2 {n} ")), "{records:?}");
    }
    assert_eq!(hub.connections(), 1);
    drop(stream);
    until_free(&hub).await;
}

#[tokio::test]
async fn t2_a_stream_that_has_nothing_to_say_says_so_every_15_s() {
    let hub = hub().await;
    let ticket = ticket(hub.address(), "sub 1 t live").await;
    let mut stream = Stream::open(&url(&hub), &format!("?ticket={ticket}"), None).await;
    stream.event().await.unwrap();
    let since = Instant::now();
    let comment = within(stream.response.chunk()).await.unwrap().unwrap();
    assert_eq!(&comment[..], b":\n\n");
    assert!(since.elapsed() > Duration::from_secs(14));
}

#[tokio::test]
async fn s57_a_refused_stream_says_why_where_a_page_can_read_it() {
    let hub = hub().await;
    let invalid = "close 4401 ticket_invalid ";
    let used = ticket(hub.address(), "sub 1 t start").await;
    drop(Stream::open(&url(&hub), &format!("?ticket={used}"), Some(PAGE)).await);
    for query in ["", "?ticket=", "?ticket=00", &format!("?ticket={used}")] {
        let mut stream = Stream::open(&url(&hub), query, Some(PAGE)).await;
        let close = stream.close().await;
        assert!(close.starts_with(invalid), "{query}: {close}");
    }
    // The ticket is bound to the page that asked for it.
    let request = post(hub.address(), "session", "hello 1\nsub 1 t start");
    let answer = send(request.header("origin", PAGE)).await;
    let answer = within(answer.text()).await.unwrap();
    let query = format!("?ticket={}", field(&answer, 1));
    let mut other = Stream::open(&url(&hub), &query, Some("http://localhost:9")).await;
    assert!(other.close().await.starts_with(invalid));
    // A page that the hub does not serve.
    let good = ticket(hub.address(), "sub 1 t start").await;
    let query = format!("?ticket={good}");
    let mut foreign = Stream::open(&url(&hub), &query, Some(FOREIGN)).await;
    assert!(
        foreign
            .close()
            .await
            .starts_with("close 4503 origin_refused ")
    );
    until_free(&hub).await;
}

/// An event stream whose client reads nothing.
async fn unread(address: SocketAddr, subs: &str) -> TcpStream {
    let ticket = ticket(address, subs).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/events?ticket={ticket} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    // The head has arrived, so the stream is open.
    within(socket.read_u8()).await.unwrap();
    socket
}

#[tokio::test]
async fn h10_a_stream_that_takes_nothing_is_ended_and_its_connection_cut() {
    let hub = hub_with(Limits {
        write_ms: 200,
        stalled_close_ms: 200,
        ..Limits::default()
    })
    .await;
    let slow = unread(hub.address(), "sub 1 t live").await;
    let mut writer = Client::hello(hub.address()).await;
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let mut n = 0;
    within(async {
        while hub.connections() > 1 {
            n += 1;
            let ack = writer.ask(&format!("pub p {n} 0 t {payload}")).await;
            assert!(ack.starts_with("ack "));
        }
    })
    .await;
    drop(slow);
}

#[tokio::test]
async fn f31_a_stream_that_takes_nothing_finds_4008_when_it_reads_on() {
    let hub = hub_with(Limits {
        write_ms: 200,
        connections_max: 2,
        ..Limits::default()
    })
    .await;
    let mut slow = unread(hub.address(), "sub 1 t live").await;
    let mut writer = Client::hello(hub.address()).await;
    for n in 1..=100 {
        let publication = format!("pub p {n} 0 t \"{}\"", "x".repeat(60_000));
        assert!(writer.ask(&publication).await.starts_with("ack "));
    }
    until_forgotten(&hub).await;
    let close = b"data: close 4008 slow_consumer the client did not take a frame in time\n\n";
    let mut read = Vec::new();
    within(async {
        while !read.windows(close.len()).any(|bytes| bytes == close) {
            let mut bytes = vec![0; 1 << 20];
            let count = slow.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it ended without a code");
            read = [
                read.split_off(read.len().saturating_sub(close.len())),
                bytes[..count].to_vec(),
            ]
            .concat();
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn h10_streams_that_take_nothing_cost_a_cursor_and_a_frame_not_a_copy() {
    const STREAMS: usize = 100;
    let (hub, url) = program(&["--retain-entries", "20"]).await;
    let address = address(&url);
    let mut slow = Vec::new();
    for _ in 0..STREAMS {
        slow.push(unread(address, "sub 1 t live").await);
    }
    let mut writer = Client::hello(address).await;
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let before = resident_bytes(hub.id().unwrap());
    // 9 MB for each: more than the system buffers for a connection.
    for n in 1..=150 {
        writer.ask(&format!("pub p {n} 0 t {payload}")).await;
    }
    let grown = resident_bytes(hub.id().unwrap()).saturating_sub(before);
    // The log, and two frames for each stream, with a margin. Copies would take 900 MB.
    assert!(grown < STREAMS * (256 << 10) + (8 << 20), "{grown}");
}

#[cfg(target_os = "linux")]
fn resident_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}
