//! One document of a client: the confirmed value, and the pending changes on top (rules D7, D8).
//!
//! Owns the pending changes, and decides when the client needs a snapshot. Entries arrive once and
//! in order. Sends nothing. The value omits a change that no longer applies, but only a nack makes
//! it a dead letter.

pub mod patch;
pub mod pointer;
pub mod value;

use std::collections::VecDeque;

use crate::document::patch::{Change, Fault};
use crate::document::pointer::Pointer;
use crate::document::value::{Commands, Value, read};
use crate::ids::{Chain, Cursor, Epoch, RowNo, Seq};
use crate::wire::record::parse_number;
use crate::wire::{DocumentRecord, Kind};

/// Longest text of the changes by entries. Beyond it comparing the values is cheaper. Chosen: many
/// frames.
const TOLD_BYTES_MAX: usize = 1 << 18;

/// A document.
#[derive(Debug)]
pub struct Document {
    /// The outbox whose changes are own ones.
    producer: Box<str>,
    standing: Standing,
    confirmed: Value,
    pending: VecDeque<Pending>,
    /// `confirmed` with what of `pending` applies; `None` where that is to be found out.
    shown: Option<Value>,
    /// What was shown at the last look.
    seen: Value,
    /// The changes of `seen` by entries. Without them the client compares the two values.
    told: Option<Commands>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing has come yet.
    Unknown,
    /// What is confirmed is the value here.
    Following(Cursor),
    /// What is confirmed was the value here, or should have been. Only a snapshot helps.
    Lost(Cursor),
}

/// An own change that what is confirmed does not have yet.
#[derive(Debug)]
struct Pending {
    row: RowNo,
    change: Change,
    /// Where it stands in the log, once the hub has said so.
    acked: Option<(Epoch, Seq)>,
}

/// What a record of the hub has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it was old.
    Old,
    /// The document has changed, perhaps only what is confirmed of it.
    Changed,
    /// It fits the document.
    Agreed,
    /// The document is not the hub's: subscribe again with `live`, and the snapshot heals it.
    Diverged,
}

impl Document {
    /// A document that has not begun, for the outbox with this name.
    #[must_use]
    pub fn new(producer: &str) -> Self {
        Self {
            producer: producer.into(),
            standing: Standing::Unknown,
            confirmed: Value::Null,
            pending: VecDeque::new(),
            shown: None,
            seen: Value::Null,
            told: None,
        }
    }

    /// The whole value, where `at` is. `last` is the last own row that has a verdict there.
    pub fn snapshot(&mut self, at: Cursor, last: RowNo, text: &str) -> Step {
        let Ok(value) = read(text) else {
            return self.lost(at);
        };
        self.confirmed = value;
        self.told = None;
        self.standing = Standing::Following(at);
        // A change with a verdict is part of the value, or dead. What another log had acked is gone
        // with that log.
        self.pending.retain(|own| {
            own.row > last
                && own
                    .acked
                    .is_none_or(|(of, seq)| of == at.epoch && seq > at.seq)
        });
        self.shown = None;
        Step::Changed
    }

    /// Entries that follow each other, as they came: a record a line.
    pub fn entries(&mut self, records: &str) -> Step {
        let mut outcome = Step::Old;
        for record in records.split('\n') {
            let step = match DocumentRecord::decode(record) {
                Ok(DocumentRecord::Change {
                    seq,
                    chain,
                    id,
                    kind,
                    payload,
                    ..
                }) => self.change((seq, chain), id, kind, payload),
                _ => match self.standing {
                    Standing::Following(cursor) => self.lost(cursor),
                    Standing::Unknown | Standing::Lost(_) => Step::Old,
                },
            };
            match step {
                Step::Diverged => return step,
                Step::Changed => outcome = step,
                Step::Old | Step::Agreed => {}
            }
        }
        outcome
    }

    /// One entry.
    pub fn change(
        &mut self,
        (seq, chain): (Seq, Chain),
        id: Option<&str>,
        kind: Kind,
        payload: &str,
    ) -> Step {
        let Standing::Following(cursor) = self.standing else {
            return Step::Old;
        };
        if seq <= cursor.seq {
            return Step::Old;
        }
        if seq != cursor.seq.next() {
            return self.lost(cursor);
        }
        let change = match kind {
            Kind::Merge => Change::merge(payload),
            Kind::Patch | Kind::Message => Change::patch(payload),
        };
        self.shown = None;
        if change.and_then(|change| self.apply(&change)).is_err() {
            return self.lost(cursor);
        }
        self.standing = Standing::Following(Cursor {
            seq,
            chain,
            ..cursor
        });
        let own = id.and_then(|id| self.own_row(id));
        self.pending.retain(|pending| {
            Some(pending.row) != own && pending.acked != Some((cursor.epoch, seq))
        });
        Step::Changed
    }

