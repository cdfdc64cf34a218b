//! Storage's answers: what the client knows from each, and what it tries again.
//!
//! Owns no state of its own. `tab_message` handles the news that came while a request was under
//! way.

use super::tab_message::send;
use super::{Access, DurableOutbox, SyncState, is_repeated, split};
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{
    NewRow, Outcome, PublishRefusal, RowOutcome, SavedRow, StoredRow,
};
use crate::interface::storage::{Batch, StoreAnswer, StoreFault};
use crate::interface::tab_message::TabMessage;
use crate::publish::outbox::{Outbox, Ownership};

/// How long the client writes only new publications after storage was full, ms. Chosen: only a user
/// can make room.
const REST_MS: u64 = 1_000;

/// The outcome of rows whose storage the browser or its user removed.
pub(crate) fn lost() -> Outcome {
    Outcome::dead(
        "outbox_lost",
        "the browser removed the outbox's storage; it may or may not have been sent",
    )
}

fn unknown() -> Outcome {
    Outcome::dead(
        "outcome_unknown",
        "another tab or the service worker sent it, and what became of it is no longer known",
    )
}

/// What the publisher must do after an answer.
#[derive(Debug)]
pub(crate) enum Consequence {
    None,
    /// This is another storage than before. The rows of the earlier one are gone.
    Evicted {
        rows: u64,
    },
    /// Storage can't be reached. These publications must go to the memory outbox.
    NotStored(Vec<NewRow>),
}

