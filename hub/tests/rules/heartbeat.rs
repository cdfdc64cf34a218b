//! C1, B1, B3: the deadlines of connections.

use longhaul_hub::core::{Close, Event};

use crate::bench::Bench;

#[test]
fn c1_no_hello_within_10_s_closes_with_4001() {
    let mut b = Bench::new();
    let conn = b.open();
    b.pass(9_999);
    assert_eq!(b.closed(conn), None);
    b.pass(1);
    assert_eq!(b.closed(conn).unwrap().0, Close::HelloTimeout);
}

#[test]
fn b3_the_hub_pings_when_it_has_sent_nothing_for_25_s() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    b.pass(20_000);
    b.publish("t", "1");
    assert_eq!(b.records(conn).len(), 1);
    b.send(conn, "pong 1");
    b.pass(24_999);
    assert_eq!(b.take(conn), None);
    b.pass(1);
    let t = b.now.time.0;
    assert_eq!(b.records(conn), [format!("ping {t}")]);
}

#[test]
fn b3_silence_for_35_s_closes_with_4002_and_any_frame_starts_it_anew() {
    let mut b = Bench::new();
    let conn = b.client();
    b.pass(30_000);
    b.frames(conn);
    b.send(conn, "\n");
    b.pass(34_999);
    assert_eq!(b.closed(conn), None);
    b.pass(1);
    assert_eq!(b.closed(conn).unwrap().0, Close::HeartbeatTimeout);
    assert_eq!(b.hub.connections(), 0);
}

#[test]
fn p7_a_hub_that_nobody_drives_is_late() {
    let mut b = Bench::new();
    assert_eq!(b.hub.late_ms(b.now.time), 0);
    b.open();
    b.jump(10_000);
    assert_eq!(b.hub.late_ms(b.now.time), 0, "the hello is due now");
    b.jump(6_000);
    assert_eq!(b.hub.late_ms(b.now.time), 6_000);
    b.handle(Event::Tick);
    assert_eq!(b.hub.late_ms(b.now.time), 0);
}

#[test]
fn b3_a_hub_that_slept_gives_its_clients_another_wait() {
    let mut b = Bench::new();
    let conn = b.client();
    b.jump(3_600_000);
    b.handle(Event::Tick);
    assert_eq!(b.closed(conn), None);
    b.pass(9_999);
    assert_eq!(b.closed(conn), None);
    b.pass(1);
    assert_eq!(b.closed(conn).unwrap().0, Close::HeartbeatTimeout);
}
