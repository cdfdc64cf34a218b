//! H9, H11: what fills the memory, and what continues when it is full.

use longhaul_hub::core::{Event, Limits, PublishFault};

use crate::bench::{Bench, messages};

/// A hub of 800,000 bytes: 400,000 for documents, and 600,000 before new ones get `busy`.
fn small() -> Bench {
    Bench::with(Limits {
        memory_bytes_max: 800_000,
        for_readers_bytes: 0,
        ..Limits::default()
    })
}

/// Publishes a message of about 2,000 bytes.
fn publish(b: &mut Bench, topic: &str) -> Result<u64, PublishFault> {
    let payload = format!("\"{}\"", "x".repeat(2_000));
    let published = b
        .hub
        .publish(b.now, topic, None, &payload, &mut b.effects)?;
    Ok(published.seq.0)
}

/// Fills documents until one may not grow. Returns their number.
fn fill_with_documents(b: &mut Bench) -> usize {
    let conn = b.client();
    for n in 1..1_000 {
        let elements = vec!["{}"; 200].join(",");
        let record = format!("merge filler {n} 0 full/{n} {{\"a\":[{elements}]}}");
        let answer = b.ask(conn, &record);
        if answer.starts_with("nack ") {
            assert!(
                answer.starts_with(&format!("nack filler {n} busy ")),
                "{answer}"
            );
            b.handle(Event::Closed(conn));
            return n - 1;
        }
    }
    panic!("documents never fill the memory");
}

/// Adds topics until one gets `busy`. Returns their number.
fn fill_with_topics(b: &mut Bench) -> usize {
    (0..10_000)
        .find(|n| {
            b.hub
                .publish(b.now, &format!("new/{n}"), None, "1", &mut b.effects)
                .is_err()
        })
        .expect("topics never fill the memory")
}

#[test]
fn h11_where_documents_fill_their_share_topics_of_messages_go_on_and_new_ones_come() {
    let mut b = small();
    b.publish("known", "1");
    let conn = b.client();
    assert!(b.ask(conn, "pub p 1 0 known 1").starts_with("ack p 1 "));
    assert!(fill_with_documents(&mut b) > 1);
    assert!(
        b.hub.memory_bytes() < 600_000,
        "documents took {} bytes",
        b.hub.memory_bytes()
    );
    b.publish("known", "2");
    assert!(b.ask(conn, "pub p 2 1 known 2").ends_with(" 4 0"));
    assert!(b.ask(conn, "pub q 1 0 known 3").ends_with(" 5 0"));
    assert!(b.ask(conn, "pub q 1 0 unknown 1").ends_with(" 1 0"));
    let answer = b.ask(conn, "sub 1 known live");
    assert!(answer.starts_with("subscribed 1 "), "{answer}");
}

