//! H8, H9: a publication takes effect once and in order, however often it arrives.

use longhaul::ids::Seq;
use longhaul_hub::core::{Event, Limits};
use proptest::prelude::*;

use crate::bench::{Bench, field};

#[test]
fn h8_a_repeated_publication_gets_its_verdict_again_with_duplicate_1() {
    let mut b = Bench::new();
    let conn = b.client();
    let first = b.ask(conn, "pub p 1 0 t \"a\"");
    assert!(
        first.starts_with("ack p 1 ") && first.ends_with(" 1 0"),
        "{first}"
    );
    let again = b.ask(conn, "pub p 1 0 t \"a\"");
    assert!(
        again.starts_with("ack p 1 ") && again.ends_with(" 1 1"),
        "{again}"
    );
    assert_eq!(field(&first, 3), field(&again, 3), "the same epoch");
    let page = b.hub.read(b.now, "t", Seq(1), 10).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(
        page.entries[0].1.id.as_deref(),
        Some("FI3pxaekTRnlbNmuGlVL9n:1")
    );
}

#[test]
fn h8_the_longest_producer_and_number_still_make_a_message_id() {
    let mut b = Bench::new();
    let conn = b.client();
    let (producer, n) = ("p".repeat(100), longhaul::ids::NUMBER_MAX);
    b.ask(conn, &format!("pub {producer} {n} 0 t 1"));
    b.send(conn, "sub 1 t start");
    let record = b.records(conn).pop().unwrap();
    assert!(
        longhaul::wire::ToClient::decode(&record).is_ok(),
        "{record}"
    );
    let id = longhaul::wire::public_id::message_id(&producer, longhaul::ids::RowNo(n));
    assert!(record.ends_with(&format!(" {id} 1")), "{record}");
}

#[test]
fn h8_a_resend_on_another_connection_after_the_first_is_gone_is_a_duplicate() {
    let mut b = Bench::new();
    let first = b.client();
    b.send(first, "pub p 1 0 t 1");
    b.handle(Event::Closed(first));
    let second = b.client();
    assert!(b.ask(second, "pub p 1 0 t 1").ends_with(" 1 1"));
}

#[test]
fn h8_another_payload_under_the_same_number_is_a_conflict() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "pub p 1 0 t 1");
    assert!(
        b.ask(conn, "pub p 1 0 t 2")
            .starts_with("nack p 1 id_conflict ")
    );
    assert!(
        b.ask(conn, "pub q 1 0 t 2").starts_with("ack q 1 "),
        "another producer"
    );
    assert!(
        b.ask(conn, "pub p 1 0 u 2").starts_with("ack p 1 "),
        "another topic"
    );
}

#[test]
fn h8_a_hole_is_out_of_order_and_leaves_no_trace() {
    let mut b = Bench::new();
    let conn = b.client();
    assert!(
        b.ask(conn, "pub p 2 1 t 2")
            .starts_with("nack p 2 out_of_order ")
    );
    assert!(b.ask(conn, "pub p 1 0 t 1").ends_with(" 1 0"));
    assert!(
        b.ask(conn, "pub p 5 4 t 5")
            .starts_with("nack p 5 out_of_order ")
    );
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 2 0"));
    assert!(
        b.ask(conn, "pub p 5 2 t 5").ends_with(" 3 0"),
        "3 and 4 went to other topics"
    );
}

#[test]
fn h8_a_publication_older_than_all_verdicts_is_id_forgotten_and_not_appended_again() {
    let mut b = Bench::with(Limits {
        verdicts_max: 3,
        ..Limits::default()
    });
    let conn = b.client();
    for n in 1..=5 {
        b.ask(conn, &format!("pub p {n} 0 t {n}"));
    }
    assert!(
        b.ask(conn, "pub p 2 0 t 2")
            .starts_with("nack p 2 id_forgotten ")
    );
    assert!(b.ask(conn, "pub p 3 0 t 3").ends_with(" 3 1"));
    assert_eq!(b.hub.read(b.now, "t", Seq(1), 10).unwrap().entries.len(), 5);
}

#[test]
fn h9_an_invalid_payload_gets_a_verdict_and_the_next_publication_takes_effect() {
    let mut b = Bench::new();
    let conn = b.client();
    let large = "x".repeat(65_536);
    assert!(
        b.ask(conn, "pub p 1 0 t {no")
            .starts_with("nack p 1 payload_invalid ")
    );
    assert!(
        b.ask(conn, "pub p 1 0 t {no")
            .starts_with("nack p 1 payload_invalid ")
    );
    assert!(
        b.ask(conn, &format!("pub p 2 1 t \"{large}\""))
            .starts_with("nack p 2 payload_too_large ")
    );
    assert!(b.ask(conn, "pub p 3 2 t 3").ends_with(" 1 0"));
}

