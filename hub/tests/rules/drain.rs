//! S40, T4: a draining hub closes its connections one after another.

use longhaul_hub::core::{Close, Effect, Event, Limits, Readiness};

use crate::bench::Bench;

const GOODBYE: &str = "going_away the hub is stopping spread=1000";

fn bench(drain_ms: Option<u64>) -> Bench {
    Bench::with(Limits {
        drain_ms,
        ..Limits::default()
    })
}

impl Bench {
    fn drain(&mut self) {
        self.effects.clear();
        self.handle(Event::Drain);
    }

    /// The closes since the last call, and whether the drain is over.
    fn goodbyes(&mut self) -> (Vec<String>, bool) {
        let is_drained = self.effects.contains(&Effect::Drained);
        let mut reasons = Vec::new();
        for effect in std::mem::take(&mut self.effects) {
            if let Effect::Close { close, reason, .. } = effect {
                assert_eq!(close, Close::GoingAway);
                reasons.push(reason);
            }
        }
        (reasons, is_drained)
    }
}

#[test]
fn s40_connections_are_closed_one_after_another_with_a_small_spread() {
    let mut b = bench(Some(10_000));
    for _ in 0..10 {
        b.client();
    }
    assert_eq!(b.hub.readiness(), Readiness::Ready);
    b.drain();
    assert_eq!(b.hub.readiness(), Readiness::Draining);
    for left in (0..10).rev() {
        assert_eq!(b.goodbyes(), (vec![GOODBYE.to_owned()], left == 0));
        assert_eq!(b.hub.connections(), left);
        b.pass(999);
        assert_eq!(b.goodbyes(), (vec![], false));
        b.pass(1);
    }
}

#[test]
fn s40_twenty_connections_are_drained_in_10_ms_at_the_default_rate() {
    let mut b = bench(None);
    for _ in 0..20 {
        b.client();
    }
    b.drain();
    b.pass(10);
    let (goodbyes, is_drained) = b.goodbyes();
    assert_eq!((goodbyes.len(), is_drained), (20, true));
}

#[test]
fn s40_a_draining_hub_serves_old_clients_and_refuses_new_ones() {
    let mut b = bench(Some(10_000));
    let [first, second] = [(); 2].map(|()| b.client());
    b.ask(second, "sub 1 t live");
    b.drain();
    assert!(b.closed(first).is_some());
    b.pass(1_000);
    let ack = b.ask(second, "pub p 1 0 other 1");
    assert!(ack.starts_with("ack p 1 "), "{ack}");
    b.publish("t", "1");
    assert!(b.records(second)[0].starts_with("m 1 1 "));
    let posted = b
        .hub
        .post(b.now, None, "hello 1\npub q 1 0 t 1", &mut b.effects);
    assert!(posted.unwrap().starts_with("ack q 1 "));
    b.effects.clear();
    let late = b.open();
    assert_eq!(b.closed(late), Some((Close::GoingAway, GOODBYE.to_owned())));
    assert_eq!(b.poll_refusal("hello 1").reason(), GOODBYE);
    assert_eq!(b.issue_ticket("x", None, "hello 1"), Err(Close::GoingAway));
    b.pass(4_000);
    assert!(b.closed(second).is_some());
}

#[test]
fn s40_a_ticket_from_before_opens_no_stream_during_a_drain() {
    let mut b = bench(Some(10_000));
    b.client();
    b.client();
    b.issue_ticket("x", None, "hello 1").unwrap();
    b.drain();
    assert_eq!(b.stream("x", None), Err(Close::GoingAway));
}

#[test]
fn s40_the_next_poll_waits_for_its_turn_and_is_closed_then() {
    let mut b = bench(Some(10_000));
    let cursor_of = |b: &mut Bench| {
        let poll = b.poll("hello 1 session=p hold=0\nsub 1 t live");
        let answer = b.answer(poll).unwrap();
        let fields: Vec<&str> = answer[1].split(' ').collect();
        format!("{}/{}/{}", fields[2], fields[3], fields[4])
    };
    let cursor = cursor_of(&mut b);
    b.client();
    b.drain();
    assert_eq!(b.goodbyes().0.len(), 1);
    let poll = b.poll(&format!("hello 1 session=p\nsub 1 t {cursor}"));
    assert_eq!(b.answer(poll), None, "it is not its turn");
    b.pass(5_000);
    assert_eq!(b.goodbyes(), (vec![GOODBYE.to_owned()], true));
    assert_eq!(b.poll_refusal("hello 1 session=p").close, Close::GoingAway);
}

#[test]
fn t8_a_draining_hub_closes_a_short_poll_at_once() {
    let mut b = bench(Some(600_000));
    let poll = b.poll("hello 1 session=p hold=0");
    b.answer(poll).unwrap();
    b.drain();
    b.pass(30_000);
    let told = b.poll_refusal("hello 1 session=p hold=0");
    assert_eq!(told.reason(), GOODBYE);
    b.effects.clear();
    b.pass(0);
    assert_eq!(b.goodbyes(), (vec![], true), "and nobody is left");
}

#[test]
fn s40_a_drain_ends_when_the_last_clients_leave() {
    let mut b = bench(Some(600_000));
    let [_, second, third] = [(); 3].map(|()| b.client());
    b.drain();
    b.goodbyes();
    b.handle(Event::Closed(second));
    b.pass(1_000);
    assert_eq!(b.goodbyes(), (vec![], false));
    b.handle(Event::Closed(third));
    b.pass(0);
    assert_eq!(b.goodbyes(), (vec![], true));
}

#[test]
fn s40_a_drain_waits_for_a_poll_that_is_about_to_come_but_not_beyond_its_time() {
    let mut b = bench(Some(5_000));
    let poll = b.poll("hello 1 session=p hold=0");
    b.answer(poll).unwrap();
    b.drain();
    b.pass(4_999);
    assert_eq!(b.goodbyes(), (vec![], false));
    b.pass(1);
    assert_eq!(b.goodbyes(), (vec![], true));
    let refused = b
        .hub
        .post(b.now, None, "hello 1\npub p 1 0 t 1", &mut b.effects);
    assert_eq!(refused.unwrap_err().close, Close::GoingAway);
}

#[test]
fn s40_a_second_signal_stops_at_once_and_sends_a_wide_window() {
    let mut b = Bench::with(Limits {
        admit_per_s: 1_000,
        drain_ms: Some(60_000),
        ..Limits::default()
    });
    for _ in 0..5_000 {
        b.client();
        b.pass(1);
    }
    b.drain();
    b.pass(30_000);
    assert_eq!(b.goodbyes().0.len(), 2_501);
    b.handle(Event::Stop);
    let (goodbyes, is_drained) = b.goodbyes();
    assert_eq!((goodbyes.len(), is_drained), (2_499, true));
    let wide = "going_away the hub is stopping spread=2859";
    assert!(
        goodbyes.iter().all(|reason| reason == wide),
        "{}",
        goodbyes[0]
    );
    b.handle(Event::Stop);
    assert_eq!(b.goodbyes(), (vec![], false));
}

#[test]
fn s40_a_hub_without_clients_is_drained_at_once() {
    let mut b = bench(Some(60_000));
    b.drain();
    assert_eq!(b.goodbyes(), (vec![], true));
}
