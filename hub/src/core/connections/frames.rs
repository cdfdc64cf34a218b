//! The next frame of a connection: answers first, then messages from the logs (rules H5, H6, H10).
//!
//! Reads the logs at the cursors of the subscriptions. Subscriptions take turns. Copies nothing.

use std::fmt::Write as _;

use longhaul::ids::{Chain, Seq, TopicNo};
use longhaul::wire::{Body, Messages, Start, ToClient};

use super::changes;
use super::connection::Connection;
use super::large::{LargeRecord, Written};
use super::subscription::Subscription;
use crate::core::ids::ConnId;
use crate::core::limits::{HEAD_BYTES_MAX, Limits};
use crate::core::topics::log::{Entry, Log};
use crate::core::topics::nack::SubscriptionFault;
use crate::core::topics::registry::Topics;
use crate::core::topics::topic::Topic;

/// The longest head of a record with a payload or a value, bytes: verb, numbers, an id, spaces.
const RECORD_HEAD_BYTES: usize = 256;
/// The longest head of a messages record, bytes: verb, five numbers, spaces.
const HEAD_BYTES: usize = 96;
/// The most bytes around a payload in a batch: commas, an offset of time, quotes.
const ELEMENT_BYTES: usize = 28;

/// What happens to a record that is larger than a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oversized {
    /// The client gets it in parts (rule W9).
    InParts,
    /// The client gets it whole: an answer to a poll has no parts.
    Whole,
}

/// The size of what a connection gets next.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes_max: usize,
    oversized: Oversized,
}

/// The next frame of a connection. `None` if there is nothing to send.
pub(crate) fn take_frame(
    conn: ConnId,
    connection: &mut Connection,
    topics: &mut Topics,
    bytes_max: usize,
    limits: &Limits,
) -> Option<String> {
    let (mut frame, is_last) = connection.take_answers();
    if is_last {
        // Parts and the messages of other subscriptions take turns, so that neither waits long.
        let had_part = std::mem::take(&mut connection.had_part);
        if !had_part && frame.len() < bytes_max {
            write_part(&mut frame, connection, bytes_max);
        }
        let oversized = Oversized::InParts;
        let size = Size {
            bytes_max,
            oversized,
        };
        write_queued(&mut frame, conn, connection, topics, size);
        if frame.is_empty() {
            write_part(&mut frame, connection, bytes_max);
        }
    }
    debug_assert!(frame.len() <= bytes_max.max(limits.frame_bytes_aim) + HEAD_BYTES_MAX);
    (!frame.is_empty()).then_some(frame)
}

/// Writes the next part of a large record, if there is one.
fn write_part(frame: &mut String, connection: &mut Connection, bytes_max: usize) {
    let Some(large) = &mut connection.large else {
        return;
    };
    let (no, written) = (large.no, large.write(frame, bytes_max));
    connection.had_part = true;
    if written == Written::Last {
        connection.large = None;
        connection.release();
        connection.enqueue(no);
    }
}

