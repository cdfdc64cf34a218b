//! H4 to H6, H10, W8: messages arrive in order and in batches, and a slow consumer costs a cursor.

use longhaul::wire::{ToClient, records};
use longhaul_hub::core::{Effect, Limits};

use crate::bench::{Bench, field, messages, whole};

#[test]
fn h10_messages_that_are_ready_share_a_frame() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    b.effects.clear();
    for n in 1..=100 {
        b.publish("t", &format!("{{\"n\":{n}}}"));
    }
    assert_eq!(b.effects, [Effect::Wake(conn)], "woken once");
    let frames = b.frames(conn);
    assert_eq!(frames.len(), 1);
    assert!(frames[0].starts_with("b 1 1 100 "), "{}", frames[0]);
    b.publish("t", "1");
    assert_eq!(b.effects.len(), 2, "woken again");
    assert!(b.frames(conn)[0].starts_with("m 1 101 "));
}

#[test]
fn h6_a_batch_has_payload_offset_of_time_and_id_of_each_message() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    let at = b.now.wall_ms;
    b.publish("t", "[1,2]");
    b.jump(5);
    b.hub
        .publish(b.now, "t", Some("id/1"), "\"x\"", &mut b.effects)
        .unwrap();
    b.now.wall_ms = at - 3;
    b.publish("t", "null");
    let records = b.records(conn);
    let last_chain = b.ask(conn, "sub 2 t live");
    assert_eq!(
        records,
        [format!(
            "b 1 1 3 {} {at} [[1,2],0,0,\"x\",5,\"id/1\",null,-3,0]",
            field(&last_chain, 4)
        )]
    );
    b.hub
        .publish(b.now, "t", Some("id:2"), "7", &mut b.effects)
        .unwrap();
    let records = b.records(conn);
    assert!(
        records[0].starts_with("m 1 4 ") && records[0].ends_with(" id:2 7"),
        "{records:?}"
    );
}

#[test]
fn w8_frames_stay_within_their_aim_and_nothing_is_lost_between_them() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    for n in 0..500 {
        b.publish("t", &format!("\"{n} {}\"", "x".repeat(n * 4)));
    }
    let frames = b.frames(conn);
    assert!(frames.len() > 5);
    for frame in &frames {
        assert!(frame.len() <= 16_384, "{}", frame.len());
    }
    // Only the last frame may be small.
    for frame in &frames[..frames.len() - 1] {
        assert!(frame.len() > 14_000, "{}", frame.len());
    }
    let seqs = messages(&whole(&frames));
    let seqs: Vec<u64> = seqs.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
}

#[test]
fn w9_a_message_larger_than_a_frame_comes_in_parts_and_in_its_place() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    let large = format!("\"{}\"", "xü".repeat(20_000));
    for payload in ["1", &large, &large, "4"] {
        b.publish("t", payload);
    }
    let frames = b.frames(conn);
    assert!(frames.iter().all(|frame| frame.len() <= 16_384));
    let expected = [(1, "1"), (2, &large), (3, &large), (4, "4")];
    let expected = expected.map(|(seq, payload)| (seq, payload.to_owned()));
    assert_eq!(messages(&whole(&frames)), expected);
}

#[test]
fn w9_parts_leave_turns_to_other_subscriptions_and_a_pong_overtakes_them() {
    let mut b = Bench::new();
    let conn = b.client();
    b.send(conn, "sub 1 large live\nsub 2 small live\nsub 3 large live");
    b.records(conn);
    b.publish("large", &format!("\"{}\"", "x".repeat(60_000)));
    let mut frames: Vec<String> = vec![b.take(conn).unwrap()];
    assert!(frames[0].starts_with("part 0 "), "{:.20}", frames[0]);
    b.publish("small", "1");
    b.send(conn, "ping 7");
    frames.push(b.take(conn).unwrap());
    assert!(frames[1].contains("pong 7"), "{:.200}", frames[1]);
    assert!(frames[1].contains("m 2 1 "), "{:.200}", frames[1]);
    frames.extend(b.frames(conn));
    let all = whole(&frames);
    let large = all.iter().filter(|record| record.len() > 60_000);
    assert_eq!(
        large.count(),
        2,
        "for both subscriptions, one after the other"
    );
    assert_eq!(messages(&all).len(), 3);
}

#[test]
fn w9_the_rest_of_a_record_stays_away_when_its_subscription_ends() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    b.publish("t", &format!("\"{}\"", "x".repeat(60_000)));
    assert!(b.take(conn).unwrap().starts_with("part 0 "));
    b.send(conn, "unsub 1");
    assert_eq!(b.take(conn), None);
    b.send(conn, "sub 1 t start");
    let records = b.records(conn);
    assert_eq!(
        records.len(),
        2,
        "the answer, and the message from its beginning"
    );
    assert_eq!(messages(&records).len(), 1);
}

#[test]
fn topics_take_turns_so_that_a_long_replay_holds_up_no_other_topic() {
    let mut b = Bench::new();
    for _ in 0..200 {
        b.publish("loud", &format!("\"{}\"", "x".repeat(2_000)));
    }
    let conn = b.client();
    b.send(conn, "sub 1 loud start\nsub 2 quiet live");
    b.publish("quiet", "1");
    let frames = b.frames(conn);
    let quiet = frames
        .iter()
        .position(|f| records(f).any(|r| r.starts_with("m 2 ")));
    assert!(
        quiet.unwrap() <= 1 && frames.len() > 4,
        "{quiet:?} of {}",
        frames.len()
    );
}

