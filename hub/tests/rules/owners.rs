//! H13, H14: an outbox belongs to the first subject that publishes with it, and to no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longhaul_hub::core::{Close, ConnId, Limits};

use crate::bench::{Bench, field};

const DAY_MS: u64 = 86_400_000;

/// An unsigned token of this subject.
fn token(subject: &str) -> String {
    let claims = format!(r#"{{"sub":"{subject}"}}"#);
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims))
}

impl Bench {
    /// A welcomed connection with a token of this subject.
    fn client_of(&mut self, subject: &str) -> ConnId {
        let conn = self.open();
        self.send(conn, &format!("hello 1 token={}", token(subject)));
        assert!(self.take(conn).unwrap().starts_with("welcome "));
        conn
    }

    /// The answer to a post of these records, or its refusal.
    fn post_as(&mut self, subject: Option<&str>, records: &str) -> Result<String, Close> {
        let token = subject.map(token);
        let post = format!("hello 1\n{records}");
        self.hub
            .post(self.now, token.as_deref(), &post, &mut self.effects)
            .map_err(|refusal| refusal.close)
    }
}

fn is_not_owner(answer: &str) -> bool {
    answer.starts_with("nack p ") && field(answer, 3) == "not_owner"
}

#[test]
fn h14_s55_i15_rows_of_one_subject_that_another_sends_are_no_entries_and_still_the_first_ones() {
    let mut b = Bench::new();
    let first = b.client_of("a");
    assert!(b.ask(first, "pub p 1 0 t 1").starts_with("ack p 1 "));
    for record in [
        "pub p 2 1 t 2",
        "pub p 1 0 t 1",
        "pub p 2 0 u 2",
        "patch p 2 0 u []",
        "merge p 2 0 u {}",
        "skip p 2 1 t",
    ] {
        let other = b.client_of("b");
        assert!(is_not_owner(&b.ask(other, record)), "{record}");
    }
    assert_eq!((b.entries("t"), b.entries("u")), (1, 0));
    assert!(b.ask(first, "pub p 2 1 t 2").ends_with(" 2 0"));
}

#[test]
fn f33_h14_a_refused_publication_ends_nothing_else_on_its_connection() {
    let mut b = Bench::new();
    let first = b.client_of("a");
    b.ask(first, "pub p 1 0 t 1");
    let other = b.client_of("b");
    b.send(other, "sub 1 t live");
    b.take(other);
    b.send(other, "pub q 1 0 t 2\npub p 2 1 t 3\npub q 2 1 t 4");
    let answers = b.take(other).unwrap();
    let codes: Vec<&str> = answers.lines().map(|answer| field(answer, 0)).collect();
    assert_eq!(codes, ["ack", "nack", "ack", "b"], "{answers}");
    assert_eq!(b.closed(other), None);
    assert_eq!(b.entries("t"), 3);
}

#[test]
fn f33_h14_a_post_with_a_row_of_another_takes_effect_but_for_that() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    let answers = b
        .post_as(Some("b"), "pub q 1 0 t 2\npub p 2 1 t 3")
        .unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert!(answers[0].starts_with("ack q 1 "), "{answers:?}");
    assert!(is_not_owner(answers[1]), "{answers:?}");
    assert_eq!(b.entries("t"), 2);
}

#[test]
fn h14_a_client_without_a_subject_can_not_publish_with_the_outbox_of_one() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    assert!(is_not_owner(&b.post_as(None, "pub p 2 1 t 2").unwrap()));
    let nobody = b.client();
    assert!(is_not_owner(&b.ask(nobody, "pub p 2 1 t 2")));
    let opaque = b.open();
    b.send(opaque, "hello 1 token=opaque\npub p 2 1 t 2");
    assert!(is_not_owner(
        b.take(opaque).unwrap().lines().last().unwrap()
    ));
}

#[test]
fn h13_an_outbox_without_an_owner_belongs_to_the_first_subject_that_publishes() {
    let mut b = Bench::new();
    assert!(b.post_as(None, "pub p 1 0 t 1").is_ok());
    assert!(b.post_as(None, "pub p 2 1 t 2").is_ok());
    assert!(b.post_as(Some("a"), "pub p 3 2 t 3").is_ok());
    for other in [None, Some("b")] {
        assert!(is_not_owner(&b.post_as(other, "pub p 4 3 t 4").unwrap()));
    }
    assert_eq!(b.entries("t"), 3);
}

#[test]
fn h13_a_new_token_names_the_subject_from_now_on() {
    let mut b = Bench::new();
    let conn = b.client_of("a");
    b.ask(conn, "pub p 1 0 t 1");
    b.send(conn, &format!("auth {}", token("a")));
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 2 0"));
    assert!(is_not_owner(
        &b.ask(conn, &format!("auth {}\npub p 3 2 t 3", token("b")))
    ));
}

#[test]
fn h13_a_row_that_leaves_no_trace_sets_no_owner() {
    let limits = Limits {
        producers_max: 1,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let hole = b.post_as(Some("b"), "pub p 2 1 t 2").unwrap();
    assert_eq!(field(&hole, 3), "out_of_order");
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    let busy = b.post_as(Some("b"), "pub q 1 0 t 1").unwrap();
    assert_eq!(field(&busy, 3), "busy");
    assert!(b.post_as(Some("a"), "pub q 1 0 u 1").is_ok());
}

#[test]
fn h13_the_hub_remembers_an_owner_as_long_as_any_topic_remembers_the_outbox() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    b.pass(5 * DAY_MS);
    assert!(b.post_as(Some("a"), "pub p 2 0 u 2").is_ok());
    b.pass(8 * DAY_MS - 1);
    let other = b.post_as(Some("b"), "pub p 3 0 v 3").unwrap();
    assert!(is_not_owner(&other), "and this one counts for nothing");
    b.pass(1);
    let other = b.post_as(Some("b"), "pub p 3 0 v 3").unwrap();
    assert!(other.starts_with("ack "), "{other}");
    let first = b.post_as(Some("a"), "pub p 4 3 v 4").unwrap();
    assert!(is_not_owner(&first), "it is b's now");
}

#[test]
fn h13_owners_count_among_the_memory_of_producers_and_give_it_back() {
    let limits = Limits {
        producers_bytes_max: 2_000,
        ..Limits::default()
    };
    let mut b = Bench::with(limits);
    let subject = "s".repeat(1_000);
    for round in 0..10 {
        let mut known = 0;
        while b
            .post_as(Some(&subject), &format!("pub p{round}-{known} 1 0 t 1"))
            .unwrap()
            .starts_with("ack ")
        {
            known += 1;
        }
        assert_eq!(known, 2, "the second is over the limit, in round {round}");
        b.pass(limits.producers_ms * 2);
    }
}
