//! The client's queue of publications: which rows there are, which are on their way, which have a verdict.
//!
//! Owns identity and order (rules C6 to C8) and the limits. Payloads stay with the caller under the row's number.

use std::collections::VecDeque;

use crate::backoff::Backoff;
use crate::codes;
use crate::config::{BackoffPolicy, OutboxLimits, POST_MS_MAX, WINDOW_BYTES_MAX, WINDOW_ROWS_MAX};
use crate::connection::with_floor;
use crate::effect::{Effect, Outcome, PublishRefusal};
use crate::event::{HubLimits, NewPublication};
use crate::frame::{Kind, Publish};
use crate::ids::{ConnectionId, RowNo};
use crate::metrics::Metrics;
use crate::time::Time;

/// After `nack busy` nothing is sent for this long, ms, half to all of it by chance. Chosen.
const BUSY_MS: u64 = 1_000;

#[derive(Debug)]
struct Row {
    n: RowNo,
    /// The row before this one in the same topic, if it is still here.
    prev: RowNo,
    topic: Box<str>,
    kind: Kind,
    key: Option<Box<str>>,
    bytes: u64,
    attempts: u32,
    is_on_its_way: bool,
    created: Time,
    expires: Option<Time>,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    producer: String,
    limits: OutboxLimits,
    last: RowNo,
    /// In order of n.
    rows: VecDeque<Row>,
    bytes: u64,
    rows_on_their_way: usize,
    bytes_on_their_way: u64,
    busy_until: Option<Time>,
    /// Of posts that have failed.
    backoff: Backoff,
    /// When the posts under way have gone without a verdict for too long.
    post_until: Option<Time>,
    next_expiry: Option<Time>,
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
            limits,
            last,
            rows: VecDeque::new(),
            bytes: 0,
            rows_on_their_way: 0,
            bytes_on_their_way: 0,
            busy_until: None,
            backoff: Backoff::new(backoff),
            post_until: None,
            next_expiry: None,
        }
    }

    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let paused = earlier(self.busy_until, self.post_until);
        earlier(paused, self.next_expiry)
    }

    pub(crate) fn add(
        &mut self,
        now: Time,
        new: &NewPublication<'_>,
        limits: HubLimits,
    ) -> Result<RowNo, PublishRefusal> {
        if new.bytes > limits.payload_bytes_max {
            return Err(PublishRefusal::PayloadTooLarge {
                bytes_max: limits.payload_bytes_max,
            });
        }
        let replaced = self.unsent(new.topic, new.key);
        let freed = replaced.map_or(0, |(_, bytes)| bytes);
        let bytes = self.bytes - freed + new.bytes;
        let is_full = replaced.is_none() && self.rows.len() >= self.limits.rows_max;
        if is_full || bytes > self.limits.bytes_max {
            return Err(PublishRefusal::OutboxFull);
        }
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        let n = match replaced {
            Some((n, _)) => n,
            None => {
                self.last = self.last.next();
                self.append(self.last, new);
                self.last
            }
        };
        if let Some(row) = self.find(n) {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
        }
        self.bytes = bytes;
        self.next_expiry = earlier(self.next_expiry, expires);
        Ok(n)
    }

    /// A row of the client that had this outbox before, in order. It was within the limits.
    pub(crate) fn restore(&mut self, now: Time, n: RowNo, attempts: u32, new: &NewPublication<'_>) {
        self.append(n, new);
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        if let Some(row) = self.rows.back_mut() {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
            row.attempts = attempts;
        }
        self.bytes += new.bytes;
        if attempts == 0 {
            self.next_expiry = earlier(self.next_expiry, expires);
        }
    }

    /// The row that a publication with this key replaces, and its size.
    fn unsent(&self, topic: &str, key: Option<&str>) -> Option<(RowNo, u64)> {
        let key = key?;
        let is_same = |row: &&Row| {
            row.attempts == 0 && row.key.as_deref() == Some(key) && *row.topic == *topic
        };
        self.rows.iter().find(is_same).map(|row| (row.n, row.bytes))
    }

    fn append(&mut self, n: RowNo, new: &NewPublication<'_>) {
        let prev = self.rows.iter().rev().find(|row| *row.topic == *new.topic);
        self.rows.push_back(Row {
            n,
            prev: prev.map_or(RowNo(0), |row| row.n),
            topic: new.topic.into(),
            kind: new.kind,
            key: new.key.map(Into::into),
            bytes: 0,
            attempts: 0,
            is_on_its_way: false,
            created: Time::default(),
            expires: None,
        });
    }

    /// Sends what the window allows, in order. What goes out in posts, `posting_at`, is watched: nothing else tells that one hangs.
    pub(crate) fn pump(
        &mut self,
        connection: ConnectionId,
        posting_at: Option<Time>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        self.send_what_fits(connection, metrics, effects);
        self.post_until = posting_at
            .filter(|_| self.rows_on_their_way > 0)
            .map(|now| self.post_until.unwrap_or(now.plus(POST_MS_MAX)));
    }

    pub(crate) fn is_post_overdue(&self, now: Time) -> bool {
        self.post_until.is_some_and(|until| now >= until)
    }

    fn send_what_fits(
        &mut self,
        connection: ConnectionId,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if self.busy_until.is_some() {
            return;
        }
        for row in &mut self.rows {
            if row.is_on_its_way {
                continue;
            }
            let bytes = self.bytes_on_their_way + row.bytes;
            let has_room = self.rows_on_their_way < WINDOW_ROWS_MAX && bytes <= WINDOW_BYTES_MAX;
            if !has_room && self.rows_on_their_way > 0 {
                return;
            }
            metrics.retries += u64::from(row.attempts > 0);
            row.attempts = row.attempts.saturating_add(1);
            row.is_on_its_way = true;
            self.rows_on_their_way += 1;
            self.bytes_on_their_way = bytes;
            let mut head = String::new();
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
                row: row.n,
            });
        }
    }

    /// The machine slept, and the clock that `now` is of stood still: times to live went on.
    pub(crate) fn slept(&mut self, ms: u64) {
        for row in &mut self.rows {
            row.expires = row.expires.map(|at| Time(at.0.saturating_sub(ms)));
        }
        self.next_expiry = self.next_expiry.map(|at| Time(at.0.saturating_sub(ms)));
    }

    /// The connection is gone, and with it what was on its way.
    pub(crate) fn connection_lost(&mut self) {
        for row in &mut self.rows {
            row.is_on_its_way = false;
        }
        self.rows_on_their_way = 0;
        self.bytes_on_their_way = 0;
        self.busy_until = None;
        self.post_until = None;
    }

    /// A post failed: what was in it is sent again after a while, as attempts to connect are, and over the hub's floor.
    pub(crate) fn post_failed(&mut self, now: Time, floor_ms: u64, rng: &mut fastrand::Rng) {
        self.connection_lost();
        let words = with_floor("", floor_ms);
        // One client's own matter: others may have other proxies before them.
        let until = self.backoff.next(now, codes::REPLACED, &words, rng);
        self.busy_until = Some(until);
    }

    /// The hub's final word on a row.
    pub(crate) fn settle(
        &mut self,
        now: Time,
        producer: &str,
        n: RowNo,
        outcome: Outcome,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if producer != self.producer {
            return;
        }
        self.backoff.forget();
        self.post_until = None;
        let Some(row) = self.remove(n) else { return };
        if let Outcome::Acked { .. } = outcome {
            metrics.acks += 1;
            metrics.ack_ms.record(now.since(row.created));
        } else {
            metrics.dead_letters += 1;
        }
        effects.push(Effect::Settled {
            row: n,
            attempts: row.attempts,
            outcome,
        });
    }

    /// The hub has not taken the row, and it must be sent again: at once, or after a while.
    pub(crate) fn send_again(
        &mut self,
        now: Time,
        producer: &str,
        n: RowNo,
        is_busy: bool,
        rng: &mut fastrand::Rng,
    ) {
        if producer != self.producer {
            return;
        }
        let Some(row) = self.find(n).filter(|row| row.is_on_its_way) else {
            return;
        };
        row.is_on_its_way = false;
        let bytes = row.bytes;
        self.rows_on_their_way -= 1;
        self.bytes_on_their_way -= bytes;
        if is_busy {
            self.busy_until = Some(now.plus(rng.u64(BUSY_MS / 2..=BUSY_MS)));
        }
    }

    /// Ends the pause after `busy`, and gives up rows whose time is over before they were ever sent.
    pub(crate) fn tick(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        self.busy_until = self.busy_until.filter(|until| now < *until);
        if self.next_expiry.is_none_or(|at| now < at) {
            return;
        }
        let over: Vec<RowNo> = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0 && row.expires.is_some_and(|at| at <= now))
            .map(|row| row.n)
            .collect();
        for n in over {
            self.remove(n);
            metrics.dead_letters += 1;
            effects.push(Effect::Settled {
                row: n,
                attempts: 0,
                outcome: Outcome::Dead {
                    code: "expired".to_owned(),
                    message: "its time to live was over before it could be sent".to_owned(),
                },
            });
        }
        self.next_expiry = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0)
            .filter_map(|row| row.expires)
            .min();
    }

    fn position(&self, n: RowNo) -> Option<usize> {
        self.rows.binary_search_by_key(&n, |row| row.n).ok()
    }

    fn find(&mut self, n: RowNo) -> Option<&mut Row> {
        let at = self.position(n)?;
        self.rows.get_mut(at)
    }

    /// Takes a row out; the next one of its topic now follows the one before it.
    fn remove(&mut self, n: RowNo) -> Option<Row> {
        let at = self.position(n)?;
        let gone = self.rows.remove(at)?;
        self.bytes -= gone.bytes;
        if gone.is_on_its_way {
            self.rows_on_their_way -= 1;
            self.bytes_on_their_way -= gone.bytes;
        }
        if let Some(next) = self.rows.iter_mut().skip(at).find(|row| row.prev == n) {
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
