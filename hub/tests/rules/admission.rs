//! R1 to R3: which clients the hub admits, the retry times of others, and the reconnect window.

use longhaul::Hint;
use longhaul_hub::core::{Close, Event, Limits, Readiness};

use crate::bench::{Bench, field};

/// Ten a second, with a bucket of one.
fn slow() -> Bench {
    Bench::with(Limits {
        admit_per_s: 10,
        ..Limits::default()
    })
}

/// The options at the end of a close reason: retry and spread.
fn options(reason: &str) -> (u64, u64) {
    let hint = Hint::of(reason);
    (hint.retry_ms.unwrap(), hint.spread_ms.unwrap())
}

/// The value of an option of a record.
fn option<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    record
        .split(' ')
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn r1_sockets_over_the_rate_are_closed_with_1013_and_a_retry_time() {
    let mut b = slow();
    let admitted = b.client();
    for place in 1..=50 {
        let conn = b.open();
        let (close, reason) = b.closed(conn).unwrap();
        assert_eq!(close, Close::TryAgainLater);
        assert!(
            reason.starts_with("try_again_later 1 connections, 10 more a second "),
            "{reason}"
        );
        assert_eq!(options(&reason), (1_000 + place * 100, 1_000));
    }
    assert_eq!(b.hub.connections(), 1, "nothing is kept of the others");
    b.pass(99);
    let conn = b.open();
    assert!(b.closed(conn).is_some());
    b.pass(1);
    let conn = b.open();
    assert_eq!(b.closed(conn), None);
    assert_eq!(b.closed(admitted), None);
}

#[test]
fn r1_polls_and_tickets_are_admitted_at_the_same_rate_as_sockets() {
    let mut b = slow();
    b.open();
    let poll = b.poll_refusal("hello 1\nsub 1 t live");
    assert_eq!(poll.close, Close::TryAgainLater);
    assert_eq!(
        (poll.hint.retry_ms, poll.hint.spread_ms),
        (Some(1_100), Some(1_000))
    );
    let ticket = b.issue_ticket("x", None, "hello 1");
    assert_eq!(ticket, Err(Close::TryAgainLater));
    b.pass(100);
    b.poll("hello 1");
    assert_eq!(
        b.issue_ticket("x", None, "hello 1"),
        Err(Close::TryAgainLater),
        "that was one"
    );
}

#[test]
fn t2_a_client_with_a_ticket_is_not_admitted_again() {
    let mut b = slow();
    b.issue_ticket("x", None, "hello 1 session=s\nsub 1 t live")
        .unwrap();
    b.stream("x", None).unwrap();
    // For other subscriptions the same client opens another stream.
    b.issue_ticket("y", None, "hello 1 session=s\nsub 2 u live")
        .unwrap();
    b.stream("y", None).unwrap();
    assert_eq!(
        b.issue_ticket("z", None, "hello 1 session=other"),
        Err(Close::TryAgainLater)
    );
}

#[test]
fn t3_a_client_that_polls_again_is_not_admitted_again_unless_it_stays_away_for_90_s() {
    let mut b = slow();
    let poll = b.poll("hello 1 hold=0");
    let session = field(&b.answer(poll).unwrap()[0], 1).to_owned();
    let again = format!("hello 1 session={session} hold=0");
    let drop_token = |b: &mut Bench| {
        let conn = b.open();
        b.handle(Event::Closed(conn));
        b.effects.clear();
    };
    for _ in 0..100 {
        let poll = b.poll(&again);
        b.answer(poll).unwrap();
    }
    b.pass(89_999);
    drop_token(&mut b);
    // A new poll replaces the waiting one. The hub may not know yet that the old one has ended.
    let held = b.poll(&format!("hello 1 session={session}"));
    let poll = b.poll(&again);
    b.answer(poll).unwrap();
    b.handle(Event::Closed(held));
    b.pass(90_000);
    drop_token(&mut b);
    assert_eq!(b.poll_refusal(&again).close, Close::TryAgainLater);
}

#[test]
fn t3_a_hub_that_was_restarted_knows_no_session() {
    let mut b = slow();
    b.poll("hello 1 session=first");
    assert_eq!(
        b.poll_refusal("hello 1 session=of-an-earlier-hub").close,
        Close::TryAgainLater
    );
}

#[test]
fn a_client_that_the_hub_sent_away_is_new_when_it_comes_again() {
    let mut b = slow();
    let poll = b.poll("hello 1 session=s hold=0");
    b.pass(10_000);
    assert_eq!(b.closed(poll).unwrap().0, Close::SlowConsumer);
    b.open();
    assert_eq!(
        b.poll_refusal("hello 1 session=s").close,
        Close::TryAgainLater
    );
}

