//! The outbox in the browser's storage: what is to be written and read there, and whether this client sends what it holds.
//!
//! Owns the order of that work: one transaction at a time, and whatever gathers meanwhile shares the next. A publication has its
//! number once its transaction is complete. Several clients may believe that they are the sender: that costs duplicates,
//! which the hub answers as such, and nothing else.

use std::collections::VecDeque;

use crate::config::OutboxLimits;
use crate::effect::{Effect, Outcome, PublishRefusal};
use crate::ids::RowNo;
use crate::metrics::Metrics;
use crate::outbox::{Gone, Outbox, StoredRow};
use crate::store::{Batch, Ended, Look, Mark, Notice, Save, StoreAnswer, StoreFault, StoreRequest};
use crate::time::Time;

const WIPED: (&str, &str) = ("wiped", "the outbox was wiped, as for a log-out");

/// After storage had no room nothing is tried for this long, ms, but new publications. Chosen: it takes a user to make room.
const REST_MS: u64 = 1_000;

/// So many ends that others have told are remembered. Chosen: four of them may have a full window each on its way to storage.
const TOLD_MAX: usize = 1_024;

/// Storage was removed by the browser, or by its user.
pub(crate) const LOST: (&str, &str) = (
    "outbox_lost",
    "the browser removed the outbox's storage; it may or may not have been sent",
);

fn forgotten() -> Outcome {
    Outcome::Dead {
        code: "outcome_unknown".to_owned(),
        message:
            "another tab or the service worker sent it, and what became of it is no longer known"
                .to_owned(),
    }
}

