//! The client's queue of publications: which rows there are, which are on their way, which have a verdict.
//!
//! Owns identity and order (rules C6 to C8) and the limits. Payloads stay with the caller under the row's number. What is kept
//! in the browser's storage, and whether this client is the one that sends it, is `ledger`'s.

mod end;
mod fork;
mod owner;
mod row;
mod stored;
mod topics;
mod window;

use std::collections::VecDeque;

use crate::backoff::Backoff;
use crate::backoff::repeat::RepeatPause;
use crate::config::{BackoffPolicy, OutboxLimits, WINDOW_ROWS_MAX};
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{Publication, PublishRefusal};
use crate::metrics::Metrics;
use crate::time::Time;
use owner::Bar;
use row::{Identity, QueuedRow};
use topics::Topics;
use window::BusyTopic;

/// The code of a row that the user has given up: no dead letter.
pub(crate) const DISCARDED: &str = "discarded";

/// Added to the numbers of rows that are in memory beside an outbox that is in storage, so that a caller's rows have one name each.
pub use crate::boundary::MEMORY_ROWS;

#[derive(Debug)]
pub(crate) struct Outbox {
    producer: String,
    /// Added to a row's number where the caller is told of it.
    as_memory: u64,
    limits: OutboxLimits,
    last: RowNo,
    /// In order of n.
    rows: VecDeque<QueuedRow>,
    topics: Topics,
    bytes: u64,
    rows_on_their_way: usize,
    bytes_on_their_way: u64,
    busy_until: Option<Time>,
    /// Before the next row after one that the hub did not take.
    pause: RepeatPause,
    /// How many rows may be on their way, as the hub's verdicts have it.
    window_rows: usize,
    verdicts: u64,
    /// The topics that were refused as busy, the last one last.
    busy_topics: Vec<BusyTopic>,
    bar: Bar,
    /// The last row when the hub was found to know other publications by our numbers.
    forked_at: Option<RowNo>,
    /// Of posts that have failed.
    backoff: Backoff,
    /// When the posts under way have gone without a verdict for too long.
    post_until: Option<Time>,
    next_expiry: Option<Time>,
    unmarked: Vec<(RowNo, u32)>,
    /// When storage notes the rows that have been on their way since the last time.
    mark_at: Option<Time>,
    /// The topics that dead letters have stopped, by those; nothing where none does.
    pauses: Option<Vec<(RowNo, Box<str>)>>,
}

impl Outbox {
    /// `last` is the last row of this producer's that has been numbered.
    pub(crate) fn new(
        producer: String,
        last: RowNo,
        limits: OutboxLimits,
        backoff: BackoffPolicy,
    ) -> Self {
        Self {
            producer,
            as_memory: 0,
            limits,
            last,
            rows: VecDeque::new(),
            topics: Topics::default(),
            bytes: 0,
            rows_on_their_way: 0,
            bytes_on_their_way: 0,
            busy_until: None,
            pause: RepeatPause::default(),
            window_rows: WINDOW_ROWS_MAX,
            verdicts: 0,
            busy_topics: Vec::new(),
            bar: Bar::None,
            forked_at: None,
            backoff: Backoff::new(backoff),
            post_until: None,
            next_expiry: None,
            unmarked: Vec::new(),
            mark_at: None,
            pauses: None,
        }
    }

    /// In memory, beside one that is in storage.
    pub(crate) fn into_memory(self) -> Self {
        Self {
            as_memory: MEMORY_ROWS,
            ..self
        }
    }

    pub(crate) fn limits(&self) -> OutboxLimits {
        self.limits
    }

    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    /// Storage has told whose rows these are.
    pub(crate) fn set_producer(&mut self, producer: &str) {
        producer.clone_into(&mut self.producer);
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    /// Of their payloads.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn has(&self, n: RowNo) -> bool {
        self.position(n).is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let parts = [
            self.repeat_at(),
            self.barred_until(),
            self.post_until,
            self.next_expiry,
            self.mark_at,
        ];
        parts.into_iter().flatten().min()
    }

