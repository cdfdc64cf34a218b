//! The client's queue of publications: its rows, and which of them are on their way.
//!
//! Owns identity and order (rules C6 to C8) and the limits. Payloads stay with the caller under the
//! row's number. `durable` owns the work with storage, and decides whether this client sends.

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
use crate::config::{Config, OutboxLimits, WINDOW_ROWS_MAX};
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::publication::{Publication, PublishRefusal, RowUpdate};
use crate::time::Time;
pub(crate) use end::RowRange;
pub(crate) use fork::Conflict;
use owner::OwnerCheck;
use row::{Identity, QueuedRow};
pub(crate) use stored::Ownership;
use topics::Topics;
use window::BusyTopic;
pub(crate) use window::RetryReason;

/// The first number of rows in the memory outbox, if there is a durable one too. So every row has
/// its own number for the caller.
pub use crate::boundary::MEMORY_ROWS;

#[derive(Debug)]
pub(crate) struct Outbox {
    producer: String,
    /// The difference between a row's number for the caller and its number here.
    row_offset: u64,
    limits: OutboxLimits,
    last: RowNo,
    /// In order of their numbers.
    rows: VecDeque<QueuedRow>,
    topics: Topics,
    bytes: u64,
    rows_on_their_way: usize,
    bytes_on_their_way: u64,
    busy_until: Option<Time>,
    /// The pause after a row that the hub did not take.
    pause: RepeatPause,
    /// How many rows may be on their way. The hub's verdicts determine it.
    window_rows: usize,
    verdicts: u64,
    /// The topics that the hub was too busy for, the latest one last.
    busy_topics: Vec<BusyTopic>,
    owner_check: OwnerCheck,
    /// The last row at the moment when the hub turned out to know other publications by our
    /// numbers.
    forked_at: Option<RowNo>,
    /// The backoff after failed posts.
    backoff: Backoff,
    /// When the posts under way will have waited too long for a verdict.
    post_until: Option<Time>,
    next_expiry: Option<Time>,
    /// Rows of storage whose topic this version does not accept.
    misnamed: Vec<RowNo>,
    /// Rows that were sent, as storage must learn.
    sent_updates: Vec<RowUpdate>,
    /// When storage marks the rows sent that are on their way then.
    mark_sent_at: Option<Time>,
    /// The topics that dead letters have paused, with the row of each dead letter. `None` if dead
    /// letters don't pause topics.
    pauses: Option<Vec<(RowNo, Box<str>)>>,
}

impl Outbox {
    /// `last` is the last number that this producer has used.
    pub(crate) fn new(producer: String, last: RowNo, config: &Config) -> Self {
        Self {
            producer,
            row_offset: 0,
            limits: config.outbox,
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
            owner_check: OwnerCheck::Passed,
            forked_at: None,
            backoff: Backoff::new(config.backoff),
            post_until: None,
            next_expiry: None,
            misnamed: Vec::new(),
            sent_updates: Vec::new(),
            mark_sent_at: None,
            pauses: config.is_pausing.then(Vec::new),
        }
    }

    /// The same, as a memory outbox with its own range of row numbers.
    pub(crate) fn into_memory(self) -> Self {
        Self {
            row_offset: MEMORY_ROWS,
            ..self
        }
    }

    pub(crate) fn limits(&self) -> OutboxLimits {
        self.limits
    }

    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    /// Storage has reported the identity of the outbox.
    pub(crate) fn set_producer(&mut self, producer: &str) {
        producer.clone_into(&mut self.producer);
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    /// The size of all payloads.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn has(&self, n: RowNo) -> bool {
        self.position(n).is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let parts = [
            self.repeat_at(),
            self.refused_until(),
            self.post_until,
            self.next_expiry,
            self.mark_sent_at,
        ];
        parts.into_iter().flatten().min()
    }

    /// Ends pauses, marks rows sent, and expires unsent rows whose time to live is over.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        self.end_pauses(context.now);
        self.probe_owner(context.now);
        if self.mark_sent_at.take_if(|at| *at <= context.now).is_some() {
            self.mark_sent();
        }
        if self.next_expiry.is_some_and(|at| at <= context.now) {
            self.expire(context);
        }
    }

    /// Adds a publication, or replaces the unsent row with its key. Returns the row's number for
    /// the caller.
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
            return Ok(self.caller_row(self.last));
        };
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        if let Some(row) = self.find(n) {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
        }
        self.bytes = bytes;
        self.next_expiry = earlier(self.next_expiry, expires);
        Ok(self.caller_row(n))
    }

    /// A row's number for the caller.
    fn caller_row(&self, n: RowNo) -> RowNo {
        RowNo(n.0 + self.row_offset)
    }

    /// Adds a row that is within the limits: a new one, or one that an earlier instance had.
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

    /// Inserts a row in the order of the numbers, and links it with its neighbours in its topic.
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

    /// The machine slept. The clock behind `now` stood still, but times to live went on.
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

    /// Removes a row. The next row of its topic now follows the one before it.
    fn remove(&mut self, n: RowNo) -> Option<QueuedRow> {
        let at = self.position(n)?;
        let removed = self.rows.remove(at)?;
        self.bytes -= removed.bytes;
        if removed.is_on_its_way {
            self.rows_on_their_way -= 1;
            self.bytes_on_their_way -= removed.bytes;
        }
        let next = self.topics.remove(&removed.topic, n);
        if let Some(next) = next.and_then(|next| self.find(next)) {
            next.prev = removed.prev;
        }
        Some(removed)
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
