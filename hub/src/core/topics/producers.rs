//! Who published what in one topic: the verdicts that make a repeated publication harmless (rule
//! H8).
//!
//! Owns the order of each producer's publications, and their verdicts. The caller owns the log.

use std::collections::{HashMap, VecDeque};

use longhaul::config::WINDOW_ROWS_MAX;
use longhaul::ids::{RowNo, Seq};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::capacity::Capacity;
use super::nack::{Nack, NackCode, Shortage};
use crate::core::limits::{Limits, SWEEP_PARTS};
use crate::core::time::Time;

/// Memory of a producer without its name and verdicts, bytes. Measured (hub/tests/memory.rs): the
/// map entry, the queue, and what the allocator adds.
const PRODUCER_BYTES: usize = 320;
/// Memory of a verdict, bytes: twice its 48, because the queue doubles.
const VERDICT_BYTES: usize = 96;
/// Memory of a key without its two copies, bytes. Measured like a producer.
const KEY_BYTES: usize = 176;

/// How a publication ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It became the message with this seq.
    Appended(Seq),
    /// It never takes effect: the code of its final nack.
    Nacked(NackCode),
}

/// What to do with a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the next one. The caller appends it, and then `record`s the verdict.
    Append,
    /// It already has this verdict.
    Repeat(Verdict),
    /// It gets this nack, which is not recorded.
    Nack(Nack),
}

/// The identity of a payload and its call of `publish`. A client can only hurt itself with a
/// collision, so this protects against accidents only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyHash(u64);

impl BodyHash {
    pub(crate) fn of(payload: &str, tag: u64) -> Self {
        Self(xxh3_64_with_seed(payload.as_bytes(), tag))
    }
}

/// A publication as its producer numbers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered<'a> {
    pub(crate) producer: &'a str,
    pub(crate) n: RowNo,
    pub(crate) prev: RowNo,
    /// `None` for a cancelled publication (rule C11): it matches any body.
    pub(crate) body: Option<BodyHash>,
}

/// A publication with a verdict.
#[derive(Debug)]
struct Settled {
    n: RowNo,
    body: Option<BodyHash>,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Producer {
    last: RowNo,
    /// The latest verdicts, in order of `n`.
    recent: VecDeque<Settled>,
    last_received: Time,
}

impl Producer {
    /// The oldest publication whose verdict the hub still has.
    fn first(&self) -> Option<RowNo> {
        self.recent.front().map(|settled| settled.n)
    }

    fn settled(&self, n: RowNo) -> Option<&Settled> {
        let index = self.recent.binary_search_by_key(&n, |settled| settled.n);
        self.recent.get(index.ok()?)
    }
}

/// The producers of one topic, and the idempotency keys of back ends.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_name: HashMap<Box<str>, Producer>,
    /// No producer expires before this time.
    sweep_at: Time,
    keys: HashMap<Box<str>, (BodyHash, Seq)>,
    key_order: VecDeque<Box<str>>,
    bytes: usize,
}

impl Producers {
    /// Their memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rule H8 up to "append". It records nothing.
    pub(crate) fn check(
        &mut self,
        now: Time,
        publication: Numbered<'_>,
        capacity: Capacity,
        limits: &Limits,
    ) -> Step {
        let Numbered { n, prev, body, .. } = publication;
        let Some(producer) = self.by_name.get_mut(publication.producer) else {
            return if prev != RowNo(0) {
                Step::Nack(Nack::Plain(NackCode::OutOfOrder))
            } else if capacity.for_producers && self.has_capacity(now, limits) {
                Step::Append
            } else {
                Step::Nack(Nack::Busy(Shortage::Producers))
            };
        };
        producer.last_received = now;
        let conflict = Step::Nack(Nack::Plain(NackCode::IdConflict));
        match producer.settled(n) {
            Some(settled) if settled.body.zip(body).is_some_and(|(a, b)| a != b) => conflict,
            Some(settled) => Step::Repeat(settled.verdict),
            // All publications after a known verdict have verdicts too. This number has none, so
            // another copy of the outbox uses it.
            None if n <= producer.last && producer.first().is_some_and(|first| first < n) => {
                conflict
            }
            None if n <= producer.last => Step::Nack(Nack::Plain(NackCode::IdForgotten)),
            None if prev <= producer.last => Step::Append,
            None => Step::Nack(Nack::Plain(NackCode::OutOfOrder)),
        }
    }

