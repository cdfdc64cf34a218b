//! H13, H14: an outbox is the first subject's that published with it, and nobody else publishes with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longhaul_hub::core::{Close, ConnId, Limits};

use crate::bench::{Bench, field};

const DAY_MS: u64 = 86_400_000;

/// A token of this subject. Nobody has signed it.
fn token(subject: &str) -> String {
    let claims = format!(r#"{{"sub":"{subject}"}}"#);
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims))
}

impl Bench {
    /// A welcomed connection that has shown this subject's token.
    fn client_of(&mut self, subject: &str) -> ConnId {
        let conn = self.open();
        self.send(conn, &format!("hello 1 token={}", token(subject)));
        assert!(self.take(conn).unwrap().starts_with("welcome "));
        conn
    }

    /// What a post of these records is answered with, or how it is refused.
    fn post_as(&mut self, subject: Option<&str>, records: &str) -> Result<String, Close> {
        let token = subject.map(token);
        let post = format!("hello 1\n{records}");
        self.hub
            .post(self.now, token.as_deref(), &post, &mut self.effects)
            .map_err(|refusal| refusal.close)
    }

    fn is_sent_away(&mut self, conn: ConnId) -> bool {
        match self.closed(conn) {
            Some((Close::Unauthorized, reason)) => {
                assert!(reason.starts_with("unauthorized "), "{reason}");
                true
            }
            Some(other) => panic!("{other:?}"),
            None => false,
        }
    }
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
        b.send(other, record);
        assert!(b.is_sent_away(other), "{record}");
    }
    assert_eq!((b.entries("t"), b.entries("u")), (1, 0));
    assert!(b.ask(first, "pub p 2 1 t 2").ends_with(" 2 0"));
}

#[test]
fn h14_the_records_before_have_taken_effect_and_those_after_do_not() {
    let mut b = Bench::new();
    let first = b.client_of("a");
    b.ask(first, "pub p 1 0 t 1");
    let other = b.client_of("b");
    b.send(other, "pub q 1 0 t 2\npub p 2 1 t 3\npub q 2 1 t 4");
    assert!(b.is_sent_away(other));
    assert_eq!(b.entries("t"), 2);
}

#[test]
fn h14_a_post_with_a_row_of_another_is_refused_whole() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    let refused = b.post_as(Some("b"), "pub q 1 0 t 2\npub p 2 1 t 3");
    assert_eq!(refused, Err(Close::Unauthorized));
    assert_eq!(b.entries("t"), 1, "nothing of it has taken effect");
    assert!(b.post_as(Some("b"), "pub q 1 0 t 2").is_ok());
}

#[test]
fn h14_whoever_shows_no_subject_does_not_publish_with_somebodys_outbox() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    assert_eq!(b.post_as(None, "pub p 2 1 t 2"), Err(Close::Unauthorized));
    let nobody = b.client();
    b.send(nobody, "pub p 2 1 t 2");
    assert!(b.is_sent_away(nobody));
    let opaque = b.open();
    b.send(opaque, "hello 1 token=opaque\npub p 2 1 t 2");
    assert!(b.is_sent_away(opaque));
}

#[test]
fn h13_what_was_published_without_a_subject_is_the_first_ones_that_comes() {
    let mut b = Bench::new();
    assert!(b.post_as(None, "pub p 1 0 t 1").is_ok());
    assert!(b.post_as(None, "pub p 2 1 t 2").is_ok());
    assert!(b.post_as(Some("a"), "pub p 3 2 t 3").is_ok());
    assert_eq!(b.post_as(None, "pub p 4 3 t 4"), Err(Close::Unauthorized));
    let other = b.post_as(Some("b"), "pub p 4 3 t 4");
    assert_eq!(other, Err(Close::Unauthorized));
    assert_eq!(b.entries("t"), 3);
}

#[test]
fn h13_a_token_in_the_place_of_another_says_who_publishes_from_now_on() {
    let mut b = Bench::new();
    let conn = b.client_of("a");
    b.ask(conn, "pub p 1 0 t 1");
    b.send(conn, &format!("auth {}", token("a")));
    assert!(b.ask(conn, "pub p 2 1 t 2").ends_with(" 2 0"));
    b.send(conn, &format!("auth {}\npub p 3 2 t 3", token("b")));
    assert!(b.is_sent_away(conn));
}

#[test]
fn h13_what_leaves_no_trace_binds_nobody() {
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
fn h13_whose_an_outbox_is_is_remembered_as_long_as_the_outbox_in_whatever_topic() {
    let mut b = Bench::new();
    assert!(b.post_as(Some("a"), "pub p 1 0 t 1").is_ok());
    b.pass(5 * DAY_MS);
    assert!(b.post_as(Some("a"), "pub p 2 0 u 2").is_ok());
    b.pass(8 * DAY_MS - 1);
    let other = b.post_as(Some("b"), "pub p 3 0 v 3");
    assert_eq!(
        other,
        Err(Close::Unauthorized),
        "and this one counts for nothing"
    );
    b.pass(1);
    assert!(b.post_as(Some("b"), "pub p 3 0 v 3").is_ok());
    let first = b.post_as(Some("a"), "pub p 4 3 v 4");
    assert_eq!(first, Err(Close::Unauthorized), "it is b's now");
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
