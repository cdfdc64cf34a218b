//! One topic's log: its entries, its chain and its retention (rules H3, H7).
//!
//! Decides where a subscription begins. Entries beyond retention are retained for readers for a
//! short time, so that a burst does not outrun active streams.

use std::collections::VecDeque;

use longhaul::ids::{Chain, Cursor, Epoch, From, Seq};
use longhaul::wire::push_epoch;
use longhaul::wire::{Kind, ResumeFailure};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::core::limits::Limits;
use crate::core::time::{Now, Time};

/// Memory of an entry without its texts, bytes. Measured (hub/tests/memory.rs): twice its 64,
/// because the queue doubles, and what the allocator adds to two texts.
const ENTRY_BYTES: usize = 176;

/// The queue shrinks when it has capacity for this many times its entries. Chosen: it doubles when
/// it grows, so growing and shrinking do not alternate.
const SLACK: usize = 4;

/// One entry of a log: a message, or a change of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time at which it was appended, ms since 1970.
    pub at_ms: u64,
    /// Its id, if its publisher gave it one.
    pub id: Option<Box<str>>,
    /// Message or change of a document.
    pub kind: Kind,
    /// JSON text without LF or CR.
    pub payload: Box<str>,
    /// The chain after it.
    pub chain: Chain,
    appended: Time,
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.payload.len() + self.id.as_ref().map_or(0, |id| id.len())
    }
}

/// The log of one topic.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    /// The last entry that the log no longer has, 0 if it has all.
    base: Seq,
    /// The last entry beyond retention, 0 if all are retained, and the chain after it. No cursor
    /// before it can be resumed.
    passed: (Seq, Chain),
    /// Why retention ended for that entry.
    passed_by: ResumeFailure,
    /// First the entries that are retained for readers, then those in retention.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The part of `bytes` that is retained for readers.
    for_readers_bytes: usize,
}

impl Log {
    /// An empty log of `topic`.
    #[must_use]
    pub fn new(topic: &str, epoch: Epoch) -> Self {
        let mut name = String::with_capacity(17 + topic.len());
        push_epoch(&mut name, epoch);
        name.push('/');
        name.push_str(topic);
        Self {
            epoch,
            base: Seq(0),
            passed: (Seq(0), low_48_bits(xxh3_64(name.as_bytes()))),
            passed_by: ResumeFailure::Trimmed,
            entries: VecDeque::new(),
            bytes: 0,
            for_readers_bytes: 0,
        }
    }

    /// Its incarnation.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The seq of the last entry, 0 for none.
    #[must_use]
    pub fn head(&self) -> Seq {
        let here = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        Seq(self.base.0.saturating_add(here))
    }

    /// The cursor right after the last entry.
    #[must_use]
    pub fn end(&self) -> Cursor {
        self.cursor(
            self.head(),
            self.entries.back().map_or(self.passed.1, |e| e.chain),
        )
    }

    /// The cursor right before the oldest entry in retention.
    #[must_use]
    pub fn begin(&self) -> Cursor {
        self.cursor(self.passed.0, self.passed.1)
    }

    /// Its memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends a message with the next seq.
    pub fn append(&mut self, now: Now, id: Option<&str>, payload: &str, limits: &Limits) -> Seq {
        self.append_as(Kind::Message, now, id, payload, limits)
    }

    /// Appends a message or a change of a document with the next seq.
    pub fn append_as(
        &mut self,
        kind: Kind,
        now: Now,
        id: Option<&str>,
        payload: &str,
        limits: &Limits,
    ) -> Seq {
        let seq = self.head().next();
        let entry = Entry {
            at_ms: now.wall_ms,
            id: id.map(Into::into),
            kind,
            payload: payload.into(),
            chain: chain_after(self.end().chain, seq, now.wall_ms, payload),
            appended: now.time,
        };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.retained() > limits.retain_entries
            || (self.bytes - self.for_readers_bytes > limits.retain_bytes && self.retained() > 1)
        {
            self.pass_oldest(ResumeFailure::Trimmed);
        }
        self.expire_for_readers(now.time, limits);
        seq
    }

    /// The number of entries in retention.
    fn retained(&self) -> usize {
        self.entries.len() - self.for_readers()
    }

    /// The number of entries that are retained for readers only.
    fn for_readers(&self) -> usize {
        usize::try_from(self.passed.0.0 - self.base.0).unwrap_or(usize::MAX)
    }

    /// Ends retention for entries that are too old, and removes entries that readers no longer
    /// need.
    pub fn expire(&mut self, now: Time, limits: &Limits) {
        while self
            .entries
            .get(self.for_readers())
            .is_some_and(|entry| now.since(entry.appended) >= limits.retain_ms)
        {
            self.pass_oldest(ResumeFailure::Expired);
        }
        self.expire_for_readers(now, limits);
    }

