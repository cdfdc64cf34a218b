//! What storage answers: what is known of it from then on, and what is tried again.
//!
//! Owns no state beside the ledger's. What others tell while an answer is waited for is `notice`'s.

use super::tab_message::tell;
use super::{Access, DurableOutbox, SyncState, is_repeated, split};
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{NewRow, Outcome, PublishRefusal, SavedRow, StoredRow};
use crate::interface::storage::{Batch, StoreAnswer, StoreFault};
use crate::interface::tab_message::TabMessage;
use crate::metrics::Metrics;
use crate::publish::outbox::Outbox;
use crate::time::Time;

/// After storage had no room nothing is tried for this long, ms, but new publications. Chosen: it takes a user to make room.
const REST_MS: u64 = 1_000;

/// Storage was removed by the browser, or by its user.
pub(crate) const LOST: (&str, &str) = (
    "outbox_lost",
    "the browser removed the outbox's storage; it may or may not have been sent",
);

fn forgotten() -> Outcome {
    Outcome::dead(
        "outcome_unknown",
        "another tab or the service worker sent it, and what became of it is no longer known",
    )
}

/// What a client has to do about an answer.
#[derive(Debug)]
pub(crate) enum Consequence {
    None,
    /// Storage is not the one that it was: what was in it is gone.
    Evicted {
        rows: u64,
    },
    /// Storage can't be reached: these publications need another place.
    NotStored(Vec<NewRow>),
}

