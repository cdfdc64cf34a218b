//! The program: its output, its exit codes, its static files and its demo.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Client, within};
#[cfg(unix)]
use crate::http::{Stream, ask, post, problem, send, ticket};

/// A hub as a program, and its URL.
pub(crate) async fn program(args: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-hub"));
    started(command.args(["--listen", "127.0.0.1:0"]).args(args)).await
}

async fn started(command: &mut Command) -> (Child, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    within(stdout.read_line(&mut line)).await.unwrap();
    child.stdout = Some(stdout.into_inner());
    let url = line
        .trim_end()
        .strip_prefix("longhaul-hub ready on ")
        .unwrap();
    (child, url.to_owned())
}

/// The same after a command of the shell.
#[cfg(unix)]
pub(crate) async fn program_with(before: &str, args: &[&str]) -> (Child, String) {
    started(&mut in_shell(before, args)).await
}

/// The output of a program that ends at once.
#[cfg(unix)]
pub(crate) async fn run_with(before: &str, args: &[&str]) -> Output {
    within(in_shell(before, args).kill_on_drop(true).output())
        .await
        .unwrap()
}

#[cfg(unix)]
fn in_shell(before: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_longhaul-hub"))
        .args(["--listen", "127.0.0.1:0"])
        .args(args);
    command
}

async fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-hub"));
    within(command.args(args).kill_on_drop(true).output())
        .await
        .unwrap()
}

pub(crate) fn address(url: &str) -> std::net::SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

