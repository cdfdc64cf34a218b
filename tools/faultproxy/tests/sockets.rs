//! Tests with real sockets: accepting, resetting, counting, and the program with its control
//! interface.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not tests to clippy, and fail as tests do"
)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use faultproxy::{Faults, Proxy};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// A test that waits longer has failed. Chosen: far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn faults(json: &str) -> Faults {
    Faults::from_json(json.as_bytes()).unwrap()
}

/// An upstream that gives its connections to the test.
async fn bench() -> (Proxy, TcpListener) {
    let upstream = TcpListener::bind(anywhere()).await.unwrap();
    let proxy = Proxy::start(anywhere(), upstream.local_addr().unwrap())
        .await
        .unwrap();
    (proxy, upstream)
}

/// A connection from end to end, both ends in hand.
async fn open(proxy: &Proxy, upstream: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = upstream.accept().await.unwrap();
    client.write_all(b"hello").await.unwrap();
    receives(&mut server, b"hello").await;
    (client, server)
}

async fn receives(stream: &mut TcpStream, wanted: &[u8]) {
    let mut received = vec![0; wanted.len()];
    let reading = tokio::time::timeout(PATIENCE, stream.read_exact(&mut received));
    reading.await.unwrap().unwrap();
    assert_eq!(received, wanted);
}

