//! Every record in every state of a connection: C1 to C5, H1, H2, W2, W3.

use longhaul_hub::core::{Close, Effect, Event};

use crate::bench::{Bench, WALL_MS, field, messages};

/// One record of each kind that a client sends.
const RECORDS: [&str; 6] = [
    "hello 1",
    "sub 1 t live",
    "unsub 1",
    "pub p 1 0 t 1",
    "ping 5",
    "pong 5",
];

#[test]
fn h1_the_welcome_tells_session_time_and_limits() {
    let mut b = Bench::new();
    let conn = b.open();
    let welcome = b.ask(conn, "hello 1 client=test/1 unknown=option");
    let fields: Vec<&str> = welcome.split(' ').collect();
    assert_eq!(fields[0], "welcome");
    assert_eq!(fields[1].len(), 32);
    assert_eq!(fields[2], WALL_MS.to_string());
    assert_eq!(
        fields[3..],
        [
            "ping=25000",
            "wait=10000",
            "frame=262144",
            "payload=65536",
            "hold=25000",
            "spread=0",
            "transports=websocket,eventsource,longpoll"
        ]
    );
}

#[test]
fn h1_sessions_differ_and_an_earlier_one_goes_on() {
    let mut b = Bench::new();
    let [one, two, three] = [(); 3].map(|()| b.open());
    let first = b.ask(one, "hello 1");
    let second = b.ask(two, "hello 1");
    assert_ne!(field(&first, 1), field(&second, 1));
    let third = b.ask(three, &format!("hello 1 session={}", field(&first, 1)));
    assert_eq!(field(&first, 1), field(&third, 1));
}

#[test]
fn c1_anything_but_hello_first_closes_with_4000_and_does_nothing() {
    for record in RECORDS.iter().skip(1) {
        let mut b = Bench::new();
        let conn = b.open();
        b.send(conn, record);
        assert_eq!(
            b.closed(conn),
            Some((
                Close::BadFrame,
                "bad_frame the first record is not hello".to_owned()
            )),
            "{record}"
        );
        assert_eq!(b.take(conn), None);
        assert_eq!(
            b.hub
                .read(b.now, "t", longhaul::ids::Seq(1), 1)
                .unwrap()
                .entries
                .len(),
            0
        );
    }
}

#[test]
fn c1_another_version_closes_with_4500() {
    let mut b = Bench::new();
    let conn = b.open();
    b.send(conn, "hello 2");
    assert_eq!(b.closed(conn).unwrap().0, Close::VersionUnsupported);
}

#[test]
fn every_record_on_an_open_connection_gets_its_answer() {
    let answers = [
        None,
        Some("subscribed 1 "),
        Some(""),
        Some("ack p 1 "),
        Some("pong 5"),
        Some(""),
    ];
    for (record, answer) in RECORDS.iter().zip(answers) {
        let mut b = Bench::new();
        let conn = b.client();
        b.send(conn, record);
        let records = b.records(conn);
        match answer {
            None => assert_eq!(b.closed(conn).unwrap().1, "bad_frame a second hello"),
            Some("") => assert!(records.is_empty(), "{record}: {records:?}"),
            Some(answer) => assert!(records[0].starts_with(answer), "{record}: {records:?}"),
        }
    }
}

#[test]
fn every_record_after_the_close_is_ignored() {
    for record in RECORDS {
        let mut b = Bench::new();
        let conn = b.client();
        b.handle(Event::NotText(conn));
        assert_eq!(b.closed(conn).unwrap().1, "bad_frame a frame is not text");
        b.send(conn, record);
        b.handle(Event::Stalled(conn));
        assert_eq!((b.take(conn), b.closed(conn)), (None, None), "{record}");
    }
}

#[test]
fn w3_an_invalid_record_closes_with_4000_and_the_records_before_it_count() {
    for (bad, reason) in [
        ("shout 1", "bad_frame unknown verb"),
        ("sub", "bad_frame missing no"),
        ("sub 1  live", "bad_frame missing topic"),
        ("sub 01 t live", "bad_frame not a number: no"),
        ("sub -1 t live", "bad_frame not a number: no"),
        ("sub 2147483648 t live", "bad_frame not a number: no"),
        ("sub 1 t 0", "bad_frame malformed from"),
        ("sub 1 t x/1/1", "bad_frame malformed from"),
        ("sub 1 a//b live", "bad_frame malformed topic"),
        ("sub 1 ä live", "bad_frame malformed topic"),
        ("pub p 0 0 t 1", "bad_frame not a number: n"),
        ("pub p 1 0 t", "bad_frame missing payload"),
        ("pub p\u{e4} 1 0 t 1", "bad_frame malformed producer"),
        ("ping 9007199254740992", "bad_frame not a number: t"),
        ("ping 1\r", "bad_frame a record contains CR"),
        (" ping 1", "bad_frame missing verb"),
        ("\u{0}", "bad_frame unknown verb"),
    ] {
        let mut b = Bench::new();
        let conn = b.client();
        b.send(conn, &format!("pub p 1 0 t 1\n{bad}\npub p 2 0 t 2"));
        assert_eq!(
            b.closed(conn),
            Some((Close::BadFrame, reason.to_owned())),
            "{bad:?}"
        );
        let page = b.hub.read(b.now, "t", longhaul::ids::Seq(1), 10).unwrap();
        assert_eq!(page.entries.len(), 1, "{bad:?}");
    }
}

