//! T2 to T6 over real sockets: what all transports have in common.

use std::time::{Duration, Instant};

use longhaul_hub::core::{Limits, Transports};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, hub, hub_with, url, within};
use crate::http::{
    FRAME, Stream, ask, cursor_after, field, post, problem, send, ticket, until_free,
};

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
    // The socket is still open.
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
    let mut stream = Stream::open(&url(&hub), &query, None).await;
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
    let mut stream = Stream::open(&url(&hub), "?ticket=1", None).await;
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
    let mut stream = Stream::open(&url(&hub), &format!("?ticket={}", tickets[0]), None).await;
    stream.event().await.unwrap();
    let socket = Client::hello(hub.address()).await;
    let mut refused = Client::open(hub.address()).await;
    let (words, (code, reason)) = (
        "try_again_later too many connections retry=",
        refused.close().await,
    );
    assert!(code == 1013 && reason.starts_with(words), "{reason}");
    drop(refused);
    let mut refused = Stream::open(&url(&hub), &format!("?ticket={}", tickets[1]), None).await;
    let close = refused.close().await;
    assert!(close.starts_with(&format!("close 1013 {words}")), "{close}");
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
async fn a_thousand_aborted_polls_and_streams_leave_no_connection() {
    let hub = hub_with(Limits {
        connections_max: 40,
        admit_per_s: 1_000_000,
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
            // Some end before the hub has read them.
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
        let stream = Stream::open(&url(&hub), &format!("?ticket={ticket}"), None).await;
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
    // The core's own count.
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(Client::hello(hub.address()).await);
    }
    let mut one_more = Client::open(hub.address()).await;
    assert_eq!(one_more.close().await.0, 1013);
}

#[tokio::test]
async fn t4_a_stop_answers_waiting_polls_and_ends_streams_with_1001() {
    let hub = hub().await;
    let address = hub.address();
    let ticket = ticket(hub.address(), "sub 1 t live").await;
    let mut stream = Stream::open(&url(&hub), &format!("?ticket={ticket}"), None).await;
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
    let close = "close 1001 going_away the hub is stopping spread=1000";
    assert_eq!(stream.close().await, close);
    for poll in polls {
        assert_eq!(within(poll).await.unwrap(), [close]);
    }
    within(stopping).await.unwrap();
    assert!(
        asked.elapsed() < Duration::from_millis(1_400),
        "{:?}",
        asked.elapsed()
    );
    assert!(TcpStream::connect(address).await.is_err());
}