    /// The time at which `expire` has something to do.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Time> {
        let for_readers = self.for_readers();
        let due = |index: usize, ms| Some(self.entries.get(index)?.appended.plus(ms));
        let removal = (for_readers > 0)
            .then(|| due(0, limits.for_readers_ms))
            .flatten();
        let expiry = due(for_readers, limits.retain_ms);
        removal.into_iter().chain(expiry).min()
    }

    /// Entries after `seq` in order, with their seqs; none if `seq` is the head. They include
    /// entries that are retained for readers.
    ///
    /// # Errors
    /// `Expired` or `Trimmed`, if the log no longer has the entry after `seq`.
    pub fn after(&self, seq: Seq) -> Result<impl Iterator<Item = (Seq, &Entry)>, ResumeFailure> {
        let Some(skip) = seq.0.checked_sub(self.base.0) else {
            return Err(self.passed_by);
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries = self.entries.range(skip.min(self.entries.len())..);
        Ok((seq.0.saturating_add(1)..).map(Seq).zip(entries))
    }

    /// The position where a subscription begins. If it is not the requested one, also why.
    #[must_use]
    pub fn resume(&self, from: From) -> (Cursor, Option<ResumeFailure>) {
        let failed = |reason| (self.begin(), Some(reason));
        match from {
            From::Live => (self.end(), None),
            From::Start => (self.begin(), None),
            From::Seq(first) => match self.chain_at(Seq(first.0.saturating_sub(1))) {
                Ok(chain) => (self.cursor(Seq(first.0.saturating_sub(1)), chain), None),
                Err(reason) => failed(reason),
            },
            From::After(cursor) if cursor.epoch != self.epoch => failed(ResumeFailure::Epoch),
            From::After(cursor) => match self.chain_at(cursor.seq) {
                Ok(chain) if chain == cursor.chain => (cursor, None),
                Ok(_) => failed(ResumeFailure::Diverged),
                Err(reason) => failed(reason),
            },
        }
    }

    /// The chain after `seq`, if the log has it.
    fn chain_at(&self, seq: Seq) -> Result<Chain, ResumeFailure> {
        if seq < self.passed.0 {
            return Err(self.passed_by);
        }
        if seq == self.passed.0 {
            return Ok(self.passed.1);
        }
        usize::try_from(seq.0 - self.base.0 - 1)
            .ok()
            .and_then(|index| self.entries.get(index))
            .map(|entry| entry.chain)
            .ok_or(ResumeFailure::Diverged)
    }

    fn cursor(&self, seq: Seq, chain: Chain) -> Cursor {
        Cursor {
            epoch: self.epoch,
            seq,
            chain,
        }
    }

    /// Ends retention for the oldest entry; from now on it is retained for readers.
    fn pass_oldest(&mut self, reason: ResumeFailure) {
        if let Some(entry) = self.entries.get(self.for_readers()) {
            self.for_readers_bytes += entry.bytes();
            self.passed = (self.passed.0.next(), entry.chain);
            self.passed_by = reason;
        }
    }

    /// Removes entries that were retained for readers for too long, or that take too much memory.
    fn expire_for_readers(&mut self, now: Time, limits: &Limits) {
        while self.for_readers() > 0
            && (self.for_readers_bytes > limits.for_readers_bytes
                || self
                    .entries
                    .front()
                    .is_some_and(|entry| now.since(entry.appended) >= limits.for_readers_ms))
        {
            self.remove_first();
        }
        self.shrink();
    }

    /// Removes the oldest entry at once, because the hub needs its memory.
    pub(crate) fn drop_oldest(&mut self) {
        if self.for_readers() == 0 {
            self.pass_oldest(ResumeFailure::Trimmed);
        }
        if self.for_readers() > 0 {
            self.remove_first();
        }
        self.shrink();
    }

    /// Removes the first entry, which is retained for readers.
    fn remove_first(&mut self) {
        let bytes = self.entries.pop_front().map_or(0, |entry| entry.bytes());
        self.bytes -= bytes;
        self.for_readers_bytes -= bytes;
        self.base = self.base.next();
    }

    fn shrink(&mut self) {
        if self.entries.capacity() > SLACK * self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}

/// The chain after an entry (rule H7).
fn chain_after(before: Chain, seq: Seq, at_ms: u64, payload: &str) -> Chain {
    let mut hash = Xxh3::with_seed(before.0);
    hash.update(&seq.0.to_le_bytes());
    hash.update(&at_ms.to_le_bytes());
    hash.update(payload.as_bytes());
    low_48_bits(hash.digest())
}

fn low_48_bits(hash: u64) -> Chain {
    Chain(hash & ((1 << 48) - 1))
}
