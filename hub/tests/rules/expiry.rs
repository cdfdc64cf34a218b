//! C10, C11: a publication takes effect within its time to live or never, and a cancelled one never
//! does.

use longhaul::ids::Seq;
use longhaul_hub::core::{Event, Limits};
use proptest::prelude::*;

use crate::bench::{Bench, WALL_MS, field};

impl Bench {
    pub(crate) fn entries(&mut self, topic: &str) -> usize {
        let page = self.hub.read(self.now, topic, Seq(1), 1_000).unwrap();
        page.entries.len()
    }
}

fn has_expired(record: &str, n: u64) -> bool {
    record.starts_with(&format!("nack p {n} expired "))
}

#[test]
fn c10_a_publication_takes_effect_until_its_last_millisecond_and_not_after_it() {
    let mut b = Bench::new();
    let conn = b.client();
    b.jump(100);
    let record = b.ask(conn, &format!("until {}\npub p 1 0 t 1", WALL_MS + 100));
    assert!(record.ends_with(" 1 0"), "{record}");
    let record = b.ask(conn, &format!("until {}\npub p 2 1 t 2", WALL_MS + 99));
    assert!(has_expired(&record, 2), "{record}");
    assert_eq!(b.entries("t"), 1);
}

#[test]
fn c10_s15_expired_is_a_verdict_so_later_rows_continue_and_it_repeats_whatever_the_time() {
    let mut b = Bench::new();
    let conn = b.client();
    let late = "until 1\npub p 1 0 t 1";
    assert!(has_expired(&b.ask(conn, late), 1));
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 1 0"));
    assert!(has_expired(&b.ask(conn, late), 1));
    assert!(has_expired(&b.ask(conn, "pub p 1 0 t 1"), 1), "not limited");
    let other = b.ask(conn, "pub p 1 0 t 3");
    assert_eq!(field(&other, 3), "id_conflict");
    assert_eq!(b.entries("t"), 1);
}

#[test]
fn c10_a_publication_with_a_verdict_gets_it_again_after_its_time() {
    let mut b = Bench::new();
    let conn = b.client();
    let publication = format!("until {}\npub p 1 0 t 1", WALL_MS + 10);
    assert!(b.ask(conn, &publication).ends_with(" 1 0"));
    b.handle(Event::Closed(conn));
    b.jump(10_000);
    let conn = b.client();
    assert!(b.ask(conn, &publication).ends_with(" 1 1"));
}

#[test]
fn c10_until_is_of_the_next_publication_alone_in_whichever_frame_that_comes() {
    let mut b = Bench::new();
    let conn = b.client();
    b.send(conn, "until 1");
    b.send(conn, "ping 1\nskip q 1 0 t");
    b.records(conn);
    assert!(has_expired(&b.ask(conn, "merge p 1 0 t 1"), 1));
    assert!(b.ask(conn, "merge p 2 1 t 1").ends_with(" 1 0"));
    let last = format!("until 1\nuntil {WALL_MS}\npatch p 3 2 t []");
    assert!(b.ask(conn, &last).ends_with(" 2 0"), "the last one counts");
    b.send(conn, "until 1");
    let other = b.client();
    assert!(
        b.ask(other, "merge p 4 3 t 1").ends_with(" 3 0"),
        "another connection"
    );
}

#[test]
fn c10_a_hole_has_no_verdict_however_late_it_is() {
    let mut b = Bench::new();
    let conn = b.client();
    let record = b.ask(conn, "until 1\npub p 2 1 t 2");
    assert_eq!(field(&record, 3), "out_of_order");
    assert!(b.ask(conn, "pub p 1 0 t 1").ends_with(" 1 0"));
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 2 0"));
}

#[test]
fn c11_a_row_cancelled_before_it_arrives_is_expired_for_good() {
    let mut b = Bench::new();
    let conn = b.client();
    assert!(has_expired(&b.ask(conn, "skip p 1 0 t"), 1));
    assert!(has_expired(&b.ask(conn, "skip p 1 0 t"), 1));
    for late in ["pub p 1 0 t 1", "pub p 1 0 t {no", "merge p 1 0 t 2"] {
        assert!(has_expired(&b.ask(conn, late), 1), "{late}");
    }
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 1 0"));
    assert_eq!(b.entries("t"), 1);
}

