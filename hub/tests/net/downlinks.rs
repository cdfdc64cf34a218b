//! T1 to T6 over real sockets: posts, polls and event streams, and what becomes of those that end early.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use longhaul_hub::core::{Limits, Transports};
use longhaul_hub::server::Server;
use reqwest::{Method, RequestBuilder, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, assert_alive, hub, hub_with, url, within};
#[cfg(target_os = "linux")]
use crate::program::{address, program};

const FRAME: &str = "application/vnd.longhaul.v1";
const PAGE: &str = "http://localhost:5173";
const FOREIGN: &str = "https://example.com";

fn post(address: SocketAddr, path: &str, frame: impl Into<String>) -> RequestBuilder {
    reqwest::Client::new()
        .post(format!("http://{address}/v1/{path}"))
        .header("content-type", FRAME)
        .body(frame.into())
}

async fn send(request: RequestBuilder) -> Response {
    within(request.send()).await.unwrap()
}

/// The records of an answer.
async fn ask(address: SocketAddr, path: &str, frame: impl Into<String>) -> Vec<String> {
    let response = send(post(address, path, frame)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], FRAME);
    let cache = &response.headers()["cache-control"];
    assert_eq!(cache, "no-store, no-transform");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let text = within(response.text()).await.unwrap();
    text.split('\n').map(str::to_owned).collect()
}

async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body: serde_json::Value = within(response.json()).await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

async fn ticket(address: SocketAddr, subs: &str) -> String {
    let frame = format!("hello 1\n{subs}");
    let answer = ask(address, "session", frame).await;
    let fields: Vec<&str> = answer[0].split(' ').collect();
    assert_eq!((answer.len(), fields[0], fields[2]), (1, "ticket", "30000"));
    assert_eq!(fields[1].len(), 32);
    fields[1].to_owned()
}

/// An event stream as a browser reads it.
struct Stream {
    response: Response,
    text: String,
    events: std::collections::VecDeque<String>,
}

impl Stream {
    async fn open(hub: &Server, query: &str, origin: Option<&str>) -> Self {
        let request = reqwest::Client::new().get(format!("{}/v1/events{query}", url(hub)));
        let response = send(
            origin
                .into_iter()
                .fold(request, |request, origin| request.header("origin", origin)),
        )
        .await;
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        if let Some(origin) = origin {
            assert_eq!(response.headers()["access-control-allow-origin"], origin);
            assert_eq!(response.headers()["vary"], "origin");
        }
        Self {
            response,
            text: String::new(),
            events: std::collections::VecDeque::new(),
        }
    }

    /// The records of the next event; `None` at the end.
    async fn event(&mut self) -> Option<Vec<String>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let data: Vec<&str> = block
                    .split('\n')
                    .filter_map(|line| line.strip_prefix("data: "))
                    .collect();
                if !data.is_empty() {
                    self.events.push_back(data.join("\n"));
                }
                self.text = rest.to_owned();
            }
            if let Some(frame) = self.events.pop_front() {
                return Some(frame.split('\n').map(str::to_owned).collect());
            }
            let chunk = within(self.response.chunk()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The only record of a stream that is refused or at its end.
    async fn close(&mut self) -> String {
        let records = self.event().await.unwrap();
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(self.event().await, None, "and the stream ends");
        records[0].clone()
    }
}

