//! T1: publications in one post, and the form of a post.

use longhaul::ids::Seq;
use longhaul_hub::core::{Close, Limits};

use crate::bench::{Bench, field};

impl Bench {
    fn post(&mut self, text: &str) -> Result<Vec<String>, Close> {
        match self.hub.post(self.now, None, text, &mut self.effects) {
            Ok(answer) => Ok(answer.split('\n').map(str::to_owned).collect()),
            Err(refusal) => Err(refusal.close),
        }
    }
}

#[test]
fn t1_a_post_is_answered_with_a_verdict_for_each_publication_in_order_and_nothing_else() {
    let mut b = Bench::new();
    let reader = b.client();
    b.ask(reader, "sub 1 a live");
    let post = "hello 1 session=s\npub p 1 0 a 1\npub p 2 0 b {\npub p 3 1 a [3]";
    let first = b.post(post).unwrap();
    assert_eq!(first.len(), 3, "{first:?}");
    assert!(first[0].starts_with("ack p 1 ") && first[0].ends_with(" 1 0"));
    assert!(first[1].starts_with("nack p 2 payload_invalid "));
    assert!(first[2].starts_with("ack p 3 ") && first[2].ends_with(" 2 0"));
    assert!(
        b.records(reader)[0].starts_with("b 1 1 2 "),
        "and read at once"
    );
    let again = b.post(post).unwrap();
    assert!(
        again[0].ends_with(" 1 1") && again[2].ends_with(" 2 1"),
        "{again:?}"
    );
    assert_eq!(field(&again[1], 3), "payload_invalid");
    assert_eq!(b.hub.connections(), 1, "a post leaves nothing behind");
}

#[test]
fn t1_a_post_of_no_publications_is_answered_with_none() {
    let mut b = Bench::new();
    assert_eq!(b.post("hello 1").unwrap(), [""]);
}

#[test]
fn t1_a_post_that_can_not_be_read_takes_no_effect_at_all() {
    let mut b = Bench::new();
    for (post, close) in [
        ("", Close::BadFrame),
        ("pub p 1 0 t 1", Close::BadFrame),
        ("hello 2\npub p 1 0 t 1", Close::VersionUnsupported),
        ("hello 1\npub p 1 0 t 1\nshout", Close::BadFrame),
        ("hello 1\npub p 1 0 t 1\nhello 1", Close::BadFrame),
        ("hello 1\npub p 1 0 t 1\nsub 1 t live", Close::BadFrame),
        ("hello 1\npub p 1 0 t 1\nunsub 1", Close::BadFrame),
        ("hello 1\npub p 1 0 t 1\nping 1", Close::BadFrame),
        ("hello 1\npub p 1 0 t 1\r\npub p 2 1 t 2", Close::BadFrame),
    ] {
        assert_eq!(b.post(post), Err(close), "{post:?}");
    }
    let large = format!("hello 1\npub p 1 0 t 1{}", "\n".repeat(262_144));
    assert_eq!(b.post(&large), Err(Close::FrameTooLarge));
    assert!(
        b.hub
            .read(b.now, "t", Seq(1), 9)
            .unwrap()
            .entries
            .is_empty()
    );
}

#[test]
fn t1_a_hub_with_its_maximum_of_connections_still_accepts_their_posts() {
    let mut b = Bench::with(Limits {
        connections_max: 1,
        ..Limits::default()
    });
    b.client();
    assert!(b.post("hello 1\npub p 1 0 t 1").unwrap()[0].starts_with("ack "));
}

#[test]
fn t4_a_stopping_hub_takes_no_more_posts() {
    let mut b = Bench::new();
    b.handle(longhaul_hub::core::Event::Stop);
    assert_eq!(b.post("hello 1\npub p 1 0 t 1"), Err(Close::GoingAway));
}
