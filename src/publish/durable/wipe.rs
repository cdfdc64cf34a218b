//! A wipe: which rows and calls it ends, and what waits for it.
//!
//! Owns where a wipe ends. Rows go by their numbers, which storage gives in the order of its transactions. What storage does not
//! have goes by the clock: two pages have nothing else in common.

use super::{DurableOutbox, split};
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{NewRow, Outcome, PublishRefusal, RowOutcome};
use crate::interface::storage::Batch;
use crate::publish::outbox::Outbox;
use crate::time::Time;

pub(crate) const WIPED: (&str, &str) = ("wiped", "the outbox was wiped, as for a log-out");

/// How long nothing is sent for the sake of a wipe whose end is not told, ms, and how late that is believed to be told. Chosen: opening
/// storage and a transaction take less.
use crate::boundary::WIPE_MS_MAX;

/// What a wipe ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WipeScope {
    /// Rows in storage, up to this one.
    last: RowNo,
    /// Calls that have no row, before this moment of the machine's clock.
    before_ms: u64,
    /// Rows in memory, before this moment.
    before: Time,
}

impl WipeScope {
    /// Everything that there is.
    pub(crate) const ALL: Self = Self {
        last: RowNo(u64::MAX),
        before_ms: u64::MAX,
        before: Time(u64::MAX),
    };

    /// Up to the row `last`, at `at_ms` by the machine's clock, which says `machine_ms` now. A clock that was set back meanwhile tells
    /// nothing: then it is everything in memory.
    pub(crate) fn new(now: Time, last: RowNo, at_ms: u64, machine_ms: u64) -> Self {
        let ago_ms = machine_ms.checked_sub(at_ms);
        let before = ago_ms.map(|ms| Time(now.0.saturating_sub(ms.min(WIPE_MS_MAX))));
        Self {
            last,
            before_ms: at_ms,
            before: before.unwrap_or(Self::ALL.before),
        }
    }

    /// Whether it is known.
    pub(crate) fn is_any(&self) -> bool {
        self.before_ms > 0
    }

    /// Whether its end is not known, and rows may have been saved behind it.
    fn is_endless(&self) -> bool {
        self.last == Self::ALL.last
    }

    pub(crate) fn has_row(&self, n: RowNo) -> bool {
        n <= self.last
    }

    /// Rows in storage that are ended: up to a number, that came before a moment.
    pub(crate) fn rows(&self) -> (RowNo, Time) {
        (self.last, Self::ALL.before)
    }

    /// The same of rows in memory.
    pub(crate) fn volatile(&self) -> (RowNo, Time) {
        (Self::ALL.last, self.before)
    }

    fn has_call(&self, save: &NewRow) -> bool {
        save.created_ms < self.before_ms
    }
}

impl DurableOutbox {
    /// A wipe removes all rows, or has removed them. It also removes rows that some client is saving now and tells of later.
    pub(crate) fn wiped(
        &mut self,
        now: Time,
        scope: WipeScope,
        is_done: bool,
        outbox: &Outbox,
        effects: &mut Vec<Effect>,
    ) {
        self.wiping_until = (!is_done).then(|| now.plus(WIPE_MS_MAX));
        if is_done {
            self.doubt();
        } else {
            // What is being read is not there any more, or soon will not be.
            self.is_look_stale = true;
        }
        if !scope.is_any() {
            return;
        }
        let next = std::mem::take(&mut self.next);
        self.next = self.left_by(scope, next, effects);
        if scope.is_endless() {
            self.next
                .outcomes
                .extend(outbox.sizes().map(|(n, bytes)| wiped(n, bytes)));
            self.has_wiped = !self.next.outcomes.is_empty();
        }
        self.under_way_wiped = self
            .under_way_wiped
            .filter(WipeScope::is_endless)
            .or(Some(scope));
    }

    /// What a wipe leaves of a batch. What it reaches is refused; what may have been saved before may have been sent. Of rows that are gone
    /// storage notes nothing.
    pub(super) fn left_by(
        &mut self,
        scope: WipeScope,
        mut batch: Batch,
        effects: &mut Vec<Effect>,
    ) -> Batch {
        let (gone, others) = split(batch.saves, &|save| scope.has_call(save));
        for save in &gone {
            self.refuse_one_wiped(save, effects);
        }
        batch.saves = others;
        batch
    }

    fn refuse_one_wiped(&mut self, save: &NewRow, effects: &mut Vec<Effect>) {
        let why = if save.is_repeated {
            PublishRefusal::OutcomeUnknown
        } else {
            PublishRefusal::Wiped
        };
        self.refuse(std::slice::from_ref(save), why, effects);
    }

    /// A publication was saved, and the outbox was wiped meanwhile: its row was removed with the others, or will be.
    pub(super) fn saved_in_vain(
        &mut self,
        scope: WipeScope,
        save: &NewRow,
        n: RowNo,
        effects: &mut Vec<Effect>,
    ) {
        self.refuse_one_wiped(save, effects);
        // What took another row's place ends with that.
        if scope.is_endless() && !self.is_to_note(n) {
            self.next.outcomes.push(wiped(n, save.bytes));
            self.has_wiped = true;
        }
    }
}

/// The end of a row that was wiped: no dead letter, and nobody asks for it.
fn wiped(n: RowNo, bytes: u64) -> RowOutcome {
    let (code, message) = WIPED;
    RowOutcome {
        n,
        attempts: 0,
        bytes,
        outcome: Outcome::dead(code, message),
        is_foreign: false,
    }
}
