//! T3, S42: a poll is answered at once or waits, loses nothing, and leaves nothing behind.

use longhaul::ids::Seq;
use longhaul_hub::core::{Close, ConnId, Effect, Event, Limits, Refusal};
use proptest::prelude::*;

use crate::bench::{Bench, field, messages};

impl Bench {
    /// Opens a poll.
    pub(crate) fn poll(&mut self, frame: &str) -> ConnId {
        let conn = self.next_conn();
        self.hub
            .open_poll(self.now, conn, frame, &mut self.effects)
            .unwrap();
        conn
    }

    fn refused_poll(&mut self, frame: &str) -> Close {
        self.poll_refusal(frame).close
    }

    pub(crate) fn poll_refusal(&mut self, frame: &str) -> Refusal {
        let conn = self.next_conn();
        let polled = self.hub.open_poll(self.now, conn, frame, &mut self.effects);
        polled.unwrap_err()
    }

    /// Takes the records of a poll's answer, which ends the poll. `None` while it waits.
    pub(crate) fn answer(&mut self, conn: ConnId) -> Option<Vec<String>> {
        let answer = self.hub.take_answer(self.now, conn);
        let is_woken = self.effects.contains(&Effect::Wake(conn));
        assert_eq!(is_woken, answer.is_some(), "woken for an answer alone");
        let answer = answer?;
        self.handle(Event::Closed(conn));
        self.effects.clear();
        Some(answer.split('\n').map(str::to_owned).collect())
    }

    /// The end of a topic's log as a cursor.
    fn cursor(&mut self, topic: &str) -> String {
        let poll = self.poll(&format!("hello 1\nsub 1 {topic} live"));
        let answer = self.answer(poll).unwrap();
        cursor_after(&answer)
    }
}

/// The cursor of the next poll of one topic.
fn cursor_after(answer: &[String]) -> String {
    let start = answer
        .iter()
        .rfind(|r| r.starts_with("subscribed ") || r.starts_with("resume_failed "))
        .unwrap();
    let skip = usize::from(start.starts_with("resume_failed "));
    let epoch = field(start, 2 + skip);
    match answer.last().unwrap() {
        last if last.starts_with("m ") => format!("{epoch}/{}/{}", field(last, 2), field(last, 3)),
        last if last.starts_with("b ") => {
            let (first, count) = (field(last, 2), field(last, 3));
            let end = first.parse::<u64>().unwrap() + count.parse::<u64>().unwrap() - 1;
            format!("{epoch}/{end}/{}", field(last, 4))
        }
        _ => format!(
            "{epoch}/{}/{}",
            field(start, 3 + skip),
            field(start, 4 + skip)
        ),
    }
}

fn verbs(answer: &[String]) -> Vec<&str> {
    answer.iter().map(|record| field(record, 0)).collect()
}

#[test]
fn t3_a_poll_without_news_waits_for_a_message() {
    let mut b = Bench::new();
    b.publish("t", "1");
    let cursor = b.cursor("t");
    let poll = b.poll(&format!("hello 1\nsub 4 t {cursor}"));
    b.pass(20_000);
    assert_eq!(b.answer(poll), None);
    b.publish("other", "1");
    assert_eq!(b.answer(poll), None);
    b.publish("t", "2");
    let answer = b.answer(poll).unwrap();
    assert_eq!(verbs(&answer), ["welcome", "subscribed", "m"]);
    assert_eq!(messages(&answer), [(2, "2".to_owned())]);
    assert_eq!(b.hub.connections(), 0);
}

#[test]
fn t3_a_poll_that_waits_in_vain_is_answered_with_welcome_and_subscribed() {
    let mut b = Bench::new();
    let cursor = b.cursor("t");
    for (hold, ms) in [(" hold=7000", 7_000), (" hold=60000", 25_000), ("", 25_000)] {
        let poll = b.poll(&format!("hello 1{hold}\nsub 1 t {cursor}"));
        b.pass(ms - 1);
        assert_eq!(b.answer(poll), None, "{hold}");
        b.pass(1);
        let answer = b.answer(poll).unwrap();
        assert_eq!(verbs(&answer), ["welcome", "subscribed"], "{hold}");
        assert_eq!(cursor_after(&answer), cursor);
    }
}

#[test]
fn t3_a_poll_without_subscriptions_waits_too() {
    let mut b = Bench::new();
    let poll = b.poll("hello 1 session=mine hold=10");
    assert_eq!(b.answer(poll), None);
    b.pass(10);
    let answer = b.answer(poll).unwrap();
    assert_eq!(answer.len(), 1);
    assert!(answer[0].starts_with("welcome mine "));
}

