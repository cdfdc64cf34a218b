//! The outbox in the browser's storage: what is to be written and read there, and whether this client sends what it holds.
//!
//! Owns the order of that work: one transaction at a time, and whatever gathers meanwhile shares the next. A publication has its
//! number once its transaction is complete. Several clients may believe that they are the sender: that costs duplicates,
//! which the hub answers as such, and nothing else. Never sends a row, and never touches storage itself.

mod answer;
mod recount;
mod reopening;
mod tab_message;
mod wipe;

use std::collections::VecDeque;

use crate::config::OutboxLimits;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{NewRow, Outcome, PublishRefusal, RowUpdate};
use crate::interface::storage::{Batch, LoadQuery, StoreRequest};
use crate::publish::outbox::Outbox;
use crate::time::Time;
use crate::wire::public_id::public_name;

pub(crate) use answer::{Consequence, LOST};
use recount::Recount;
use reopening::Reopening;
pub(crate) use wipe::{WIPED, WipeScope};

/// How much of what is in storage the outbox knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    /// Nothing can be taken for granted: nobody has looked yet, or others may have worked while this client slept.
    Unknown,
    /// Rows may have come or gone without a word, because who did it was killed; what is known of the others is right.
    Stale,
    /// There are rows after the last one that is known.
    Behind,
    /// Everything.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Closed,
    Open,
    /// It was tried, and failed. Publications go to memory until a later try opens it.
    Broken,
}

#[derive(Debug)]
pub(crate) struct DurableOutbox {
    access: Access,
    /// A request is under way.
    is_busy: bool,
    /// The page may be frozen at any moment, and a transaction under way with it, which would hold up all other tabs.
    is_suspended: bool,
    is_closed: bool,
    next: Batch,
    under_way: Batch,
    /// The outbox was wiped since the request under way was made, or before that was done.
    under_way_wiped: Option<WipeScope>,
    /// Rows that were wiped are among the next ends: what has their keys must not take their places before.
    has_wiped: bool,
    /// The outbox is being wiped: nothing is sent. Whoever wipes may be killed.
    wiping_until: Option<Time>,
    /// Payloads of publications that are in either.
    bytes_saving: u64,
    sync_state: SyncState,
    /// Doubt came up while a request is under way.
    is_look_stale: bool,
    /// Every row up to here is in the outbox, or has ended.
    known: RowNo,
    /// There is no room: what nobody waits for is not tried again before.
    rests_until: Option<Time>,
    reopening: Reopening,
    /// What was ended while a request is under way, whose answer may not know that; with size and outcome, if it was not here.
    ended_meanwhile: Vec<(RowNo, Option<(u64, Outcome)>)>,
    /// What others have told the end of last: storage may not know it yet.
    told: VecDeque<RowNo>,
    /// What users have given up last.
    cancelled: VecDeque<RowNo>,
    is_leader: bool,
    is_leader_wanted: bool,
    /// In storage, of all clients together, as far as this one has heard. Below 0 while an end is known before its row is.
    rows: i64,
    bytes: i64,
    recount: Recount,
}

impl DurableOutbox {
    pub(crate) fn new() -> Self {
        Self {
            access: Access::Closed,
            is_busy: false,
            is_suspended: false,
            is_closed: false,
            next: Batch::default(),
            under_way: Batch::default(),
            under_way_wiped: None,
            has_wiped: false,
            wiping_until: None,
            bytes_saving: 0,
            sync_state: SyncState::Unknown,
            is_look_stale: false,
            known: RowNo(0),
            rests_until: None,
            reopening: Reopening::default(),
            ended_meanwhile: Vec::new(),
            told: VecDeque::new(),
            cancelled: VecDeque::new(),
            is_leader: false,
            is_leader_wanted: false,
            rows: 0,
            bytes: 0,
            recount: Recount::default(),
        }
    }