async fn is_reset(stream: &mut TcpStream) {
    let mut nothing = [0];
    let reading = tokio::time::timeout(PATIENCE, stream.read(&mut nothing));
    let error = reading.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_is_counted_while_it_is_open_with_its_bytes() {
    let (proxy, upstream) = bench().await;
    let (mut client, mut server) = open(&proxy, &upstream).await;
    server.write_all(b"you too").await.unwrap();
    receives(&mut client, b"you too").await;
    let stats = proxy.stats();
    assert_eq!((stats.opened, stats.open), (1, 1));
    assert_eq!((stats.bytes_up, stats.bytes_down), (5, 7));
    drop((client, server));
    proxy.until_open(0).await;
    assert_eq!(proxy.stats().opened, 1);
}

#[tokio::test]
async fn cut_resets_both_sides_of_all_and_only_of_those_that_are_open() {
    let (proxy, upstream) = bench().await;
    let mut pairs = Vec::new();
    for _ in 0..3 {
        pairs.push(open(&proxy, &upstream).await);
    }
    assert_eq!(proxy.cut().await, 3);
    assert_eq!(proxy.stats().open, 0);
    for (client, server) in &mut pairs {
        is_reset(client).await;
        is_reset(server).await;
    }
    let (mut client, mut server) = open(&proxy, &upstream).await;
    server.write_all(b"new").await.unwrap();
    receives(&mut client, b"new").await;
}

#[tokio::test]
async fn a_reset_of_one_side_is_a_reset_of_the_other() {
    let (proxy, upstream) = bench().await;
    let (client, mut server) = open(&proxy, &upstream).await;
    client.set_zero_linger().unwrap();
    drop(client);
    is_reset(&mut server).await;
}

#[tokio::test]
async fn reset_after_bytes_is_a_reset_for_both_sides() {
    let (proxy, upstream) = bench().await;
    let (mut client, mut server) = open(&proxy, &upstream).await;
    proxy.set(faults(r#"{ "up": { "resetAfterBytes": 6 } }"#));
    client.write_all(b"1234").await.unwrap();
    is_reset(&mut client).await;
    // The one byte may have been thrown away by the reset, as on a real network.
    let mut rest = Vec::new();
    let end = server.read_to_end(&mut rest).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(rest.is_empty() || rest == b"1", "{rest:?}");
}

#[tokio::test]
async fn reset_at_accept_meets_new_connections_only() {
    let (proxy, upstream) = bench().await;
    let (mut client, mut server) = open(&proxy, &upstream).await;
    proxy.set(faults(r#"{ "accept": "reset" }"#));
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    is_reset(&mut refused).await;
    server.write_all(b"still").await.unwrap();
    receives(&mut client, b"still").await;
}

#[tokio::test]
async fn a_black_hole_accepts_reads_and_never_reaches_the_upstream() {
    let (proxy, upstream) = bench().await;
    proxy.set(faults(r#"{ "accept": "blackHole" }"#));
    let mut lost = TcpStream::connect(proxy.address()).await.unwrap();
    // More than sockets hold: it is being read.
    lost.write_all(&vec![0; 16 << 20]).await.unwrap();
    proxy.set(Faults::default());
    // The first connection that the upstream gets is the one after.
    let (client, server) = open(&proxy, &upstream).await;
    assert_eq!(proxy.stats().bytes_up, 5);
    drop((client, server, lost));
    proxy.until_open(0).await;
}

#[tokio::test]
async fn a_cut_ends_what_is_in_a_black_hole() {
    let (proxy, _upstream) = bench().await;
    proxy.set(faults(r#"{ "accept": "blackHole" }"#));
    let mut lost = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.until_open(1).await;
    assert_eq!(proxy.cut().await, 1);
    is_reset(&mut lost).await;
}

#[tokio::test]
async fn a_late_server_has_its_clients_wait_and_a_cut_ends_that_too() {
    let (proxy, upstream) = bench().await;
    proxy.set(faults(r#"{ "acceptAfterMs": 600000 }"#));
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    late.write_all(b"late").await.unwrap();
    proxy.until_open(1).await;
    proxy.set(faults(r#"{ "acceptAfterMs": 1 }"#));
    // The first connection that the upstream gets is the one after.
    let (client, server) = open(&proxy, &upstream).await;
    assert_eq!(proxy.stats().bytes_up, 5);
    drop((client, server));
    proxy.until_open(1).await;
    assert_eq!(proxy.cut().await, 1);
    is_reset(&mut late).await;
}

#[tokio::test]
async fn stranded_connections_stay_half_open_while_new_ones_work() {
    let (proxy, upstream) = bench().await;
    let (mut client, mut server) = open(&proxy, &upstream).await;
    assert_eq!(proxy.strand(), 1);
    client.write_all(b"anybody there?").await.unwrap();
    server.write_all(b"anybody there?").await.unwrap();
    let (mut new_client, mut new_server) = open(&proxy, &upstream).await;
    for _ in 0..100 {
        new_server.write_all(b"tick").await.unwrap();
        receives(&mut new_client, b"tick").await;
    }
    drop((new_client, new_server));
    proxy.until_open(1).await;
    for end in [&client, &server] {
        let received = end.try_read(&mut [0]).unwrap_err();
        assert_eq!(received.kind(), ErrorKind::WouldBlock);
    }
    drop(client);
    proxy.cut().await;
    is_reset(&mut server).await;
}

#[tokio::test]
async fn frozen_bytes_go_on_after_the_thaw() {
    let (proxy, upstream) = bench().await;
    let (mut client, mut server) = open(&proxy, &upstream).await;
    proxy.freeze();
    client.write_all(b"later").await.unwrap();
    // Connections are still accepted, by the kernel as it were.
    let mut new_client = TcpStream::connect(proxy.address()).await.unwrap();
    new_client.write_all(b"too").await.unwrap();
    let (mut new_server, _) = upstream.accept().await.unwrap();
    assert_eq!(proxy.stats().bytes_up, 5);
    proxy.thaw();
    receives(&mut server, b"later").await;
    receives(&mut new_server, b"too").await;
}

#[tokio::test]
async fn one_connection_too_many_is_reset_and_counted() {
    let upstream = TcpListener::bind(anywhere()).await.unwrap();
    let proxy = Proxy::start_with(anywhere(), upstream.local_addr().unwrap(), 2)
        .await
        .unwrap();
    let first = open(&proxy, &upstream).await;
    let _second = open(&proxy, &upstream).await;
    let mut third = TcpStream::connect(proxy.address()).await.unwrap();
    is_reset(&mut third).await;
    assert_eq!(proxy.stats().refused, 1);
    drop(first);
    proxy.until_open(1).await;
    open(&proxy, &upstream).await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_reset() {
    let (proxy, upstream) = bench().await;
    drop(upstream);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    is_reset(&mut client).await;
}

#[tokio::test]
async fn other_machines_are_not_served() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = Proxy::start(everywhere, anywhere()).await.unwrap_err();
    assert!(error.to_string().contains("not a loopback address"));
}

/// The program, and the two addresses that it says.
async fn program(upstream: SocketAddr) -> (tokio::process::Child, SocketAddr, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_faultproxy"))
        .args(["--upstream", &upstream.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).await.unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["faultproxy", "ready", "on", address, "control", control] = words[..] else {
        panic!("{line}")
    };
    let address = address.parse().unwrap();
    (child, address, format!("http://{control}"))
}

#[tokio::test]
async fn the_program_does_what_its_control_interface_is_told() {
    let upstream = TcpListener::bind(anywhere()).await.unwrap();
    let (_child, address, control) = program(upstream.local_addr().unwrap()).await;
    let http = reqwest::Client::new();
    let post = async |path: &str| {
        let answer = http.post(format!("{control}{path}")).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        answer.text().await.unwrap()
    };

    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut server, _) = upstream.accept().await.unwrap();
    post("/freeze").await;
    client.write_all(b"hello").await.unwrap();
    post("/thaw").await;
    receives(&mut server, b"hello").await;
    let stats: serde_json::Value = http
        .get(format!("{control}/stats"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        stats,
        serde_json::json!({
            "opened": 1, "open": 1, "refused": 0, "ruled": 0, "bytesUp": 5, "bytesDown": 0
        })
    );
    assert_eq!(post("/strand").await, r#"{"connections":1}"#);
    assert_eq!(post("/cut").await, r#"{"connections":1}"#);
    is_reset(&mut client).await;

    let put = |body: &'static str| http.put(format!("{control}/faults")).body(body).send();
    let told = put(r#"{ "http": [{ "action": { "answer": { "status": 502 } } }] }"#);
    assert_eq!(told.await.unwrap().status(), 204);
    let answer = http.get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(answer.status(), 502);

    let told = put(r#"{ "hole": true }"#).await.unwrap();
    assert_eq!(told.status(), 400);
    assert!(told.text().await.unwrap().contains("unknown field `hole`"));
    // Refused faults change nothing.
    let now = http.get(format!("{control}/faults")).send().await.unwrap();
    assert_eq!(
        now.json::<serde_json::Value>().await.unwrap()["http"][0]["action"]["answer"]["status"],
        502
    );
}