/// How much of what is in storage the outbox knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Nothing can be taken for granted: nobody has looked yet, or others may have worked while this client slept.
    Doubtful,
    /// Rows may have come or gone without a word, because who did it was killed; what is known of the others is right.
    Unsure,
    /// There are rows after the last one that is known.
    Behind,
    /// Everything.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Closed,
    Open,
    /// It was tried, and failed. The next occasion to try again comes from outside.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    access: Access,
    /// A request is under way.
    is_busy: bool,
    /// The page may be frozen at any moment, and a transaction under way with it, which would hold up all other tabs.
    is_suspended: bool,
    is_closed: bool,
    next: Batch,
    under_way: Batch,
    /// Payloads of publications that are in either.
    bytes_saving: u64,
    sight: Sight,
    /// Doubt came up while a request is under way.
    is_look_stale: bool,
    /// Every row up to here is in the outbox, or has ended.
    known: RowNo,
    /// There is no room: what nobody waits for is not tried again before.
    rests_until: Option<Time>,
    /// What was ended while a request is under way, whose answer may not know that.
    ended_meanwhile: Vec<(RowNo, u64, Option<Outcome>)>,
    /// What others have told the end of last: storage may not know it yet.
    told: VecDeque<RowNo>,
    is_sender: bool,
    is_sender_wanted: bool,
    /// In storage, of all clients together, as far as this one has heard.
    rows: u64,
    bytes: u64,
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
    Homeless(Vec<Save>),
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            access: Access::Closed,
            is_busy: false,
            is_suspended: false,
            is_closed: false,
            next: Batch::default(),
            under_way: Batch::default(),
            bytes_saving: 0,
            sight: Sight::Doubtful,
            is_look_stale: false,
            known: RowNo(0),
            rests_until: None,
            ended_meanwhile: Vec::new(),
            told: VecDeque::new(),
            is_sender: false,
            is_sender_wanted: false,
            rows: 0,
            bytes: 0,
        }
    }

    /// Rows in storage, of all its clients.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there is nothing to do, and nothing unknown.
    pub(crate) fn is_idle(&self) -> bool {
        match self.access {
            Access::Closed => false,
            Access::Broken => true,
            Access::Open => !self.is_busy && self.next.is_empty() && !self.is_doubtful(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.rests_until
    }

    pub(crate) fn tick(&mut self, now: Time) {
        self.rests_until = self.rests_until.filter(|until| now < *until);
    }

    /// Whether this client sends what is in the outbox.
    pub(crate) fn may_send(&self) -> bool {
        self.access == Access::Open && self.is_sender && self.sight == Sight::Full
    }

    /// Whether publications need another place.
    pub(crate) fn is_broken(&self) -> bool {
        self.access == Access::Broken
    }

    /// Takes a publication, which has no row before its transaction is complete.
    pub(crate) fn save(&mut self, save: Save, limits: OutboxLimits) -> Result<(), PublishRefusal> {
        let waiting = self.next.saves.len() + self.under_way.saves.len();
        let rows = self.rows + u64::try_from(waiting).unwrap_or(u64::MAX);
        let bytes = self.bytes + self.bytes_saving;
        let is_full = rows >= u64::try_from(limits.rows_max).unwrap_or(u64::MAX)
            || bytes + save.bytes > limits.bytes_max;
        // What may have been saved before was within the limits, and may be one of the rows that count.
        if is_full && !save.is_again {
            return Err(PublishRefusal::OutboxFull);
        }
        self.bytes_saving += save.bytes;
        self.next.saves.push(save);
        Ok(())
    }

    /// A row's outcome is known: storage and the other clients are told. A worker may be stopped before storage has noted it.
    pub(crate) fn ended(&mut self, gone: Gone, producer: &str, effects: &mut Vec<Effect>) {
        let Gone {
            n,
            attempts,
            bytes,
            is_own,
            outcome,
        } = gone;
        self.count_out(bytes);
        if self.is_busy {
            self.ended_meanwhile.push((n, bytes, None));
        }
        let notice = Notice::Ended {
            n,
            attempts,
            bytes,
            outcome: outcome.clone(),
        };
        effects.push(tell(producer, notice));
        self.next.ends.push(Ended {
            n,
            attempts,
            outcome,
            is_foreign: !is_own,
        });
    }

    /// The user gives a row up.
    pub(crate) fn give_up(&mut self, n: RowNo, producer: &str, effects: &mut Vec<Effect>) {
        self.next.marks.push(Mark {
            n,
            attempts: 0,
            is_given_up: true,
        });
        effects.push(tell(producer, Notice::GivenUp { n }));
    }

    /// The page goes to sleep: only what is published is still work.
    pub(crate) fn suspended(&mut self) {
        self.is_suspended = true;
    }

    /// The client is closed: what is noted already is still to be written, calls are not.
    pub(crate) fn closed(&mut self, effects: &mut Vec<Effect>) {
        self.is_closed = true;
        self.refuse_late(effects);
    }

    /// Whoever called knows of the close: the wrapper has no payloads any more.
    fn refuse_late(&mut self, effects: &mut Vec<Effect>) {
        for save in std::mem::take(&mut self.next.saves) {
            self.bytes_saving -= save.bytes;
            effects.push(Effect::PublishRefused {
                request: save.request,
                why: PublishRefusal::Closed,
            });
        }
    }

    /// Others may have worked on what is in storage while this client slept.
    pub(crate) fn woke(&mut self) {
        self.is_suspended = false;
        self.doubt();
        if self.access == Access::Broken {
            self.access = Access::Closed;
        }
    }

    /// What is there is to be looked at as a whole.
    fn is_doubtful(&self) -> bool {
        matches!(self.sight, Sight::Doubtful | Sight::Unsure)
    }

    /// What is known, and what a load under way will tell, may be old.
    fn doubt(&mut self) {
        self.sight = Sight::Doubtful;
        self.is_look_stale = true;
    }

    /// Storage was closed.
    pub(crate) fn storage_ended(&mut self) {
        self.doubt();
        if self.access == Access::Open {
            self.access = Access::Closed;
        }
    }

    /// There is a connection to send over, or none: only a client that has one is any good as the sender.
    pub(crate) fn seek(&mut self, is_connected: bool, effects: &mut Vec<Effect>) {
        self.is_suspended &= !is_connected;
        // Nor is one that can't reach storage.
        let is_wanted = is_connected && !self.is_broken();
        if is_wanted == self.is_sender_wanted {
            return;
        }
        self.is_sender_wanted = is_wanted;
        self.is_sender &= is_wanted;
        effects.push(Effect::Sender { is_wanted });
    }

    pub(crate) fn granted(&mut self, is_granted: bool) {
        self.is_sender = is_granted && self.is_sender_wanted;
        if self.is_doubtful() || self.is_busy {
            self.doubt();
        } else {
            self.sight = Sight::Unsure;
        }
    }

    /// Makes the next request, if there is something to do and nothing under way.
    pub(crate) fn work(&mut self, outbox: &mut Outbox, effects: &mut Vec<Effect>) {
        if self.is_closed {
            // Those of a transaction that failed.
            self.refuse_late(effects);
        }
        if self.sight == Sight::Full {
            // What others tell may count a row twice; what is here does not.
            (self.rows, self.bytes) = (outbox.rows(), outbox.bytes());
        }
        let is_resting = self.is_suspended || self.rests_until.is_some();
        let is_urgent = self.next.saves.iter().any(|save| !save.is_again);
        if self.is_busy || is_resting && !is_urgent {
            return;
        }
        let request = if self.access == Access::Broken {
            return;
        } else if self.access == Access::Closed {
            StoreRequest::Open
        } else if let Some(batch) = self.batch(outbox) {
            self.under_way = batch.clone();
            StoreRequest::Commit(batch)
        } else if let Some(load) = self.load(outbox) {
            load
        } else {
            return;
        };
        self.is_look_stale = false;
        self.is_busy = true;
        effects.push(Effect::Store(request));
    }

    fn batch(&mut self, outbox: &mut Outbox) -> Option<Batch> {
        if self.may_send() {
            let marks = outbox.replaceable().map(|n| Mark {
                n,
                attempts: 0,
                is_given_up: false,
            });
            self.next.marks.extend(marks);
        }
        let sent = outbox.unmarked().into_iter().map(|(n, attempts)| Mark {
            n,
            attempts,
            is_given_up: false,
        });
        self.next.marks.extend(sent);
        let batch = std::mem::take(&mut self.next);
        (!batch.is_empty()).then_some(batch)
    }

    fn load(&self, outbox: &Outbox) -> Option<StoreRequest> {
        let (after, asked) = match self.sight {
            Sight::Full => return None,
            Sight::Behind => (self.known, Vec::new()),
            Sight::Unsure => (self.known, outbox.own()),
            Sight::Doubtful => (RowNo(0), outbox.own()),
        };
        let is_whole = self.is_doubtful();
        // What others add is theirs to show, and the sender's to send.
        let is_wanted = self.is_sender || is_whole;
        is_wanted.then_some(StoreRequest::Load(Look {
            after,
            is_whole,
            asked,
            with_letters: is_whole && outbox.is_pausing(),
        }))
    }

    /// Storage has answered what was under way.
    pub(crate) fn answered(
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
            } => return self.opened(&producer, (rows, bytes), outbox, effects),
            StoreAnswer::Committed { saved, marked } => {
                self.committed(now, &saved, outbox, metrics, effects);
                for (n, bytes, outcome) in meanwhile {
                    self.ended_elsewhere(now, (n, bytes, outcome), outbox, metrics, effects);
                }
                for row in marked {
                    outbox.marked(&row);
                }
            }
            StoreAnswer::Loaded {
                rows,
                there,
                last,
                ended,
                letters,
            } => {
                let is_over = |n| meanwhile.iter().any(|(over, ..)| *over == n);
                let is_unknown = |n: &&RowNo| {
                    let is_old = **n <= self.known && !outbox.has(**n) && !is_over(**n);
                    is_old && !self.next.ends.iter().any(|ended| ended.n == **n)
                };
                if self.sight == Sight::Unsure && there.iter().any(|n| is_unknown(&n)) {
                    // Somebody told of an end and was killed before it was noted; or it is another subject's.
                    self.doubt();
                }
                let is_whole = self.is_doubtful() && !self.is_look_stale;
                if is_whole {
                    let is_new = |n| self.next.ends.iter().any(|ended| ended.n == n);
                    outbox.set_letters(&letters, is_new);
                }
                for (n, outcome) in ended {
                    outbox.end(now, n, outcome.unwrap_or_else(forgotten), metrics, effects);
                }
                if self.is_look_stale {
                    return Consequence::None;
                }
                if self.sight == Sight::Behind && !self.is_sender && !meanwhile.is_empty() {
                    // The sender's place was lost meanwhile, and what ended without being here is not counted.
                    self.doubt();
                    return Consequence::None;
                }
                // Whoever told may not have lived to note it: a sender sends again, and the hub says what it said.
                let is_told = |n| !self.is_sender && self.told.contains(&n);
                let rows = rows.into_iter();
                let rows = rows.filter(|row| !is_over(row.n) && !is_told(row.n));
                let rows = rows.collect::<Vec<_>>();
                self.loaded(now, &rows, &there, last, outbox, effects);
            }
            StoreAnswer::Failed(fault) => return self.failed(now, fault, effects),
        }
        Consequence::None
    }

    fn opened(
        &mut self,
        producer: &str,
        (rows, bytes): (u64, u64),
        outbox: &mut Outbox,
        effects: &mut Vec<Effect>,
    ) -> Consequence {
        let rows_before = self.rows;
        let was_another = !outbox.producer().is_empty() && outbox.producer() != producer;
        self.access = Access::Open;
        self.sight = Sight::Doubtful;
        self.rows = rows;
        self.bytes = bytes;
        outbox.set_producer(producer);
        // What was taken before anybody knew how much is there.
        self.bytes_saving = 0;
        for save in std::mem::take(&mut self.next.saves) {
            let request = save.request;
            let taken = if was_another && save.is_again {
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
            // What was to be noted of its rows has nowhere to go.
            self.next.marks.clear();
            self.next.ends.clear();
            return Consequence::Evicted { rows: rows_before };
        }
        Consequence::None
    }

    fn committed(
        &mut self,
        now: Time,
        saved: &[(RowNo, bool)],
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let Batch { saves, ends, .. } = std::mem::take(&mut self.under_way);
        let noted = ends.into_iter().map(|ended| Notice::Noted { n: ended.n });
        effects.extend(noted.map(|notice| tell(outbox.producer(), notice)));
        if saves.iter().any(|save| save.is_again) {
            // What was there before may have changed, or ended.
            self.doubt();
        }
        let (mut last, mut rows, mut bytes) = (RowNo(0), 0, 0);
        for (save, (n, has_replaced)) in saves.into_iter().zip(saved.iter().copied()) {
            self.bytes_saving -= save.bytes;
            if !has_replaced {
                // Whatever others have saved in between is to be sent first.
                if self.known.next() == n {
                    self.known = n;
                } else if self.sight == Sight::Full && n > self.known {
                    self.sight = Sight::Behind;
                }
                last = last.max(n);
                rows += 1;
                bytes += save.bytes;
            }
            metrics.publications += 1;
            let row = StoredRow::of(n, &save);
            outbox.insert(now, &row, true);
            effects.push(Effect::Queued {
                request: save.request,
                row: n,
                is_durable: true,
            });
        }
        self.rows += rows;
        self.bytes += bytes;
        if rows > 0 {
            let notice = Notice::Added { last, rows, bytes };
            effects.push(tell(outbox.producer(), notice));
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
            let is_there = |n| there.binary_search(&n).is_ok();
            outbox.retain(|n, is_own| is_own || is_there(n), effects);
        }
        for row in rows {
            outbox.insert(now, row, false);
        }
        if is_whole {
            (self.rows, self.bytes) = (outbox.rows(), outbox.bytes());
        }
        self.known = self.known.max(last);
        self.sight = if self.is_sender {
            Sight::Full
        } else {
            Sight::Behind
        };
    }

    fn failed(&mut self, now: Time, fault: StoreFault, effects: &mut Vec<Effect>) -> Consequence {
        let mut batch = std::mem::take(&mut self.under_way);
        batch.marks.append(&mut self.next.marks);
        batch.ends.append(&mut self.next.ends);
        self.next.marks = batch.marks;
        self.next.ends = batch.ends;
        match fault {
            StoreFault::Closed => {
                self.storage_ended();
                batch.saves.append(&mut self.next.saves);
                self.next.saves = batch.saves;
                Consequence::None
            }
            StoreFault::Full => {
                self.rests_until = Some(now.plus(REST_MS));
                let (mut again, fresh) = split(batch.saves);
                self.bytes_saving -= fresh.iter().map(|save| save.bytes).sum::<u64>();
                refuse(&fresh, PublishRefusal::StorageFull, effects);
                again.append(&mut self.next.saves);
                self.next.saves = again;
                Consequence::None
            }
            StoreFault::Lost => {
                // What this client knows of rows is noted when storage is back; whoever finds them before sends them once more.
                self.access = Access::Broken;
                self.sight = Sight::Doubtful;
                batch.saves.append(&mut self.next.saves);
                // In memory it might take effect beside a row of its own: it waits for storage.
                let (again, fresh) = split(batch.saves);
                self.bytes_saving = again.iter().map(|save| save.bytes).sum();
                self.next.saves = again;
                Consequence::Homeless(fresh)
            }
        }
    }

    /// Another client has told something of this storage's rows.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        notice: Notice,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        match notice {
            Notice::Added { last, rows, bytes } => {
                // What it told late is counted.
                if last > self.known {
                    self.rows += rows;
                    self.bytes += bytes;
                }
                if self.sight == Sight::Full && last > self.known {
                    self.sight = Sight::Behind;
                }
            }
            Notice::Ended {
                n, bytes, outcome, ..
            } => {
                if self.told.len() >= TOLD_MAX {
                    self.told.pop_front();
                }
                self.told.push_back(n);
                if !self.is_busy {
                    self.ended_elsewhere(now, (n, bytes, Some(outcome)), outbox, metrics, effects);
                } else if outbox.has(n) {
                    self.ended_meanwhile.push((n, bytes, None));
                    self.ended_elsewhere(now, (n, bytes, Some(outcome)), outbox, metrics, effects);
                } else {
                    self.ended_meanwhile.push((n, bytes, Some(outcome)));
                }
            }
            Notice::Noted { n } => {
                if self.is_busy {
                    self.ended_meanwhile.push((n, 0, None));
                }
                // Who was here when it ended has heard of that; who came later has found it.
                if outbox.is_own(n) {
                    self.doubt();
                } else if let Some(bytes) = outbox.forget(n, effects) {
                    self.count_out(bytes);
                }
            }
            Notice::GivenUp { n } => outbox.give_up(n),
            // It is no row any more.
            Notice::Taken { .. } => {}
        }
    }

    /// All rows were removed, or are about to be.
    pub(crate) fn wiped(
        &mut self,
        now: Time,
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let (again, saves) = split(std::mem::take(&mut self.next.saves));
        self.bytes_saving -= again.iter().map(|save| save.bytes).sum::<u64>();
        refuse(&again, PublishRefusal::OutcomeUnknown, effects);
        self.next = Batch {
            saves,
            ..Batch::default()
        };
        // What is being read is not there any more, or soon will not be.
        self.is_look_stale = true;
        self.rows = 0;
        self.bytes = 0;
        outbox.end_all(now, WIPED, metrics, effects);
    }

    fn ended_elsewhere(
        &mut self,
        now: Time,
        (n, bytes, outcome): (RowNo, u64, Option<Outcome>),
        outbox: &mut Outbox,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let Some(outcome) = outcome else { return };
        let was_here = outbox.end(now, n, outcome, metrics, effects).is_some();
        if was_here || n > self.known {
            self.count_out(bytes);
        }
    }

    fn count_out(&mut self, bytes: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn tell(producer: &str, notice: Notice) -> Effect {
    Effect::Tell {
        producer: producer.to_owned(),
        notice,
    }
}

/// Those that may have been saved before, and the others.
fn split(saves: Vec<Save>) -> (Vec<Save>, Vec<Save>) {
    saves.into_iter().partition(|save| save.is_again)
}

fn refuse(saves: &[Save], why: PublishRefusal, effects: &mut Vec<Effect>) {
    effects.extend(saves.iter().map(|save| Effect::PublishRefused {
        request: save.request,
        why,
    }));
}
