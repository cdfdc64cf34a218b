//! W8: more subscriptions than fit a frame, over polls and event streams.

use std::net::SocketAddr;

use longhaul_hub::core::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, hub, hub_with, url, within};
use crate::http::{FRAME, Stream, ask, field, post, problem, send, ticket};

const TOPICS: usize = 16_000;

/// Different names of the greatest length.
fn topic(no: usize) -> String {
    format!("{no:0>255}")
}

fn subs(from: impl Fn(usize) -> String) -> String {
    let subs = (0..TOPICS).map(|no| format!("sub {no} {} {}", topic(no), from(no)));
    subs.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn w8_t3_a_poll_with_16_000_subscriptions_waits_for_all_of_them() {
    let hub = hub().await;
    let address = hub.address();
    let first = ask(
        address,
        "poll",
        format!("hello 1\n{}", subs(|_| "live".into())),
    )
    .await;
    assert_eq!(first.len(), 1 + TOPICS);
    let cursors: Vec<String> = first[1..]
        .iter()
        .map(|record| {
            format!(
                "{}/{}/{}",
                field(record, 2),
                field(record, 3),
                field(record, 4)
            )
        })
        .collect();
    let frame = format!("hello 1\n{}", subs(|no| cursors[no].clone()));
    assert!(frame.len() > 4 << 20, "{}", frame.len());
    let held = tokio::spawn(async move { ask(address, "poll", frame).await });
    within(async {
        while hub.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let last = TOPICS - 1;
    let publication = format!("hello 1\npub p 1 0 {} 1", topic(last));
    ask(address, "publish", publication).await;
    let answer = within(held).await.unwrap();
    let message = answer.last().unwrap();
    assert!(message.starts_with(&format!("m {last} 1 ")), "{message}");
}

#[tokio::test]
async fn w8_t2_a_ticket_is_good_for_16_000_subscriptions() {
    let hub = hub().await;
    let ticket = ticket(hub.address(), &subs(|_| "live".into())).await;
    let mut stream = Stream::open(&url(&hub), &format!("?ticket={ticket}"), None).await;
    let mut answers = 0;
    while answers < 1 + TOPICS {
        answers += stream.event().await.unwrap().len();
    }
    let publication = format!("hello 1\npub p 1 0 {} 1", topic(0));
    ask(hub.address(), "publish", publication).await;
    let event = stream.event().await.unwrap();
    assert!(event[0].starts_with("m 0 1 "), "{event:?}");
}

/// The beginning of a poll with its length.
async fn begin(address: SocketAddr, length: &str) -> TcpStream {
    let head = format!(
        "POST /v1/poll HTTP/1.1\r\nHost: {address}\r\nContent-Type: {FRAME}\r\n{length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    within(stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn w8_a_large_post_that_does_not_say_its_length_is_refused_as_a_frame_is() {
    let hub = hub().await;
    let mut stream = begin(hub.address(), "Transfer-Encoding: chunked").await;
    let chunk = format!("{:x}\r\n{}", 300_000, "\n".repeat(300_000));
    let _ = within(stream.write_all(chunk.as_bytes())).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn w8_a_post_larger_than_all_subscriptions_is_refused_before_it_is_read() {
    let hub = hub().await;
    let mut stream = begin(hub.address(), "Content-Length: 8388609").await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn large_posts_share_a_limit_and_small_ones_do_not_count() {
    let hub = hub_with(Limits {
        subscriptions_max: 700,
        subs_bytes_max: 400_000,
        large_posts_bytes_max: 500_000,
        ..Limits::default()
    })
    .await;
    let address = hub.address();
    let large = || format!("hello 1 hold=0\nsub 1 t live{}", "\n".repeat(300_000));
    // It names its length and never sends the rest. The hub refuses others while it holds the
    // permit.
    let first = begin(address, "Content-Length: 300000").await;
    let refused = within(async {
        loop {
            let answer = send(post(address, "poll", large())).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(problem(refused).await, (503, "try_again_later".into()));
    ask(address, "poll", "hello 1 hold=0\nsub 1 t live").await;
    let mut socket = Client::hello(address).await;
    assert!(socket.ask("sub 1 t live").await.starts_with("subscribed "));
    drop(first);
    within(async { while send(post(address, "session", large())).await.status() != 200 {} }).await;
}
