//! One topic's log: its entries, its chain, what is retained, and where a subscription begins.
//!
//! Owns retention (by number, bytes and age) and the decision whether a cursor can be continued (rules H3, H7).

use std::collections::VecDeque;

use longhaul::frame::ResumeFailure;
use longhaul::ids::{Chain, Cursor, Epoch, From, Seq};
use longhaul::push_epoch;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::limits::Limits;
use super::time::{Now, Time};

/// What an entry costs beside its text, bytes. Chosen: two boxed strings and the numbers, rounded up.
const ENTRY_BYTES: usize = 96;

/// One message of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was appended, ms since 1970.
    pub at_ms: u64,
    /// Its id, if it came with one.
    pub id: Option<Box<str>>,
    /// JSON text without LF or CR.
    pub payload: Box<str>,
    /// The chain after it.
    pub chain: Chain,
    kept_since: Time,
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
    /// The last message that is no longer retained, 0 if all are, and the chain after it.
    base: (Seq, Chain),
    /// Why that one went.
    dropped: ResumeFailure,
    entries: VecDeque<Entry>,
    bytes: usize,
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
            base: (Seq(0), low_48_bits(xxh3_64(name.as_bytes()))),
            dropped: ResumeFailure::Trimmed,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Which incarnation it is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last message's seq, 0 for none.
    #[must_use]
    pub fn head(&self) -> Seq {
        let retained = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        Seq(self.base.0.0.saturating_add(retained))
    }

    /// The cursor right after the last message.
    #[must_use]
    pub fn end(&self) -> Cursor {
        self.cursor(
            self.head(),
            self.entries.back().map_or(self.base.1, |e| e.chain),
        )
    }

    /// The cursor right before the oldest retained message.
    #[must_use]
    pub fn begin(&self) -> Cursor {
        self.cursor(self.base.0, self.base.1)
    }

    /// Memory it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends a message, its seq the next.
    pub fn append(&mut self, now: Now, id: Option<&str>, payload: &str, limits: &Limits) -> Seq {
        let seq = self.head().next();
        let entry = Entry {
            at_ms: now.wall_ms,
            id: id.map(Into::into),
            payload: payload.into(),
            chain: chain_after(self.end().chain, seq, now.wall_ms, payload),
            kept_since: now.time,
        };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > limits.retain_entries
            || (self.bytes > limits.retain_bytes && self.entries.len() > 1)
        {
            self.drop_oldest(ResumeFailure::Trimmed);
        }
        seq
    }

    /// Forgets what is older than the retention time.
    pub fn expire(&mut self, now: Time, limits: &Limits) {
        while self
            .oldest_kept_since()
            .is_some_and(|since| now.since(since) >= limits.retain_ms)
        {
            self.drop_oldest(ResumeFailure::Expired);
        }
    }

    /// When the oldest retained message arrived.
    pub(crate) fn oldest_kept_since(&self) -> Option<Time> {
        self.entries.front().map(|entry| entry.kept_since)
    }

    /// Messages after `seq` in order, with their seqs; empty if `seq` is the head. An error tells why the next one is gone.
    ///
    /// # Errors
    /// `Expired` or `Trimmed`, if the message after `seq` is no longer retained.
    pub fn after(&self, seq: Seq) -> Result<impl Iterator<Item = (Seq, &Entry)>, ResumeFailure> {
        let Some(skip) = seq.0.checked_sub(self.base.0.0) else {
            return Err(self.dropped);
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries = self.entries.range(skip.min(self.entries.len())..);
        Ok((seq.0.saturating_add(1)..).map(Seq).zip(entries))
    }

    /// Where a subscription begins: right after the cursor; on failure, why it can't be where it was asked for.
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

    /// The chain after `seq`, if it is known still or already.
    fn chain_at(&self, seq: Seq) -> Result<Chain, ResumeFailure> {
        let Some(index) = seq.0.checked_sub(self.base.0.0) else {
            return Err(self.dropped);
        };
        match index.checked_sub(1) {
            None => Ok(self.base.1),
            Some(index) => usize::try_from(index)
                .ok()
                .and_then(|index| self.entries.get(index))
                .map(|entry| entry.chain)
                .ok_or(ResumeFailure::Diverged),
        }
    }

    fn cursor(&self, seq: Seq, chain: Chain) -> Cursor {
        Cursor {
            epoch: self.epoch,
            seq,
            chain,
        }
    }

    fn drop_oldest(&mut self, reason: ResumeFailure) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes());
            self.base = (self.base.0.next(), entry.chain);
            self.dropped = reason;
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