impl DurableOutbox {
    /// Storage has answered what was under way. The wrapper has all rows that were read, and is to keep those that are here.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        answer: StoreAnswer,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> Consequence {
        let read: Vec<RowNo> = match &answer {
            StoreAnswer::Loaded { rows, .. } | StoreAnswer::Committed { updated: rows, .. } => {
                rows.iter().map(|row| row.n).collect()
            }
            _ => Vec::new(),
        };
        let consequence = self.take(now, answer, outbox, metrics, effects);
        let unwanted = read.into_iter().filter(|n| !outbox.has(*n));
        effects.extend(unwanted.map(|row| Effect::Forget { row }));
        consequence
    }

    fn take(
        &mut self,
        now: Time,
        answer: StoreAnswer,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
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
                return self.opened(&producer, (rows, bytes), outbox, effects);
            }
            StoreAnswer::Renamed { producer } => {
                let tab_message = TabMessage::Renamed {
                    producer: producer.clone(),
                };
                effects.push(tell(outbox.producer(), tab_message));
                outbox.renamed(&producer);
                self.ended_elsewhere_meanwhile(now, meanwhile, outbox, metrics, effects);
            }
            StoreAnswer::Committed { saved, updated } => {
                self.committed(now, &saved, outbox, metrics, effects);
                self.ended_elsewhere_meanwhile(now, meanwhile, outbox, metrics, effects);
                for row in updated {
                    outbox.marked(&row);
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
                let to_note = self.next.outcomes.iter().map(|ended| ended.n);
                let mut over: Vec<RowNo> = meanwhile.iter().map(|(n, _)| *n).collect();
                over.extend(to_note);
                over.sort_unstable();
                let is_over = |n: &RowNo| over.binary_search(n).is_ok();
                let is_unknown = |n: &RowNo| *n <= self.known && !outbox.has(*n) && !is_over(n);
                if self.sync_state == SyncState::Stale && there.iter().any(is_unknown) {
                    // Somebody told of an end and was killed before it was noted; or it is another subject's.
                    self.doubt();
                }
                if self.is_doubtful() && !self.is_look_stale {
                    outbox.set_letters(&dead_letters, |n| self.is_to_note(n));
                }
                for (n, outcome) in outcomes {
                    outbox.end(now, n, outcome.unwrap_or_else(forgotten), metrics, effects);
                }
                if self.is_look_stale {
                    return Consequence::None;
                }
                if self.sync_state == SyncState::Behind && !self.is_leader && !meanwhile.is_empty()
                {
                    // The sender's place was lost meanwhile, and what ended without being here is not counted.
                    self.doubt();
                    return Consequence::None;
                }
                // Whoever told may not have lived to note it: a sender sends again, and the hub says what it said.
                let mut told: Vec<RowNo> = self.told.iter().copied().collect();
                told.sort_unstable();
                let is_told = |n: &RowNo| !self.is_leader && told.binary_search(n).is_ok();
                rows.retain(|row| !is_over(&row.n) && !is_told(&row.n));
                self.loaded(now, &rows, &there, last, outbox, effects);
            }
            StoreAnswer::Failed(fault) => {
                if fault == StoreFault::Full {
                    outbox.waive_dates();
                }
                self.ended_elsewhere_meanwhile(now, meanwhile, outbox, metrics, effects);
                return self.failed(now, fault, effects);
            }
        }
        Consequence::None
    }

    fn ended_elsewhere_meanwhile(
        &mut self,
        now: Time,
        meanwhile: Vec<(RowNo, Option<(u64, Outcome)>)>,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        for (n, end) in meanwhile {
            if let Some(end) = end {
                self.ended_elsewhere(now, n, end, outbox, metrics, effects);
            }
        }
    }

    /// Whether a row's end is among what storage is to be told next.
    pub(super) fn is_to_note(&self, n: RowNo) -> bool {
        self.next.outcomes.iter().any(|ended| ended.n == n)
    }

    fn opened(
        &mut self,
        producer: &str,
        (rows, bytes): (u64, u64),
        outbox: &mut Outbox,
        effects: &mut Vec<Effect>,
    ) -> Consequence {
        let rows_before = self.rows();
        let was_another = !outbox.producer().is_empty() && outbox.producer() != producer;
        self.access = Access::Open;
        self.reopening.succeeded();
        self.sync_state = SyncState::Unknown;
        (self.rows, self.bytes) = (0, 0);
        self.count_in(rows, bytes);
        outbox.set_producer(producer);
        // What was taken before anybody knew how much is there.
        self.bytes_saving = 0;
        for save in std::mem::take(&mut self.next.saves) {
            let request = save.request;
            let taken = if was_another && save.is_repeated {
                Err(PublishRefusal::OutcomeUnknown)
            } else {
                self.save(save, outbox.limits())
            };
            if let Err(why) = taken {
                effects.push(Effect::PublishRefused { request, why });
            }
        }
        if was_another {
            self.known = RowNo(0);
            self.told.clear();
            self.cancelled.clear();
            // What was to be noted of its rows has nowhere to go.
            self.next.updates.clear();
            self.next.outcomes.clear();
            return Consequence::Evicted { rows: rows_before };
        }
        Consequence::None
    }

    fn committed(
        &mut self,
        now: Time,
        saved: &[SavedRow],
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let Batch {
            saves, outcomes, ..
        } = std::mem::take(&mut self.under_way);
        let noted = outcomes
            .into_iter()
            .map(|ended| TabMessage::OutcomeStored { n: ended.n });
        effects.extend(noted.map(|tab_message| tell(outbox.producer(), tab_message)));
        if saves.iter().any(|save| save.is_repeated) {
            // What was there before may have changed, or ended.
            self.doubt();
        }
        let (mut last, mut rows, mut bytes) = (RowNo(0), 0, 0);
        let wiped = self.under_way_wiped.take();
        for (save, saved) in saves.into_iter().zip(saved) {
            let n = saved.n;
            if let Some(scope) = wiped.filter(|scope| scope.has_row(n)) {
                self.saved_in_vain(scope, &save, n, effects);
                continue;
            }
            self.bytes_saving -= save.bytes;
            if !saved.was_there && self.known.next() == n {
                self.known = n;
            } else if self.sync_state == SyncState::Full && n > self.known {
                // Another tab saved rows in between, or the one whose place this took. They go first.
                self.sync_state = SyncState::Behind;
            }
            if !saved.was_there {
                last = last.max(n);
                rows += 1;
                bytes += save.bytes;
            }
            metrics.publications += 1;
            let row = StoredRow::of(*saved, &save);
            outbox.insert(now, &row, true);
            effects.push(Effect::RowAssigned {
                request: save.request,
                row: n,
                is_durable: true,
            });
        }
        self.count_in(rows, bytes);
        if rows > 0 {
            let tab_message = TabMessage::Added { last, rows, bytes };
            effects.push(tell(outbox.producer(), tab_message));
        }
    }

    fn loaded(
        &mut self,
        now: Time,
        rows: &[StoredRow],
        there: &[RowNo],
        last: RowNo,
        outbox: &mut Outbox,
        effects: &mut Vec<Effect>,
    ) {
        let is_whole = self.is_doubtful();
        if is_whole {
            let is_sorted = there.is_sorted();
            let is_there = |n| there.binary_search(&n).is_ok() || !is_sorted && there.contains(&n);
            outbox.retain(|n, is_own| is_own || is_there(n), effects);
        }
        for row in rows {
            outbox.insert(now, row, false);
        }
        // Storage may not know it: the disk is full, or the tab that would have noted it was killed.
        for n in &self.cancelled {
            outbox.cancel(*n);
        }
        if is_whole {
            self.count(outbox);
            let are_waiting = self.rows > 0 && self.is_leader_wanted && !self.is_leader;
            self.recount.counted(now, are_waiting);
        }
        self.known = self.known.max(last);
        self.sync_state = if self.is_leader {
            SyncState::Full
        } else {
            SyncState::Behind
        };
    }

    fn failed(&mut self, now: Time, fault: StoreFault, effects: &mut Vec<Effect>) -> Consequence {
        let mut batch = std::mem::take(&mut self.under_way);
        if let Some(scope) = self.under_way_wiped.take() {
            batch = self.left_by(scope, batch, effects);
        }
        match fault {
            StoreFault::Closed => self.storage_ended(),
            StoreFault::Unknown => {
                // By its tag storage finds what it has.
                for save in &mut batch.saves {
                    save.is_repeated = true;
                }
                self.storage_ended();
            }
            StoreFault::Full => {
                self.rests_until = Some(now.plus(REST_MS));
                let (again, fresh) = split(batch.saves, &is_repeated);
                self.refuse(&fresh, PublishRefusal::StorageFull, effects);
                batch.saves = again;
            }
            StoreFault::Lost => {
                // What this client knows of rows is noted when storage is back; whoever finds them before sends them once more.
                self.access = Access::Broken;
                self.sync_state = SyncState::Unknown;
                self.reopening.failed(now);
            }
        }
        batch.saves.append(&mut self.next.saves);
        batch.updates.append(&mut self.next.updates);
        batch.outcomes.append(&mut self.next.outcomes);
        self.next = batch;
        if fault != StoreFault::Lost {
            return Consequence::None;
        }
        // In memory it might take effect beside a row of its own: it waits for storage.
        let (again, fresh) = split(std::mem::take(&mut self.next.saves), &is_repeated);
        self.bytes_saving = again.iter().map(|save| save.bytes).sum();
        self.next.saves = again;
        Consequence::NotStored(fresh)
    }
}