    /// Rows in storage, of all its clients.
    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.rows).unwrap_or(0)
    }

    /// Whether there is nothing to do, and nothing unknown. What a full disk does not take waits for its user.
    pub(crate) fn is_idle(&self) -> bool {
        match self.access {
            Access::Closed => false,
            Access::Broken => true,
            Access::Open => {
                let has_work = !self.next.is_empty() && self.rests_until.is_none();
                !self.is_busy && !has_work && !self.is_doubtful() && self.rows >= 0
            }
        }
    }

    /// Whether the rows in `outbox` are all that there are.
    pub(crate) fn has_all(&self, outbox: &Outbox) -> bool {
        self.access == Access::Open && !self.is_doubtful() && self.rows() == outbox.rows()
    }

    /// Whether storage had no room a moment ago.
    pub(crate) fn is_resting(&self) -> bool {
        self.rests_until.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let parts = [
            self.rests_until,
            self.wiping_until,
            self.recount.at,
            self.reopening.at,
        ];
        parts.into_iter().flatten().min()
    }

    pub(crate) fn tick(&mut self, now: Time) {
        self.rests_until = self.rests_until.filter(|until| now < *until);
        self.reopening.at = self.reopening.at.filter(|at| now < *at);
        if self.wiping_until.take_if(|until| *until <= now).is_some() {
            self.doubt();
        }
        if self.recount.is_due(now) && self.sync_state != SyncState::Full {
            self.look_again();
        }
    }

    /// What is known of the rows that are here is right; others may have come or gone without a word.
    fn look_again(&mut self) {
        if self.is_doubtful() || self.is_busy {
            self.doubt();
        } else {
            self.sync_state = SyncState::Stale;
        }
    }

    /// Whether this client sends what is in the outbox.
    pub(crate) fn is_leader(&self) -> bool {
        self.access == Access::Open && self.is_leader && self.sync_state == SyncState::Full
    }

    pub(crate) fn is_wiping(&self) -> bool {
        self.wiping_until.is_some()
    }

    /// Whether publications need another place.
    pub(crate) fn is_broken(&self) -> bool {
        self.access == Access::Broken
    }

    /// Takes a publication, which has no row before its transaction is complete.
    pub(crate) fn save(
        &mut self,
        save: NewRow,
        limits: OutboxLimits,
    ) -> Result<(), PublishRefusal> {
        let waiting = self.next.saves.len() + self.under_way.saves.len();
        let rows = self.rows() + u64::try_from(waiting).unwrap_or(u64::MAX);
        let bytes = u64::try_from(self.bytes).unwrap_or(0) + self.bytes_saving;
        let is_full = rows >= u64::try_from(limits.rows_max).unwrap_or(u64::MAX)
            || bytes + save.bytes > limits.bytes_max;
        // What may have been saved before was within the limits, and may be one of the rows that count.
        if is_full && !save.is_repeated {
            return Err(PublishRefusal::OutboxFull);
        }
        self.bytes_saving += save.bytes;
        self.next.saves.push(save);
        Ok(())
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
        let late = std::mem::take(&mut self.next.saves);
        self.refuse(&late, PublishRefusal::Closed, effects);
    }

    fn refuse(&mut self, saves: &[NewRow], why: PublishRefusal, effects: &mut Vec<Effect>) {
        for save in saves {
            self.bytes_saving -= save.bytes;
            effects.push(Effect::PublishRefused {
                request: save.request,
                why,
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
        matches!(self.sync_state, SyncState::Unknown | SyncState::Stale)
    }

    /// What is known, and what a load under way will tell, may be old.
    fn doubt(&mut self) {
        self.sync_state = SyncState::Unknown;
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
        if is_wanted == self.is_leader_wanted {
            return;
        }
        self.is_leader_wanted = is_wanted;
        self.is_leader &= is_wanted;
        effects.push(Effect::Leader { is_wanted });
    }

    pub(crate) fn granted(&mut self, is_granted: bool) {
        self.is_leader = is_granted && self.is_leader_wanted;
        self.look_again();
    }

    /// Makes the next request, if there is something to do and nothing under way.
    /// `spare` is a name that nobody but the hub knows.
    pub(crate) fn work(&mut self, outbox: &mut Outbox, memory: &str, effects: &mut Vec<Effect>) {
        if self.is_closed {
            // Those of a transaction that failed.
            self.refuse_late(effects);
        }
        if self.sync_state == SyncState::Full {
            self.count(outbox);
        }
        let is_urgent = self.next.saves.iter().any(|save| !save.is_repeated);
        if self.is_busy || self.is_suspended && !is_urgent {
            return;
        }
        // Reading takes no room.
        let may_write = self.rests_until.is_none() || is_urgent;
        let request = if self.access == Access::Broken && self.reopening.at.is_some() {
            return;
        } else if self.access != Access::Open {
            StoreRequest::Open
        } else if may_write && let Some(batch) = self.batch(outbox) {
            self.under_way = batch.clone();
            StoreRequest::Commit(batch)
        } else if may_write && self.is_leader() && outbox.awaits_name() {
            let from = outbox.producer().to_owned();
            let to = public_name(&format!("{memory} {from}"));
            StoreRequest::Rename { from, to }
        } else if let Some(load) = self.load(outbox) {
            load
        } else {
            return;
        };
        self.is_look_stale = false;
        self.under_way_wiped = None;
        self.is_busy = true;
        effects.push(Effect::Store(request));
    }

    fn batch(&mut self, outbox: &mut Outbox) -> Option<Batch> {
        if self.is_leader() {
            let updates = outbox.to_mark().map(|(n, counts_from_ms)| RowUpdate {
                n,
                attempts: 0,
                is_cancelled: false,
                counts_from_ms,
            });
            self.next.updates.extend(updates);
        }
        let sent = outbox
            .unmarked()
            .into_iter()
            .map(|(n, attempts)| RowUpdate {
                n,
                attempts,
                is_cancelled: false,
                counts_from_ms: None,
            });
        self.next.updates.extend(sent);
        // What a full disk did not take is there already.
        merge(&mut self.next.updates);
        let mut batch = std::mem::take(&mut self.next);
        // What is saved while the outbox is wiped might be there after it, and be sent before its own wipe.
        if std::mem::take(&mut self.has_wiped) || self.is_wiping() {
            self.next.saves = std::mem::take(&mut batch.saves);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// What others tell may count a row twice; what is here does not.
    pub(crate) fn count(&mut self, outbox: &Outbox) {
        self.rows = i64::try_from(outbox.rows()).unwrap_or(i64::MAX);
        self.bytes = i64::try_from(outbox.bytes()).unwrap_or(i64::MAX);
    }

    fn load(&self, outbox: &Outbox) -> Option<StoreRequest> {
        let (after, awaited) = match self.sync_state {
            SyncState::Full => return None,
            SyncState::Behind => (self.known, Vec::new()),
            SyncState::Stale => (self.known, outbox.own()),
            SyncState::Unknown => (RowNo(0), outbox.own()),
        };
        let is_whole = self.is_doubtful();
        // What others add is theirs to show, and the sender's to send.
        let is_wanted = self.is_leader || is_whole;
        is_wanted.then_some(StoreRequest::Load(LoadQuery {
            after,
            is_whole,
            awaited,
            with_dead_letters: is_whole && outbox.is_pausing(),
        }))
    }
}

/// One mark a row.
fn merge(updates: &mut Vec<RowUpdate>) {
    updates.sort_by_key(|mark| mark.n);
    updates.dedup_by(|other, mark| {
        let is_same = other.n == mark.n;
        if is_same {
            mark.attempts = mark.attempts.max(other.attempts);
            mark.is_cancelled |= other.is_cancelled;
            mark.counts_from_ms = mark.counts_from_ms.or(other.counts_from_ms);
        }
        is_same
    });
}

/// Those that are such, and the others.
fn split(saves: Vec<NewRow>, is_such: &dyn Fn(&NewRow) -> bool) -> (Vec<NewRow>, Vec<NewRow>) {
    saves.into_iter().partition(is_such)
}

/// Whether it may have been saved before.
fn is_repeated(save: &NewRow) -> bool {
    save.is_repeated
}
