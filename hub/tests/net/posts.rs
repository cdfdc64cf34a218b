//! T1, T3, T5 over real sockets: posts and polls.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, assert_alive, hub, url, within};
use crate::http::{FOREIGN, FRAME, PAGE, ask, cursor_after, field, post, problem, send};

#[tokio::test]
async fn t1_publications_go_up_in_a_post_and_reach_a_socket() {
    let hub = hub().await;
    let mut reader = Client::hello(hub.address()).await;
    reader.ask("sub 1 t live").await;
    let frame = "hello 1 client=test/1\npub p 1 0 t {\"a\":1}\npub p 2 1 t x";
    let answer = ask(hub.address(), "publish", frame).await;
    assert_eq!(answer.len(), 2);
    assert!(answer[0].starts_with("ack p 1 ") && answer[1].starts_with("nack p 2 "));
    assert!(
        reader
            .record()
            .await
            .ends_with(" FI3pxaekTRnlbNmuGlVL9n:1 {\"a\":1}")
    );
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
        let bytes_max = if path == "publish" { 262_144 } else { 8 << 20 };
        let large = format!("hello 1{}", "\n".repeat(bytes_max));
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
async fn t3_a_poll_waits_for_a_message_or_its_timeout() {
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
            .map(|n| format!("pub p {n} 0 t \"{}\"", "x".repeat(60)))
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
async fn f32_c9_a_token_that_is_none_is_a_bad_frame() {
    let hub = hub().await;
    for (bearer, status) in [
        (format!("Bearer {}", "a".repeat(8_192)), 200),
        (format!("bearer {}", "a".repeat(8_193)), 400),
        ("Bearer \u{e4}".to_owned(), 400),
        ("Bearer a b".to_owned(), 400),
        ("Bearer".to_owned(), 200),
        ("Basic \u{e4}".to_owned(), 200),
    ] {
        let publication = post(hub.address(), "publish", "hello 1\npub p 1 0 t 1");
        let response = send(publication.header("authorization", bearer.as_bytes())).await;
        assert_eq!(response.status(), status, "{bearer}");
        if status == 400 {
            assert_eq!(problem(response).await.1, "bad_frame");
        }
    }
}
