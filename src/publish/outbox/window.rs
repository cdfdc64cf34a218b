//! What is on its way: how much of the queue the hub gets before its verdicts, and what is sent again.
//!
//! Owns the window (rules C7 and C8), which shrinks to one row where the hub takes none (rule C12), and how long it waits then or
//! after a failed post. Never takes a row out of the queue.

use super::Outbox;
use super::owner::Bar;
use super::row::QueuedRow;
use crate::backoff::hint::with_floor;
use crate::backoff::repeat::RepeatPause;
use crate::codes;
use crate::config::{PAUSE_MS, POST_MS_MAX, WINDOW_BYTES_MAX, WINDOW_ROWS_MAX};
use crate::ids::{ConnectionId, RowNo};
use crate::interface::effect::Effect;
use crate::interface::publication::Until;
use crate::metrics::Metrics;
use crate::time::Time;
use crate::wire::{Publish, Skip, ToHub};

/// First rest of a topic that is busy again after the pause of all, ms: four times that pause, so that other topics have their turn
/// before it.
const TOPIC_MS: u64 = 4 * PAUSE_MS;

/// How long a row is on its way before storage notes that it was sent, ms. Chosen: most acks take less, and
/// a note costs a transaction.
const MARK_AFTER_MS: u64 = 1_000;

/// Topics that can rest at a time; the first one makes room. Chosen: a client publishes to a few.
const BUSY_TOPICS_MAX: usize = 64;

/// A topic that the hub was too busy for: others may not be, and must not wait behind it.
#[derive(Debug)]
pub(super) struct BusyTopic {
    topic: Box<str>,
    pause: RepeatPause,
    rests_until: Option<Time>,
    /// The pause of all that its last refusal belongs to: a window full of them is one.
    counted: Option<Time>,
}

impl Outbox {
    /// Sends what the window allows, in order. What goes out in posts, `posting_at`, is watched: nothing else tells that one hangs.
    pub(crate) fn pump(
        &mut self,
        now: Time,
        connection: ConnectionId,
        posting_at: Option<Time>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if self.send_what_fits(connection, metrics, effects) {
            self.mark_at.get_or_insert(now.plus(MARK_AFTER_MS));
        }
        self.post_until = posting_at
            .filter(|_| self.rows_on_their_way > 0)
            .map(|now| self.post_until.unwrap_or(now.plus(POST_MS_MAX)));
    }

    pub(crate) fn is_post_overdue(&self, now: Time) -> bool {
        self.post_until.is_some_and(|until| now >= until)
    }