    /// Records the verdict of a publication for which `check` answered `Append`.
    pub(crate) fn record(
        &mut self,
        now: Time,
        publication: Numbered<'_>,
        verdict: Verdict,
        capacity: Capacity,
        limits: &Limits,
    ) {
        let Numbered { n, body, .. } = publication;
        let name = publication.producer;
        if !self.by_name.contains_key(name) {
            if self.by_name.is_empty() {
                self.sweep_at = now.plus(limits.producers_ms);
            }
            self.by_name.insert(name.into(), Producer::default());
            self.bytes += PRODUCER_BYTES + name.len();
        }
        let Some(producer) = self.by_name.get_mut(name) else {
            return;
        };
        producer.last_received = now;
        producer.last = n;
        // The oldest goes first, so that the queue does not double for one verdict too many. While
        // the hub accepts no new producers, each keeps what its client may send again (rule C8).
        let is_full = producer.recent.len() >= limits.verdicts_max
            || (!capacity.for_producers && producer.recent.len() >= WINDOW_ROWS_MAX)
            || !capacity.for_verdicts;
        if is_full && producer.recent.pop_front().is_some() {
            self.bytes = self.bytes.saturating_sub(VERDICT_BYTES);
        }
        producer.recent.push_back(Settled { n, body, verdict });
        self.bytes += VERDICT_BYTES;
    }

    /// What an idempotency key says about a publication: it is new, a duplicate, or has another
    /// body.
    pub(crate) fn check_key(&self, key: &str, body: BodyHash) -> Step {
        match self.keys.get(key) {
            None => Step::Append,
            Some((same, seq)) if *same == body => Step::Repeat(Verdict::Appended(*seq)),
            Some(_) => Step::Nack(Nack::Plain(NackCode::IdConflict)),
        }
    }

    /// A producer's last publication with a verdict, 0 for none.
    pub(crate) fn last(&self, name: &str) -> RowNo {
        self.by_name
            .get(name)
            .map_or(RowNo(0), |producer| producer.last)
    }

    /// Records a key. At the limit the oldest key goes.
    pub(crate) fn record_key(
        &mut self,
        key: &str,
        body: BodyHash,
        seq: Seq,
        capacity: Capacity,
        limits: &Limits,
    ) {
        self.keys.insert(key.into(), (body, seq));
        self.key_order.push_back(key.into());
        self.bytes += KEY_BYTES + 2 * key.len();
        let is_full = self.key_order.len() > limits.keys_max
            || (!capacity.for_verdicts && self.key_order.len() > 1);
        if is_full && let Some(oldest) = self.key_order.pop_front() {
            self.keys.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(KEY_BYTES + 2 * oldest.len());
        }
    }

    /// Whether the topic accepts one more producer.
    fn has_capacity(&mut self, now: Time, limits: &Limits) -> bool {
        if self.by_name.len() >= limits.producers_max {
            self.expire(now, limits);
        }
        self.by_name.len() < limits.producers_max
    }

    /// Forgets producers that have sent nothing for too long.
    pub(crate) fn expire(&mut self, now: Time, limits: &Limits) {
        if now < self.sweep_at {
            return;
        }
        let mut freed = 0;
        self.by_name.retain(|name, producer| {
            let is_kept = now.since(producer.last_received) < limits.producers_ms;
            if !is_kept {
                freed += PRODUCER_BYTES + name.len() + VERDICT_BYTES * producer.recent.len();
            }
            is_kept
        });
        self.bytes = self.bytes.saturating_sub(freed);
        let producers = self.by_name.values();
        let oldest = producers.map(|producer| producer.last_received).min();
        let due = oldest.unwrap_or(now).plus(limits.producers_ms);
        self.sweep_at = due.max(now.plus(limits.producers_ms / SWEEP_PARTS));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The earliest time at which `expire` has something to do. `None` without producers.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.by_name.is_empty()).then_some(self.sweep_at)
    }
}
