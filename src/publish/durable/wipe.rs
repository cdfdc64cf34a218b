//! Wipes: which rows and calls a wipe ends, and what waits for it.
//!
//! Owns the reach of a wipe. For rows it goes by their numbers, which follow the order of
//! transactions. For calls without a row it goes by the machine's clock, because two pages have
//! nothing else in common.

use super::{DurableOutbox, split};
/// How long nothing is sent during a wipe whose end nobody reports, ms, and how late the client
/// believes such a report. Chosen: opening storage and a transaction take less.
use crate::boundary::WIPE_MS_MAX;
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::publication::{NewRow, Outcome, PublishRefusal, RowOutcome, WIPED};
use crate::interface::storage::Batch;
use crate::publish::outbox::{Outbox, RowRange};
use crate::time::Time;

/// The outcome of wiped rows.
pub(crate) fn wiped() -> Outcome {
    Outcome::dead(WIPED, "the outbox was wiped, as for a log-out")
}

/// How far a wipe has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WipeStage {
    Begun,
    Done,
}

/// What a wipe ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WipeScope {
    /// Rows in storage, up to this one.
    last: RowNo,
    /// Calls without a row, before this moment of the machine's clock.
    before_ms: u64,
    /// Rows in memory, before this moment.
    before: Time,
}

impl WipeScope {
    /// Everything.
    pub(crate) const ALL: Self = Self {
        last: RowNo(u64::MAX),
        before_ms: u64::MAX,
        before: Time(u64::MAX),
    };

    /// Up to the row `last`, at `at_ms` by the machine's clock, which is at `machine_ms` now. If
    /// the clock was set back meanwhile, the wipe reaches everything in memory.
    pub(crate) fn new(now: Time, last: RowNo, at_ms: u64, machine_ms: u64) -> Self {
        let ago_ms = machine_ms.checked_sub(at_ms);
        let before = ago_ms.map(|ms| Time(now.0.saturating_sub(ms.min(WIPE_MS_MAX))));
        Self {
            last,
            before_ms: at_ms,
            before: before.unwrap_or(Self::ALL.before),
        }
    }

    /// Whether its reach is known.
    pub(crate) fn is_known(&self) -> bool {
        self.before_ms > 0
    }

    /// Whether its last row is unknown, so that rows may have been saved after it.
    fn is_endless(&self) -> bool {
        self.last == Self::ALL.last
    }

    pub(crate) fn has_row(&self, n: RowNo) -> bool {
        n <= self.last
    }

    /// The rows in storage that it ends.
    pub(crate) fn stored_rows(&self) -> RowRange {
        RowRange {
            last: self.last,
            before: Self::ALL.before,
        }
    }

    /// The rows in memory that it ends.
    pub(crate) fn memory_rows(&self) -> RowRange {
        RowRange {
            last: Self::ALL.last,
            before: self.before,
        }
    }

    fn has_call(&self, save: &NewRow) -> bool {
        save.created_ms < self.before_ms
    }
}

impl DurableOutbox {
    /// A client wipes all rows, or has wiped them. The wipe also removes rows that another client
    /// is saving now and announces later.
    pub(crate) fn wiped(
        &mut self,
        context: &mut Context<'_>,
        scope: WipeScope,
        stage: WipeStage,
        outbox: &Outbox,
    ) {
        match stage {
            WipeStage::Begun => {
                self.wiping_until = Some(context.now.plus(WIPE_MS_MAX));
                // The rows of a load under way are gone, or soon will be.
                self.is_load_stale = true;
            }
            WipeStage::Done => {
                self.wiping_until = None;
                self.set_unknown();
            }
        }
        if !scope.is_known() {
            return;
        }
        let next = std::mem::take(&mut self.next);
        self.next = self.without_wiped(context, scope, next);
        if scope.is_endless() {
            let wiped = outbox.sizes().map(|(n, bytes)| wiped_row(n, bytes));
            self.next.outcomes.extend(wiped);
            self.has_wiped = !self.next.outcomes.is_empty();
        }
        self.under_way_wiped = self
            .under_way_wiped
            .filter(WipeScope::is_endless)
            .or(Some(scope));
    }

    /// Refuses the saves of a batch that a wipe reaches. Returns the rest of the batch. Storage
    /// ignores updates and outcomes of rows that are gone.
    pub(super) fn without_wiped(
        &mut self,
        context: &mut Context<'_>,
        scope: WipeScope,
        mut batch: Batch,
    ) -> Batch {
        let (wiped, others) = split(batch.saves, &|save| scope.has_call(save));
        for save in &wiped {
            self.refuse_wiped(context, save);
        }
        batch.saves = others;
        batch
    }

    fn refuse_wiped(&mut self, context: &mut Context<'_>, save: &NewRow) {
        let why = if save.is_repeated {
            PublishRefusal::OutcomeUnknown
        } else {
            PublishRefusal::Wiped
        };
        self.refuse(context, std::slice::from_ref(save), why);
    }

    /// A publication was saved, but the outbox was wiped meanwhile. The wipe has removed its row
    /// with the others, or will.
    pub(super) fn saved_but_wiped(
        &mut self,
        context: &mut Context<'_>,
        scope: WipeScope,
        save: &NewRow,
        n: RowNo,
    ) {
        self.refuse_wiped(context, save);
        // A publication that replaced another row ends with that row.
        if scope.is_endless() && !self.is_ending(n) {
            self.next.outcomes.push(wiped_row(n, save.bytes));
            self.has_wiped = true;
        }
    }
}

/// The end of a wiped row. It leaves no dead letter, and no client waits for it.
fn wiped_row(n: RowNo, bytes: u64) -> RowOutcome {
    RowOutcome {
        n,
        attempts: 0,
        bytes,
        outcome: wiped(),
        is_foreign: false,
    }
}