#[test]
fn c11_a_row_that_took_effect_can_not_be_cancelled_and_is_acked_as_a_duplicate() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "pub p 1 0 t 1");
    let record = b.ask(conn, "skip p 1 0 t");
    assert!(
        record.starts_with("ack p 1 ") && record.ends_with(" 1 1"),
        "{record}"
    );
    b.ask(conn, "pub p 2 1 t {no");
    let record = b.ask(conn, "skip p 2 1 t");
    assert_eq!(field(&record, 3), "payload_invalid");
    assert!(
        b.ask(conn, "pub p 1 0 t 2")
            .starts_with("nack p 1 id_conflict "),
        "the payload that it had is known still"
    );
}

#[test]
fn c11_a_hole_is_out_of_order_and_a_row_older_than_all_verdicts_is_forgotten() {
    let mut b = Bench::with(Limits {
        verdicts_max: 2,
        ..Limits::default()
    });
    let conn = b.client();
    let record = b.ask(conn, "skip p 2 1 t");
    assert_eq!(field(&record, 3), "out_of_order");
    for n in 1..=3 {
        assert!(has_expired(&b.ask(conn, &format!("skip p {n} 0 t")), n));
    }
    let record = b.ask(conn, "skip p 1 0 t");
    assert_eq!(field(&record, 3), "id_forgotten");
}

#[test]
fn c11_a_full_hub_is_busy_and_accepts_a_cancellation_later() {
    let mut b = Bench::with(Limits {
        producers_max: 1,
        ..Limits::default()
    });
    let conn = b.client();
    b.ask(conn, "pub q 1 0 t 1");
    let record = b.ask(conn, "skip p 1 0 t");
    assert_eq!(field(&record, 3), "busy");
    assert!(has_expired(&b.ask(conn, "skip p 1 0 u"), 1));
}

#[test]
fn t1_a_post_may_limit_and_cancel_and_gets_a_verdict_for_each_publication() {
    let mut b = Bench::new();
    let post = "hello 1\nuntil 1\npub p 1 0 a 1\nskip p 2 0 b\npub p 3 1 a 3\nuntil 1";
    for is_again in [false, true] {
        let answer = b.hub.post(b.now, None, post, &mut b.effects).unwrap();
        let records: Vec<&str> = answer.split('\n').collect();
        assert_eq!(records.len(), 3, "{answer}");
        assert!(has_expired(records[0], 1) && has_expired(records[1], 2));
        let end = if is_again { " 1 1" } else { " 1 0" };
        assert!(records[2].ends_with(end), "{answer}");
    }
}

#[test]
fn c11_d7_a_snapshot_counts_a_cancelled_row_as_one_with_a_verdict() {
    let mut b = Bench::new();
    let conn = b.client();
    b.ask(conn, "merge p 1 0 t {\"a\":1}");
    b.ask(conn, "skip p 4 1 t");
    b.send(conn, "sub 1 t live as=document producer=p");
    let snapshot = b.records(conn).pop().unwrap();
    assert_eq!(field(&snapshot, 4), "4", "{snapshot}");
}

proptest! {
    /// Rows that are late, repeated and cancelled: each gets one verdict, which is always the same.
    #[test]
    fn h8_c10_c11_a_row_has_one_verdict_for_ever(
        steps in prop::collection::vec((1_u64..6, 0_usize..3), 1..60),
    ) {
        let mut b = Bench::new();
        let conn = b.client();
        let mut verdicts = std::collections::BTreeMap::new();
        for (n, how) in steps {
            let record = b.ask(conn, &match how {
                0 => format!("pub p {n} 0 t {n}"),
                1 => format!("until 1\npub p {n} 0 t {n}"),
                _ => format!("skip p {n} 0 t"),
            });
            let verdict = match field(&record, 0) {
                "ack" => field(&record, 4).to_owned(),
                _ => field(&record, 3).to_owned(),
            };
            let first = verdicts.entry(n).or_insert_with(|| verdict.clone());
            prop_assert_eq!(&*first, &verdict);
        }
        let acked = verdicts.values().filter(|verdict| verdict.parse::<u64>().is_ok()).count();
        prop_assert_eq!(b.entries("t"), acked);
    }
}

#[test]
fn f32_c10_an_invalid_payload_is_nacked_as_invalid_and_not_as_expired() {
    let mut b = Bench::new();
    let conn = b.client();
    let nack = b.ask(conn, "until 1\npub p 1 0 t {");
    assert!(nack.starts_with("nack p 1 payload_invalid "), "{nack}");
    let large = "x".repeat(70_000);
    let nack = b.ask(conn, &format!("until 1\npub p 2 1 t \"{large}\""));
    assert!(nack.starts_with("nack p 2 payload_too_large "), "{nack}");
    assert!(has_expired(&b.ask(conn, "until 1\npub p 3 2 t 1"), 3));
}