#[test]
fn t3_a_poll_with_urgent_news_is_answered_at_once() {
    let mut b = Bench::with(Limits {
        topics_max: 2,
        ..Limits::default()
    });
    b.publish("t", "1");
    let cursor = b.cursor("t");
    let old = "0123456789abcdef/1/1";
    b.publish("t", "2");
    let end = b.cursor("t");
    let follower = b.client();
    b.ask(follower, "sub 1 u live");
    for (frame, expected) in [
        (
            format!("hello 1\nsub 1 t {cursor}"),
            &["welcome", "subscribed", "m"][..],
        ),
        (
            format!("hello 1 hold=0\nsub 1 t {end}"),
            &["welcome", "subscribed"],
        ),
        (
            "hello 1\nsub 1 u live".to_owned(),
            &["welcome", "subscribed"],
        ),
        (
            "hello 1\nsub 1 u start".to_owned(),
            &["welcome", "subscribed"],
        ),
        ("hello 1\nsub 1 u 1".to_owned(), &["welcome", "subscribed"]),
        (
            format!("hello 1\nsub 1 u {old}"),
            &["welcome", "resume_failed"],
        ),
        (
            format!("hello 1\nsub 1 t {end}\nsub 2 full {old}"),
            &["welcome", "subscribed", "refused"],
        ),
        (
            format!("hello 1\nsub 1 t {end}\nsub 2 u live"),
            &["welcome", "subscribed", "subscribed"],
        ),
    ] {
        let poll = b.poll(&frame);
        let answer = b.answer(poll).expect(&frame);
        assert_eq!(verbs(&answer), expected, "{frame}");
    }
    let poll = b.poll(&format!("hello 1\nsub 1 t {end}"));
    assert_eq!(b.answer(poll), None, "and this one is");
}

#[test]
fn t3_an_answer_is_bounded_and_the_next_goes_on_after_it() {
    let mut b = Bench::new();
    for n in 1..=1_000 {
        b.publish("t", &format!("\"{n} {}\"", "x".repeat(120)));
    }
    let mut from = "start".to_owned();
    let mut seen = Vec::new();
    let mut answers = 0;
    while seen.len() < 1_000 {
        let poll = b.poll(&format!("hello 1\nsub 1 t {from}"));
        let answer = b.answer(poll).unwrap();
        let bytes: usize = answer[2..].iter().map(String::len).sum();
        assert!(bytes <= 65_536, "{bytes}");
        seen.extend(messages(&answer).into_iter().map(|(seq, _)| seq));
        from = cursor_after(&answer);
        answers += 1;
    }
    assert_eq!(seen, (1..=1_000).collect::<Vec<_>>());
    assert!((3..=4).contains(&answers), "{answers}");
}

#[test]
fn t3_answers_to_many_subs_all_go_into_one_answer_before_the_messages() {
    let mut b = Bench::new();
    b.publish("t0", "1");
    let subs: Vec<String> = (0..2_000)
        .map(|no| format!("sub {no} t{no} start"))
        .collect();
    let poll = b.poll(&format!("hello 1\n{}", subs.join("\n")));
    let answer = b.answer(poll).unwrap();
    assert_eq!(answer.len(), 2_002);
    assert!(
        answer[1..2_001]
            .iter()
            .all(|r| r.starts_with("subscribed "))
    );
    assert!(answer[2_001].starts_with("m 0 1 "));
}

#[test]
fn t3_a_message_larger_than_an_answer_goes_alone() {
    let mut b = Bench::with(Limits {
        payload_bytes_max: 100_000,
        ..Limits::default()
    });
    b.publish("t", &format!("\"{}\"", "x".repeat(90_000)));
    b.publish("t", "2");
    let poll = b.poll("hello 1\nsub 1 t start");
    let answer = b.answer(poll).unwrap();
    assert_eq!(messages(&answer).len(), 1);
    let poll = b.poll(&format!("hello 1\nsub 1 t {}", cursor_after(&answer)));
    assert_eq!(messages(&b.answer(poll).unwrap()), [(2, "2".to_owned())]);
}

#[test]
fn t3_a_topic_that_always_has_more_does_not_keep_the_others_back() {
    let mut b = Bench::new();
    let mut loud = b.cursor("loud");
    let quiet = b.cursor("quiet");
    b.publish("quiet", "1");
    let mut polls = 0;
    loop {
        for _ in 0..40 {
            b.publish("loud", &format!("\"{}\"", "x".repeat(2_000)));
        }
        polls += 1;
        assert!(polls < 50, "never its turn");
        let poll = b.poll(&format!("hello 1\nsub 2 loud {loud}\nsub 1 quiet {quiet}"));
        let answer = b.answer(poll).unwrap();
        if answer.iter().any(|record| record.starts_with("m 1 1 ")) {
            break;
        }
        let start = &answer[1];
        let last = answer.iter().rfind(|r| r.starts_with("b 2 ")).unwrap();
        let end =
            field(last, 2).parse::<u64>().unwrap() + field(last, 3).parse::<u64>().unwrap() - 1;
        loud = format!("{}/{end}/{}", field(start, 2), field(last, 4));
    }
}

