//! D7: how a client follows a document: a snapshot before a cursor is worth anything, then as any
//! stream.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{EPOCH, Rig, sent};
use longhaul::config::WELL_MS;
use longhaul::ids::{Chain, ConnectionId, From, Seq, TopicNo};
use longhaul::wire::Kind;
use longhaul::{Effect, Event, Publication};

const NO: TopicNo = TopicNo(1);

/// A client that has asked for the document `d`, and what it said.
fn following() -> (Rig, ConnectionId, String) {
    let (mut rig, connection) = Rig::connected();
    let asked = rig.handle(Event::Follow { no: NO, topic: "d" });
    (rig, connection, sent(&asked))
}

fn snapshot(rig: &mut Rig, connection: ConnectionId, seq: u64) -> Vec<Effect> {
    rig.handle(Event::Snapshot {
        connection,
        no: NO,
        run: 70,
        seq: Seq(seq),
        chain: Chain(seq),
    })
}

fn delivered(effects: &[Effect]) -> Vec<u32> {
    let runs = effects.iter().filter_map(|effect| match effect {
        Effect::Deliver { run, .. } => Some(*run),
        _ => None,
    });
    runs.collect()
}

/// Loses the connection and comes back up to the point where the subs are sent again.
fn come_back(rig: &mut Rig, lost: ConnectionId) -> (ConnectionId, String) {
    rig.lose(lost, 1006);
    rig.at_deadline();
    let connection = lost.next();
    let hello = sent(&rig.handle(Event::Opened { connection }));
    rig.record(connection, "welcome s1 1");
    (connection, hello)
}

#[test]
fn d7_a_document_is_asked_for_with_its_outbox_and_by_cursor_only_once_a_snapshot_is_here() {
    let (mut rig, connection, asked) = following();
    let document = format!("as=document producer={}", rig.client.producer());
    assert_eq!(asked, format!("sub 1 d live {document}"));
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    let (connection, asked) = come_back(&mut rig, connection);
    assert!(
        asked.ends_with(&format!("sub 1 d live {document}")),
        "{asked}"
    );

    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    assert_eq!(delivered(&snapshot(&mut rig, connection, 7)), [70]);
    let (run, effects) = rig.messages(connection, NO, 8, 1);
    assert_eq!(delivered(&effects), [run]);
    let (_, again) = rig.messages(connection, NO, 7, 1);
    assert_eq!(delivered(&again), [], "the snapshot has it");
    let (_, asked) = come_back(&mut rig, connection);
    assert!(asked.contains(&format!("sub 1 d {EPOCH}/8/")), "{asked}");
}

#[test]
fn f01_a_document_that_is_followed_after_a_topic_with_a_higher_number_hides_nothing() {
    let (mut rig, connection) = Rig::connected();
    let topic = TopicNo(2);
    rig.handle(Event::Subscribe {
        no: topic,
        topic: "t",
        from: From::Start,
        is_passive: false,
    });
    rig.handle(Event::Follow { no: NO, topic: "d" });
    rig.record(connection, &format!("subscribed 2 {EPOCH} 0 7 0"));
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    let (run, effects) = rig.messages(connection, topic, 1, 2);
    assert_eq!(delivered(&effects), [run]);
    assert_eq!(delivered(&snapshot(&mut rig, connection, 5)), [70]);
    let (_, asked) = come_back(&mut rig, connection);
    assert!(asked.contains(&format!("sub 2 t {EPOCH}/2/2")), "{asked}");
    assert!(asked.contains(&format!("sub 1 d {EPOCH}/5/5")), "{asked}");
    let gone = rig.handle(Event::Unsubscribe { no: topic });
    assert_eq!(sent(&gone), "unsub 2");
}

#[test]
fn f01_a_number_that_is_in_use_keeps_its_subscription() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    snapshot(&mut rig, connection, 5);
    assert_eq!(rig.handle(Event::Follow { no: NO, topic: "d" }), []);
    let (run, effects) = rig.messages(connection, NO, 6, 1);
    assert_eq!(delivered(&effects), [run]);
}

#[test]
fn d7_a_snapshot_that_comes_twice_takes_no_entry_back() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    assert_eq!(delivered(&snapshot(&mut rig, connection, 5)), [70]);
    let (run, effects) = rig.messages(connection, NO, 6, 1);
    assert_eq!(delivered(&effects), [run]);
    assert_eq!(snapshot(&mut rig, connection, 5), []);
    let (run, effects) = rig.messages(connection, NO, 7, 1);
    assert_eq!(delivered(&effects), [run]);
    // A later one is news: entries before it are no longer there.
    assert_eq!(delivered(&snapshot(&mut rig, connection, 9)), [70]);
}

#[test]
fn d7_a_cursor_that_is_gone_is_no_gap_but_a_snapshot_to_come() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    snapshot(&mut rig, connection, 5);
    let (connection, _) = come_back(&mut rig, connection);
    let effects = rig.record(
        connection,
        &format!("resume_failed 1 trimmed {EPOCH} 50 9 50"),
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Gap { .. })),
        "{effects:?}"
    );
    let (connection, asked) = come_back(&mut rig, connection);
    assert!(asked.contains("sub 1 d live "), "{asked}");
    rig.record(connection, &format!("subscribed 1 {EPOCH} 50 9 50"));
    assert_eq!(delivered(&snapshot(&mut rig, connection, 50)), [70]);
}

