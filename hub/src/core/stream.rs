//! What a connection is owed, as frames: answers first, then messages straight from the logs (rules H5, H6, H10).
//!
//! Reads the logs at the cursors of the subscriptions, taking turns between topics, and never holds a copy.

use std::fmt::Write as _;

use longhaul::ids::{Chain, Seq, TopicNo};
use longhaul::wire::{Body, Messages, Start, ToClient};

use super::changes;
use super::document::ChangeFault;
use super::large::Large;
use super::limits::{HEAD_BYTES_MAX, Limits};
use super::log::{Entry, Log};
use super::peer::{ConnId, Peer, Subscription};
use super::topic::Topic;
use super::topics::Topics;

/// The head of a record with a payload or a value at most, bytes: verb, numbers, an id, spaces.
const RECORD_HEAD_BYTES: usize = 256;
/// The head of a messages record at most, bytes: verb, five numbers, spaces.
const HEAD_BYTES: usize = 96;
/// What stands around a payload in a batch at most, bytes: commas, an offset of time, quotes.
const ELEMENT_BYTES: usize = 28;

/// The next frame for a connection. `None` if it is owed nothing.
pub(crate) fn take_frame(
    conn: ConnId,
    peer: &mut Peer,
    topics: &mut Topics,
    bytes_max: usize,
    limits: &Limits,
) -> Option<String> {
    let (mut frame, are_all) = peer.take_answers();
    if are_all {
        // A part and the messages of other subscriptions take turns, so that neither waits for the other.
        let had_part = std::mem::take(&mut peer.had_part);
        if !had_part && frame.len() < bytes_max {
            write_part(&mut frame, peer, bytes_max);
        }
        write_ready(&mut frame, conn, peer, topics, (bytes_max, true));
        if frame.is_empty() {
            write_part(&mut frame, peer, bytes_max);
        }
    }
    debug_assert!(frame.len() <= bytes_max.max(limits.frame_bytes_aim) + HEAD_BYTES_MAX);
    (!frame.is_empty()).then_some(frame)
}

/// Writes the next part of the record that comes in parts, if there is one.
fn write_part(frame: &mut String, peer: &mut Peer, bytes_max: usize) {
    let Some(large) = &mut peer.large else {
        return;
    };
    let (no, is_last) = (large.no, large.write(frame, bytes_max));
    peer.had_part = true;
    if is_last {
        peer.large = None;
        peer.release();
        peer.ready(no);
    }
}