#[test]
fn t5_a_poll_that_can_not_be_read_is_refused_and_leaves_nothing_behind() {
    let mut b = Bench::with(Limits {
        topics_max: 1,
        subscriptions_max: 2,
        ..Limits::default()
    });
    for (frame, close) in [
        ("sub 1 t live", Close::BadFrame),
        ("hello 9", Close::VersionUnsupported),
        ("hello 1\nsub 1 t live\npub p 1 0 t 1", Close::BadFrame),
        ("hello 1\nsub 1 t live\nping 1", Close::BadFrame),
        ("hello 1\nsub 1 t live\nsub 2 t", Close::BadFrame),
        ("hello 1 hold=long", Close::BadFrame),
        (
            "hello 1\nsub 1 t live\nsub 2 t live\nsub 3 t live",
            Close::TooManySubscriptions,
        ),
    ] {
        assert_eq!(b.refused_poll(frame), close, "{frame:?}");
    }
    assert_eq!(b.hub.connections(), 0);
    assert!(
        b.hub.read(b.now, "other", Seq(1), 1).is_ok(),
        "not even a topic"
    );
}

#[test]
fn polls_count_among_the_connections_while_they_last() {
    let mut b = Bench::with(Limits {
        connections_max: 2,
        ..Limits::default()
    });
    let socket = b.client();
    let held = b.poll("hello 1 session=here");
    assert_eq!(b.refused_poll("hello 1"), Close::TryAgainLater);
    for _ in 0..1_000 {
        b.handle(Event::Closed(held));
        b.handle(Event::Closed(held));
        let again = b.poll("hello 1 session=here");
        assert_eq!(b.hub.connections(), 2);
        b.handle(Event::Closed(again));
    }
    b.handle(Event::Closed(socket));
    assert_eq!(b.hub.connections(), 0);
    b.pass(90_000);
    assert!(b.hub.deadline().is_none(), "no timer is left of them");
}

#[test]
fn t4_a_stop_answers_waiting_polls_and_refuses_new_ones() {
    let mut b = Bench::new();
    let cursor = b.cursor("t");
    let poll = b.poll(&format!("hello 1\nsub 1 t {cursor}"));
    b.effects.clear();
    b.handle(Event::Stop);
    assert_eq!(b.closed(poll).unwrap().0, Close::GoingAway);
    assert_eq!(b.refused_poll("hello 1"), Close::GoingAway);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let mut b = Bench::new();
    let poll = b.poll("hello 1 hold=0");
    b.pass(9_999);
    assert_eq!(b.hub.connections(), 1);
    b.pass(1);
    assert_eq!(b.closed(poll).unwrap().0, Close::SlowConsumer);
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// The client polls, unless a poll is open.
    Poll,
    /// The answer, if there is one, arrives or is lost.
    Answer {
        is_lost: bool,
    },
    /// The client gives up on its poll.
    Abort,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Publish),
        3 => Just(Step::Poll),
        3 => prop::bool::weighted(0.2).prop_map(|is_lost| Step::Answer { is_lost }),
        1 => Just(Step::Abort),
        1 => (1..30_000_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn s42_a_message_is_in_this_poll_or_in_the_next_whenever_it_is_published(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut b = Bench::with(Limits { retain_ms: 1 << 40, ..Limits::default() });
        let mut cursor = b.cursor("t");
        let (mut published, mut seen) = (0, 0);
        let mut poll = None;
        for step in steps.into_iter().chain([Step::Answer { is_lost: false }, Step::Abort, Step::Poll]) {
            match step {
                Step::Publish => published = b.publish("t", "1"),
                Step::Poll if poll.is_none() => {
                    poll = Some(b.poll(&format!("hello 1\nsub 1 t {cursor}")));
                }
                Step::Poll => {}
                Step::Answer { is_lost } => {
                    let Some(conn) = poll else { continue };
                    let answer = b.answer(conn);
                    // The answer is there as soon as there is a message.
                    prop_assert!(answer.is_some() || seen == published);
                    let Some(answer) = answer else { continue };
                    poll = None;
                    if is_lost {
                        continue;
                    }
                    for (seq, _) in messages(&answer) {
                        prop_assert_eq!(seq, seen + 1);
                        seen = seq;
                    }
                    prop_assert_eq!(seen, published);
                    cursor = cursor_after(&answer);
                }
                Step::Abort => {
                    if let Some(conn) = poll.take() {
                        b.handle(Event::Closed(conn));
                    }
                }
                // The client takes an answer at once or never.
                Step::Pass(ms) => {
                    if poll.is_none() {
                        b.pass(ms);
                    }
                }
            }
            prop_assert_eq!(b.hub.connections(), usize::from(poll.is_some()));
        }
        let last = poll.unwrap();
        if let Some(answer) = b.answer(last) {
            seen += messages(&answer).len() as u64;
        }
        prop_assert_eq!(seen, published);
    }
}
