//! T2, S57: tickets, and the frames of an event stream.

use longhaul_hub::core::{Close, ConnId, Effect, Event, Limits};

use crate::bench::{Bench, messages};

const PAGE: Option<&str> = Some("http://localhost:5173");

impl Bench {
    pub(crate) fn issue_ticket(
        &mut self,
        ticket: &str,
        origin: Option<&str>,
        frame: &str,
    ) -> Result<String, Close> {
        self.hub
            .issue_ticket(self.now, ticket, origin, frame)
            .map_err(|refusal| refusal.close)
    }

    pub(crate) fn stream(&mut self, ticket: &str, origin: Option<&str>) -> Result<ConnId, Close> {
        let conn = self.next_conn();
        self.hub
            .open_stream(self.now, conn, ticket, origin, &mut self.effects)
            .map(|()| conn)
            .map_err(|refusal| refusal.close)
    }

    /// A stream that has taken its welcome.
    pub(crate) fn welcomed(&mut self, subs: &str) -> ConnId {
        self.issue_ticket("welcomed", PAGE, &format!("hello 1\n{subs}"))
            .unwrap();
        let conn = self.stream("welcomed", PAGE).unwrap();
        assert!(self.records(conn)[0].starts_with("welcome "));
        self.effects.clear();
        conn
    }
}

#[test]
fn t2_a_ticket_opens_one_stream_that_begins_with_the_welcome() {
    let mut b = Bench::new();
    b.publish("t", "1");
    let answer = b.issue_ticket(
        "x1",
        PAGE,
        "hello 1 session=mine\nsub 7 t start\nsub 8 u live",
    );
    assert_eq!(answer.unwrap(), "ticket x1 30000");
    assert_eq!(b.hub.connections(), 0, "no connection yet");
    let conn = b.stream("x1", PAGE).unwrap();
    assert!(b.effects.contains(&Effect::Wake(conn)));
    let frame = b.take(conn).unwrap();
    let records: Vec<&str> = frame.split('\n').collect();
    assert_eq!(records.len(), 4);
    assert!(records[0].starts_with("welcome mine "));
    assert!(records[1].starts_with("subscribed 7 ") && records[2].starts_with("subscribed 8 "));
    assert!(records[3].starts_with("m 7 1 "));
    assert_eq!(b.take(conn), None);
    b.effects.clear();
    b.publish("u", "2");
    assert_eq!(b.effects, [Effect::Wake(conn)]);
    assert_eq!(messages(&b.records(conn)), [(1, "2".to_owned())]);
    assert_eq!(b.stream("x1", PAGE), Err(Close::TicketInvalid), "once");
}

#[test]
fn s57_a_ticket_is_refused_that_is_unknown_used_late_or_another_pages() {
    let mut b = Bench::new();
    assert_eq!(b.stream("", None), Err(Close::TicketInvalid));
    assert_eq!(b.stream("nobody", PAGE), Err(Close::TicketInvalid));
    b.issue_ticket("late", PAGE, "hello 1").unwrap();
    b.issue_ticket("early", PAGE, "hello 1").unwrap();
    b.pass(29_999);
    assert!(b.stream("early", PAGE).is_ok());
    b.pass(1);
    assert_eq!(b.stream("late", PAGE), Err(Close::TicketInvalid));
    b.issue_ticket("foreign", PAGE, "hello 1").unwrap();
    let other = Some("http://localhost:5174");
    assert_eq!(b.stream("foreign", other), Err(Close::TicketInvalid));
    assert_eq!(
        b.stream("foreign", PAGE),
        Err(Close::TicketInvalid),
        "burnt"
    );
    b.issue_ticket("program", None, "hello 1").unwrap();
    assert_eq!(b.stream("program", PAGE), Err(Close::TicketInvalid));
    // A browser sends no origin to the page's own server.
    b.issue_ticket("own", PAGE, "hello 1").unwrap();
    assert!(b.stream("own", None).is_ok());
    assert_eq!(b.hub.connections(), 2);
}