async fn until_free(hub: &Server) {
    within(async {
        while hub.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn field(record: &str, index: usize) -> &str {
    record.split(' ').nth(index).unwrap()
}

/// Where to go on after an answer's messages of one topic.
fn cursor_after(records: &[String], epoch: &str) -> String {
    let last = records.last().unwrap();
    match field(last, 0) {
        "m" => format!("{epoch}/{}/{}", field(last, 2), field(last, 3)),
        "b" => {
            let (first, count) = (field(last, 2), field(last, 3));
            let end = first.parse::<u64>().unwrap() + count.parse::<u64>().unwrap() - 1;
            format!("{epoch}/{end}/{}", field(last, 4))
        }
        _ => format!("{epoch}/{}/{}", field(last, 3), field(last, 4)),
    }
}

#[tokio::test]
async fn t1_publications_go_up_in_a_post_and_reach_a_socket() {
    let hub = hub().await;
    let mut reader = Client::hello(hub.address()).await;
    reader.ask("sub 1 t live").await;
    let frame = "hello 1 client=test/1\npub p 1 0 t {\"a\":1}\npub p 2 1 t x";
    let answer = ask(hub.address(), "publish", frame).await;
    assert_eq!(answer.len(), 2);
    assert!(answer[0].starts_with("ack p 1 ") && answer[1].starts_with("nack p 2 "));
    assert!(reader.record().await.ends_with(" p:1 {\"a\":1}"));
}

#[tokio::test]
async fn t5_a_post_that_is_refused_says_why_in_a_problem() {
    let hub = hub().await;
    for path in ["publish", "poll", "session"] {
        for (frame, refusal) in [
            ("", (400, "bad_frame")),
            ("sub 1 t live", (400, "bad_frame")),
            ("hello 1\nshout", (400, "bad_frame")),
            ("hello 1\nping 1", (400, "bad_frame")),
            ("hello 7", (400, "version_unsupported")),
        ] {
            let response = send(post(hub.address(), path, frame)).await;
            let expected = (refusal.0, refusal.1.to_owned());
            assert_eq!(problem(response).await, expected, "{path} {frame:?}");
        }
        let other = post(hub.address(), path, "hello 1");
        let not_utf_8 = send(other.body(vec![b'h', 0xff])).await;
        assert_eq!(problem(not_utf_8).await, (400, "bad_frame".into()));
        let large = format!("hello 1{}", "\n".repeat(262_144));
        let large = send(post(hub.address(), path, large)).await;
        assert_eq!(problem(large).await, (413, "frame_too_large".into()));
        let url = format!("{}/v1/{path}", url(&hub));
        for content_type in [
            "text/plain",
            "application/json",
            "application/vnd.longhaul.v2",
        ] {
            let request = reqwest::Client::new().post(&url).body("hello 1");
            let response = send(request.header("content-type", content_type)).await;
            let expected = (415, "content_type_unsupported".to_owned());
            assert_eq!(problem(response).await, expected, "{content_type}");
        }
        let get = send(reqwest::Client::new().get(&url)).await;
        assert_eq!(problem(get).await, (405, "method_not_allowed".into()));
        let foreign = post(hub.address(), path, "hello 1\npub p 1 0 t 1");
        let foreign = send(foreign.header("origin", FOREIGN)).await;
        let reader = foreign.headers()["access-control-allow-origin"].clone();
        assert_eq!(reader, FOREIGN, "it may read why");
        assert_eq!(problem(foreign).await, (403, "origin_refused".into()));
    }
    for (path, frame) in [
        ("poll", "hello 1\npub p 1 0 t 1"),
        ("publish", "hello 1\nsub 1 t live"),
    ] {
        let response = send(post(hub.address(), path, frame)).await;
        assert_eq!(problem(response).await, (400, "bad_frame".into()), "{path}");
    }
    assert_eq!(hub.connections(), 0);
    assert_alive(&hub).await;
}

#[tokio::test]
async fn t5_a_preflight_lets_pages_post_frames_and_is_remembered() {
    let hub = hub().await;
    for path in ["publish", "poll", "session"] {
        let request = reqwest::Client::new()
            .request(Method::OPTIONS, format!("{}/v1/{path}", url(&hub)))
            .header("origin", PAGE)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            );
        let response = send(request).await;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("access-control-allow-origin"), PAGE);
        assert_eq!(header("access-control-max-age"), "7200");
        assert!(header("access-control-allow-headers").contains("content-type"));
        assert!(header("access-control-allow-methods").contains("POST"));
        let request = post(hub.address(), path, "hello 1 hold=0").header("origin", PAGE);
        let response = send(request).await;
        let exposed = response.headers()["access-control-expose-headers"].clone();
        assert_eq!(exposed, "retry-after");
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up_and_one_that_breaks_off_is_forgotten() {
    let hub = hub().await;
    let head = format!(
        "POST /v1/poll HTTP/1.1\r\nHost: {}\r\nContent-Type: {FRAME}\r\nContent-Length: 100\r\n\r\nhello 1",
        hub.address()
    );
    let mut broken = TcpStream::connect(hub.address()).await.unwrap();
    broken.write_all(head.as_bytes()).await.unwrap();
    drop(broken);
    let mut slow = TcpStream::connect(hub.address()).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    within(slow.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    assert_eq!(hub.connections(), 0);
}

#[tokio::test]
async fn t3_a_poll_is_held_until_a_message_or_the_end_of_its_hold() {
    let hub = hub().await;
    let first = ask(hub.address(), "poll", "hello 1\nsub 1 t live").await;
    assert!(
        field(&first[0], 0) == "welcome" && first.len() == 2,
        "{first:?}"
    );
    let epoch = field(&first[1], 2).to_owned();
    let cursor = cursor_after(&first, &epoch);
    let asked = Instant::now();
    let frame = format!("hello 1 hold=300\nsub 1 t {cursor}");
    let empty = ask(hub.address(), "poll", &*frame).await;
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(field(&empty[1], 0), "subscribed");
    assert_eq!(empty.len(), 2);
    let frame = format!("hello 1\nsub 1 t {cursor}");
    let address = hub.address();
    let held = tokio::spawn(async move { ask(address, "poll", frame).await });
    within(async {
        while hub.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    ask(hub.address(), "publish", "hello 1\npub p 1 0 t 1").await;
    let answer = within(held).await.unwrap();
    assert!(answer[2].starts_with("m 1 1 "), "{answer:?}");
    assert_eq!(hub.connections(), 0);
}

#[tokio::test]
async fn t3_polls_of_1_000_messages_come_in_bounded_answers() {
    let hub = hub().await;
    let pubs = |from: u64| {
        let pubs: Vec<String> = (from..from + 500)
            .map(|n| format!("pub p {n} 0 t \"{}\"", "x".repeat(80)))
            .collect();
        format!("hello 1\n{}", pubs.join("\n"))
    };
    for from in [1, 501] {
        let acks = ask(hub.address(), "publish", pubs(from)).await;
        assert_eq!(acks.len(), 500);
    }
    let mut from = "start".to_owned();
    let mut next = 1;
    let mut polls = 0;
    while next <= 1_000 {
        let answer = ask(hub.address(), "poll", format!("hello 1\nsub 1 t {from}")).await;
        assert_eq!(answer.len(), 3);
        assert!(answer[2].len() <= 65_536, "{}", answer[2].len());
        assert_eq!(field(&answer[2], 2), next.to_string());
        next += field(&answer[2], 3).parse::<u64>().unwrap();
        from = cursor_after(&answer, field(&answer[1], 2));
        polls += 1;
    }
    assert_eq!((next, polls), (1_001, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s42_nothing_falls_between_polls_however_publications_race_with_them() {
    const COUNT: u64 = 1_000;
    let hub = hub().await;
    let first = ask(hub.address(), "poll", "hello 1\nsub 1 t live").await;
    let epoch = field(&first[1], 2).to_owned();
    let mut cursor = cursor_after(&first, &epoch);
    let mut writer = Client::hello(hub.address()).await;
    let writing = tokio::spawn(async move {
        for n in 1..=COUNT {
            writer.ask(&format!("pub p {n} 0 t {n}")).await;
        }
    });
    let mut next = 1;
    while next <= COUNT {
        let frame = format!("hello 1 hold=5000\nsub 1 t {cursor}");
        let answer = ask(hub.address(), "poll", frame).await;
        assert_eq!(answer.len(), 3, "held to the end though there was more");
        assert_eq!(field(&answer[2], 2), next.to_string());
        next += match field(&answer[2], 0) {
            "m" => 1,
            _ => field(&answer[2], 3).parse::<u64>().unwrap(),
        };
        cursor = cursor_after(&answer, &epoch);
    }
    within(writing).await.unwrap();
}

#[tokio::test]
async fn t2_an_event_stream_carries_frames_from_the_welcome_on() {
    let hub = hub().await;
    ask(hub.address(), "publish", "hello 1\npub p 1 0 t \"data: \"").await;
    let ticket = ticket(hub.address(), "sub 1 t start\nsub 2 u live").await;
    let mut stream = Stream::open(&hub, &format!("?x=1&ticket={ticket}"), None).await;
    let opening = within(stream.response.chunk()).await.unwrap().unwrap();
    assert!(opening.starts_with(b":"), "something at once: {opening:?}");
    let records = stream.event().await.unwrap();
    let verbs: Vec<&str> = records.iter().map(|record| field(record, 0)).collect();
    assert_eq!(verbs, ["welcome", "subscribed", "subscribed", "m"]);
    assert!(records[3].ends_with(" p:1 \"data: \""), "{records:?}");
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
    let mut stream = Stream::open(&hub, &format!("?ticket={ticket}"), None).await;
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
    drop(Stream::open(&hub, &format!("?ticket={used}"), Some(PAGE)).await);
    for query in ["", "?ticket=", "?ticket=00", &format!("?ticket={used}")] {
        let mut stream = Stream::open(&hub, query, Some(PAGE)).await;
        let close = stream.close().await;
        assert!(close.starts_with(invalid), "{query}: {close}");
    }
    // Bound to the page that asked.
    let request = post(hub.address(), "session", "hello 1\nsub 1 t start");
    let answer = send(request.header("origin", PAGE)).await;
    let answer = within(answer.text()).await.unwrap();
    let query = format!("?ticket={}", field(&answer, 1));
    let mut other = Stream::open(&hub, &query, Some("http://localhost:9")).await;
    assert!(other.close().await.starts_with(invalid));
    // A page that is not served.
    let good = ticket(hub.address(), "sub 1 t start").await;
    let query = format!("?ticket={good}");
    let mut foreign = Stream::open(&hub, &query, Some(FOREIGN)).await;
    assert!(
        foreign
            .close()
            .await
            .starts_with("close 4503 origin_refused ")
    );
    until_free(&hub).await;
}

#[tokio::test]
async fn one_session_goes_on_by_its_cursor_over_socket_poll_and_stream() {
    let hub = hub().await;
    let mut n = 0;
    let mut publish = async |count: u64| {
        let pubs: Vec<String> = (n + 1..=n + count)
            .map(|n| format!("pub p {n} 0 t {n}"))
            .collect();
        n += count;
        ask(
            hub.address(),
            "publish",
            format!("hello 1\n{}", pubs.join("\n")),
        )
        .await;
    };
    let mut socket = Client::open(hub.address()).await;
    socket.send("hello 1\nsub 1 t live").await;
    let session = field(&socket.record().await, 1).to_owned();
    let subscribed = socket.record().await;
    let epoch = field(&subscribed, 2).to_owned();
    publish(3).await;
    let batch = socket.record().await;
    assert!(batch.starts_with("b 1 1 3 "), "{batch}");
    let mut cursor = cursor_after(&[batch], &epoch);
    publish(2).await;
    // The socket is still open: nothing is taken away from it.
    let poll = format!("hello 1 session={session}\nsub 1 t {cursor}");
    let answer = ask(hub.address(), "poll", poll).await;
    assert_eq!(field(&answer[0], 1), session);
    assert!(answer[2].starts_with("b 1 4 2 "), "{answer:?}");
    assert!(socket.record().await.starts_with("b 1 4 2 "));
    cursor = cursor_after(&answer, &epoch);
    publish(1).await;
    let frame = format!("hello 1 session={session}\nsub 1 t {cursor}");
    let answer = ask(hub.address(), "session", frame).await;
    publish(1).await;
    let query = format!("?ticket={}", field(&answer[0], 1));
    let mut stream = Stream::open(&hub, &query, None).await;
    let records = stream.event().await.unwrap();
    assert_eq!(field(&records[0], 1), session);
    assert!(records[2].starts_with("b 1 6 2 "), "{records:?}");
    let cursor = cursor_after(&records, &epoch);
    let mut socket = Client::hello(hub.address()).await;
    let answer = socket.ask(&format!("sub 1 t {cursor}")).await;
    assert!(
        answer.starts_with("subscribed 1 ") && answer.ends_with(" 7"),
        "{answer}"
    );
}

#[tokio::test]
async fn t6_a_transport_that_is_not_served_says_so_on_every_way_in() {
    let hub = hub_with(Limits {
        transports: "longpoll".parse().unwrap(),
        ..Limits::default()
    })
    .await;
    let mut socket = Client::open(hub.address()).await;
    let reason = "transport_disabled the hub serves longpoll".to_owned();
    assert_eq!(socket.close().await, (4010, reason.clone()));
    let session = send(post(hub.address(), "session", "hello 1")).await;
    assert_eq!(problem(session).await, (404, "transport_disabled".into()));
    let mut stream = Stream::open(&hub, "?ticket=1", None).await;
    assert_eq!(stream.close().await, format!("close 4010 {reason}"));
    let answer = ask(hub.address(), "poll", "hello 1 hold=0").await;
    assert!(answer[0].ends_with(" transports=longpoll"), "{answer:?}");
    let known =
        send(reqwest::Client::new().get(format!("{}/.well-known/longhaul", url(&hub)))).await;
    let known: serde_json::Value = within(known.json()).await.unwrap();
    assert_eq!(known["transports"], serde_json::json!(["longpoll"]));

    let hub = hub_with(Limits {
        transports: "websocket".parse::<Transports>().unwrap(),
        ..Limits::default()
    })
    .await;
    let poll = send(post(hub.address(), "poll", "hello 1")).await;
    assert_eq!(problem(poll).await, (404, "transport_disabled".into()));
    ask(hub.address(), "publish", "hello 1\npub p 1 0 t 1").await;
}

#[tokio::test]
async fn all_downlinks_share_one_limit_and_each_says_readably_that_it_is_reached() {
    let hub = hub_with(Limits {
        connections_max: 2,
        ..Limits::default()
    })
    .await;
    let tickets = [
        ticket(hub.address(), "").await,
        ticket(hub.address(), "").await,
    ];
    let mut stream = Stream::open(&hub, &format!("?ticket={}", tickets[0]), None).await;
    stream.event().await.unwrap();
    let socket = Client::hello(hub.address()).await;
    let mut refused = Client::open(hub.address()).await;
    let reason = "try_again_later too many connections";
    assert_eq!(refused.close().await, (1013, reason.to_owned()));
    drop(refused);
    let mut refused = Stream::open(&hub, &format!("?ticket={}", tickets[1]), None).await;
    assert_eq!(refused.close().await, format!("close 1013 {reason}"));
    for path in ["poll", "session"] {
        let response = send(post(hub.address(), path, "hello 1")).await;
        let after = response.headers()["retry-after"].to_str().unwrap();
        assert!(after.parse::<u32>().unwrap() > 0);
        assert_eq!(problem(response).await, (503, "try_again_later".into()));
    }
    let acks = ask(hub.address(), "publish", "hello 1\npub p 1 0 t 1").await;
    assert!(
        acks[0].starts_with("ack "),
        "who is there may still publish"
    );
    drop((stream, socket));
    until_free(&hub).await;
    ask(hub.address(), "poll", "hello 1 hold=0").await;
}

#[tokio::test]
async fn a_thousand_aborted_polls_and_streams_give_back_their_places() {
    let hub = hub_with(Limits {
        connections_max: 40,
        ..Limits::default()
    })
    .await;
    for round in 0..50 {
        let mut sockets = Vec::new();
        for n in 0..20 {
            let mut socket = TcpStream::connect(hub.address()).await.unwrap();
            let body = "hello 1\n";
            let head = format!(
                "POST /v1/poll HTTP/1.1\r\nHost: {}\r\nContent-Type: {FRAME}\r\nContent-Length: {}\r\n\r\n",
                hub.address(),
                body.len()
            );
            // Some are cut before the hub has read them.
            let bytes = [head.as_bytes(), body.as_bytes()].concat();
            let cut = if n % 5 == 0 {
                bytes.len() - n
            } else {
                bytes.len()
            };
            socket.write_all(&bytes[..cut]).await.unwrap();
            sockets.push(socket);
        }
        let ticket = ticket(hub.address(), "sub 1 t live").await;
        let stream = Stream::open(&hub, &format!("?ticket={ticket}"), None).await;
        if round % 2 == 0 {
            within(async {
                while hub.connections() < 17 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        drop((sockets, stream));
        until_free(&hub).await;
    }
    // The core's own count, to the last place.
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(Client::hello(hub.address()).await);
    }
    let mut one_more = Client::open(hub.address()).await;
    assert_eq!(one_more.close().await.0, 1013);
}

#[tokio::test]
async fn t4_a_stop_answers_held_polls_and_ends_streams_with_1001() {
    let hub = hub().await;
    let address = hub.address();
    let ticket = ticket(hub.address(), "sub 1 t live").await;
    let mut stream = Stream::open(&hub, &format!("?ticket={ticket}"), None).await;
    stream.event().await.unwrap();
    let polls: Vec<_> = (0..10)
        .map(|_| tokio::spawn(ask(address, "poll", "hello 1")))
        .collect();
    within(async {
        while hub.connections() < 11 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let asked = Instant::now();
    let stopping = tokio::spawn(hub.stop());
    let goodbye = "close 1001 going_away the hub is stopping";
    assert_eq!(stream.close().await, goodbye);
    for poll in polls {
        assert_eq!(within(poll).await.unwrap(), [goodbye]);
    }
    within(stopping).await.unwrap();
    assert!(
        asked.elapsed() < Duration::from_millis(1_400),
        "{:?}",
        asked.elapsed()
    );
    assert!(TcpStream::connect(address).await.is_err());
}

/// An event stream whose client reads nothing.
async fn unread(address: SocketAddr, subs: &str) -> TcpStream {
    let ticket = ticket(address, subs).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/events?ticket={ticket} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    // The head is there, so the stream is.
    within(socket.read_u8()).await.unwrap();
    socket
}

#[tokio::test]
async fn h10_a_stream_that_takes_nothing_is_ended_and_its_connection_cut() {
    let hub = hub_with(Limits {
        write_ms: 200,
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
    // 9 MB for each: more than the system's buffers of a connection take.
    for n in 1..=150 {
        writer.ask(&format!("pub p {n} 0 t {payload}")).await;
    }
    let grown = resident_bytes(hub.id().unwrap()).saturating_sub(before);
    // The log, and two frames a stream with room to spare; all of it would be 900 MB.
    assert!(grown < STREAMS * (256 << 10) + (8 << 20), "{grown}");
}

#[cfg(target_os = "linux")]
fn resident_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}