    /// Ends the pause after `busy`, and gives up rows whose time is over before they were ever sent.
    pub(crate) fn tick(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        self.end_pauses(now);
        self.end_bar(now);
        if self.mark_at.take_if(|at| *at <= now).is_some() {
            self.mark_sent();
        }
        if self.next_expiry.is_some_and(|at| at <= now) {
            self.expire(now, metrics, effects);
        }
    }

    pub(crate) fn add(
        &mut self,
        now: Time,
        new: &Publication<'_>,
    ) -> Result<RowNo, PublishRefusal> {
        let replaced = self.unsent(new.topic, new.key);
        let freed = replaced.map_or(0, |(_, bytes)| bytes);
        let bytes = self.bytes - freed + new.bytes;
        let is_full = replaced.is_none() && self.rows.len() >= self.limits.rows_max;
        if is_full || bytes > self.limits.bytes_max {
            return Err(PublishRefusal::OutboxFull);
        }
        let Some((n, _)) = replaced else {
            self.last = self.last.next();
            self.append(now, self.last, 0, new);
            return Ok(self.told(self.last));
        };
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        if let Some(row) = self.find(n) {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
        }
        self.bytes = bytes;
        self.next_expiry = earlier(self.next_expiry, expires);
        Ok(self.told(n))
    }

    /// A row's number as the caller is told it.
    fn told(&self, n: RowNo) -> RowNo {
        RowNo(n.0 + self.as_memory)
    }

    /// Takes in a row that is within the limits: a new one, or one of the client that had this outbox before.
    pub(crate) fn append(&mut self, now: Time, n: RowNo, attempts: u32, new: &Publication<'_>) {
        if self.has(n) {
            return;
        }
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        self.last = self.last.max(n);
        self.place(QueuedRow {
            n,
            prev: RowNo(0),
            topic: new.topic.into(),
            kind: new.kind,
            key: new.key.map(Into::into),
            bytes: new.bytes,
            attempts,
            is_on_its_way: false,
            is_cancelled: false,
            out_of_order: None,
            created: now,
            expires,
            stored: None,
            identity: Identity::Own,
        });
        if attempts == 0 {
            self.next_expiry = earlier(self.next_expiry, expires);
        }
    }

    /// Puts a row where its number belongs, between those of its topic.
    fn place(&mut self, row: QueuedRow) {
        let at = self.rows.partition_point(|other| other.n < row.n);
        let (prev, next) = self.topics.add(&row.topic, row.n);
        if let Some(next) = next.and_then(|next| self.find(next)) {
            next.prev = row.n;
        }
        self.bytes += row.bytes;
        let prev = prev.unwrap_or_default();
        self.rows.insert(at, QueuedRow { prev, ..row });
    }

    /// The row that a publication with this key replaces, and its size.
    fn unsent(&self, topic: &str, key: Option<&str>) -> Option<(RowNo, u64)> {
        let key = key?;
        let is_same = |row: &&QueuedRow| {
            row.attempts == 0 && row.key.as_deref() == Some(key) && *row.topic == *topic
        };
        self.rows.iter().find(is_same).map(|row| (row.n, row.bytes))
    }

    /// The machine slept, and the clock that `now` is of stood still: times to live went on.
    pub(crate) fn slept(&mut self, ms: u64) {
        for row in &mut self.rows {
            row.expires = row.expires.map(|at| Time(at.0.saturating_sub(ms)));
        }
        self.next_expiry = self.next_expiry.map(|at| Time(at.0.saturating_sub(ms)));
    }

    fn position(&self, n: RowNo) -> Option<usize> {
        self.rows.binary_search_by_key(&n, |row| row.n).ok()
    }

    fn find(&mut self, n: RowNo) -> Option<&mut QueuedRow> {
        let at = self.position(n)?;
        self.rows.get_mut(at)
    }

    /// Takes a row out; the next one of its topic now follows the one before it.
    fn remove(&mut self, n: RowNo) -> Option<QueuedRow> {
        let at = self.position(n)?;
        let gone = self.rows.remove(at)?;
        self.bytes -= gone.bytes;
        if gone.is_on_its_way {
            self.rows_on_their_way -= 1;
            self.bytes_on_their_way -= gone.bytes;
        }
        let next = self.topics.remove(&gone.topic, n);
        if let Some(next) = next.and_then(|next| self.find(next)) {
            next.prev = gone.prev;
        }
        Some(gone)
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