/// All answers, and messages of at most `bytes_max` or one larger (rule T3).
pub(crate) fn take_answer(
    conn: ConnId,
    peer: &mut Peer,
    topics: &mut Topics,
    bytes_max: usize,
) -> String {
    let mut messages = String::new();
    write_ready(&mut messages, conn, peer, topics, (bytes_max, false));
    let mut parts = Vec::new();
    loop {
        let (frame, are_all) = peer.take_answers();
        parts.push(frame);
        if are_all {
            break;
        }
    }
    parts.push(messages);
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Writes the messages that fit `bytes_max`, topic by topic in turns, at least one into an empty frame; where `has_parts`, one that
/// is larger than a frame is to come in parts.
fn write_ready(
    frame: &mut String,
    conn: ConnId,
    peer: &mut Peer,
    topics: &mut Topics,
    (bytes_max, has_parts): (usize, bool),
) {
    while frame.len() < bytes_max {
        let Some(no) = peer.next_ready() else {
            break;
        };
        let is_busy = peer.large.is_some();
        let Some(subscription) = peer.subscriptions().and_then(|all| all.get_mut(&no)) else {
            continue;
        };
        let Some(topic) = topics.by_id(subscription.topic) else {
            continue;
        };
        if subscription.document.is_some() && !topic.content.is_document() {
            // Nobody had written the topic when it was followed as a document; it has become none (rule D7).
            refuse(frame, no);
            let gone = peer.unsubscribe(no).map(|gone| (no, gone));
            peer.refused.extend(gone);
            continue;
        }
        if !changes::is_snapshot_due(subscription)
            && let Err(reason) = topic.log.after(subscription.after).map(drop)
        {
            // Retention has overtaken this subscriber: it is told, and goes on with what is there.
            let start = Start {
                no,
                after: topic.log.begin(),
                head: topic.log.head(),
            };
            ToClient::ResumeFailed { reason, start }.encode(frame);
            subscription.after = start.after.seq;
            if let Some(follower) = &mut subscription.document {
                follower.is_snapshot_due = true;
            }
        }
        let bytes = next_bytes(subscription, topic);
        if has_parts && bytes + RECORD_HEAD_BYTES > bytes_max {
            if is_busy {
                peer.park(no);
                continue;
            }
            let (large, seq) = next_large(no, subscription, topic);
            subscription.after = seq;
            let id = subscription.topic;
            topics.recount(id);
            // Its subscription stays out of the queue until the last part.
            peer.large = Some(large);
            continue;
        }
        let after = subscription.after;
        let (after, is_end) = match &mut subscription.document {
            Some(follower) => {
                let after = changes::write(frame, no, follower, after, topic, bytes_max);
                (
                    after,
                    after == topic.log.head() && !follower.is_snapshot_due,
                )
            }
            None => write_messages(frame, no, &topic.log, after, bytes_max),
        };
        subscription.after = after;
        let (id, is_follower) = (subscription.topic, subscription.document.is_some());
        if is_end {
            topic.waiting.insert((conn, no));
        }
        if is_follower {
            // A snapshot's text is kept for the next follower.
            topics.recount(id);
        }
        if !is_end {
            // It did not fit, so nothing much will; the others are first in the next frame.
            peer.ready(no);
            break;
        }
    }
}

/// Of the payload or the value that comes next, if there is one.
fn next_bytes(subscription: &Subscription, topic: &mut Topic) -> usize {
    if changes::is_snapshot_due(subscription) {
        return topic.content.text().len();
    }
    let mut entries = topic.log.after(subscription.after).into_iter().flatten();
    entries.next().map_or(0, |(_, entry)| entry.payload.len())
}

/// What comes next, as a record that comes in parts, and the place after it.
fn next_large(no: TopicNo, subscription: &mut Subscription, topic: &mut Topic) -> (Large, Seq) {
    let after = subscription.after;
    if let Some(follower) = &mut subscription.document {
        return changes::large(no, follower, after, topic);
    }
    let mut record = String::new();
    let (seq, _) = write_messages(&mut record, no, &topic.log, after, 0);
    (Large::new(no, record, "".into()), seq)
}

/// Rule D7: the topic is no document.
fn refuse(frame: &mut String, no: TopicNo) {
    let fault = ChangeFault::NotADocument;
    let refused = ToClient::Refused {
        no,
        code: fault.code(),
        message: &fault.message(),
    };
    refused.encode(frame);
}

/// Writes what fits after `after`, at least one message into an empty frame. Returns the last one's seq, and whether it is the head.
fn write_messages(
    frame: &mut String,
    no: TopicNo,
    log: &Log,
    after: Seq,
    bytes_max: usize,
) -> (Seq, bool) {
    let is_empty = frame.is_empty();
    let mut bytes = frame.len() + HEAD_BYTES;
    let (mut count, mut last) = (0_u32, (after, Chain(0)));
    let Ok(entries) = log.after(after) else {
        return (after, false);
    };
    for (seq, entry) in entries {
        bytes += element_bytes(entry);
        if bytes > bytes_max && !(is_empty && count == 0) {
            break;
        }
        count += 1;
        last = (seq, entry.chain);
    }
    let (last, chain) = last;
    let Some((first, entry)) = log.after(after).ok().and_then(|mut entries| entries.next()) else {
        return (after, true);
    };
    let head = |body| {
        ToClient::Messages(Messages {
            no,
            first,
            chain,
            at: entry.at_ms,
            body,
        })
    };
    match count {
        0 => return (after, false),
        1 => head(Body::One {
            id: entry.id.as_deref(),
            payload: &entry.payload,
        })
        .encode(frame),
        _ => {
            head(Body::Batch { count, array: "" }).encode(frame);
            let entries = log.after(after).into_iter().flatten();
            write_array(
                frame,
                entry.at_ms,
                entries.take_while(|(seq, _)| *seq <= last),
            );
        }
    }
    (last, last == log.head())
}

fn write_array<'a>(
    frame: &mut String,
    at_ms: u64,
    entries: impl Iterator<Item = (Seq, &'a Entry)>,
) {
    let mut mark = '[';
    for (_, entry) in entries {
        frame.push(mark);
        mark = ',';
        frame.push_str(&entry.payload);
        let offset = i128::from(entry.at_ms) - i128::from(at_ms);
        let _ = match &entry.id {
            // An id has no character that JSON would escape (rule W7).
            Some(id) => write!(frame, ",{offset},\"{id}\""),
            None => write!(frame, ",{offset},0"),
        };
    }
    frame.push(']');
}

fn element_bytes(entry: &Entry) -> usize {
    entry.payload.len() + entry.id.as_ref().map_or(1, |id| id.len()) + ELEMENT_BYTES
}
