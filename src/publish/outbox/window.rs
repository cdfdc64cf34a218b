//! The rows on their way: how many the hub gets before it answers, and which go again.
//!
//! Owns the window (rules C7 and C8), which shrinks to one row while the hub takes none (rule C12).
//! Also owns the pauses after such a refusal and after a failed post. Never removes a row.

use super::Outbox;
use super::owner::OwnerCheck;
use super::row::QueuedRow;
use crate::backoff::hint::with_retry_after;
use crate::backoff::repeat::RepeatPause;
use crate::codes;
use crate::config::{PAUSE_MS, POST_MS_MAX, WINDOW_BYTES_MAX, WINDOW_ROWS_MAX};
use crate::context::Context;
use crate::ids::{ConnectionId, RowNo};
use crate::interface::effect::Effect;
use crate::interface::publication::Until;
use crate::time::Time;
use crate::wire::{Publish, Skip, ToHub};

/// First rest of a topic that is busy again after the pause of all topics, ms. Chosen: four times
/// that pause, so that other topics go first.
const TOPIC_MS: u64 = 4 * PAUSE_MS;

/// How long a row is on its way before storage marks it sent, ms. Chosen: most acks take less, and
/// an update costs a transaction.
const MARK_AFTER_MS: u64 = 1_000;

/// Topics that can rest at a time. A further one replaces the first. Chosen: a client publishes to
/// a few topics.
const BUSY_TOPICS_MAX: usize = 64;

/// A topic that the hub was too busy for. Other topics must not wait behind it.
#[derive(Debug)]
pub(super) struct BusyTopic {
    topic: Box<str>,
    pause: RepeatPause,
    rests_until: Option<Time>,
    /// The pause of all topics that its last refusal belongs to. A window full of refusals counts
    /// once.
    counted: Option<Time>,
}

/// Why the client sends a row again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryReason {
    /// The hub was busy.
    Busy,
    /// The hub had not received the row before it.
    OutOfOrder,
}

impl Outbox {
    /// Sends the rows that fit the window, in order. If they go in posts, `posting_at` is now. The
    /// client watches posts, because nothing else shows that one hangs.
    pub(crate) fn pump(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        posting_at: Option<Time>,
    ) {
        if self.send_what_fits(context, connection) {
            self.mark_sent_at
                .get_or_insert(context.now.plus(MARK_AFTER_MS));
        }
        self.post_until = posting_at
            .filter(|_| self.rows_on_their_way > 0)
            .map(|now| self.post_until.unwrap_or(now.plus(POST_MS_MAX)));
    }

    pub(crate) fn is_post_overdue(&self, now: Time) -> bool {
        self.post_until.is_some_and(|until| now >= until)
    }

    /// Returns whether it sent a row that storage has and has not marked sent.
    fn send_what_fits(&mut self, context: &mut Context<'_>, connection: ConnectionId) -> bool {
        let mut has_unmarked = false;
        if self.busy_until.is_some() || self.refused_until().is_some() {
            return has_unmarked;
        }
        for row in &mut self.rows {
            let is_probing = matches!(self.owner_check, OwnerCheck::Probing);
            if is_probing && self.rows_on_their_way > 0 {
                return has_unmarked;
            }
            if row.is_on_its_way || !Self::is_sendable(row, self.forked_at) {
                continue;
            }
            let is_its = |it: &BusyTopic| it.rests_until.is_some() && it.topic == row.topic;
            if self.busy_topics.iter().any(is_its) {
                continue;
            }
            if let Some(pauses) = &self.pauses
                && (row.prev > RowNo(0) || pauses.iter().any(|(_, topic)| *topic == row.topic))
            {
                continue;
            }
            let bytes = self.bytes_on_their_way + row.bytes;
            let has_room = self.rows_on_their_way < self.window_rows && bytes <= WINDOW_BYTES_MAX;
            if !has_room && self.rows_on_their_way > 0 {
                return has_unmarked;
            }
            if row.awaits_update() {
                // The hub would refuse the next rows of its topic. Rows of other topics can wait
                // too.
                return has_unmarked;
            }
            has_unmarked |= row.is_unmarked();
            context.metrics.retries += u64::from(row.attempts > 0);
            row.attempts = row.attempts.saturating_add(1);
            row.is_on_its_way = true;
            self.rows_on_their_way += 1;
            self.bytes_on_their_way = bytes;
            let payload_of = RowNo(row.n.0 + self.row_offset);
            context.effects.push(Effect::SendPublication {
                connection,
                head: head(&self.producer, row),
                row: (!row.is_cancelled).then_some(payload_of),
            });
        }
        has_unmarked
    }

    /// The connection is gone, and with it the rows on their way.
    pub(crate) fn connection_lost(&mut self) {
        self.take_all_back();
        self.busy_until = None;
        self.post_until = None;
        for it in &mut self.busy_topics {
            it.rests_until = None;
        }
        self.retry_owner();
    }