#[test]
fn h9_a_full_hub_is_busy_until_it_forgets_a_topic() {
    let limits = Limits {
        memory_bytes_max: 3_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let conn = b.client();
    let payload = format!("\"{}\"", "x".repeat(5_000));
    assert!(
        b.ask(conn, &format!("pub p 1 0 t {payload}"))
            .starts_with("ack ")
    );
    b.publish("u", "1");
    assert!(b.ask(conn, "pub p 1 0 v 1").starts_with("nack p 1 busy "));
    assert!(
        b.ask(conn, &format!("pub p 1 0 t {payload}"))
            .ends_with(" 1 1"),
        "repeats need no room"
    );
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 2 0"));
    b.pass(limits.retain_ms + limits.topic_idle_ms + 2_000);
    let conn = b.client();
    assert!(b.ask(conn, "pub p 1 0 v 1").ends_with(" 1 0"));
}

#[test]
fn an_idempotency_key_appends_once_and_tells_another_body_apart() {
    use longhaul_hub::core::PublishFault;
    let mut b = Bench::new();
    let mut publish = |key, body| b.hub.publish(b.now, "t", Some(key), body, &mut Vec::new());
    let first = publish("k", "{\"a\": 1}").unwrap();
    let again = publish("k", "\n{\"a\": 1}\n").unwrap();
    assert_eq!((first.seq, first.duplicate), (Seq(1), false));
    assert_eq!(
        (again.seq, again.duplicate),
        (Seq(1), true),
        "white space around it says nothing"
    );
    assert_eq!(publish("k", "2"), Err(PublishFault::IdConflict));
    assert_eq!(publish("l", "2").unwrap().seq, Seq(2));
    let page = b.hub.read(b.now, "t", Seq(1), 10).unwrap();
    assert_eq!(page.entries[0].1.id.as_deref(), Some("k"));
}

/// What happens to a producer's publications on their way.
#[derive(Clone, Debug)]
enum Step {
    /// The producer sends the next one.
    Send,
    /// The connection is lost with its last answers. A new one repeats all rows without a verdict.
    Reconnect,
    /// The answers arrive.
    Hear,
    /// An old frame arrives again.
    Straggle(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            4 => Just(Step::Send),
            1 => Just(Step::Reconnect),
            2 => Just(Step::Hear),
            1 => any::<prop::sample::Index>().prop_map(Step::Straggle),
        ],
        1..120,
    )
}

proptest! {
    #[test]
    fn h8_any_interleaving_of_resends_appends_each_publication_once_in_order(steps in steps()) {
        let mut b = Bench::new();
        let mut conn = b.client();
        let (mut made, mut oldest) = (0_u64, 1_u64);
        let publication = |n: u64, oldest: u64| {
            format!("pub p {n} {} t {n}", if n > oldest { n - 1 } else { 0 })
        };
        for step in steps.into_iter().chain([Step::Reconnect, Step::Hear]) {
            match step {
                Step::Send => {
                    made += 1;
                    b.send(conn, &publication(made, oldest));
                }
                Step::Reconnect => {
                    b.handle(Event::Closed(conn));
                    conn = b.client();
                    for n in oldest..=made {
                        b.send(conn, &publication(n, oldest));
                    }
                }
                Step::Hear => {
                    for record in b.records(conn) {
                        prop_assert!(record.starts_with("ack p "), "{record}");
                        oldest = oldest.max(field(&record, 2).parse::<u64>().unwrap() + 1);
                    }
                }
                Step::Straggle(index) if made > 0 => {
                    let n = index.index(made as usize) as u64 + 1;
                    let late = b.client();
                    b.send(late, &publication(n, 1));
                }
                Step::Straggle(_) => {}
            }
        }
        prop_assert_eq!(oldest, made + 1);
        let page = b.hub.read(b.now, "t", Seq(1), 1_000).unwrap();
        let payloads: Vec<u64> = page.entries.iter().map(|(_, e)| e.payload.parse().unwrap()).collect();
        prop_assert_eq!(payloads, (1..=made).collect::<Vec<_>>());
    }
}

#[test]
fn f33_h8_readers_see_a_name_that_is_not_the_producer() {
    let mut b = Bench::new();
    let reader = b.client();
    b.ask(reader, "sub 1 t live");
    let conn = b.client();
    b.ask(conn, "pub secret 1 0 t 1");
    let record = b.take(reader).unwrap();
    assert!(!record.contains("secret"), "{record}");
    let id = longhaul::wire::public_id::message_id("secret", longhaul::ids::RowNo(1));
    assert!(record.contains(&id), "{record}");
}

#[test]
fn f17_h8_another_call_with_the_same_number_and_payload_is_no_duplicate() {
    let mut b = Bench::new();
    let conn = b.client();
    let late = u64::MAX >> 11;
    let publish = |tag: u64| format!("until {late} tag={tag}\npub p 1 0 t 1");
    assert!(b.ask(conn, &publish(7)).ends_with(" 1 0"));
    assert!(b.ask(conn, &publish(7)).ends_with(" 1 1"));
    for other in [publish(8), "pub p 1 0 t 1".to_owned()] {
        let answer = b.ask(conn, &other);
        assert!(answer.starts_with("nack p 1 id_conflict "), "{answer}");
    }
    let posted = format!("hello 1\n{}", publish(8));
    let answer = b.hub.post(b.now, None, &posted, &mut b.effects).unwrap();
    assert!(answer.starts_with("nack p 1 id_conflict "), "{answer}");
}

#[test]
fn f17_h8_a_number_without_a_verdict_between_numbers_with_verdicts_is_a_conflict() {
    let mut b = Bench::new();
    let conn = b.client();
    for n in [2, 4] {
        b.ask(conn, &format!("pub p {n} 0 t {n}"));
    }
    let answer = b.ask(conn, "pub p 3 0 t 3");
    assert!(answer.starts_with("nack p 3 id_conflict "), "{answer}");
    let answer = b.ask(conn, "pub p 1 0 t 1");
    assert!(answer.starts_with("nack p 1 id_forgotten "), "{answer}");
}
