//! One topic's log: its entries, its chain, what is retained, and where a subscription begins.
//!
//! Owns retention (by number, bytes and age) and the decision whether a cursor can be continued (rules H3, H7). What is no longer
//! retained stays for a short while for streams that are under way, so that a burst does not outrun its readers.

use std::collections::VecDeque;

use longhaul::ids::{Chain, Cursor, Epoch, From, Seq};
use longhaul::wire::push_epoch;
use longhaul::wire::{Kind, ResumeFailure};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::limits::Limits;
use super::time::{Now, Time};

/// What an entry costs beside its text, bytes. Measured (hub/tests/memory.rs): twice its 64, because the queue doubles, and what the
/// allocator adds to two texts.
const ENTRY_BYTES: usize = 176;

/// A queue with room for so many times its entries is made smaller. Chosen: it grows by two, so the two do not alternate.
const SLACK: usize = 4;

/// One message of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was appended, ms since 1970.
    pub at_ms: u64,
    /// Its id, if it came with one.
    pub id: Option<Box<str>>,
    /// Message or change of a document.
    pub kind: Kind,
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
    /// The last message that is no longer here, 0 if all are.
    base: Seq,
    /// The last message that is no longer retained, 0 if all are, and the chain after it. Nothing can be resumed from before it.
    passed: (Seq, Chain),
    /// Why that one went.
    dropped: ResumeFailure,
    /// What lags, then what is retained.
    entries: VecDeque<Entry>,
    bytes: usize,
    lagging_bytes: usize,
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
            dropped: ResumeFailure::Trimmed,
            entries: VecDeque::new(),
            bytes: 0,
            lagging_bytes: 0,
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
        let here = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        Seq(self.base.0.saturating_add(here))
    }

    /// The cursor right after the last message.
    #[must_use]
    pub fn end(&self) -> Cursor {
        self.cursor(
            self.head(),
            self.entries.back().map_or(self.passed.1, |e| e.chain),
        )
    }

    /// The cursor right before the oldest retained message.
    #[must_use]
    pub fn begin(&self) -> Cursor {
        self.cursor(self.passed.0, self.passed.1)
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
        self.append_as(Kind::Message, now, id, payload, limits)
    }

    /// Appends a message or a change of a document, its seq the next.
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
            kept_since: now.time,
        };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.retained() > limits.retain_entries
            || (self.bytes - self.lagging_bytes > limits.retain_bytes && self.retained() > 1)
        {
            self.pass_oldest(ResumeFailure::Trimmed);
        }
        self.drop_lagging(now.time, limits);
        seq
    }

    /// How many messages a cursor can be resumed from.
    fn retained(&self) -> usize {
        self.entries.len() - self.lagging()
    }

    /// How many messages are here for streams under way only.
    fn lagging(&self) -> usize {
        usize::try_from(self.passed.0.0 - self.base.0).unwrap_or(usize::MAX)
    }

    /// Forgets what is older than the retention time.
    pub fn expire(&mut self, now: Time, limits: &Limits) {
        while self
            .entries
            .get(self.lagging())
            .is_some_and(|entry| now.since(entry.kept_since) >= limits.retain_ms)
        {
            self.pass_oldest(ResumeFailure::Expired);
        }
        self.drop_lagging(now, limits);
    }

    /// When `expire` has something to do.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Time> {
        let lagging = self.lagging();
        let due = |index: usize, ms| Some(self.entries.get(index)?.kept_since.plus(ms));
        let lag = (lagging > 0).then(|| due(0, limits.lag_ms)).flatten();
        lag.into_iter().chain(due(lagging, limits.retain_ms)).min()
    }

    /// Messages after `seq` in order, with their seqs; empty if `seq` is the head. For a stream under way, so lagging ones too.
    ///
    /// # Errors
    /// `Expired` or `Trimmed`, if the message after `seq` is no longer here.
    pub fn after(&self, seq: Seq) -> Result<impl Iterator<Item = (Seq, &Entry)>, ResumeFailure> {
        let Some(skip) = seq.0.checked_sub(self.base.0) else {
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
        if seq < self.passed.0 {
            return Err(self.dropped);
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

    /// The oldest retained message is retained no longer.
    fn pass_oldest(&mut self, reason: ResumeFailure) {
        if let Some(entry) = self.entries.get(self.lagging()) {
            self.lagging_bytes += entry.bytes();
            self.passed = (self.passed.0.next(), entry.chain);
            self.dropped = reason;
        }
    }

    fn drop_lagging(&mut self, now: Time, limits: &Limits) {
        while self.lagging() > 0
            && (self.lagging_bytes > limits.lag_bytes
                || self
                    .entries
                    .front()
                    .is_some_and(|entry| now.since(entry.kept_since) >= limits.lag_ms))
        {
            self.drop_first_lagging();
        }
        self.shrink();
    }

    /// The oldest message goes at once, because the hub needs its memory.
    pub(crate) fn drop_oldest(&mut self) {
        if self.lagging() == 0 {
            self.pass_oldest(ResumeFailure::Trimmed);
        }
        if self.lagging() > 0 {
            self.drop_first_lagging();
        }
        self.shrink();
    }

    fn drop_first_lagging(&mut self) {
        let bytes = self.entries.pop_front().map_or(0, |entry| entry.bytes());
        self.bytes -= bytes;
        self.lagging_bytes -= bytes;
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