    /// The rows on their way may not arrive. They go again.
    pub(crate) fn take_all_back(&mut self) {
        for row in &mut self.rows {
            if !row.is_on_its_way {
                continue;
            }
            row.is_on_its_way = false;
            self.sent_updates.extend(row.mark_sent());
        }
        self.rows_on_their_way = 0;
        self.bytes_on_their_way = 0;
    }

    /// Rows have been on their way for a while. Other tabs and the next page must know that they
    /// were sent.
    pub(super) fn mark_sent(&mut self) {
        let sent = self.rows.iter_mut().filter(|row| row.is_on_its_way);
        let updates = sent.filter_map(QueuedRow::mark_sent);
        self.sent_updates.extend(updates);
    }

    /// Takes a row back that was on its way. Returns whether it was.
    pub(super) fn take_back(&mut self, n: RowNo) -> bool {
        let Some(row) = self.find(n).filter(|row| row.is_on_its_way) else {
            return false;
        };
        row.is_on_its_way = false;
        let bytes = row.bytes;
        self.rows_on_their_way -= 1;
        self.bytes_on_their_way -= bytes;
        true
    }

    /// A post failed. Its rows go again after a backoff, and not before the hub's minimum retry
    /// delay `retry_after_ms`.
    pub(crate) fn post_failed(&mut self, context: &mut Context<'_>, retry_after_ms: u64) {
        self.connection_lost();
        let words = with_retry_after("", retry_after_ms);
        // The code for a single client's failure: other clients may have other proxies.
        let until = self
            .backoff
            .next(context.now, codes::REPLACED, &words, context.rng);
        self.busy_until = Some(until);
    }

    /// The hub sent a verdict on a row. So posts get through, and the hub takes rows of this topic.
    pub(crate) fn verdict_received(&mut self, n: RowNo) {
        self.backoff.forget();
        self.post_until = None;
        self.retry_owner();
        if let Some(row) = self.position(n).and_then(|at| self.rows.get(at)) {
            self.busy_topics.retain(|it| it.topic != row.topic);
            self.pause.progressed();
            self.verdicts += 1;
            // One more row for each verdict doubles the window with each round trip.
            self.window_rows = (self.window_rows + 1).min(WINDOW_ROWS_MAX);
        }
    }

    /// The hub has not taken the row. It goes again alone and after a growing pause. A row that
    /// came out of order goes again at once, but not twice without a verdict in between.
    pub(crate) fn send_again(&mut self, context: &mut Context<'_>, n: RowNo, reason: RetryReason) {
        let verdicts = self.verdicts;
        if !self.take_back(n) {
            return;
        }
        let Some(row) = self.find(n) else { return };
        let is_busy = reason == RetryReason::Busy;
        let is_first = !is_busy && row.out_of_order.replace(verdicts) != Some(verdicts);
        let topic = row.topic.clone();
        context.metrics.repeats += 1;
        if is_first {
            return;
        }
        self.window_rows = 1;
        if self.busy_until.is_none() {
            self.busy_until = Some(self.pause.grow(context.now, PAUSE_MS, context.rng));
        }
        if is_busy {
            self.rest(context, topic);
        }
    }

    /// A topic is busy. From its second refusal on it rests for longer than the other topics.
    fn rest(&mut self, context: &mut Context<'_>, topic: Box<str>) {
        if let Some(it) = self.busy_topics.iter_mut().find(|it| it.topic == topic) {
            if it.counted != self.busy_until {
                it.counted = self.busy_until;
                it.rests_until = Some(it.pause.grow(context.now, TOPIC_MS, context.rng));
            }
            return;
        }
        if self.busy_topics.len() >= BUSY_TOPICS_MAX {
            self.busy_topics.remove(0);
        }
        self.busy_topics.push(BusyTopic {
            topic,
            pause: RepeatPause::default(),
            rests_until: None,
            counted: self.busy_until,
        });
    }

    /// When the client sends rows again that the hub refused for now, or that a post could not
    /// bring.
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        let rests = self.busy_topics.iter().filter_map(|it| it.rests_until);
        rests.chain(self.busy_until).min()
    }

    pub(super) fn end_pauses(&mut self, now: Time) {
        self.busy_until.take_if(|until| now >= *until);
        for it in &mut self.busy_topics {
            it.rests_until.take_if(|until| now >= *until);
        }
    }
}

/// The records of a row, up to its payload. A cancelled row is a `skip`, which has none.
fn head(producer: &str, row: &QueuedRow) -> String {
    let mut head = String::new();
    if row.is_cancelled {
        let skip = Skip {
            producer,
            n: row.n,
            prev: row.prev,
            topic: &row.topic,
        };
        skip.encode(&mut head);
        return head;
    }
    if let Some(copy) = row.stored
        && let Until::Hub(ms) = copy.until
    {
        let tag = (copy.tag > 0).then_some(copy.tag);
        ToHub::Until { ms, tag }.encode(&mut head);
    }
    Publish {
        producer,
        n: row.n,
        prev: row.prev,
        topic: &row.topic,
        kind: row.kind,
        payload: "",
    }
    .encode_head(&mut head);
    head
}
