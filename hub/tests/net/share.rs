//! Two connections share a topic: order, batches, repeated publications, and resuming.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, hub};

#[tokio::test]
async fn messages_reach_another_connection_once_and_in_order() {
    let hub = hub().await;
    let mut reader = Client::hello(hub.address()).await;
    let mut writer = Client::hello(hub.address()).await;
    assert!(
        reader
            .ask("sub 7 chat live")
            .await
            .starts_with("subscribed 7 ")
    );
    for burst in 0..20_u64 {
        let pubs: Vec<String> = (1..=50)
            .map(|k| burst * 50 + k)
            .map(|n| format!("pub w {n} {} chat {n}", n - 1))
            .collect();
        writer.send(&pubs.join("\n")).await;
    }
    let mut next = 1;
    while next <= 1_000 {
        let record = reader.record().await;
        let fields: Vec<&str> = record.splitn(7, ' ').collect();
        assert_eq!((fields[1], fields[2]), ("7", &*next.to_string()));
        next += match fields[0] {
            "m" => 1,
            "b" => fields[3].parse::<u64>().unwrap(),
            other => panic!("{other}"),
        };
    }
    for n in 1..=1_000 {
        assert!(writer.record().await.starts_with(&format!("ack w {n} ")));
    }
}

#[tokio::test]
async fn h8_a_resend_over_a_new_connection_is_acknowledged_as_duplicate() {
    let hub = hub().await;
    let mut first = Client::hello(hub.address()).await;
    let ack = first.ask("pub p 1 0 t {\"a\":1}").await;
    drop(first);
    let mut second = Client::hello(hub.address()).await;
    let again = second.ask("pub p 1 0 t {\"a\":1}").await;
    assert_eq!(again, ack.strip_suffix('0').unwrap().to_owned() + "1");
    assert!(
        second
            .ask("pub p 1 0 t {}")
            .await
            .starts_with("nack p 1 id_conflict ")
    );
}

#[tokio::test]
async fn c2_hello_and_subs_take_one_frame_each_way() {
    let hub = hub().await;
    let mut writer = Client::hello(hub.address()).await;
    writer.ask("pub p 1 0 t 1").await;
    let mut client = Client::open(hub.address()).await;
    client.send("hello 1\nsub 1 t start\nsub 2 u live").await;
    let mut verbs = Vec::new();
    for _ in 0..4 {
        let record = client.record().await;
        verbs.push(record.split(' ').next().unwrap().to_owned());
    }
    assert_eq!(verbs, ["welcome", "subscribed", "subscribed", "m"]);
}

#[tokio::test]
async fn a_cursor_resumes_on_another_connection() {
    let hub = hub().await;
    let mut writer = Client::hello(hub.address()).await;
    writer.ask("pub p 1 0 t \"one\"").await;
    let mut reader = Client::hello(hub.address()).await;
    let subscribed = reader.ask("sub 1 t live").await;
    drop(reader);
    writer.ask("pub p 2 0 t \"two\"").await;
    let f: Vec<&str> = subscribed.split(' ').collect();
    let mut reader = Client::hello(hub.address()).await;
    let answer = reader
        .ask(&format!("sub 5 t {}/{}/{}", f[2], f[3], f[4]))
        .await;
    assert_eq!(answer, format!("subscribed 5 {} 1 {} 2", f[2], f[4]));
    let message = reader.record().await;
    assert!(
        message.starts_with("m 5 2 ") && message.ends_with(" FI3pxaekTRnlbNmuGlVL9n:2 \"two\""),
        "{message}"
    );
}

/// The client and the hub share one thread here, so the order of their work is the same in every
/// run.
#[tokio::test]
async fn f29_a_connection_with_a_hundred_frames_in_its_buffer_does_not_make_others_wait_for_all_of_them()
 {
    let hub = hub().await;
    let mut greedy = Client::hello(hub.address()).await;
    let mut honest = Client::hello(hub.address()).await;
    for n in 1..=100_u64 {
        let frame = Message::text(format!("pub greedy {n} {} t {n}", n - 1));
        greedy.socket.feed(frame).await.unwrap();
    }
    greedy.socket.flush().await.unwrap();
    let ack = honest.ask("pub honest 1 0 t 1").await;
    let seq: u64 = ack.split(' ').nth(4).unwrap().parse().unwrap();
    assert!(seq < 20, "{ack}");
}
