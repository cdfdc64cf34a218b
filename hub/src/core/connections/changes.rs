//! The records of a subscription that follows a document (rules D7, D8): a snapshot, then one
//! change after another, with checkpoints in between.
//!
//! Reads the log at the follower's position, as `frames` does for messages.

use longhaul::ids::{RowNo, Seq, TopicNo};
use longhaul::wire::DocumentRecord;

use super::large::LargeRecord;
use super::subscription::Follower;
use crate::core::topics::log::Entry;
use crate::core::topics::topic::Topic;

/// A follower that has all changes gets a checkpoint after this many of them. Chosen: the hub
/// computes the hash once for all followers, and a follower detects a divergence within a hundred
/// changes.
const CHECKPOINT_CHANGES: usize = 100;

/// The longest head of a record, bytes: verb, numbers, an id, spaces.
const HEAD_BYTES: usize = 256;

/// Writes the records that fit. An empty frame gets at least one. Returns the seq of the last
/// entry.
pub(super) fn write(
    frame: &mut String,
    no: TopicNo,
    follower: &mut Follower,
    after: Seq,
    topic: &mut Topic,
    bytes_max: usize,
) -> Seq {
    if follower.is_snapshot_due {
        let text = topic.content.text();
        if !fits(frame, text.len(), bytes_max) {
            return after;
        }
        let seq = snapshot(frame, no, follower, topic);
        frame.push_str(&text);
        return seq;
    }
    let mut last = after;
    for (seq, entry) in topic.log.after(after).into_iter().flatten() {
        if !fits(frame, entry.payload.len(), bytes_max) {
            return last;
        }
        change_of(no, seq, entry).encode(frame);
        last = seq;
        follower.unchecked += 1;
    }
    if follower.unchecked >= CHECKPOINT_CHANGES {
        follower.unchecked = 0;
        let hash = topic.content.hash();
        let seq = last;
        DocumentRecord::Checkpoint { no, seq, hash }.encode(frame);
    }
    last
}

/// The next record, to be sent in parts, and the seq of its last entry.
pub(super) fn large(
    no: TopicNo,
    follower: &mut Follower,
    after: Seq,
    topic: &mut Topic,
) -> (LargeRecord, Seq) {
    let mut record = String::new();
    if follower.is_snapshot_due {
        let seq = snapshot(&mut record, no, follower, topic);
        return (LargeRecord::new(no, record, topic.content.text()), seq);
    }
    let mut last = after;
    if let Some((seq, entry)) = topic.log.after(after).into_iter().flatten().next() {
        change_of(no, seq, entry).encode(&mut record);
        last = seq;
        follower.unchecked += 1;
    }
    (LargeRecord::new(no, record, "".into()), last)
}

/// Writes the head of a snapshot; the caller writes the value right behind it. Returns its seq.
fn snapshot(frame: &mut String, no: TopicNo, follower: &mut Follower, topic: &Topic) -> Seq {
    let producer = follower.producer.as_deref();
    let end = topic.log.end();
    let head = DocumentRecord::Snapshot {
        no,
        seq: end.seq,
        chain: end.chain,
        last: producer.map_or(RowNo(0), |producer| topic.last_of(producer)),
        value: "",
    };
    head.encode(frame);
    (follower.is_snapshot_due, follower.unchecked) = (false, 0);
    end.seq
}

fn fits(frame: &str, bytes: usize, bytes_max: usize) -> bool {
    frame.is_empty() || frame.len() + HEAD_BYTES + bytes <= bytes_max
}

fn change_of(no: TopicNo, seq: Seq, entry: &Entry) -> DocumentRecord<'_> {
    DocumentRecord::Change {
        no,
        seq,
        chain: entry.chain,
        at: entry.at_ms,
        id: entry.id.as_deref(),
        kind: entry.kind,
        payload: &entry.payload,
    }
}