impl DurableOutbox {
    /// Storage has answered the request under way. The caller has the payloads of all rows that it
    /// read, and must keep those of rows in `outbox`.
    pub(crate) fn answered(
        &mut self,
        context: &mut Context<'_>,
        answer: StoreAnswer,
        outbox: &mut Outbox,
    ) -> Consequence {
        let read: Vec<RowNo> = match &answer {
            StoreAnswer::Loaded { rows, .. } | StoreAnswer::Committed { updated: rows, .. } => {
                rows.iter().map(|row| row.n).collect()
            }
            _ => Vec::new(),
        };
        let consequence = self.apply(context, answer, outbox);
        let unwanted = read.into_iter().filter(|n| !outbox.has(*n));
        context
            .effects
            .extend(unwanted.map(|row| Effect::Forget { row }));
        consequence
    }

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        answer: StoreAnswer,
        outbox: &mut Outbox,
    ) -> Consequence {
        self.is_busy = false;
        let meanwhile = std::mem::take(&mut self.ended_meanwhile);
        match answer {
            StoreAnswer::Opened {
                producer,
                rows,
                bytes,
                formers,
            } => {
                if formers.iter().any(|former| former == outbox.producer()) {
                    outbox.renamed(&producer);
                }
                return self.opened(context, &producer, (rows, bytes), outbox);
            }
            StoreAnswer::Renamed { producer } => {
                let tab_message = TabMessage::Renamed {
                    producer: producer.clone(),
                };
                send(context, outbox.producer(), tab_message);
                outbox.renamed(&producer);
                self.ended_elsewhere_meanwhile(context, meanwhile, outbox);
            }
            StoreAnswer::Committed { saved, updated } => {
                self.committed(context, &saved, outbox);
                self.ended_elsewhere_meanwhile(context, meanwhile, outbox);
                for row in updated {
                    outbox.updated(&row);
                }
            }
            StoreAnswer::Loaded {
                producer,
                mut rows,
                there,
                last,
                outcomes,
                dead_letters,
            } => {
                if let Some(producer) = producer.filter(|name| *name != outbox.producer()) {
                    outbox.renamed(&producer);
                }
                let ending = self.next.outcomes.iter().map(|row| row.n);
                let mut over: Vec<RowNo> = meanwhile.iter().map(|(n, _)| *n).collect();
                over.extend(ending);
                over.sort_unstable();
                let is_over = |n: &RowNo| over.binary_search(n).is_ok();
                let is_unknown = |n: &RowNo| *n <= self.known && !outbox.has(*n) && !is_over(n);
                if self.sync_state == SyncState::Stale && there.iter().any(is_unknown) {
                    // A client announced the outcome and was killed before storage had it. Or the
                    // row belongs to another subject.
                    self.set_unknown();
                }
                if self.needs_whole_load() && !self.is_load_stale {
                    outbox.set_dead_letters(&dead_letters, |n| self.is_ending(n));
                }
                for (n, outcome) in outcomes {
                    outbox.end(context, n, outcome.unwrap_or_else(unknown));
                }
                if self.is_load_stale {
                    return Consequence::None;
                }
                if self.sync_state == SyncState::Behind && !self.is_leader && !meanwhile.is_empty()
                {
                    // The client lost its leadership meanwhile. Rows that ended without being in
                    // the outbox are not counted.
                    self.set_unknown();
                    return Consequence::None;
                }
                // The client that announced an outcome may have been killed before storage had it.
                // So a leader sends such a row again, and the hub repeats its verdict.
                let mut announced: Vec<RowNo> = self.announced.iter().copied().collect();
                announced.sort_unstable();
                let is_announced =
                    |n: &RowNo| !self.is_leader && announced.binary_search(n).is_ok();
                rows.retain(|row| !is_over(&row.n) && !is_announced(&row.n));
                self.loaded(context, &rows, &there, last, outbox);
            }
            StoreAnswer::Failed(fault) => {
                if fault == StoreFault::Full {
                    outbox.waive_dates();
                }
                self.ended_elsewhere_meanwhile(context, meanwhile, outbox);
                return self.failed(context, fault);
            }
        }
        Consequence::None
    }

    fn ended_elsewhere_meanwhile(
        &mut self,
        context: &mut Context<'_>,
        meanwhile: Vec<(RowNo, Option<(u64, Outcome)>)>,
        outbox: &mut Outbox,
    ) {
        for (n, end) in meanwhile {
            if let Some(end) = end {
                self.ended_elsewhere(context, n, end, outbox);
            }
        }
    }

    /// Whether the next batch has a row's outcome.
    pub(super) fn is_ending(&self, n: RowNo) -> bool {
        self.next.outcomes.iter().any(|row| row.n == n)
    }

    fn opened(
        &mut self,
        context: &mut Context<'_>,
        producer: &str,
        (rows, bytes): (u64, u64),
        outbox: &mut Outbox,
    ) -> Consequence {
        let rows_before = self.rows();
        let was_another = !outbox.producer().is_empty() && outbox.producer() != producer;
        self.access = Access::Open;
        self.reopening.succeeded();
        self.sync_state = SyncState::Unknown;
        (self.rows, self.bytes) = (0, 0);
        self.count_in(rows, bytes);
        outbox.set_producer(producer);
        // The client took these saves before it knew how full storage is.
        self.bytes_saving = 0;
        for save in std::mem::take(&mut self.next.saves) {
            let request = save.request;
            let taken = if was_another && save.is_repeated {
                Err(PublishRefusal::OutcomeUnknown)
            } else {
                self.save(save, outbox.limits())
            };
            if let Err(why) = taken {
                context
                    .effects
                    .push(Effect::PublishRefused { request, why });
            }
        }
        if was_another {
            self.known = RowNo(0);
            self.announced.clear();
            self.cancelled.clear();
            // They are about rows of the earlier storage.
            self.next.updates.clear();
            self.next.outcomes.clear();
            return Consequence::Evicted { rows: rows_before };
        }
        Consequence::None
    }

    fn committed(&mut self, context: &mut Context<'_>, saved: &[SavedRow], outbox: &mut Outbox) {
        let Batch {
            saves, outcomes, ..
        } = std::mem::take(&mut self.under_way);
        for RowOutcome { n, .. } in outcomes {
            send(context, outbox.producer(), TabMessage::OutcomeStored { n });
        }
        if saves.iter().any(|save| save.is_repeated) {
            // A row that was there before may have changed or ended.
            self.set_unknown();
        }
        let (mut last, mut rows, mut bytes) = (RowNo(0), 0, 0);
        let wiped = self.under_way_wiped.take();
        for (save, saved) in saves.into_iter().zip(saved) {
            let n = saved.n;
            if let Some(scope) = wiped.filter(|scope| scope.has_row(n)) {
                self.saved_but_wiped(context, scope, &save, n);
                continue;
            }
            self.bytes_saving -= save.bytes;
            if !saved.was_there && self.known.next() == n {
                self.known = n;
            } else if self.sync_state == SyncState::Current && n > self.known {
                // Another tab saved rows in between, or the row that this one replaced. They go
                // first.
                self.sync_state = SyncState::Behind;
            }
            if !saved.was_there {
                last = last.max(n);
                rows += 1;
                bytes += save.bytes;
            }
            context.metrics.publications += 1;
            let row = StoredRow::of(*saved, &save);
            outbox.insert(context.now, &row, Ownership::Own);
            context.effects.push(Effect::RowAssigned {
                request: save.request,
                row: n,
                is_durable: true,
            });
        }
        self.count_in(rows, bytes);
        if rows > 0 {
            let tab_message = TabMessage::Added { last, rows, bytes };
            send(context, outbox.producer(), tab_message);
        }
    }

    fn loaded(
        &mut self,
        context: &mut Context<'_>,
        rows: &[StoredRow],
        there: &[RowNo],
        last: RowNo,
        outbox: &mut Outbox,
    ) {
        let is_whole = self.needs_whole_load();
        if is_whole {
            let is_sorted = there.is_sorted();
            let is_there = |n| there.binary_search(&n).is_ok() || !is_sorted && there.contains(&n);
            outbox.retain_foreign(context, is_there);
        }
        for row in rows {
            outbox.insert(context.now, row, Ownership::Foreign);
        }
        // Storage may not know of a cancellation: the disk is full, or the tab was killed.
        for n in &self.cancelled {
            outbox.cancel(*n);
        }
        if is_whole {
            self.count(outbox);
            let are_waiting = self.rows > 0 && self.is_leader_wanted && !self.is_leader;
            self.recount.counted(context.now, are_waiting);
        }
        self.known = self.known.max(last);
        self.sync_state = if self.is_leader {
            SyncState::Current
        } else {
            SyncState::Behind
        };
    }

    fn failed(&mut self, context: &mut Context<'_>, fault: StoreFault) -> Consequence {
        let mut batch = std::mem::take(&mut self.under_way);
        if let Some(scope) = self.under_way_wiped.take() {
            batch = self.without_wiped(context, scope, batch);
        }
        match fault {
            StoreFault::Closed => self.storage_ended(),
            StoreFault::Unknown => {
                // By the tags storage finds the rows that it has.
                for save in &mut batch.saves {
                    save.is_repeated = true;
                }
                self.storage_ended();
            }
            StoreFault::Full => {
                self.rests_until = Some(context.now.plus(REST_MS));
                let (again, fresh) = split(batch.saves, &is_repeated);
                self.refuse(context, &fresh, PublishRefusal::StorageFull);
                batch.saves = again;
            }
            StoreFault::Lost => {
                // Storage gets the updates and outcomes when it opens again. A client that finds
                // the rows before then sends them once more.
                self.access = Access::Broken;
                self.sync_state = SyncState::Unknown;
                self.reopening.failed(context.now);
            }
        }
        batch.saves.append(&mut self.next.saves);
        batch.updates.append(&mut self.next.updates);
        batch.outcomes.append(&mut self.next.outcomes);
        self.next = batch;
        if fault != StoreFault::Lost {
            return Consequence::None;
        }
        // A repeated call waits for storage. In memory it might take effect in addition to its row.
        let (again, fresh) = split(std::mem::take(&mut self.next.saves), &is_repeated);
        self.bytes_saving = again.iter().map(|save| save.bytes).sum();
        self.next.saves = again;
        Consequence::NotStored(fresh)
    }
}