    /// What the hub's document hashes to.
    pub fn checkpoint(&mut self, seq: Seq, hash: u64) -> Step {
        match self.standing {
            Standing::Following(cursor) if cursor.seq == seq => {
                if self.confirmed.hash48() == hash {
                    Step::Agreed
                } else {
                    self.lost(cursor)
                }
            }
            _ => Step::Old,
        }
    }

    /// Whether a change applies to the value. Before the first snapshot every change does.
    ///
    /// # Errors
    /// Why it can't.
    pub fn check(&mut self, change: &Change) -> Result<(), Fault> {
        if !self.is_known() {
            return Ok(());
        }
        change.apply(&mut self.value().clone())
    }

    /// An own change has its row in the outbox. It shows at once.
    pub fn publish(&mut self, row: RowNo, change: Change) {
        if let Some(shown) = &mut self.shown {
            let _ = change.apply(shown);
        }
        self.told = None;
        let acked = None;
        let at = self.pending.partition_point(|own| own.row < row);
        if at < self.pending.len() {
            // One that waited in storage, and is known only now.
            self.shown = None;
        }
        self.pending.insert(at, Pending { row, change, acked });
    }

    /// An own change has taken effect. It stays laid until its entry is here.
    pub fn acked(&mut self, row: RowNo, epoch: Epoch, seq: Seq) {
        let is_here = matches!(self.standing, Standing::Following(cursor)
            if cursor.epoch == epoch && cursor.seq >= seq);
        if is_here {
            self.forget(row);
        } else if let Some(own) = self.pending.iter_mut().find(|own| own.row == row) {
            own.acked = Some((epoch, seq));
        }
    }

    /// An own change is a dead letter. What was laid over it is laid anew.
    pub fn dead(&mut self, row: RowNo) {
        self.forget(row);
    }

    /// Whether a value has come.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.standing != Standing::Unknown
    }

    /// Where what is confirmed stands.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        match self.standing {
            Standing::Unknown => None,
            Standing::Following(cursor) | Standing::Lost(cursor) => Some(cursor),
        }
    }

    /// Own changes that the hub is not known to have.
    #[must_use]
    pub fn pending(&self) -> usize {
        let waiting = self.pending.iter().filter(|own| own.acked.is_none());
        waiting.count()
    }

    /// The changes that the confirmed value does not contain: pending ones, and acked ones.
    #[must_use]
    pub fn laid(&self) -> usize {
        self.pending.len()
    }

    /// What the hub has confirmed.
    #[must_use]
    pub fn confirmed(&self) -> &Value {
        &self.confirmed
    }

    /// What users see: what is confirmed, and the own changes that apply to it, in their order.
    pub fn value(&mut self) -> &Value {
        let (confirmed, pending) = (&self.confirmed, &self.pending);
        if pending.is_empty() {
            return confirmed;
        }
        self.shown.get_or_insert_with(|| {
            let mut value = confirmed.clone();
            for own in pending {
                // The change may apply again. Until the hub's verdict the value omits it.
                let _ = own.change.apply(&mut value);
            }
            value
        })
    }

    /// Whether something at `at` has changed since the last commands. Skips what the values share.
    pub fn has_changed(&mut self, at: &Pointer) -> bool {
        let now = at.find(self.value()).cloned();
        match (at.find(&self.seen), now) {
            (Some(then), Some(now)) => *then != now,
            (then, now) => then.is_some() != now.is_some(),
        }
    }

    /// The changes since the last commands, as commands for a copy.
    pub fn look(&mut self) -> Option<String> {
        let now = self.value().clone();
        let told = self.told.take().filter(|told| !told.is_too_long());
        let changes = match told {
            Some(told) => told.into_json(),
            None => now.changes_since(&self.seen),
        };
        self.seen = now;
        // What is laid over entries is laid anew after each, which nobody tells.
        self.told = self
            .pending
            .is_empty()
            .then(|| Commands::at_most(TOLD_BYTES_MAX));
        changes
    }

    /// Makes an entry's change.
    fn apply(&mut self, change: &Change) -> Result<(), Fault> {
        let Some(told) = &mut self.told else {
            return change.apply(&mut self.confirmed);
        };
        if !change.apply_and_tell(&mut self.confirmed, told)? {
            self.told = None;
        }
        Ok(())
    }

    fn lost(&mut self, cursor: Cursor) -> Step {
        self.standing = Standing::Lost(cursor);
        Step::Diverged
    }

    fn forget(&mut self, row: RowNo) {
        let before = self.pending.len();
        self.pending.retain(|own| own.row != row);
        if self.pending.len() < before {
            self.shown = None;
        }
    }

    fn own_row(&self, id: &str) -> Option<RowNo> {
        let row = id.strip_prefix(&*self.producer)?.strip_prefix(':')?;
        parse_number(row).map(RowNo)
    }
}