#[test]
fn h10_a_slow_consumer_costs_a_cursor_and_continues_after_a_gap() {
    let limits = Limits {
        retain_entries: 10,
        for_readers_bytes: 0,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    for n in 1..=1_000 {
        b.publish("t", &n.to_string());
    }
    assert_eq!(b.closed(conn), None);
    let records = b.records(conn);
    assert!(
        records[0].starts_with("resume_failed 1 trimmed "),
        "{records:?}"
    );
    assert_eq!(
        (field(&records[0], 4), field(&records[0], 6)),
        ("990", "1000")
    );
    let seqs: Vec<u64> = messages(&records).iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (991..=1_000).collect::<Vec<_>>());
    let Ok(ToClient::ResumeFailed { start, .. }) = ToClient::decode(&records[0]) else {
        panic!("{records:?}");
    };
    let other = b.client();
    let cursor = start.after;
    let from = format!(
        "{:016x}/{}/{}",
        cursor.epoch.0, cursor.seq.0, cursor.chain.0
    );
    b.send(other, &format!("sub 1 t {from}"));
    assert!(
        b.records(other)[0].starts_with("subscribed 1 "),
        "the told cursor is a true one"
    );
}

#[test]
fn h11_a_burst_does_not_outrun_a_stream_under_way_but_is_not_retained_for_others() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "sub 1 t live");
    let first = b.client();
    b.ask(first, "sub 1 t live");
    let told = b.ask(first, "sub 2 t start");
    for n in 1..=10_000 {
        b.publish("t", &n.to_string());
    }
    let records = b.records(conn);
    let seqs: Vec<u64> = messages(&records).iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=10_000).collect::<Vec<_>>());
    let other = b.client();
    let [epoch, chain] = [3, 5].map(|at| told.split(' ').nth(at - 1).unwrap());
    b.send(other, &format!("sub 1 t {epoch}/0/{chain}"));
    let records = b.records(other);
    assert!(records[0].starts_with("resume_failed 1 trimmed "));
    assert_eq!(field(&records[0], 4), "9000");
}

#[test]
fn h11_messages_are_retained_for_readers_within_a_time_and_a_size() {
    let limits = Limits {
        retain_entries: 10,
        // A few hundred of the messages below.
        for_readers_bytes: 10_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let [far, near, late] = [b.client(), b.client(), b.client()];
    for conn in [far, near, late] {
        b.ask(conn, "sub 1 t live");
    }
    for n in 1..=1_000 {
        b.publish("t", &n.to_string());
        if n == 950 {
            b.records(near);
        }
    }
    assert!(b.records(far)[0].starts_with("resume_failed 1 trimmed "));
    assert!(b.records(near)[0].starts_with("b 1 951 "));
    b.records(late);
    for n in 1..=20 {
        b.publish("t", &n.to_string());
    }
    let says =
        |records: Vec<String>, word: &str| records.iter().any(|record| record.starts_with(word));
    b.pass(29_000);
    assert!(says(b.records(near), "b 1 1001 "));
    b.pass(2_000);
    assert!(says(b.records(late), "resume_failed 1 trimmed "));
}

#[test]
fn h2_answers_stand_before_messages_even_when_they_fill_frames() {
    let mut b = Bench::new();
    b.publish("t", "1");
    let conn = b.client();
    b.ask(conn, "sub 1 t start\nunsub 1");
    b.ask(conn, "sub 0 t live");
    b.publish("t", "2");
    let subs: Vec<String> = (1..=2_000)
        .map(|no| format!("sub {no} t{no} live"))
        .collect();
    b.send(conn, &subs.join("\n"));
    // Larger than the answers, so that messages would fit behind the first answer.
    let frames: Vec<String> =
        std::iter::from_fn(|| b.hub.take_frame(b.now, conn, 1 << 20)).collect();
    assert!(frames.len() > 1);
    let all: Vec<&str> = frames.iter().flat_map(|f| records(f)).collect();
    assert_eq!(all.len(), 2_001);
    assert!(all[2_000].starts_with("m 0 2 "), "{}", all[2_000]);
    assert!(frames.iter().all(|f| f.len() < 66_000));
}

#[test]
fn f18_large_records_that_wait_for_one_another_all_come_and_small_ones_between_them() {
    let mut b = Bench::new();
    let large = format!("\"{}\"", "x".repeat(40_000));
    for topic in 0..30 {
        b.publish(&format!("t{topic}"), &large);
    }
    let conn = b.client();
    let subs: Vec<String> = (0..30).map(|no| format!("sub {no} t{no} start")).collect();
    b.send(conn, &format!("{}\nsub 99 small live", subs.join("\n")));
    let mut frames = vec![b.take(conn).unwrap(), b.take(conn).unwrap()];
    // Some parked subscriptions end, one of them begins again, and the active one ends too.
    b.send(conn, "unsub 3\nunsub 4\nsub 4 t4 start\nunsub 0\nunsub 29");
    b.publish("small", "1");
    frames.extend(b.frames(conn));
    b.publish("t4", &large);
    frames.extend(b.frames(conn));
    let records = whole(&frames);
    let first = |record: &String| {
        record
            .starts_with("m ")
            .then(|| field(record, 1).to_owned())
    };
    let mut came: Vec<u64> = records
        .iter()
        .filter_map(first)
        .map(|no| no.parse().unwrap())
        .collect();
    came.sort_unstable();
    let mut expected: Vec<u64> = (1..29).filter(|no| *no != 3).collect();
    expected.extend([4, 99]);
    expected.sort_unstable();
    assert_eq!(came, expected);
}
