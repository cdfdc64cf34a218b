//! TCP connections and their descriptors: silent clients do not stop the hub.

use std::net::SocketAddr;

use longhaul_hub::core::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, assert_alive, hub_of, hub_with, url, within};
use crate::http::{post, problem, send};
#[cfg(unix)]
use crate::program::{address, program_with, run_with};

/// A request without the end of its body.
async fn silent(address: SocketAddr, method: &str) -> TcpStream {
    let content_type = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let head = format!(
        "{method} /v1/topics/t HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: 9\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn probe(url: &str, path: &str) -> reqwest::Response {
    // A client of its own, so that it reuses no connection.
    send(reqwest::Client::new().get(format!("{url}{path}"))).await
}

#[tokio::test]
async fn f25_bodies_of_back_ends_have_a_deadline_and_their_sockets_end_with_it() {
    let hub = hub_with(Limits {
        body_ms: 50,
        ..Limits::default()
    })
    .await;
    for method in ["POST", "PATCH"] {
        let mut stream = silent(hub.address(), method).await;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("body_timeout"), "{answer}");
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn f25_tcp_connections_are_bounded_and_probes_are_answered_beyond_the_bound() {
    let hub = hub_of(
        Limits {
            body_ms: 1_000,
            ..Limits::default()
        },
        40,
    )
    .await;
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(silent(hub.address(), "POST").await);
    }
    for _ in 0..100 {
        let mut stream = silent(hub.address(), "POST").await;
        let mut answer = vec![0; 12];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 503");
    }
    assert_eq!(probe(&url(&hub), "/healthz").await.status(), 200);
    let refused = send(post(hub.address(), "publish", "hello 1\npub p 1 0 t 1")).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await, (503, "try_again_later".into()));
    // Silent connections end by themselves.
    for mut stream in all {
        within(stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn f25_a_websocket_keeps_its_permit_until_it_ends() {
    let hub = hub_of(Limits::default(), 2).await;
    let first = Client::hello(hub.address()).await;
    let mut second = Client::hello(hub.address()).await;
    assert!(second.ask("ping 1").await.starts_with("pong 1"));
    let full = probe(&url(&hub), "/.well-known/longhaul").await;
    assert_eq!(full.status(), 503);
    drop(first);
    within(async { while probe(&url(&hub), "/.well-known/longhaul").await.status() != 200 {} })
        .await;
}

#[cfg(unix)]
#[tokio::test]
async fn f25_a_hub_of_256_descriptors_outlives_300_silent_bodies() {
    let (_child, url) = program_with("ulimit -n 256", &[]).await;
    let mut silents = Vec::new();
    for _ in 0..300 {
        silents.push(silent(address(&url), "POST").await);
    }
    assert_eq!(probe(&url, "/healthz").await.status(), 200);
    drop(silents);
    within(async { while probe(&url, "/.well-known/longhaul").await.status() != 200 {} }).await;
    let told: serde_json::Value = within(probe(&url, "/.well-known/longhaul").await.json())
        .await
        .unwrap();
    assert_eq!(told["limits"]["connectionsMax"], 128);
    let mut client = Client::hello(address(&url)).await;
    assert!(client.ask("pub p 1 0 t 1").await.starts_with("ack p 1 "));
}

#[cfg(unix)]
#[tokio::test]
async fn f25_the_hub_reports_at_the_start_that_the_limit_allows_fewer_connections() {
    let output = run_with("ulimit -n 256", &["--connections-max", "129"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("129 connections need 257 file descriptors and the limit is 256"),
        "{said}"
    );
}