#[cfg(unix)]
async fn kill(child: &Child, signal: &str) {
    let kill = Command::new("kill")
        .args([signal, &child.id().unwrap().to_string()])
        .status();
    assert!(kill.await.unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn s40_a_signal_drains_it_and_a_second_one_stops_it_at_once() {
    const CLOSE_REASON: &str = "going_away the hub is stopping spread=1000";
    let (child, url) = program(&["--drain-ms", "3600000"]).await;
    let address = address(&url);
    let mut first = Client::hello(address).await;
    let mut second = Client::hello(address).await;
    let ticket = ticket(address, "sub 1 t live").await;
    let mut stream = Stream::open(&url, &format!("?ticket={ticket}"), None).await;
    stream.event().await.unwrap();
    let ready = format!("{url}/readyz");
    assert_eq!(send(reqwest::Client::new().get(&ready)).await.status(), 200);
    kill(&child, "-TERM").await;
    assert_eq!(first.close().await, (1001, CLOSE_REASON.to_owned()));
    let probe = send(reqwest::Client::new().get(&ready)).await;
    assert_eq!(problem(probe).await, (503, "draining".into()));
    let mut late = Client::open(address).await;
    assert_eq!(late.close().await, (1001, CLOSE_REASON.to_owned()));
    let close_record = format!("close 1001 {CLOSE_REASON}");
    let poll = ask(address, "poll", "hello 1\nsub 1 t live").await;
    assert_eq!(poll, [close_record.as_str()]);
    let session = send(post(address, "session", "hello 1")).await;
    assert_eq!(session.headers()["retry-after"], "1");
    assert_eq!(problem(session).await, (503, "try_again_later".into()));
    assert!(second.ask("pub p 1 0 t 1").await.starts_with("ack p 1 "));
    let message = stream.event().await.unwrap();
    assert!(message[0].starts_with("m 1 1 "), "{message:?}");
    kill(&child, "-TERM").await;
    assert_eq!(second.close().await, (1001, CLOSE_REASON.to_owned()));
    assert_eq!(stream.close().await, close_record);
    let output = within(child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("stopping at once"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_it_with_closes_exit_0_and_nothing_more_on_standard_output() {
    for signal in ["-INT", "-TERM"] {
        let (child, url) = program(&["--memory"]).await;
        let mut client = Client::hello(address(&url)).await;
        // This client never reads. The hub does not wait for it.
        let _silent = Client::hello(address(&url)).await;
        let asked = Instant::now();
        kill(&child, signal).await;
        assert_eq!(client.close().await.0, 1001);
        let output = within(child.wait_with_output()).await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{:?}",
            asked.elapsed()
        );
        assert_eq!(output.stdout, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(
                "no key: the hub serves loopback only, and anyone there may read and write"
            ),
            "{said}"
        );
        assert!(said.contains("in memory only"), "{said}");
    }
}

#[tokio::test]
async fn it_refuses_addresses_that_others_can_reach() {
    let output = run(&["--listen", "0.0.0.0:0"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("not a loopback address")
    );
    assert_eq!(output.stdout, b"");
}

#[tokio::test]
async fn misuse_exits_with_2_and_help_names_every_option_and_variable() {
    for args in [
        &["--retain-entries", "0"][..],
        &["--admit-per-second", "0"],
        &["--connections-max", "0"],
        &["--connections-max", "4000000000"],
        &["--producers-ms", "0"],
        &["--nonsense"],
        &["--transports", "websocket,carrier-pigeon"],
        &["--static", "/nowhere/at/all"],
    ] {
        assert_eq!(run(args).await.status.code(), Some(2), "{args:?}");
    }
    let help = String::from_utf8(run(&["--help"]).await.stdout).unwrap();
    for name in [
        "LISTEN",
        "MEMORY",
        "RETAIN_ENTRIES",
        "RETAIN_MS",
        "PRODUCERS_MS",
        "HEARTBEAT_MS",
        "HOLD_MS",
        "TRANSPORTS",
        "ADMIT_PER_SECOND",
        "CONNECTIONS_MAX",
        "EXPECT_CONNECTIONS",
        "DRAIN_MS",
        "DEMO",
        "STATIC",
    ] {
        assert!(help.contains(&format!("LONGHAUL_{name}")), "{name}");
    }
}

#[tokio::test]
async fn demo_publishes_the_hosts_figures() {
    let (_child, url) = program(&["--demo"]).await;
    let mut client = Client::hello(address(&url)).await;
    assert!(
        client
            .ask("sub 1 demo/host live")
            .await
            .starts_with("subscribed ")
    );
    let record = client.record().await;
    let payload = record.splitn(7, ' ').nth(6).unwrap();
    let figures: serde_json::Value = serde_json::from_str(payload).unwrap();
    let cores = figures["cpu"].as_array().unwrap();
    assert!(!cores.is_empty() && cores.iter().all(serde_json::Value::is_number));
    assert_eq!(figures["hostCores"], cores.len());
    assert!(figures["memory"]["usedBytes"].as_u64().unwrap() > 0);
    assert!(figures["memory"]["totalBytes"].as_u64().unwrap() > 0);
    assert!(figures["network"]["receivedBytesPerSec"].is_u64());
    assert_eq!(figures["load"].as_array().unwrap().len(), 3);
    assert!(figures["uptimeMs"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn it_serves_an_apps_files_with_their_types_and_headers() {
    let dir = std::env::temp_dir().join(format!("longhaul-hub-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("assets")).unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>"),
        ("assets/app-1a2b.js", "1"),
        ("assets/app-1a2b.wasm", "\0asm"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let (_child, url) = program(&["--static", dir.to_str().unwrap()]).await;
    for (path, status, content_type, cache) in [
        ("/", 200, "text/html", "no-cache"),
        ("/index.html", 200, "text/html", "no-cache"),
        (
            "/assets/app-1a2b.js",
            200,
            "text/javascript",
            "public, max-age=31536000, immutable",
        ),
        (
            "/assets/app-1a2b.wasm",
            200,
            "application/wasm",
            "public, max-age=31536000, immutable",
        ),
        (
            "/assets/gone.js",
            404,
            "application/problem+json",
            "no-cache",
        ),
        (
            "/%2e%2e/secret",
            404,
            "application/problem+json",
            "no-cache",
        ),
    ] {
        let response = within(reqwest::get(format!("{url}{path}"))).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert!(
            header("content-type").starts_with(content_type),
            "{path}: {response:?}"
        );
        assert_eq!(header("cache-control"), cache, "{path}");
        assert!(
            header("content-security-policy").contains("'wasm-unsafe-eval'"),
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
    let health = within(reqwest::get(format!("{url}/healthz")))
        .await
        .unwrap();
    assert_eq!(health.status(), 200, "the hub's own addresses come first");
    std::fs::remove_dir_all(dir).unwrap();
}
