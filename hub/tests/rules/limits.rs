//! Every limit, and what the hub does at it.

use longhaul::ids::Seq;
use longhaul_hub::core::{Close, Event, Limits, ReadFault};

use crate::bench::{Bench, field};

#[test]
fn a_connection_over_the_limit_is_closed_with_1013_and_an_ended_one_makes_way() {
    let mut b = Bench::with(Limits {
        connections_max: 2,
        ..Limits::default()
    });
    let [first, _, third] = [(); 3].map(|()| b.open());
    assert_eq!(b.closed(third).unwrap().0, Close::TryAgainLater);
    b.handle(Event::Closed(first));
    let fourth = b.open();
    assert_eq!(b.closed(fourth), None);
    for _ in 0..1_000 {
        let conn = b.open();
        b.handle(Event::Closed(conn));
    }
    assert_eq!(b.hub.connections(), 2);
}

#[test]
fn a_subscription_over_the_limit_closes_with_4007_but_moving_one_does_not() {
    let mut b = Bench::with(Limits {
        subscriptions_max: 2,
        ..Limits::default()
    });
    let conn = b.client();
    b.send(
        conn,
        "sub 1 a live\nsub 2 b live\nsub 2 b start\nunsub 1\nsub 3 c live",
    );
    assert_eq!(b.closed(conn), None);
    b.send(conn, "sub 4 d live");
    assert_eq!(b.closed(conn).unwrap().0, Close::TooManySubscriptions);
}

#[test]
fn w8_a_frame_at_the_limit_passes_and_one_byte_more_closes_with_1009() {
    let mut b = Bench::new();
    let conn = b.client();
    b.send(conn, &"\n".repeat(262_144));
    assert_eq!(b.closed(conn), None);
    b.send(conn, &"\n".repeat(262_145));
    let (close, reason) = b.closed(conn).unwrap();
    assert_eq!(close, Close::FrameTooLarge);
    assert_eq!(reason, "frame_too_large the limit is 262144 bytes");
}

#[test]
fn answers_that_nobody_takes_close_with_4008() {
    let mut b = Bench::with(Limits {
        control_bytes_max: 1_000,
        ..Limits::default()
    });
    let conn = b.client();
    b.send(conn, &"ping 9007199254740991\n".repeat(40));
    assert_eq!(b.closed(conn), None);
    b.send(conn, &"ping 9007199254740991\n".repeat(40));
    assert_eq!(b.closed(conn).unwrap().0, Close::SlowConsumer);
}

#[test]
fn a_topic_over_the_limit_is_busy_on_every_way_in() {
    let mut b = Bench::with(Limits {
        topics_max: 1,
        ..Limits::default()
    });
    let conn = b.client();
    b.ask(conn, "sub 1 a live");
    assert!(b.ask(conn, "sub 2 b live").starts_with("refused 2 busy "));
    assert!(b.ask(conn, "pub p 1 0 b 1").starts_with("nack p 1 busy "));
    assert!(b.ask(conn, "sub 3 a live").starts_with("subscribed 3 "));
}

#[test]
fn a_topic_is_removed_an_hour_after_its_last_use_but_not_under_a_subscriber() {
    let mut b = Bench::new();
    b.publish("idle", "1");
    b.publish("used", "1");
    // Its messages expire long before it does.
    let epoch = |b: &mut Bench, topic| match b.hub.read(b.now, topic, Seq(1), 1) {
        Ok(page) => page.epoch,
        Err(ReadFault::Gone { epoch, .. }) => epoch,
    };
    let keep_alive = |b: &mut Bench, conn, ms: u64| {
        for _ in 0..ms / 20_000 {
            b.pass(20_000);
            b.send(conn, "ping 1");
            b.frames(conn);
        }
    };
    let conn = b.client();
    let used = b.ask(conn, "sub 1 used live");
    let idle = epoch(&mut b, "idle");
    keep_alive(&mut b, conn, 3_580_000);
    assert_eq!(epoch(&mut b, "idle"), idle, "and this look is a use");
    keep_alive(&mut b, conn, 3_640_000);
    assert_ne!(epoch(&mut b, "idle"), idle);
    let again = b.ask(conn, "sub 2 used live");
    assert_eq!(field(&used, 2), field(&again, 2));
}

#[test]
fn a_page_is_bounded_in_messages_and_bytes() {
    let mut b = Bench::with(Limits {
        page_entries_max: 5,
        page_bytes_max: 1_000,
        ..Limits::default()
    });
    for n in 1..=10 {
        b.publish("small", &n.to_string());
        b.publish("large", &format!("\"{}\"", "x".repeat(400)));
        b.publish("huge", &format!("\"{}\"", "x".repeat(4_000)));
    }
    let mut count = |topic, first, limit| {
        b.hub
            .read(b.now, topic, Seq(first), limit)
            .unwrap()
            .entries
            .len()
    };
    assert_eq!(count("small", 1, 1_000), 5);
    assert_eq!(count("small", 1, 3), 3);
    assert_eq!(count("small", 11, 3), 0);
    assert_eq!(count("large", 1, 1_000), 2);
    assert_eq!(count("huge", 1, 1_000), 1);
}

#[test]
fn a_page_that_begins_outside_the_log_says_so() {
    let mut b = Bench::with(Limits {
        retain_entries: 3,
        ..Limits::default()
    });
    for n in 1..=5 {
        b.publish("t", &n.to_string());
    }
    for (from, word) in [(2, "trimmed"), (7, "diverged")] {
        match b.hub.read(b.now, "t", Seq(from), 10) {
            Err(ReadFault::Gone {
                reason,
                first,
                head,
                ..
            }) => {
                assert_eq!((reason.as_str(), first, head), (word, Seq(3), Seq(5)));
            }
            other => panic!("{other:?}"),
        }
    }
}