/// The answer to a poll: all answers, and messages of at most `bytes_max` or one larger (rule T3).
pub(crate) fn take_answer(
    conn: ConnId,
    connection: &mut Connection,
    topics: &mut Topics,
    bytes_max: usize,
) -> String {
    let mut messages = String::new();
    let oversized = Oversized::Whole;
    let size = Size {
        bytes_max,
        oversized,
    };
    write_queued(&mut messages, conn, connection, topics, size);
    let mut parts = Vec::new();
    loop {
        let (frame, is_last) = connection.take_answers();
        parts.push(frame);
        if is_last {
            break;
        }
    }
    parts.push(messages);
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Writes the messages that fit, one subscription after another. An empty frame gets at least one.
fn write_queued(
    frame: &mut String,
    conn: ConnId,
    connection: &mut Connection,
    topics: &mut Topics,
    size: Size,
) {
    let bytes_max = size.bytes_max;
    while frame.len() < bytes_max {
        let Some(no) = connection.dequeue() else {
            break;
        };
        let has_large = connection.large.is_some();
        let Some(subscription) = connection.subscriptions().and_then(|all| all.get_mut(&no)) else {
            continue;
        };
        let Some(topic) = topics.by_id(subscription.topic) else {
            continue;
        };
        if subscription.document.is_some() && !topic.content.is_document() {
            // Nobody had written the topic when the client subscribed. Now it has messages (rule
            // D7).
            refuse(frame, no);
            let ended = connection.unsubscribe(no).map(|ended| (no, ended));
            connection.refused.extend(ended);
            continue;
        }
        report_gap(frame, no, subscription, topic);
        let bytes = next_bytes(subscription, topic);
        if size.oversized == Oversized::InParts && bytes + RECORD_HEAD_BYTES > bytes_max {
            if has_large {
                connection.park(no);
                continue;
            }
            let (large, seq) = next_large(no, subscription, topic);
            subscription.after = seq;
            let id = subscription.topic;
            topics.recount(id);
            // Its subscription stays out of the queue until the last part.
            connection.large = Some(large);
            continue;
        }
        let after = subscription.after;
        let (after, is_end) = match &mut subscription.document {
            Some(follower) => {
                let after = changes::write(frame, no, follower, after, topic, bytes_max);
                let is_end = after == topic.log.head() && !follower.is_snapshot_due;
                (after, is_end)
            }
            None => write_messages(frame, no, &topic.log, after, bytes_max),
        };
        subscription.after = after;
        let (id, is_follower) = (subscription.topic, subscription.document.is_some());
        if is_end {
            topic.caught_up.insert((conn, no));
        }
        if is_follower {
            // The topic now keeps the text of the snapshot for the next follower.
            topics.recount(id);
        }
        if !is_end {
            // The next message did not fit. The other subscriptions are first in the next frame.
            connection.enqueue(no);
            break;
        }
    }
}

/// Reports a gap if retention has overtaken the subscription, which then continues behind it.
fn report_gap(frame: &mut String, no: TopicNo, subscription: &mut Subscription, topic: &Topic) {
    if subscription.is_snapshot_due() {
        return;
    }
    let Err(reason) = topic.log.after(subscription.after).map(drop) else {
        return;
    };
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

/// The size of the next payload or value, 0 if there is none.
fn next_bytes(subscription: &Subscription, topic: &mut Topic) -> usize {
    if subscription.is_snapshot_due() {
        return topic.content.text().len();
    }
    let mut entries = topic.log.after(subscription.after).into_iter().flatten();
    entries.next().map_or(0, |(_, entry)| entry.payload.len())
}

/// The next record, to be sent in parts, and the seq of its last entry.
fn next_large(
    no: TopicNo,
    subscription: &mut Subscription,
    topic: &mut Topic,
) -> (LargeRecord, Seq) {
    let after = subscription.after;
    if let Some(follower) = &mut subscription.document {
        return changes::large(no, follower, after, topic);
    }
    let mut record = String::new();
    let (seq, _) = write_messages(&mut record, no, &topic.log, after, 0);
    (LargeRecord::new(no, record, "".into()), seq)
}

/// Rule D7: the topic is not a document.
fn refuse(frame: &mut String, no: TopicNo) {
    let fault = SubscriptionFault::NotADocument;
    let refused = ToClient::Refused {
        no,
        code: fault.code().code(),
        message: &fault.text(),
    };
    refused.encode(frame);
}

/// Writes the messages after `after` that fit. An empty frame gets at least one. Returns the seq of
/// the last one, and whether it is the head.
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
    let mut separator = '[';
    for (_, entry) in entries {
        frame.push(separator);
        separator = ',';
        frame.push_str(&entry.payload);
        let offset = i128::from(entry.at_ms) - i128::from(at_ms);
        let _ = match &entry.id {
            // Ids contain no characters that JSON escapes (rule W7).
            Some(id) => write!(frame, ",{offset},\"{id}\""),
            None => write!(frame, ",{offset},0"),
        };
    }
    frame.push(']');
}

fn element_bytes(entry: &Entry) -> usize {
    entry.payload.len() + entry.id.as_ref().map_or(1, |id| id.len()) + ELEMENT_BYTES
}
