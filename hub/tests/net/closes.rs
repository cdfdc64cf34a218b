//! Bad bytes and silence: the client gets the right close code and reason, and the hub continues.

use futures_util::SinkExt;
use longhaul_hub::core::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::client::{Client, assert_alive, hub, hub_with, until_forgotten, within};

#[tokio::test]
async fn an_invalid_frame_is_closed_with_4000_and_the_wrong_field() {
    let hub = hub().await;
    for (frame, reason) in [
        ("shout", "bad_frame unknown verb"),
        ("sub 1 a//b live", "bad_frame malformed topic"),
        ("sub x a live", "bad_frame not a number: no"),
        ("pub p 1 0", "bad_frame missing topic"),
        ("hello 1", "bad_frame a second hello"),
        ("ping 1\r\nping 2", "bad_frame a record contains CR"),
    ] {
        let mut client = Client::hello(hub.address()).await;
        client.send(frame).await;
        assert_eq!(client.close().await, (4000, reason.to_owned()), "{frame:?}");
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn another_first_record_than_hello_and_another_version_have_different_codes() {
    let hub = hub().await;
    for (frame, code) in [("sub 1 t live", 4000), ("{}", 4000), ("hello 2", 4500)] {
        let mut client = Client::open(hub.address()).await;
        client.send(frame).await;
        assert_eq!(client.close().await.0, code, "{frame}");
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn w2_a_binary_frame_and_text_that_is_not_utf_8_are_closed_with_4000() {
    let hub = hub().await;
    let not_utf_8 = Frame::message(vec![b'p', 0xff, 0xfe], OpCode::Data(Data::Text), true);
    for (message, reason) in [
        (
            Message::binary(vec![1, 2, 3]),
            "bad_frame a frame is not text",
        ),
        (
            Message::Frame(not_utf_8),
            "bad_frame a text frame is not UTF-8",
        ),
    ] {
        let mut client = Client::hello(hub.address()).await;
        within(client.socket.send(message)).await.unwrap();
        assert_eq!(client.close().await, (4000, reason.to_owned()));
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn f31_the_close_names_a_violation_of_the_websocket_protocol() {
    let hub = hub().await;
    let text = || Frame::message(vec![b'p'], OpCode::Data(Data::Text), true);
    let mut goes_on = text();
    goes_on.header_mut().opcode = OpCode::Data(Data::Continue);
    let mut reserved = text();
    reserved.header_mut().rsv1 = true;
    let mut long_ping = Frame::message(vec![b'p'; 126], OpCode::Data(Data::Text), true);
    long_ping.header_mut().opcode = OpCode::Control(Control::Ping);
    let mut reasons = Vec::new();
    for frame in [goes_on, reserved, long_ping] {
        let mut client = Client::hello(hub.address()).await;
        within(client.socket.send(Message::Frame(frame)))
            .await
            .unwrap();
        let (code, reason) = client.close().await;
        assert_eq!(code, 4000, "{reason}");
        assert!(reason.starts_with("bad_frame "), "{reason}");
        reasons.push(reason);
    }
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_alive(&hub).await;
}

#[tokio::test]
async fn f31_a_reader_that_takes_nothing_finds_4008_when_it_reads_on() {
    let limits = Limits {
        write_ms: 100,
        connections_max: 2,
        ..Limits::default()
    };
    let hub = hub_with(limits).await;
    let mut reader = Client::hello(hub.address()).await;
    let mut writer = Client::hello(hub.address()).await;
    assert!(
        reader
            .ask("sub 1 t live")
            .await
            .starts_with("subscribed 1 ")
    );
    for n in 1..=100 {
        let publication = format!("pub w {n} 0 t \"{}\"", "x".repeat(60_000));
        assert!(writer.ask(&publication).await.starts_with("ack w "));
    }
    until_forgotten(&hub).await;
    let reason = "slow_consumer the client did not take a frame in time".to_owned();
    assert_eq!(reader.close().await, (4008, reason));
}

#[tokio::test]
async fn w8_a_frame_over_the_limit_is_closed_with_1009_however_much_larger_it_is() {
    let hub = hub().await;
    for bytes in [262_145, 500_000, 600_000, 5_000_000] {
        let mut client = Client::hello(hub.address()).await;
        let frame = Message::text("x".repeat(bytes));
        // The hub may close while the test still writes.
        let _ = within(client.socket.feed(frame)).await;
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), client.socket.flush())
            .await;
        let reason = "frame_too_large the limit is 262144 bytes".to_owned();
        assert_eq!(client.close().await, (1009, reason), "{bytes}");
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn c1_silence_before_hello_is_closed_with_4001() {
    let limits = Limits {
        hello_ms: 50,
        ..Limits::default()
    };
    let hub = hub_with(limits).await;
    let mut client = Client::open(hub.address()).await;
    let reason = "hello_timeout no hello within 50 ms".to_owned();
    assert_eq!(client.close().await, (4001, reason));
}

#[tokio::test]
async fn b3_silence_after_hello_is_pinged_and_closed_with_4002() {
    let limits = Limits {
        ping_ms: 60,
        // On a busy machine the end may come before the ping.
        wait_ms: 1_000,
        ..Limits::default()
    };
    let hub = hub_with(limits).await;
    let mut client = Client::hello(hub.address()).await;
    assert!(client.record().await.starts_with("ping "));
    let (code, reason) = client.close().await;
    assert_eq!(code, 4002);
    assert!(
        reason.starts_with("heartbeat_timeout the client sent nothing for "),
        "{reason}"
    );
}

#[tokio::test]
async fn connections_that_end_early_or_within_a_frame_leave_nothing_behind() {
    let hub = hub().await;
    for cut in [0, 1, 10, 200, 400] {
        let mut socket = TcpStream::connect(hub.address()).await.unwrap();
        let mut bytes = format!(
            "GET /v1/connect HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: longhaul.v1\r\n\r\n",
            hub.address()
        )
        .into_bytes();
        if cut < bytes.len() {
            bytes.truncate(cut);
            socket.write_all(&bytes).await.unwrap();
            continue;
        }
        socket.write_all(&bytes).await.unwrap();
        within(socket.read_u8()).await.unwrap();
        // A text frame of 125 bytes that ends after three.
        socket
            .write_all(&[0x81, 0xfd, 0, 0, 0, 0, b'h', b'e', b'l'])
            .await
            .unwrap();
    }
    // One client closes as soon as it can, and one never answers a close.
    let mut client = Client::open(hub.address()).await;
    within(client.socket.close(None)).await.unwrap();
    let silent = Client::hello(hub.address()).await;
    drop(silent);
    within(async {
        while hub.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_alive(&hub).await;
}

#[tokio::test]
async fn a_stop_closes_every_connection_with_1001() {
    let hub = hub().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::hello(hub.address()).await);
    }
    let address = hub.address();
    let stopping = tokio::spawn(hub.stop());
    for client in &mut clients {
        let reason = "going_away the hub is stopping spread=1000".to_owned();
        assert_eq!(client.close().await, (1001, reason));
    }
    within(stopping).await.unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it listens no more"
    );
}

#[tokio::test]
async fn a_connection_that_takes_nothing_holds_up_nobody() {
    // On a slow machine it must not look stalled.
    let limits = Limits {
        write_ms: 600_000,
        for_readers_bytes: 0,
        ..Limits::default()
    };
    let hub = hub_with(limits).await;
    let mut slow = Client::hello(hub.address()).await;
    assert!(slow.ask("sub 1 t live").await.starts_with("subscribed "));
    let mut writer = Client::hello(hub.address()).await;
    let mut reader = Client::hello(hub.address()).await;
    assert!(reader.ask("sub 1 t live").await.starts_with("subscribed "));
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let mut seen = 0;
    for n in 1..=400 {
        // 24 MB: more than the socket's buffers and the log hold.
        let ack = writer.ask(&format!("pub p {n} 0 t {payload}")).await;
        assert!(ack.ends_with(&format!(" {n} 0")), "{ack}");
        assert!(reader.record().await.starts_with(&format!("m 1 {n} ")));
        seen = n;
    }
    assert_eq!(seen, 400);
    // It reads again, and gets a gap for what it missed.
    let mut gap = false;
    loop {
        let record = slow.record().await;
        gap |= record.starts_with("resume_failed 1 trimmed ");
        if record.starts_with("m 1 400 ") {
            break;
        }
    }
    assert!(gap);
}

#[tokio::test]
async fn h10_a_connection_that_takes_nothing_for_the_time_of_a_write_is_ended() {
    let limits = Limits {
        write_ms: 50,
        stalled_close_ms: 50,
        ..Limits::default()
    };
    let hub = hub_with(limits).await;
    let mut slow = Client::hello(hub.address()).await;
    assert!(slow.ask("sub 1 t live").await.starts_with("subscribed "));
    let mut writer = Client::hello(hub.address()).await;
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let mut n = 0;
    while hub.connections() > 1 {
        n += 1;
        let ack = writer.ask(&format!("pub p {n} 0 t {payload}")).await;
        assert!(ack.starts_with("ack "), "{ack}");
    }
    assert_alive(&hub).await;
}
