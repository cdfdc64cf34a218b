//! Who published what in one topic: the verdicts that make a resend harmless (rule H8).
//!
//! Owns the order of a producer's publications and the memory of their verdicts. The log is the caller's.

use std::collections::{HashMap, VecDeque};

use longhaul::config::WINDOW_ROWS_MAX;
use longhaul::ids::{RowNo, Seq};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::limits::Limits;
use super::room::Room;
use super::time::Time;

/// What a producer costs beside its name and verdicts, bytes. Measured (hub/tests/memory.rs): map entry, queue, what the allocator adds.
const PRODUCER_BYTES: usize = 320;
/// What a verdict costs, bytes: twice its 48, because the queue doubles.
const VERDICT_BYTES: usize = 96;
/// What a key costs beside its two copies, bytes. Measured, as for a producer.
const KEY_BYTES: usize = 176;

/// How often at most all are looked through for those that are forgotten: in a hundredth of the time that they are remembered.
/// Chosen: 100,000 of a topic once in two hours.
pub(crate) const SWEEP_PARTS: u64 = 100;

/// What became of a publication, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the message with this seq.
    Appended(Seq),
    /// It is no message: the nack's code.
    Nacked(&'static str),
}

/// What to do with a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the next one: append it and `record` the verdict.
    Append,
    /// It had this verdict before.
    Repeat(Verdict),
    /// It gets this nack, which is not recorded.
    Nack(&'static str),
}

/// The identity of a payload and the call that it is of. Against accidents only: a client can hurt nobody but itself with a collision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyHash(u64);

impl BodyHash {
    pub(crate) fn of(payload: &str, tag: u64) -> Self {
        Self(xxh3_64_with_seed(payload.as_bytes(), tag))
    }
}

#[derive(Debug, Default)]
struct Producer {
    last: RowNo,
    /// In order of n. Without a body it is of a publication that was given up, so any payload is its own.
    recent: VecDeque<(RowNo, Option<BodyHash>, Verdict)>,
    heard: Time,
}

impl Producer {
    /// The oldest publication whose verdict is kept.
    fn first(&self) -> Option<RowNo> {
        self.recent.front().map(|(n, ..)| *n)
    }
}

/// The producers of one topic, and the idempotency keys of back ends.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_name: HashMap<Box<str>, Producer>,
    /// Before this time none is to be forgotten.
    none_due_before: Time,
    keys: HashMap<Box<str>, (BodyHash, Seq)>,
    key_order: VecDeque<Box<str>>,
    bytes: usize,
}

impl Producers {
    /// Memory they take, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rule H8 up to "append". Nothing is recorded yet. Who gives a publication up names no body (rule C11).
    pub(crate) fn check(
        &mut self,
        now: Time,
        name: &str,
        (n, prev): (RowNo, RowNo),
        body: Option<BodyHash>,
        room: Room,
        limits: &Limits,
    ) -> Step {
        let Some(producer) = self.by_name.get_mut(name) else {
            return if prev != RowNo(0) {
                Step::Nack("out_of_order")
            } else if room.for_producers && self.has_room(now, limits) {
                Step::Append
            } else {
                Step::Nack("busy")
            };
        };
        producer.heard = now;
        let known = producer
            .recent
            .binary_search_by_key(&n, |(n, ..)| *n)
            .ok()
            .and_then(|index| producer.recent.get(index));
        match known {
            Some((_, first, _)) if first.zip(body).is_some_and(|(a, b)| a != b) => {
                Step::Nack("id_conflict")
            }
            Some((_, _, verdict)) => Step::Repeat(*verdict),
            // What came later than a verdict that is kept would have one, too: the number is another copy's of this outbox.
            None if n <= producer.last && producer.first().is_some_and(|first| first < n) => {
                Step::Nack("id_conflict")
            }
            None if n <= producer.last => Step::Nack("id_forgotten"),
            None if prev <= producer.last => Step::Append,
            None => Step::Nack("out_of_order"),
        }
    }

    /// Keeps the verdict of a publication that `check` let through.
    pub(crate) fn record(
        &mut self,
        now: Time,
        name: &str,
        (n, body, verdict): (RowNo, Option<BodyHash>, Verdict),
        room: Room,
        limits: &Limits,
    ) {
        if !self.by_name.contains_key(name) {
            if self.by_name.is_empty() {
                self.none_due_before = now.plus(limits.producers_ms);
            }
            self.by_name.insert(name.into(), Producer::default());
            self.bytes += PRODUCER_BYTES + name.len();
        }
        let Some(producer) = self.by_name.get_mut(name) else {
            return;
        };
        producer.heard = now;
        producer.last = n;
        // First, so that the queue does not double for one more than it ever holds.
        // Where new producers have no room, one keeps what its client may send again (rule C8).
        let is_full = producer.recent.len() >= limits.verdicts_max
            || (!room.for_producers && producer.recent.len() >= WINDOW_ROWS_MAX)
            || !room.for_verdicts;
        if is_full && producer.recent.pop_front().is_some() {
            self.bytes = self.bytes.saturating_sub(VERDICT_BYTES);
        }
        producer.recent.push_back((n, body, verdict));
        self.bytes += VERDICT_BYTES;
    }

    /// What a back end's idempotency key says of a publication: its first seq, or that another body had the key.
    pub(crate) fn check_key(&self, key: &str, body: BodyHash) -> Step {
        match self.keys.get(key) {
            None => Step::Append,
            Some((same, seq)) if *same == body => Step::Repeat(Verdict::Appended(*seq)),
            Some(_) => Step::Nack("id_conflict"),
        }
    }

    /// A producer's last publication with a verdict, 0 for none.
    pub(crate) fn last(&self, name: &str) -> RowNo {
        self.by_name
            .get(name)
            .map_or(RowNo(0), |producer| producer.last)
    }

    /// Keeps a key. The oldest is forgotten at the limit.
    pub(crate) fn record_key(
        &mut self,
        key: &str,
        body: BodyHash,
        seq: Seq,
        room: Room,
        limits: &Limits,
    ) {
        self.keys.insert(key.into(), (body, seq));
        self.key_order.push_back(key.into());
        self.bytes += KEY_BYTES + 2 * key.len();
        let is_full = self.key_order.len() > limits.keys_max
            || (!room.for_verdicts && self.key_order.len() > 1);
        if is_full && let Some(oldest) = self.key_order.pop_front() {
            self.keys.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(KEY_BYTES + 2 * oldest.len());
        }
    }

    /// Whether one more producer fits.
    fn has_room(&mut self, now: Time, limits: &Limits) -> bool {
        if self.by_name.len() >= limits.producers_max {
            self.expire(now, limits);
        }
        self.by_name.len() < limits.producers_max
    }

    /// Forgets those that were not heard for too long.
    pub(crate) fn expire(&mut self, now: Time, limits: &Limits) {
        if now < self.none_due_before {
            return;
        }
        let mut freed = 0;
        self.by_name.retain(|name, producer| {
            let is_kept = now.since(producer.heard) < limits.producers_ms;
            if !is_kept {
                freed += PRODUCER_BYTES + name.len() + VERDICT_BYTES * producer.recent.len();
            }
            is_kept
        });
        self.bytes = self.bytes.saturating_sub(freed);
        let oldest = self.by_name.values().map(|producer| producer.heard).min();
        let due = oldest.unwrap_or(now).plus(limits.producers_ms);
        self.none_due_before = due.max(now.plus(limits.producers_ms / SWEEP_PARTS));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// When `expire` has something to do, at the earliest. `None` if no producer is remembered.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.by_name.is_empty()).then_some(self.none_due_before)
    }
}