    /// Returns whether it sent a row that storage has and does not know to be sent.
    fn send_what_fits(
        &mut self,
        connection: ConnectionId,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut has_unmarked = false;
        if self.busy_until.is_some() || self.barred_until().is_some() {
            return has_unmarked;
        }
        for row in &mut self.rows {
            if matches!(self.bar, Bar::Probing) && self.rows_on_their_way > 0 {
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
            if row.awaits_mark() {
                // Its followers in the topic would be refused; the others can wait that long.
                return has_unmarked;
            }
            has_unmarked |= row.is_unmarked();
            metrics.retries += u64::from(row.attempts > 0);
            row.attempts = row.attempts.saturating_add(1);
            row.is_on_its_way = true;
            self.rows_on_their_way += 1;
            self.bytes_on_their_way = bytes;
            let mut head = String::new();
            if row.is_cancelled {
                let skip = Skip {
                    producer: &self.producer,
                    n: row.n,
                    prev: row.prev,
                    topic: &row.topic,
                };
                skip.encode(&mut head);
                let row = None;
                effects.push(Effect::SendPublication {
                    connection,
                    head,
                    row,
                });
                continue;
            }
            if let Some(stored) = row.stored
                && let Until::Hub(ms) = stored.until
            {
                let tag = (stored.tag > 0).then_some(stored.tag);
                ToHub::Until { ms, tag }.encode(&mut head);
            }
            Publish {
                producer: &self.producer,
                n: row.n,
                prev: row.prev,
                topic: &row.topic,
                kind: row.kind,
                payload: "",
            }
            .encode_head(&mut head);
            effects.push(Effect::SendPublication {
                connection,
                head,
                row: Some(RowNo(row.n.0 + self.as_memory)),
            });
        }
        has_unmarked
    }

    /// The connection is gone, and with it what was on its way.
    pub(crate) fn connection_lost(&mut self) {
        self.take_all_back();
        self.busy_until = None;
        self.post_until = None;
        for it in &mut self.busy_topics {
            it.rests_until = None;
        }
        self.unbar();
    }

    /// What is on its way may not arrive, and is sent again.
    pub(crate) fn take_all_back(&mut self) {
        for row in &mut self.rows {
            if !row.is_on_its_way {
                continue;
            }
            row.is_on_its_way = false;
            self.unmarked.extend(row.mark());
        }
        self.rows_on_their_way = 0;
        self.bytes_on_their_way = 0;
    }

    /// Rows have been on their way for a while: other tabs and the next page must know that they were sent.
    pub(super) fn mark_sent(&mut self) {
        let sent = self.rows.iter_mut().filter(|row| row.is_on_its_way);
        self.unmarked.extend(sent.filter_map(QueuedRow::mark));
    }

    /// A row is not on its way any more. Whether it was.
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

    /// A post failed: what was in it is sent again after a while, as attempts to connect are, and over the hub's floor.
    pub(crate) fn post_failed(&mut self, now: Time, floor_ms: u64, rng: &mut fastrand::Rng) {
        self.connection_lost();
        let words = with_floor("", floor_ms);
        // One client's own matter: others may have other proxies before them.
        let until = self.backoff.next(now, codes::REPLACED, &words, rng);
        self.busy_until = Some(until);
    }

    /// The hub has given a verdict on a row: posts get through, and it takes rows of this topic.
    pub(crate) fn heard_verdict(&mut self, n: RowNo) {
        self.backoff.forget();
        self.post_until = None;
        self.unbar();
        if let Some(row) = self.position(n).and_then(|at| self.rows.get(at)) {
            self.busy_topics.retain(|it| it.topic != row.topic);
            self.pause.progressed();
            self.verdicts += 1;
            // One more for each: twice as many with each round trip.
            self.window_rows = (self.window_rows + 1).min(WINDOW_ROWS_MAX);
        }
    }

    /// The hub has not taken the row, and it must be sent again: alone and after a pause that grows. One that came out of order goes
    /// again at once, but not twice without a verdict in between.
    pub(crate) fn send_again(
        &mut self,
        now: Time,
        n: RowNo,
        is_busy: bool,
        rng: &mut fastrand::Rng,
        metrics: &mut Metrics,
    ) {
        let verdicts = self.verdicts;
        if !self.take_back(n) {
            return;
        }
        let Some(row) = self.find(n) else { return };
        let is_first = !is_busy && row.out_of_order.replace(verdicts) != Some(verdicts);
        let topic = row.topic.clone();
        metrics.repeats += 1;
        if is_first {
            return;
        }
        self.window_rows = 1;
        if self.busy_until.is_none() {
            self.busy_until = Some(self.pause.grow(now, PAUSE_MS, rng));
        }
        if is_busy {
            self.rest(now, topic, rng);
        }
    }

    /// A topic is busy: the second time it rests for longer than the others.
    fn rest(&mut self, now: Time, topic: Box<str>, rng: &mut fastrand::Rng) {
        if let Some(it) = self.busy_topics.iter_mut().find(|it| it.topic == topic) {
            if it.counted != self.busy_until {
                it.counted = self.busy_until;
                it.rests_until = Some(it.pause.grow(now, TOPIC_MS, rng));
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

    /// When something is sent again that the hub has not taken, or no post could bring it.
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