#[test]
fn w2_empty_records_are_ignored() {
    let mut b = Bench::new();
    let conn = b.client();
    assert_eq!(b.ask(conn, "\n\nping 1\n\n"), "pong 1");
    b.send(conn, "");
    assert_eq!((b.take(conn), b.closed(conn)), (None, None));
}

#[test]
fn c2_hello_and_subs_of_one_frame_are_answered_in_one_frame_with_the_replay() {
    let mut b = Bench::new();
    for n in 1..=3 {
        b.publish("a", &n.to_string());
    }
    b.publish("b", "\"b\"");
    let conn = b.open();
    b.send(
        conn,
        "hello 1\nsub 1 a start\nsub 2 b start\nsub 3 c live\nsub 4 a 3",
    );
    let frames = b.frames(conn);
    assert_eq!(frames.len(), 1);
    let verbs: Vec<_> = frames[0]
        .split('\n')
        .map(|r| (field(r, 0), field(r, 1)))
        .collect();
    assert_eq!(verbs[0].0, "welcome");
    assert_eq!(
        verbs[1..],
        [
            ("subscribed", "1"),
            ("subscribed", "2"),
            ("subscribed", "3"),
            ("subscribed", "4"),
            ("b", "1"),
            ("m", "2"),
            ("m", "4"),
        ]
    );
}

#[test]
fn h2_a_cursor_resumes_right_after_it_and_a_foreign_one_fails() {
    let mut b = Bench::new();
    let conn = b.client();
    b.publish("t", "1");
    let subscribed = b.ask(conn, "sub 1 t live");
    let parts: Vec<&str> = subscribed.split(' ').collect();
    assert_eq!((parts[0], parts[3], parts[5]), ("subscribed", "1", "1"));
    b.publish("t", "2");
    let cursor = format!("{}/{}/{}", parts[2], parts[3], parts[4]);

    let other = b.client();
    b.send(other, &format!("sub 9 t {cursor}"));
    let records = b.records(other);
    assert_eq!(
        records[0],
        format!("subscribed 9 {} 1 {} 2", parts[2], parts[4])
    );
    assert_eq!(messages(&records), [(2, "2".to_owned())]);

    b.send(other, "sub 10 t ffffffffffffffff/1/1");
    let records = b.records(other);
    assert!(
        records[0].starts_with("resume_failed 10 epoch "),
        "{records:?}"
    );
    assert!(
        records[0].contains(" 0 ") && records[0].ends_with(" 2"),
        "{records:?}"
    );
    assert_eq!(messages(&records).len(), 2, "from the oldest retained");
}

#[test]
fn c4_a_sub_with_a_number_in_use_moves_the_subscription() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    for n in 1..=4 {
        b.publish("t", &n.to_string());
    }
    b.send(conn, "sub 1 t 3");
    assert_eq!(
        messages(&b.records(conn)),
        [(3, "3".to_owned()), (4, "4".to_owned())]
    );
    b.publish("t", "5");
    assert_eq!(
        messages(&b.records(conn)),
        [(5, "5".to_owned())],
        "once, not twice"
    );
}

#[test]
fn c5_after_unsub_nothing_more_comes() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    b.publish("t", "1");
    b.send(conn, "unsub 1\nunsub 7");
    b.publish("t", "2");
    assert_eq!(b.records(conn), [""; 0]);
}

#[test]
fn same_seed_and_events_give_the_same_effects_and_frames() {
    let run = || {
        let mut b = Bench::new();
        let mut out = Vec::new();
        let conns = [(); 20].map(|()| b.client());
        for conn in conns {
            b.send(conn, "sub 1 a live\nsub 2 b live");
        }
        b.publish("b", "1");
        b.publish("a", "1");
        for conn in conns {
            out.extend(b.frames(conn));
        }
        b.handle(Event::Stop);
        (out, std::mem::take(&mut b.effects))
    };
    let (frames, effects) = run();
    assert_eq!((frames, effects.clone()), run());
    assert!(
        effects
            .iter()
            .filter(|e| matches!(e, Effect::Close { .. }))
            .count()
            == 20
    );
}