#[test]
fn t2_tickets_are_limited_in_number_and_bytes_and_used_or_old_ones_do_not_count() {
    let mut b = Bench::with(Limits {
        tickets_max: 2,
        tickets_bytes_max: 2_000,
        ..Limits::default()
    });
    b.issue_ticket("a", PAGE, "hello 1").unwrap();
    b.pass(10_000);
    b.issue_ticket("b", PAGE, "hello 1").unwrap();
    assert_eq!(
        b.issue_ticket("c", PAGE, "hello 1"),
        Err(Close::TryAgainLater)
    );
    b.stream("b", PAGE).unwrap();
    b.issue_ticket("c", PAGE, "hello 1").unwrap();
    b.pass(20_000);
    b.issue_ticket("d", PAGE, "hello 1").unwrap();
    b.pass(30_000);
    assert_eq!(b.stream("d", PAGE), Err(Close::TicketInvalid));
    let large = format!("hello 1{}", "\n".repeat(1_000));
    b.issue_ticket("e", PAGE, &large).unwrap();
    assert_eq!(b.issue_ticket("f", PAGE, &large), Err(Close::TryAgainLater));
    b.pass(30_000);
    b.issue_ticket("f", PAGE, &large).unwrap();
}

#[test]
fn t2_tickets_nobody_brings_are_forgotten_by_themselves() {
    let mut b = Bench::new();
    for n in 0..100 {
        b.issue_ticket(&n.to_string(), PAGE, "hello 1").unwrap();
    }
    let deadline = b.hub.deadline().unwrap();
    assert_eq!(deadline, b.now.time.plus(30_000));
    b.pass(30_000);
    assert_eq!(b.hub.deadline(), None);
}

#[test]
fn t5_an_invalid_post_of_subscriptions_gets_no_ticket() {
    let mut b = Bench::with(Limits {
        connections_max: 1,
        ..Limits::default()
    });
    for (frame, close) in [
        ("", Close::BadFrame),
        ("sub 1 t live", Close::BadFrame),
        ("hello 3", Close::VersionUnsupported),
        ("hello 1\npub p 1 0 t 1", Close::BadFrame),
    ] {
        assert_eq!(b.issue_ticket("x", PAGE, frame), Err(close), "{frame:?}");
    }
    b.issue_ticket("early", PAGE, "hello 1").unwrap();
    b.client();
    assert_eq!(
        b.issue_ticket("x", PAGE, "hello 1"),
        Err(Close::TryAgainLater)
    );
    assert_eq!(b.stream("early", PAGE), Err(Close::TryAgainLater));
}

#[test]
fn b3_a_stream_is_pinged_in_silence_and_never_ends_for_saying_nothing() {
    let mut b = Bench::new();
    let conn = b.welcomed("sub 1 t live");
    for _ in 0..10 {
        b.pass(24_999);
        assert_eq!(b.take(conn), None);
        b.pass(1);
        let t = b.now.time.0;
        assert_eq!(b.records(conn), [format!("ping {t}")]);
    }
    assert_eq!(b.closed(conn), None);
    b.handle(Event::Closed(conn));
    assert_eq!(b.hub.connections(), 0);
}

#[test]
fn h10_a_stream_that_does_not_take_its_next_frame_for_10_s_is_closed_with_4008() {
    let mut b = Bench::new();
    let conn = b.welcomed("sub 1 t live");
    b.pass(60_000);
    b.records(conn);
    b.publish("t", "1");
    assert!(b.take(conn).is_some());
    b.pass(9_999);
    b.publish("t", "2");
    assert!(b.take(conn).is_some(), "it has taken the one before");
    b.pass(9_999);
    assert_eq!(b.take(conn), None, "and this one");
    b.pass(20_000);
    assert_eq!(b.closed(conn), None);
    b.publish("t", "3");
    assert!(b.take(conn).is_some());
    b.pass(9_999);
    assert_eq!(b.closed(conn), None);
    b.pass(1);
    assert_eq!(b.closed(conn).unwrap().0, Close::SlowConsumer);
    assert_eq!(b.hub.connections(), 0);
}

#[test]
fn h10_a_hub_that_slept_does_not_blame_its_streams() {
    let mut b = Bench::new();
    let conn = b.welcomed("sub 1 t live");
    b.publish("t", "1");
    b.take(conn);
    b.jump(3_600_000);
    b.handle(Event::Tick);
    assert_eq!(b.closed(conn), None);
    b.pass(10_000);
    assert_eq!(b.closed(conn).unwrap().0, Close::SlowConsumer);
}

#[test]
fn t4_a_stop_closes_streams() {
    let mut b = Bench::new();
    let conn = b.welcomed("sub 1 t live");
    b.handle(Event::Stop);
    assert_eq!(b.closed(conn).unwrap().0, Close::GoingAway);
}