#[test]
fn r1_the_hub_accepts_publications_whatever_the_rate() {
    let mut b = slow();
    for n in 1..=100 {
        let frame = format!("hello 1\npub p {n} 0 t {n}");
        let answer = b.hub.post(b.now, None, &frame, &mut b.effects).unwrap();
        assert!(answer.starts_with("ack "), "{answer}");
    }
}

#[test]
fn r1_a_full_hub_gives_times_too() {
    let mut b = Bench::with(Limits {
        connections_max: 2,
        admit_per_s: 2,
        ..Limits::default()
    });
    b.open();
    b.pass(1_000);
    b.open();
    assert_eq!(b.hub.readiness(), Readiness::Full);
    let hints = [(); 2].map(|()| {
        let conn = b.open();
        options(&b.closed(conn).unwrap().1)
    });
    assert_eq!(hints, [(1_500, 1_000), (2_000, 1_000)]);
}

#[test]
fn r2_the_welcome_has_the_time_in_which_the_hub_can_admit_all_clients() {
    let mut b = slow();
    for count in 1..=30_u64 {
        let conn = b.open();
        b.send(conn, "hello 1");
        let welcome = b.records(conn);
        assert_eq!(
            option(&welcome[0], "spread"),
            Some(&*(count * 100).to_string())
        );
        b.pass(100);
    }
}

#[test]
fn r2_a_hub_that_lost_its_clients_expects_them_back() {
    let mut b = Bench::with(Limits {
        admit_per_s: 10,
        expect_connections: 500,
        ..Limits::default()
    });
    let spread = |b: &mut Bench| {
        let conn = b.open();
        b.send(conn, "hello 1");
        let welcome = b.records(conn);
        b.handle(Event::Closed(conn));
        b.pass(100);
        option(&welcome[0], "spread")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(spread(&mut b), 50_000, "as it was told");
    b.pass(600_000);
    assert_eq!(spread(&mut b), 100, "but not for ever");
    let mut conns = Vec::new();
    for _ in 0..40 {
        conns.push(b.open());
        b.pass(100);
        b.send(*conns.last().unwrap(), "hello 1");
    }
    for conn in conns {
        b.handle(Event::Closed(conn));
    }
    assert_eq!(spread(&mut b), 4_000, "as many as it had");
}

#[test]
fn r3_a_spread_that_changed_by_a_quarter_comes_with_the_next_pong() {
    let mut b = slow();
    let conn = b.client();
    let ask = |b: &mut Bench, others: u64| {
        for _ in 0..others {
            b.pass(100);
            let other = b.open();
            b.send(other, "hello 1");
        }
        b.effects.clear();
        b.send(conn, "ping 7");
        b.records(conn)
    };
    assert_eq!(ask(&mut b, 0), ["pong 7"]);
    assert_eq!(
        ask(&mut b, 2),
        ["pong 7"],
        "100 to 300 ms: less than any window"
    );
    assert_eq!(ask(&mut b, 17), ["pong 7", "spread 2000"]);
    assert_eq!(ask(&mut b, 4), ["pong 7"], "a fifth");
    assert_eq!(ask(&mut b, 1), ["pong 7", "spread 2500"], "a quarter");
    assert_eq!(ask(&mut b, 0), ["pong 7"], "told once");
}

#[test]
fn r3_streams_get_a_new_window_with_a_ping_and_polls_with_their_next_answer() {
    let mut b = slow();
    let stream = b.welcomed("sub 1 t live");
    b.pass(100);
    let poll = b.poll("hello 1 session=p hold=0");
    b.answer(poll).unwrap();
    for _ in 0..18 {
        b.pass(100);
        b.open();
    }
    b.effects.clear();
    let poll = b.poll("hello 1 session=p hold=0\nsub 1 t live");
    let answer = b.answer(poll).unwrap();
    assert_eq!(answer[1], "spread 2000", "{answer:?}");
    assert_eq!(option(&answer[0], "spread"), Some("2000"));
    let poll = b.poll("hello 1 session=p hold=0\nsub 1 t live");
    assert_eq!(b.answer(poll).unwrap().len(), 2, "told once");
    b.pass(25_000 - 1_900);
    let t = b.now.time.0;
    assert_eq!(
        b.records(stream),
        [format!("ping {t}"), "spread 2000".into()]
    );
}
