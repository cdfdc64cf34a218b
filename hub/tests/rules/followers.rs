//! D7, D8: followers of a document under random changes have the hub's value.

use longhaul::document::patch::Change;
use longhaul::document::value::{Value, read};
use longhaul::wire::{DocumentRecord, Kind};
use longhaul_hub::core::{ConnId, Limits};
use proptest::prelude::*;

use crate::bench::Bench;

/// A minimal follower: the value and its position.
#[derive(Default)]
struct Follower {
    value: Value,
    seq: u64,
}

impl Follower {
    fn read(&mut self, records: &[String]) {
        for record in records {
            let Ok(record) = DocumentRecord::decode(record) else {
                continue;
            };
            match record {
                DocumentRecord::Snapshot { seq, value, .. } => {
                    (self.value, self.seq) = (read(value).unwrap(), seq.0);
                }
                DocumentRecord::Change {
                    seq, kind, payload, ..
                } => {
                    assert_eq!(seq.0, self.seq + 1);
                    let change = match kind {
                        Kind::Merge => Change::merge(payload),
                        _ => Change::patch(payload),
                    };
                    change.unwrap().apply(&mut self.value).unwrap();
                    self.seq = seq.0;
                }
                DocumentRecord::Checkpoint { seq, hash, .. } => {
                    assert_eq!((seq.0, hash), (self.seq, self.value.hash48()));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn d7_every_follower_has_the_value_of_the_hub_whenever_it_reads(
        steps in proptest::collection::vec((0_u8..8, 0_u8..6, 0_u8..4), 1..200),
    ) {
        let mut b = Bench::with(Limits { retain_entries: 20, for_readers_bytes: 0, ..Limits::default() });
        let mut followers: Vec<(ConnId, Follower)> = Vec::new();
        let writer = b.client();
        let mut n = 0;
        for (what, key, value) in steps {
            match what {
                0 if followers.len() < 4 => {
                    let conn = b.client();
                    b.send(conn, "sub 1 d live as=document");
                    followers.push((conn, Follower::default()));
                }
                1 if !followers.is_empty() => {
                    let index = usize::from(key) % followers.len();
                    let conn = followers[index].0;
                    let records = b.records(conn);
                    followers[index].1.read(&records);
                    let state = b.document("d").unwrap_or_else(|| "null".to_owned());
                    prop_assert_eq!(followers[index].1.value.to_json(), state);
                }
                2 | 3 => {
                    n += 1;
                    // Many of these patches do not apply.
                    let op = ["add", "remove", "replace", "test"][usize::from(value)];
                    b.send(writer, &format!(r#"patch p {n} 0 d [{{"op":"{op}","path":"/{key}","value":{n}}}]"#));
                }
                _ => {
                    n += 1;
                    let value = ["null", "{\"a\":1}", "[1,2]", "7.0"][usize::from(value)];
                    b.send(writer, &format!(r#"merge p {n} 0 d {{"{key}":{value}}}"#));
                }
            }
            b.records(writer);
        }
    }
}
