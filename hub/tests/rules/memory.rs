//! H11: how long the hub remembers producers, and what it does when they are too many.

use longhaul::ids::Seq;
use longhaul_hub::core::{Event, Limits};

use crate::bench::{Bench, field};

const DAY_MS: u64 = 86_400_000;

impl Bench {
    /// The only record that answers a post of one record.
    fn post_one(&mut self, record: &str) -> String {
        let post = format!("hello 1\n{record}");
        self.hub
            .post(self.now, None, &post, &mut self.effects)
            .unwrap()
    }
}

#[test]
fn h11_i5_a_row_that_comes_again_after_a_week_is_a_duplicate_in_the_same_epoch() {
    let mut b = Bench::new();
    let first = b.post_one("pub p 1 0 t 1");
    b.pass(7 * DAY_MS);
    let again = b.post_one("pub p 1 0 t 1");
    assert!(again.ends_with(" 1 1"), "{again}");
    assert_eq!(field(&first, 3), field(&again, 3), "the same epoch");
    b.pass(8 * DAY_MS - 1_000);
    let again = b.post_one("pub p 1 0 t 1");
    assert!(again.ends_with(" 1 1"), "counted from when it was heard");
}

#[test]
fn h11_after_eight_days_of_silence_topic_and_producer_are_forgotten() {
    let mut b = Bench::new();
    let first = b.post_one("pub p 1 0 t 1");
    b.pass(8 * DAY_MS + 2_000);
    let again = b.post_one("pub p 1 0 t 1");
    assert!(again.ends_with(" 1 0"), "{again}");
    assert_ne!(field(&first, 3), field(&again, 3), "a new epoch");
}

#[test]
fn h11_a_topic_of_which_only_a_nack_is_remembered_stays_too() {
    let mut b = Bench::new();
    b.post_one("skip p 1 0 t");
    let epoch = |b: &mut Bench| b.hub.read(b.now, "t", Seq(1), 1).unwrap().epoch;
    let first = epoch(&mut b);
    b.pass(2 * DAY_MS);
    assert_eq!(epoch(&mut b), first);
    assert!(
        b.post_one("pub p 1 0 t 1").starts_with("nack p 1 expired "),
        "a straggler"
    );
}

#[test]
fn h11_in_a_busy_topic_each_producer_is_forgotten_by_its_own_age() {
    let limits = Limits {
        producers_ms: 10_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    b.post_one("pub p 1 0 t 1");
    for n in 1..=12 {
        b.pass(1_000);
        b.post_one(&format!("pub q {n} 0 t 1"));
    }
    let record = b.post_one("pub p 2 1 t 2");
    assert_eq!(field(&record, 3), "out_of_order", "p is unknown");
    assert!(b.post_one("pub q 1 0 t 1").ends_with(" 2 1"), "q is not");
}

#[test]
fn h9_a_new_producer_at_the_limit_is_busy_until_an_old_one_is_forgotten() {
    let limits = Limits {
        producers_max: 2,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    b.post_one("pub p 1 0 t 1");
    b.jump(1_000);
    b.post_one("pub q 1 0 t 1");
    b.jump(limits.producers_ms - 1_001);
    assert!(b.post_one("pub r 1 0 t 1").starts_with("nack r 1 busy "));
    assert!(b.post_one("pub r 1 0 u 1").starts_with("ack r 1 "));
    b.jump(1);
    assert!(b.post_one("pub r 1 0 t 1").starts_with("ack r 1 "));
    assert!(
        b.post_one("pub q 1 0 t 1").ends_with(" 1"),
        "q is remembered"
    );
}

#[test]
fn h9_when_the_memory_of_producers_is_full_new_ones_are_busy_and_known_ones_go_on() {
    let limits = Limits {
        producers_bytes_max: 1_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let mut known = 0;
    while b
        .post_one(&format!("pub p{known} 1 0 t{known} 1"))
        .starts_with("ack ")
    {
        known += 1;
        assert!(known < 10, "1,000 bytes are never full");
    }
    assert!(known > 1);
    for topic in 0..known {
        let record = b.post_one(&format!("pub p{topic} 2 1 t{topic} 2"));
        assert!(record.ends_with(" 2 0"), "{record}");
    }
    b.publish("t0", "3");
    b.pass(limits.producers_ms + 2_000);
    let record = b.post_one(&format!("pub p{known} 1 0 t{known} 1"));
    assert!(record.starts_with("ack "), "there is room again: {record}");
}

#[test]
fn h9_a_forgotten_topic_frees_all_its_memory() {
    let limits = Limits {
        memory_bytes_max: 20_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    for _ in 0..20 {
        for topic in 0..10 {
            let record = b.post_one(&format!("pub p 1 0 t{topic} 1"));
            assert!(record.ends_with(" 1 0"), "{record}");
        }
        b.pass(limits.producers_ms + 2_000);
    }
}

#[test]
fn h9_producers_that_a_topic_forgets_make_way_for_others() {
    let limits = Limits {
        producers_bytes_max: 1_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    for p in 0..10 {
        let record = b.post_one(&format!("merge p{p} 1 0 document {{\"a\":1}}"));
        assert!(record.ends_with(&format!(" {} 0", p + 1)), "{record}");
        b.pass(limits.producers_ms + limits.topic_idle_ms);
    }
}

#[test]
fn h9_topics_that_nobody_has_written_count_too() {
    let limits = Limits {
        memory_bytes_max: 5_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let conn = b.client();
    for topic in 0..10 {
        b.ask(conn, &format!("sub {topic} t{topic} live"));
    }
    assert!(b.post_one("pub p 1 0 t 1").starts_with("nack p 1 busy "));
    b.handle(Event::Closed(conn));
    assert!(b.post_one("pub p 1 0 t 1").ends_with(" 1 0"));
}
