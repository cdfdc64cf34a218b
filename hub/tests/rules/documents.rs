//! D1 to D8: a topic that is a document, its changes, and what a follower gets.

use longhaul::document::value::read;
use longhaul::wire::{Kind, ToClient};
use longhaul_hub::core::{Event, Expected, Limits, Offer};

use crate::bench::{Bench, field, messages, whole};

const SET: &str = r#"[{"op":"add","path":"","value":{"n":0}}]"#;

impl Bench {
    pub(crate) fn merge(&mut self, topic: &str, payload: &str) {
        let offer = Offer {
            kind: Kind::Merge,
            key: None,
            payload,
            expected: &Expected::Anything,
        };
        self.hub
            .offer(self.now, topic, &offer, &mut self.effects)
            .unwrap();
    }

    pub(crate) fn document(&mut self, topic: &str) -> Option<String> {
        let state = self.hub.document(self.now, topic)?;
        Some(state.value.to_json())
    }
}

#[test]
fn d1_the_first_entry_decides_whether_a_topic_is_a_document() {
    let mut b = Bench::new();
    let conn = b.client();
    let ack = b.ask(conn, &format!("patch p 1 0 d {SET}"));
    assert!(
        ack.starts_with("ack p 1 ") && ack.ends_with(" 1 0"),
        "{ack}"
    );
    assert!(
        b.ask(conn, "pub p 2 1 d 1")
            .starts_with("nack p 2 is_document ")
    );
    assert!(b.ask(conn, "pub p 3 0 m 1").starts_with("ack p 3 "));
    assert!(
        b.ask(conn, "merge p 4 3 m {}")
            .starts_with("nack p 4 not_a_document ")
    );
    // These are verdicts: they repeat, and later publications take effect.
    assert!(
        b.ask(conn, "pub p 2 1 d 1")
            .starts_with("nack p 2 is_document ")
    );
    assert!(b.ask(conn, r#"merge p 5 2 d {"n":1}"#).ends_with(" 2 0"));
    assert_eq!(b.document("d").as_deref(), Some(r#"{"n":1}"#));
    assert_eq!(b.document("m"), None);
    // A refused entry decides nothing.
    let failed = r#"patch p 6 0 e [{"op":"remove","path":"/a"}]"#;
    assert!(b.ask(conn, failed).starts_with("nack p 6 patch_failed "));
    assert!(b.ask(conn, "pub p 7 0 e 1").starts_with("ack p 7 "));
}

#[test]
fn d2_a_patch_that_does_not_apply_is_a_verdict_and_no_entry() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, &format!("patch p 1 0 d {SET}"));
    let failing = r#"patch p 2 1 d [{"op":"add","path":"/x","value":1},{"op":"test","path":"/n","value":"a\nb"}]"#;
    let nack = b.ask(conn, failing);
    assert!(
        nack.starts_with(r#"nack p 2 patch_failed 1 "/n" another value"#),
        "{nack}"
    );
    assert_eq!(b.document("d").as_deref(), Some(r#"{"n":0}"#));
    // Now it would apply, but its verdict stands.
    b.ask(conn, r#"merge q 1 0 d {"n":"a\nb"}"#);
    let again = b.ask(conn, failing);
    assert!(
        again.starts_with("nack p 2 patch_failed the patch did not fit the document"),
        "of the verdict its code is kept: {again}"
    );
    assert!(b.ask(conn, r#"merge p 3 2 d {"n":3}"#).ends_with(" 3 0"));
    assert!(
        b.ask(conn, r#"merge p 3 2 d {"n":3}"#).ends_with(" 3 1"),
        "a duplicate changes nothing"
    );
    assert_eq!(b.document("d").as_deref(), Some(r#"{"n":3}"#));
}

#[test]
fn d2_a_nack_repeats_a_pointer_in_one_line_of_limited_length() {
    let mut b = Bench::new();
    let conn = b.client();
    let long = "x".repeat(60_000);
    let nack = b.ask(
        conn,
        &format!(r#"patch p 1 0 d [{{"op":"remove","path":"/a\r\n{long}"}}]"#),
    );
    assert!(
        nack.starts_with(r#"nack p 1 patch_failed 0 "/a\r\nxxx"#),
        "{nack}"
    );
    assert!(nack.len() < 400);
    for (n, bad) in [r#"[{"op":"add","path":"/__proto__","value":1}]"#, "{}", "7"]
        .iter()
        .enumerate()
    {
        let nack = b.ask(conn, &format!("patch q {} 0 d {bad}", n + 1));
        assert!(ToClient::decode(&nack).is_ok(), "{nack}");
        assert!(
            ["key_forbidden", "patch_invalid"].contains(&field(&nack, 3)),
            "{nack}"
        );
    }
}

#[test]
fn d3_a_subscription_to_messages_sees_patches_as_they_were_published() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, &format!("patch p 1 0 d {SET}"));
    b.merge("d", r#"{"n":1}"#);
    b.send(conn, "sub 1 d start");
    let records = b.records(conn);
    let seen = messages(&records);
    assert_eq!(seen.len(), 2, "{records:?}");
    assert_eq!((seen[1].0, &*seen[1].1), (2, r#"{"n":1}"#));
}

#[test]
fn d3_a_document_outlives_its_entries_and_an_idle_hour_unless_it_is_null() {
    let mut b = Bench::new();
    b.merge("d", r#"{"n":1}"#);
    b.merge("gone", r#"{"n":1}"#);
    b.merge("gone", "null");
    b.pass(2 * 3_600_000);
    assert_eq!(b.document("d").as_deref(), Some(r#"{"n":1}"#));
    assert_eq!(b.document("gone"), None);
    let conn = b.client();
    b.send(conn, "sub 1 d start as=document");
    let records = b.records(conn);
    assert!(records[0].starts_with("subscribed 1 "), "{records:?}");
    assert!(
        records[1].starts_with("snapshot 1 1 ") && records[1].ends_with(r#" 0 {"n":1}"#),
        "{records:?}"
    );
    // A document that nobody changes needs no tick.
    assert!(
        b.hub
            .deadline()
            .is_none_or(|due| due.since(b.now.time) > 20_000)
    );
}

#[test]
fn d3_a_document_counts_for_the_memory_of_the_hub() {
    let mut b = Bench::with(Limits {
        memory_bytes_max: 100_000,
        ..Limits::default()
    });
    b.merge("d", &format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000)));
    let conn = b.client();
    let answer = b.ask(conn, r#"merge p 1 0 d {"b":1}"#);
    assert!(answer.starts_with("nack p 1 busy "), "{answer}");
    let answer = b.ask(conn, r#"merge p 1 0 d {"a":null}"#);
    assert!(answer.starts_with("ack p 1 "), "{answer}");
    let answer = b.ask(conn, r#"merge p 2 1 d {"b":1}"#);
    assert!(answer.starts_with("ack p 2 "), "there is room: {answer}");
}

#[test]
fn d7_a_follower_gets_a_snapshot_and_then_change_by_change() {
    let mut b = Bench::new();
    let conn = b.client();
    b.send(conn, "sub 1 d live as=document");
    let records = b.records(conn);
    let [subscribed, snapshot] = &records[..] else {
        panic!("{records:?}")
    };
    assert!(subscribed.starts_with("subscribed 1 ") && subscribed.ends_with(" 0"));
    assert!(
        snapshot.starts_with("snapshot 1 0 ") && snapshot.ends_with(" 0 null"),
        "{snapshot}"
    );
    assert_eq!(field(subscribed, 4), field(snapshot, 3), "the chain");

    let other = b.client();
    b.send(
        other,
        &format!("patch p 1 0 d {SET}\nmerge p 2 1 d {{\"n\":2}}"),
    );
    let records = b.records(conn);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(
        records[0].starts_with("patch 1 1 ")
            && records[0].ends_with(&format!(" FI3pxaekTRnlbNmuGlVL9n:1 {SET}")),
        "{records:?}"
    );
    assert!(
        records[1].starts_with("merge 1 2 ")
            && records[1].ends_with(r#" FI3pxaekTRnlbNmuGlVL9n:2 {"n":2}"#)
    );

    let late = b.client();
    b.send(late, "sub 9 d start as=document producer=p");
    let records = b.records(late);
    assert_eq!(
        (field(&records[0], 3), field(&records[0], 5)),
        ("2", "2"),
        "where the snapshot is, or before it"
    );
    assert!(
        records[1].starts_with("snapshot 9 2 ") && records[1].ends_with(r#" 2 {"n":2}"#),
        "{records:?}"
    );
}

#[test]
fn d7_a_cursor_gets_patches_only_and_one_that_is_gone_a_snapshot() {
    let mut b = Bench::with(Limits {
        retain_entries: 3,
        for_readers_bytes: 0,
        ..Limits::default()
    });
    let conn = b.client();
    b.send(conn, "sub 1 d live as=document");
    let epoch = field(&b.records(conn)[0], 2).to_owned();
    b.merge("d", r#"{"n":1}"#);
    let chain = field(&b.records(conn)[0], 3).to_owned();
    b.merge("d", r#"{"n":2}"#);
    let cursor = format!("{epoch}/1/{chain}");

    let second = b.client();
    b.send(second, &format!("sub 1 d {cursor} as=document"));
    let records = b.records(second);
    assert!(
        records[0].starts_with("subscribed 1 ") && records[0].ends_with(&format!(" 1 {chain} 2"))
    );
    assert!(records[1].starts_with("merge 1 2 "), "{records:?}");
    assert_eq!(records.len(), 2);

    for n in 3..=6 {
        b.merge("d", &format!(r#"{{"n":{n}}}"#));
    }
    let third = b.client();
    b.send(third, &format!("sub 1 d {cursor} as=document"));
    let records = b.records(third);
    assert!(
        records[0].starts_with("resume_failed 1 trimmed ") && records[0].ends_with(" 6"),
        "{records:?}"
    );
    assert!(records[1].starts_with("snapshot 1 6 ") && records[1].ends_with(r#"{"n":6}"#));
    assert_eq!(records.len(), 2);
    let rolled_back = format!("sub 1 d {epoch}/6/{chain} as=document");
    let fourth = b.client();
    b.send(fourth, &rolled_back);
    assert!(b.records(fourth)[0].starts_with("resume_failed 1 diverged "));

    // Retention has overtaken the first follower, which has taken nothing.
    let records = b.records(conn);
    assert!(
        records[0].starts_with("resume_failed 1 trimmed "),
        "{records:?}"
    );
    assert!(records[1].starts_with("snapshot 1 6 "));
    b.merge("d", r#"{"n":7}"#);
    assert!(b.records(conn)[0].starts_with("merge 1 7 "));
}

#[test]
fn d7_a_follower_that_waits_for_a_snapshot_gets_no_gap() {
    let mut b = Bench::with(Limits {
        retain_entries: 1,
        for_readers_bytes: 0,
        ..Limits::default()
    });
    let conn = b.client();
    b.send(conn, "sub 1 d live as=document");
    for n in 1..=3 {
        b.merge("d", &format!(r#"{{"n":{n}}}"#));
    }
    let records = b.records(conn);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records[1].starts_with("snapshot 1 3 "));
}

#[test]
fn d7_a_topic_of_messages_is_not_followed() {
    let mut b = Bench::new();
    let conn = b.client();
    b.publish("m", "1");
    assert!(
        b.ask(conn, "sub 1 m live as=document")
            .starts_with("refused 1 not_a_document ")
    );
    b.publish("m", "2");
    assert!(b.records(conn).is_empty());
    assert!(b.ask(conn, "sub 1 m live").starts_with("subscribed 1 "));
}

#[test]
fn f30_a_follower_of_an_unwritten_topic_that_gets_messages_is_refused_on_every_transport() {
    let mut b = Bench::new();
    let [told, untold] = [b.client(), b.client()];
    b.send(told, "sub 1 t live as=document");
    assert_eq!(b.records(told).len(), 2, "an answer and a snapshot");
    b.send(untold, "sub 1 t live as=document");
    let stream = b.welcomed("sub 1 t live as=document");
    b.records(stream);
    let poll = b.poll("hello 1\nsub 1 t live as=document");
    let cursor = cursor_of(&b.answer(poll).unwrap()[1]);
    b.handle(Event::Closed(poll));
    let held = b.poll(&format!("hello 1\nsub 1 t {cursor} as=document"));
    assert_eq!(b.answer(held), None);
    let late = format!("sub 1 t {cursor} as=document");

    b.publish("t", "1");
    let refused = "refused 1 not_a_document ";
    for conn in [told, stream] {
        let records = b.records(conn);
        assert_eq!(records.len(), 1, "{records:?}");
        assert!(records[0].starts_with(refused), "{records:?}");
    }
    let records = b.records(untold);
    assert!(records[0].starts_with("subscribed 1 "), "{records:?}");
    assert!(records[1].starts_with(refused), "{records:?}");
    let answer = b.answer(held).unwrap();
    assert!(answer[2].starts_with(refused), "{answer:?}");
    assert_eq!(answer.len(), 3);
    assert!(b.ask(told, &late).starts_with(refused));

    b.publish("t", "2");
    assert!(b.records(told).is_empty(), "there is no stream");
    assert!(b.records(untold).is_empty());
}

fn cursor_of(subscribed: &str) -> String {
    let [epoch, seq, chain] = [2, 3, 4].map(|index| field(subscribed, index));
    format!("{epoch}/{seq}/{chain}")
}

#[test]
fn d7_a_large_snapshot_comes_in_parts_and_is_the_state_at_its_time() {
    let mut b = Bench::new();
    for n in 0..10 {
        b.merge("d", &format!(r#"{{"{n}":"{}"}}"#, "\\u0001".repeat(10_000)));
    }
    let conn = b.client();
    b.send(conn, "sub 1 d live as=document");
    b.send(conn, "sub 2 e live as=document");
    let mut frames = vec![b.take(conn).unwrap()];
    b.merge("d", r#"{"late":true}"#);
    frames.extend(b.frames(conn));
    assert!(frames.iter().all(|frame| frame.len() <= 16_384));
    let all = whole(&frames);
    let verbs: Vec<&str> = all.iter().map(|record| &record[..10]).collect();
    let small = ["subscribed", "subscribed", "snapshot 2"];
    assert_eq!(
        verbs[..3],
        small,
        "what is small does not wait for what is large"
    );
    assert!(all[3].starts_with("snapshot 1 10 ") && all[3].len() > 600_000);
    assert!(all[4].starts_with("merge 1 11 ") && all[4].ends_with(r#"{"late":true}"#));
    assert_eq!(all.len(), 5);
}

#[test]
fn f02_every_size_of_a_snapshot_fits_the_frames_that_clients_take() {
    let mut b = Bench::new();
    let mut bytes = 0;
    for (n, more) in [1_000, 15_000, 400, 60_000, 60_000, 60_000, 60_000]
        .iter()
        .enumerate()
    {
        // Each character becomes an escape of six bytes.
        let change = format!(r#"{{"{n}":"{}"}}"#, "\\u0001".repeat(more / 6));
        b.merge("d", &change);
        let conn = b.client();
        b.send(conn, "sub 1 d live as=document");
        let frames = b.frames(conn);
        assert!(frames.iter().all(|frame| frame.len() <= 16_384));
        let records = whole(&frames);
        assert!(records[1].starts_with("snapshot 1 "), "{:.40}", records[1]);
        assert!(records[1].len() > bytes + more);
        bytes = records[1].len() - 100;
    }
}

#[test]
fn d7_a_poll_gets_the_snapshot_at_once_and_later_changes_when_they_come() {
    let mut b = Bench::new();
    b.merge("d", r#"{"n":1}"#);
    let poll = |b: &mut Bench, from: &str| {
        let conn = b.next_conn();
        let frame = format!("hello 1\nsub 1 d {from} as=document");
        b.hub
            .open_poll(b.now, conn, &frame, &mut b.effects)
            .unwrap();
        conn
    };
    let first = poll(&mut b, "live");
    let answer = b.hub.take_answer(b.now, first).unwrap();
    let snapshot = answer.lines().last().unwrap();
    assert!(snapshot.starts_with("snapshot 1 1 "), "{answer}");
    b.handle(Event::Closed(first));
    let epoch = field(answer.lines().nth(1).unwrap(), 2);
    let second = poll(&mut b, &format!("{epoch}/1/{}", field(snapshot, 3)));
    assert_eq!(b.hub.take_answer(b.now, second), None);
    b.merge("d", r#"{"n":2}"#);
    let answer = b.hub.take_answer(b.now, second).unwrap();
    assert!(
        answer.lines().last().unwrap().starts_with("merge 1 2 "),
        "{answer}"
    );
}

#[test]
fn d8_a_follower_that_has_all_gets_a_checkpoint_after_a_hundred_changes() {
    let mut b = Bench::new();
    let conn = b.client();
    b.send(conn, "sub 1 d live as=document");
    b.records(conn);
    for n in 1..=99 {
        b.merge("d", &format!(r#"{{"n":{n}}}"#));
    }
    assert_eq!(b.records(conn).len(), 99);
    b.merge("d", r#"{"n":[1.0]}"#);
    let records = b.records(conn);
    let hash = read(r#"{"n":[1]}"#).unwrap().hash48();
    assert_eq!(records[1], format!("checkpoint 1 100 {hash}"));
    b.merge("d", r#"{"n":1}"#);
    assert_eq!(b.records(conn).len(), 1, "the count begins again");
}
