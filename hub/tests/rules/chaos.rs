//! Whatever clients send, the hub does not fail and keeps its promises to correct clients.

use longhaul_hub::core::{ConnId, Event, Limits};
use proptest::prelude::*;

use crate::bench::{Bench, field, messages};

fn frame() -> impl Strategy<Value = String> {
    let record = prop_oneof![
        3 => "(hello 1|sub [0-3] [ab] (live|start|[1-9]|0123456789abcdef/[0-9]/[0-9]{1,3})|unsub [0-3])",
        3 => "pub [pq] [1-9] [0-9] [ab] (1|\\[2\\]|\\{|\"[a-z]{0,40}\")",
        2 => "(ping|pong) [0-9]{1,16}",
        1 => "\\PC{0,60}",
        1 => "(hello|sub|unsub|pub|ping)( [0-9a-z/\\-]{0,20}){0,7}",
    ];
    prop::collection::vec(record, 0..6).prop_map(|records| records.join("\n"))
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Frame(usize, String),
    NotText(usize),
    Gone(usize),
    Take(usize),
    Pass(u64),
    /// The correct client takes its frames.
    Witness,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Open),
        8 => (0..6_usize, frame()).prop_map(|(conn, frame)| Step::Frame(conn, frame)),
        1 => (0..6_usize).prop_map(Step::NotText),
        1 => (0..6_usize).prop_map(Step::Gone),
        4 => (0..6_usize).prop_map(Step::Take),
        2 => (1..200_000_u64).prop_map(Step::Pass),
        2 => Just(Step::Witness),
    ]
}

proptest! {
    #[test]
    fn h4_a_subscriber_sees_each_message_once_in_order_or_is_told_whatever_others_do(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let limits = Limits {
            retain_entries: 5,
            retain_ms: 60_000,
            for_readers_bytes: 500,
            topic_idle_ms: 120_000,
            verdicts_max: 3,
            producers_max: 1,
            control_bytes_max: 2_000,
            subscriptions_max: 3,
            connections_max: 5,
            // The correct client never times out here.
            ping_ms: 1 << 40,
            ..Limits::default()
        };
        let mut b = Bench::with(limits);
        let witness = b.client();
        b.ask(witness, "sub 1 a live");
        let mut conns = vec![b.open()];
        let mut last = 0;
        for step in steps {
            let pick = |of: usize| conns[of % conns.len()];
            match step {
                Step::Open => conns.push(b.open()),
                Step::Frame(of, frame) => b.send(pick(of), &frame),
                Step::NotText(of) => b.handle(Event::NotText(pick(of))),
                Step::Gone(of) => b.handle(Event::Closed(pick(of))),
                Step::Take(of) => {
                    b.take(pick(of));
                }
                Step::Pass(ms) => b.pass(ms),
                Step::Witness => last = look(&mut b, witness, last),
            }
            prop_assert!(b.hub.connections() <= 5);
        }
        look(&mut b, witness, last);
    }
}

/// Takes all frames of the correct client. Returns the last seq that it got, or that a gap
/// reported.
fn look(b: &mut Bench, witness: ConnId, mut last: u64) -> u64 {
    for record in b.records(witness) {
        if record.starts_with("resume_failed 1 ") {
            last = field(&record, 4).parse().unwrap();
        }
        for (seq, _) in messages(&[record]) {
            assert_eq!(seq, last + 1);
            last = seq;
        }
    }
    last
}