#[test]
fn d8_a_document_that_has_diverged_is_asked_for_anew_and_hears_nothing_until_then() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    snapshot(&mut rig, connection, 5);
    let (held, _) = rig.messages(connection, NO, 7, 1);
    let effects = rig.handle(Event::Resync { no: NO });
    assert!(
        effects.contains(&Effect::Discard { run: held }),
        "{effects:?}"
    );
    assert!(
        sent(&effects).starts_with("sub 1 d live as=document"),
        "{effects:?}"
    );
    let (_, under_way) = rig.messages(connection, NO, 6, 1);
    assert_eq!(delivered(&under_way), []);
    rig.record(connection, &format!("subscribed 1 {EPOCH} 7 9 7"));
    let (connection, asked) = come_back(&mut rig, connection);
    assert!(asked.contains("sub 1 d live "), "{asked}");
    rig.record(connection, &format!("subscribed 1 {EPOCH} 7 9 7"));
    assert_eq!(delivered(&snapshot(&mut rig, connection, 7)), [70]);
    let (run, effects) = rig.messages(connection, NO, 8, 1);
    assert_eq!(delivered(&effects), [run]);
}

#[test]
fn d8_a_document_that_diverges_again_and_again_is_asked_for_ever_more_rarely() {
    let (mut rig, connection, _) = following();
    let answer = |rig: &mut Rig| {
        rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
        assert_eq!(delivered(&snapshot(rig, connection, 5)), [70]);
    };
    let is_asked = |effects: &[Effect]| sent(effects).contains("sub 1 d live as=document");
    answer(&mut rig);
    assert!(is_asked(&rig.handle(Event::Resync { no: NO })), "at once");
    for window_ms in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        answer(&mut rig);
        assert!(!is_asked(&rig.handle(Event::Resync { no: NO })));
        let asked_from = rig.now;
        let mut effects = rig.at_deadline();
        while !is_asked(&effects) {
            let said = sent(&effects);
            if let Some(ping) = said.strip_prefix("ping ") {
                rig.record(connection, &format!("pong {ping}"));
            }
            assert!(rig.now.since(asked_from) < 2 * window_ms, "never asked");
            effects = rig.at_deadline();
        }
        let waited_ms = rig.now.since(asked_from);
        assert!(
            (window_ms / 2..=window_ms).contains(&waited_ms),
            "{waited_ms} of {window_ms}"
        );
    }
    answer(&mut rig);
    rig.now = rig.now.plus(WELL_MS);
    assert!(
        is_asked(&rig.handle(Event::Resync { no: NO })),
        "it was well for long enough"
    );
}

#[test]
fn d7_a_snapshot_of_an_old_connection_or_before_the_answer_counts_for_nothing() {
    let (mut rig, connection, _) = following();
    assert_eq!(delivered(&snapshot(&mut rig, connection, 5)), []);
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    let (new, _) = come_back(&mut rig, connection);
    assert_eq!(delivered(&snapshot(&mut rig, connection, 5)), []);
    rig.record(new, &format!("subscribed 1 {EPOCH} 5 9 5"));
    assert_eq!(delivered(&snapshot(&mut rig, new, 5)), [70]);
}

#[test]
fn d2_a_publication_goes_out_as_what_it_is_and_again_as_the_same() {
    let (mut rig, connection) = Rig::connected();
    for (request, kind) in [(1, Kind::Patch), (2, Kind::Merge), (3, Kind::Message)] {
        let publish = |kind| Publication {
            kind,
            request,
            topic: "d",
            bytes: 2,
            ttl_ms: None,
            machine_ms: 0,
            key: None,
            is_repeated: false,
        };
        rig.handle(Event::Publish(publish(kind)));
    }
    rig.lose(connection, 1006);
    rig.at_deadline();
    let connection = connection.next();
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.split(' ').next(),
        _ => None,
    });
    assert_eq!(heads.collect::<Vec<_>>(), ["patch", "merge", "pub"]);
}

#[test]
fn f15_a_document_that_rests_because_it_diverged_still_tells_that_the_hub_is_busy() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    snapshot(&mut rig, connection, 5);
    rig.handle(Event::Resync { no: NO });
    rig.handle(Event::Resync { no: NO });
    let effects = rig.record(connection, "refused 1 busy why");
    assert!(
        matches!(effects.first(), Some(Effect::Refused { code, .. }) if code == "busy"),
        "{effects:?}"
    );
}

#[test]
fn f30_a_topic_that_turns_out_to_be_no_document_is_told_once_and_not_asked_for_again() {
    let (mut rig, connection, _) = following();
    rig.record(connection, &format!("subscribed 1 {EPOCH} 0 9 3"));
    snapshot(&mut rig, connection, 0);
    let effects = rig.record(
        connection,
        "refused 1 not_a_document the topic has messages",
    );
    assert!(
        effects.contains(&Effect::Refused {
            no: NO,
            code: "not_a_document".into(),
            message: "the topic has messages".into(),
        }),
        "{effects:?}"
    );
    for t in 1..=4 {
        let effects = rig.record(connection, &format!("ping {t}"));
        assert_eq!(sent(&effects), format!("pong {t}"));
    }
    let (connection, asked) = come_back(&mut rig, connection);
    assert!(asked.contains("sub 1 d "), "another connection is asked");
    rig.record(
        connection,
        "refused 1 not_a_document the topic has messages",
    );
    assert_eq!(sent(&rig.record(connection, "ping 9")), "pong 9");
}