#[test]
fn h11_where_documents_fill_their_share_one_that_does_not_grow_goes_on() {
    let mut b = small();
    b.merge("document", r#"{"a":[1,2,3],"n":1}"#);
    fill_with_documents(&mut b);
    let conn = b.client();
    let growing = format!("merge p 1 0 document {{\"b\":\"{}\"}}", "x".repeat(500));
    let answer = b.ask(conn, &growing);
    assert!(answer.starts_with("nack p 1 busy "), "{answer}");
    for (n, change) in [r#"{"n":2}"#, r#"{"a":null}"#, "{}"].iter().enumerate() {
        let other = b.client();
        let (n, prev) = (n + 1, n);
        let answer = b.ask(other, &format!("merge p {n} {prev} document {change}"));
        assert!(
            answer.starts_with(&format!("ack p {n} ")),
            "{change}: {answer}"
        );
    }
    // The nack was not final and did not change the document.
    let state = b.hub.document(b.now, "document").unwrap();
    assert_eq!(state.value.to_json(), r#"{"n":2}"#);
    assert_eq!(state.seq.0, 4);
}

#[test]
fn h11_when_messages_fill_the_memory_the_largest_topics_lose_their_oldest_and_readers_get_a_gap() {
    let mut b = small();
    let reader = b.client();
    assert!(
        b.ask(reader, "sub 1 large/0 live")
            .starts_with("subscribed ")
    );
    b.publish("small", "1");
    for n in 0..2_000 {
        let topic = format!("large/{}", n % 4);
        assert_eq!(publish(&mut b, &topic), Ok(n / 4 + 1));
        assert!(
            b.hub.memory_bytes() <= 800_000,
            "{} bytes at {n}",
            b.hub.memory_bytes()
        );
    }
    let page = b
        .hub
        .read(b.now, "small", longhaul::ids::Seq(1), 9)
        .unwrap();
    assert_eq!(page.entries.len(), 1, "a small topic loses nothing");
    let records = b.records(reader);
    assert!(
        records[0].starts_with("resume_failed 1 trimmed "),
        "{:.100}",
        records[0]
    );
    let taken = messages(&records);
    assert_eq!(taken.last().unwrap().0, 500, "it goes on to the last one");
    b.send(reader, "sub 2 large/0 1");
    let records = b.records(reader);
    assert!(
        records[0].starts_with("resume_failed 2 trimmed "),
        "{:.100}",
        records[0]
    );
}

#[test]
fn h11_when_the_memory_is_full_new_topics_and_outboxes_are_busy_and_known_ones_continue() {
    let mut b = small();
    let conn = b.client();
    assert!(b.ask(conn, "pub p 1 0 known 1").starts_with("ack p 1 "));
    b.publish("silent", "1");
    fill_with_documents(&mut b);
    assert!(fill_with_topics(&mut b) > 1);
    assert!(
        b.ask(conn, "pub q 1 0 known 1")
            .starts_with("nack q 1 busy ")
    );
    assert!(
        b.ask(conn, "pub p 1 0 other 1")
            .starts_with("nack p 1 busy ")
    );
    assert!(
        b.ask(conn, "sub 1 never/written live")
            .starts_with("refused 1 busy ")
    );
    // Known topics continue, also after all their messages have expired.
    b.pass(400_000);
    let conn = b.client();
    let before = b.hub.memory_bytes();
    for n in 2..200 {
        let answer = b.ask(conn, &format!("pub p {n} {} known {n}", n - 1));
        assert!(answer.starts_with(&format!("ack p {n} ")), "{answer}");
        assert_eq!(publish(&mut b, "silent"), Ok(n));
        let keyed = b
            .hub
            .publish(b.now, "silent/keys", Some("k"), "1", &mut b.effects);
        assert_eq!(keyed, Err(PublishFault::Busy));
    }
    assert!(b.hub.memory_bytes() > before);
    assert!(b.hub.memory_bytes() <= 800_000);
    let answer = b.ask(conn, "sub 1 known live");
    assert!(
        answer.starts_with("subscribed 1 "),
        "subscriptions have more room than new topics: {answer}"
    );
    b.pass(9 * 86_400_000);
    let conn = b.client();
    assert!(
        b.ask(conn, "sub 1 never/written live")
            .starts_with("subscribed 1 ")
    );
}

#[test]
fn h11_subscriptions_never_take_the_memory_of_messages() {
    let mut b = small();
    b.publish("known", "1");
    fill_with_documents(&mut b);
    fill_with_topics(&mut b);
    let mut taken = 0;
    'full: loop {
        let conn = b.client();
        for no in 0..500 {
            let answer = b.ask(conn, &format!("sub {no} known live"));
            if answer.starts_with(&format!("refused {no} busy ")) {
                break 'full;
            }
            taken += 1;
            assert!(taken < 5_000, "subscriptions are never refused");
        }
    }
    assert!(taken > 100);
    assert!(b.hub.memory_bytes() <= 800_000);
    for n in 2..1_000 {
        assert_eq!(publish(&mut b, "known"), Ok(n));
        assert!(b.hub.memory_bytes() <= 800_000);
    }
}

#[test]
fn h8_in_a_full_hub_an_outbox_forgets_its_own_oldest_verdicts_and_takes_no_more_memory() {
    let mut b = small();
    let conn = b.client();
    let mut n = [0; 3];
    let mut publish = |b: &mut Bench, p: usize| {
        n[p] += 1;
        let (n, prev) = (n[p], n[p] - 1);
        let answer = b.ask(conn, &format!("pub p{p} {n} {prev} known {n}"));
        assert!(answer.starts_with(&format!("ack p{p} {n} ")), "{answer}");
    };
    for p in 0..3 {
        publish(&mut b, p);
    }
    publish(&mut b, 2);
    fill_with_documents(&mut b);
    fill_with_topics(&mut b);
    // The verdicts of the first two fill all memory that is not reserved for messages.
    for _ in 0..2_000 {
        publish(&mut b, 0);
        publish(&mut b, 1);
        assert!(b.hub.memory_bytes() <= 800_000);
    }
    for p in 0..2 {
        let answer = b.ask(conn, &format!("pub p{p} 1801 1800 known 1801"));
        assert!(
            answer.starts_with(&format!("ack p{p} 1801 ")) && answer.ends_with(" 1"),
            "all that a client may have on its way has its verdict: {answer}"
        );
    }
    publish(&mut b, 2);
    assert!(b.ask(conn, "pub p2 3 2 known 3").ends_with(" 1"));
}

#[test]
fn h8_in_a_full_hub_known_outboxes_continue_however_few_verdicts_each_has() {
    let mut b = small();
    let conn = b.client();
    for p in 0..50 {
        b.ask(conn, &format!("pub p{p} 1 0 known 1"));
    }
    fill_with_documents(&mut b);
    fill_with_topics(&mut b);
    for n in 2..100 {
        for p in 0..50 {
            let answer = b.ask(conn, &format!("pub p{p} {n} {} known {n}", n - 1));
            assert!(answer.starts_with(&format!("ack p{p} {n} ")), "{answer}");
        }
        assert!(b.hub.memory_bytes() <= 800_000);
    }
    b.publish("known", "1");
}

#[test]
fn h13_where_outboxes_fill_the_memory_a_first_owner_of_a_known_one_is_busy() {
    let mut b = Bench::with(Limits {
        producers_bytes_max: 1_000,
        ..Limits::default()
    });
    let conn = b.client();
    for n in 0..3 {
        b.ask(conn, &format!("pub p{n} 1 0 t 1"));
    }
    assert!(b.ask(conn, "pub x 1 0 t 1").starts_with("nack x 1 busy "));
    assert!(b.ask(conn, "pub p0 2 1 t 2").starts_with("ack p0 2 "));
    // {"sub":"alice"}
    b.send(conn, "auth e30.eyJzdWIiOiJhbGljZSJ9.e30");
    let answer = b.ask(conn, "pub p0 3 2 t 3");
    assert!(answer.starts_with("nack p0 3 busy "), "{answer}");
}

#[test]
fn d7_many_followers_of_one_document_share_its_text() {
    let mut b = small();
    b.publish("known", "1");
    for part in 0..4 {
        let text = "x".repeat(20_000);
        b.merge("document", &format!(r#"{{"text{part}":"{text}"}}"#));
    }
    b.pass(400_000);
    let conn = b.client();
    let before = b.hub.memory_bytes();
    for no in 0..500 {
        b.send(conn, &format!("sub {no} document live as=document"));
        if no % 100 == 0 {
            b.take(conn);
        }
    }
    let grown = b.hub.memory_bytes() - before;
    assert!(grown < 90_000 + 500 * 500, "{grown} bytes");
    b.publish("known", "2");
}
