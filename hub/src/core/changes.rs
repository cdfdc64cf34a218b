//! What a connection that follows a document is owed (rules D7, D8): a snapshot, then change by change, now and then a checkpoint.
//!
//! Reads the log at the follower's place, as `stream` does for messages.

use longhaul::document::patch::DOCUMENT_BYTES_MAX;
use longhaul::ids::{RowNo, Seq, TopicNo};
use longhaul::wire::DocumentRecord;

use super::large::Large;
use super::log::Entry;
use super::peer::{Follower, Subscription};
use super::topic::Topic;

/// What the largest snapshot takes. Source: rule D6, every character an escape of six.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 6 * DOCUMENT_BYTES_MAX;

/// Changes after which a follower that has all of them gets a checkpoint. Chosen: the hash is made once for all followers, and a
/// divergence lives no longer than a hundred changes.
const CHECKPOINT_CHANGES: usize = 100;

/// The head of a record at most, bytes: verb, numbers, an id, spaces.
const HEAD_BYTES: usize = 256;

/// Whether a subscription gets a snapshot before anything else.
pub(super) fn is_snapshot_due(subscription: &Subscription) -> bool {
    let follower = subscription.document.as_ref();
    follower.is_some_and(|follower| follower.is_snapshot_due)
}

/// Writes what fits, at least one record into an empty frame. Returns the place after it.
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
    let mut place = after;
    for (seq, entry) in topic.log.after(after).into_iter().flatten() {
        if !fits(frame, entry.payload.len(), bytes_max) {
            return place;
        }
        change_of(no, seq, entry).encode(frame);
        place = seq;
        follower.unchecked += 1;
    }
    if follower.unchecked >= CHECKPOINT_CHANGES {
        follower.unchecked = 0;
        let hash = topic.content.hash();
        let seq = place;
        DocumentRecord::Checkpoint { no, seq, hash }.encode(frame);
    }
    place
}

/// What comes next, as a record that comes in parts. Returns the place after it.
pub(super) fn large(
    no: TopicNo,
    follower: &mut Follower,
    after: Seq,
    topic: &mut Topic,
) -> (Large, Seq) {
    let mut record = String::new();
    if follower.is_snapshot_due {
        let seq = snapshot(&mut record, no, follower, topic);
        return (Large::new(no, record, topic.content.text()), seq);
    }
    let mut place = after;
    if let Some((seq, entry)) = topic.log.after(after).into_iter().flatten().next() {
        change_of(no, seq, entry).encode(&mut record);
        place = seq;
        follower.unchecked += 1;
    }
    (Large::new(no, record, "".into()), place)
}

/// Writes the head of a snapshot, and expects the value right behind it. Returns the place of that.
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
