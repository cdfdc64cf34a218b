//! Topics without writers or subscribers (rule H11) and ended subscriptions cost nothing.

use longhaul::ids::Seq;
use longhaul_hub::core::{Event, Limits, ReadFault};

use crate::bench::{Bench, field, messages};

/// The cursor in the answer to a sub.
fn cursor(subscribed: &str) -> String {
    let [epoch, seq, chain] = [2, 3, 4].map(|index| field(subscribed, index));
    format!("{epoch}/{seq}/{chain}")
}

#[test]
fn f26_a_topic_with_old_messages_ticks_when_they_expire_and_not_every_second() {
    let mut b = Bench::new();
    for topic in 0..100 {
        b.publish(&format!("t{topic}"), "1");
    }
    b.pass(299_999);
    assert_eq!(b.ticks, 0, "nothing is due");
    b.pass(2);
    assert_eq!(b.ticks, 1, "one tick, in which all are due");
    assert!(b.hub.read(b.now, "t7", Seq(1), 1).is_err());
}

#[test]
fn f26_messages_retained_for_readers_are_removed_in_time_without_a_tick_a_second() {
    let mut b = Bench::with(Limits {
        retain_entries: 2,
        ..Limits::default()
    });
    for n in 1..=5 {
        b.publish("t", &n.to_string());
    }
    b.pass(299_000);
    assert_eq!(b.ticks, 1, "at 30 s, for what lags");
    b.pass(2_000);
    assert_eq!(b.ticks, 2);
}

#[test]
fn f26_a_followed_topic_in_which_nothing_happens_never_ticks() {
    let mut b = Bench::with(Limits {
        ping_ms: 1 << 50,
        ..Limits::default()
    });
    let conn = b.client();
    b.publish("written", "1");
    b.hub
        .offer(
            b.now,
            "document",
            &longhaul_hub::core::Offer {
                kind: longhaul::wire::Kind::Merge,
                key: None,
                payload: "{\"a\":1}",
                expected: &longhaul_hub::core::Expected::Anything,
            },
            &mut b.effects,
        )
        .unwrap();
    b.send(conn, "sub 1 written live\nsub 2 unwritten live");
    b.pass(400_000);
    let ticks = b.ticks;
    b.pass(30 * 86_400_000);
    assert_eq!(b.ticks, ticks);
    b.handle(Event::Closed(conn));
    assert_eq!(b.hub.topics(), 2);
    b.pass(3_600_000);
    assert_eq!(b.hub.topics(), 1, "the document is kept");
}

#[test]
fn f26_outboxes_of_one_topic_are_not_looked_through_for_each_that_is_forgotten() {
    let mut b = Bench::new();
    let conn = b.client();
    for p in 0..200 {
        b.ask(conn, &format!("pub p{p} 1 0 t 1"));
        b.pass(1_000);
    }
    b.handle(Event::Closed(conn));
    b.pass(7 * 86_400_000);
    let ticks = b.ticks;
    b.pass(2 * 86_400_000);
    assert!(b.ticks - ticks <= 3, "{}", b.ticks - ticks);
    assert_eq!(b.hub.topics(), 0);
}

#[test]
fn f29_topics_that_nobody_has_written_go_with_their_last_follower() {
    let mut b = Bench::with(Limits {
        topics_max: 100,
        ..Limits::default()
    });
    let conn = b.client();
    for no in 0..50 {
        b.ask(conn, &format!("sub {no} invented/{no} live"));
    }
    let refused = b.ask(conn, "sub 50 invented/50 live");
    assert!(refused.starts_with("refused 50 busy "), "{refused}");
    assert_eq!(
        b.publish("written", "1"),
        1,
        "there is room for what is written"
    );
    assert!(
        b.ask(conn, "sub 51 written live")
            .starts_with("subscribed 51 ")
    );
    b.send(conn, "unsub 0\nunsub 51");
    assert_eq!(b.hub.topics(), 50);
    b.handle(Event::Closed(conn));
    assert_eq!(b.hub.topics(), 1);
}

#[test]
fn f29_a_follower_of_an_unwritten_topic_comes_back_to_the_same_epoch() {
    let mut b = Bench::new();
    let conn = b.client();
    let first = b.ask(conn, "sub 1 t live");
    b.handle(Event::Closed(conn));
    assert_eq!(b.hub.topics(), 0);
    b.publish("t", "1");
    let conn = b.client();
    b.send(conn, &format!("sub 1 t {}", cursor(&first)));
    let records = b.records(conn);
    assert!(records[0].starts_with("subscribed 1 "), "{records:?}");
    assert_eq!(
        messages(&records),
        [(1, "1".to_owned())],
        "nothing is missed"
    );
    b.handle(Event::Closed(conn));
    b.pass(2 * 3_600_000);
    assert_eq!(b.hub.topics(), 0, "a written topic is forgotten");
    let conn = b.client();
    let again = b.ask(conn, &format!("sub 1 t {}", cursor(&first)));
    assert!(again.starts_with("resume_failed 1 epoch "), "{again}");
}

#[test]
fn f29_reading_makes_no_topic_and_neither_does_a_publication_that_leaves_no_trace() {
    let mut b = Bench::new();
    let page = b.hub.read(b.now, "t", Seq(1), 1).unwrap();
    assert_eq!(page.entries, []);
    assert!(matches!(
        b.hub.read(b.now, "t", Seq(2), 1),
        Err(ReadFault::Gone { head: Seq(0), .. })
    ));
    assert_eq!(b.hub.document(b.now, "t"), None);
    let conn = b.client();
    let nack = b.ask(conn, "pub p 2 1 t 1");
    assert!(nack.starts_with("nack p 2 out_of_order "), "{nack}");
    b.hub
        .publish(b.now, "t", None, "{", &mut b.effects)
        .unwrap_err();
    assert_eq!(b.hub.topics(), 0);
    b.publish("t", "1");
    let written = b.hub.read(b.now, "t", Seq(1), 1).unwrap();
    assert_eq!(written.epoch, page.epoch, "the epoch that was told");
}

#[test]
fn f18_subscriptions_that_are_behind_end_without_a_trace_in_the_turns_of_others() {
    let mut b = Bench::new();
    let conn = b.client();
    for topic in 0..3_000 {
        b.publish(&format!("t{topic}"), "1");
    }
    let subs: Vec<String> = (0..3_000)
        .map(|no| format!("sub {no} t{no} start"))
        .collect();
    b.send(conn, &subs.join("\n"));
    let gone: Vec<String> = (0..2_999).map(|no| format!("unsub {no}")).collect();
    b.send(conn, &gone.join("\n"));
    // A subscription that moves again and again gets no more turns.
    b.send(conn, &"sub 2999 t2999 start\n".repeat(1_000));
    let records = b.records(conn);
    assert_eq!(messages(&records), [(1, "1".to_owned())]);
}
