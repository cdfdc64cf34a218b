//! The durable outbox: the client's work with the browser's storage, and whether it is the leader.
//!
//! Owns the order of that work: one transaction at a time, and the next one takes all that has
//! gathered. Several clients may believe that they are the leader. Then the hub gets duplicates,
//! which it answers as such. Never sends a row, and never touches storage itself.

mod answer;
mod recount;
mod reopening;
mod tab_message;
mod wipe;

use std::collections::VecDeque;

use crate::config::OutboxLimits;
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{NewRow, Outcome, PublishRefusal, RowUpdate};
use crate::interface::storage::{Batch, LoadQuery, StoreRequest};
use crate::publish::outbox::Outbox;
use crate::time::Time;
use crate::wire::public_id::public_name;

pub(crate) use answer::{Consequence, lost};
use recount::Recount;
use reopening::Reopening;
pub(crate) use wipe::{WipeScope, WipeStage, wiped};

/// How well this client knows the stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    /// Nothing is certain: the client has not loaded them yet, or other clients worked while it
    /// slept.
    Unknown,
    /// What the client knows is right. Other rows may have come or gone without a tab message,
    /// because the client that would have sent it was killed.
    Stale,
    /// There are rows after the last one that the client knows.
    Behind,
    /// The client knows all of them.
    Current,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Closed,
    Open,
    /// Storage failed. Publications go to the memory outbox until storage opens again.
    Broken,
}

#[derive(Debug)]
pub(crate) struct DurableOutbox {
    access: Access,
    /// A request is under way.
    is_busy: bool,
    /// The browser may freeze the page at any moment. A transaction under way would freeze with it
    /// and block all other tabs.
    is_suspended: bool,
    is_closed: bool,
    next: Batch,
    under_way: Batch,
    /// A wipe reached the request under way, or is not complete yet.
    under_way_wiped: Option<WipeScope>,
    /// The next batch removes wiped rows. A new row with the same key must not replace one of them,
    /// so it waits for a later batch.
    has_wiped: bool,
    /// A client is wiping the outbox, so this one sends nothing. That client may be killed.
    wiping_until: Option<Time>,
    /// Payload bytes of the saves in both batches.
    bytes_saving: u64,
    sync_state: SyncState,
    /// The sync state became unknown after the request under way was made.
    is_load_stale: bool,
    /// Every row up to this one is in the outbox, or has ended.
    known: RowNo,
    /// Storage is full. Until then the client writes only new publications.
    rests_until: Option<Time>,
    reopening: Reopening,
    /// Rows that ended while a request is under way, whose answer may not know that. Rows that were
    /// not in the outbox have their size and outcome.
    ended_meanwhile: Vec<(RowNo, Option<(u64, Outcome)>)>,
    /// The latest rows that ended by a tab message. Storage may not know of that yet.
    announced: VecDeque<RowNo>,
    /// The latest rows that users have cancelled.
    cancelled: VecDeque<RowNo>,
    is_leader: bool,
    is_leader_wanted: bool,
    /// Rows in storage, of all clients, as far as this client knows. Below 0 while it knows of an
    /// outcome but not of the row.
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
            is_load_stale: false,
            known: RowNo(0),
            rests_until: None,
            reopening: Reopening::default(),
            ended_meanwhile: Vec::new(),
            announced: VecDeque::new(),
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

    /// Whether there is nothing to do and nothing unknown. Work that a full disk refused doesn't
    /// count: it waits for the user.
    pub(crate) fn is_idle(&self) -> bool {
        match self.access {
            Access::Closed => false,
            Access::Broken => true,
            Access::Open => {
                let has_work = !self.next.is_empty() && self.rests_until.is_none();
                !self.is_busy && !has_work && !self.needs_whole_load() && self.rows >= 0
            }
        }
    }

    /// Whether `outbox` has all rows of storage.
    pub(crate) fn has_all(&self, outbox: &Outbox) -> bool {
        self.access == Access::Open && !self.needs_whole_load() && self.rows() == outbox.rows()
    }

    /// Whether storage was full a moment ago.
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
            self.set_unknown();
        }
        if self.recount.is_due(now) && self.sync_state != SyncState::Current {
            self.set_stale();
        }
    }

    /// The rows that this client knows are right. Others may have come or gone without a tab
    /// message.
    fn set_stale(&mut self) {
        if self.needs_whole_load() || self.is_busy {
            self.set_unknown();
        } else {
            self.sync_state = SyncState::Stale;
        }
    }

    /// Nothing that the client knows is certain, and neither is the answer of a load under way.
    fn set_unknown(&mut self) {
        self.sync_state = SyncState::Unknown;
        self.is_load_stale = true;
    }

    /// Whether the client must learn which rows storage has, not only the rows after `known`.
    fn needs_whole_load(&self) -> bool {
        matches!(self.sync_state, SyncState::Unknown | SyncState::Stale)
    }

    /// Whether this client sends the rows of the outbox.
    pub(crate) fn is_leader(&self) -> bool {
        self.access == Access::Open && self.is_leader && self.sync_state == SyncState::Current
    }

    pub(crate) fn is_wiping(&self) -> bool {
        self.wiping_until.is_some()
    }

    /// Whether publications must go to the memory outbox.
    pub(crate) fn is_broken(&self) -> bool {
        self.access == Access::Broken
    }

    /// Takes a publication. It has no row before its transaction is complete.
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
        // A repeated call was within the limits before, and may be one of the rows that count.
        if is_full && !save.is_repeated {
            return Err(PublishRefusal::OutboxFull);
        }
        self.bytes_saving += save.bytes;
        self.next.saves.push(save);
        Ok(())
    }

    /// The page goes to sleep. From now on only new publications are worth a request.
    pub(crate) fn suspended(&mut self) {
        self.is_suspended = true;
    }

    /// The client is closed. It still writes updates and outcomes, but no new rows.
    pub(crate) fn closed(&mut self, context: &mut Context<'_>) {
        self.is_closed = true;
        self.refuse_late(context);
    }

    /// Refuses all saves, because the caller no longer has their payloads.
    fn refuse_late(&mut self, context: &mut Context<'_>) {
        let late = std::mem::take(&mut self.next.saves);
        self.refuse(context, &late, PublishRefusal::Closed);
    }

    fn refuse(&mut self, context: &mut Context<'_>, saves: &[NewRow], why: PublishRefusal) {
        for save in saves {
            self.bytes_saving -= save.bytes;
            context.effects.push(Effect::PublishRefused {
                request: save.request,
                why,
            });
        }
    }

    /// Other clients may have changed storage while this one slept.
    pub(crate) fn woke(&mut self) {
        self.is_suspended = false;
        self.set_unknown();
        if self.access == Access::Broken {
            self.access = Access::Closed;
        }
    }

    /// The browser closed the storage.
    pub(crate) fn storage_ended(&mut self) {
        self.set_unknown();
        if self.access == Access::Open {
            self.access = Access::Closed;
        }
    }

    /// Asks for leadership, or gives it up. A client without a connection or without storage is of
    /// no use as the leader.
    pub(crate) fn seek_leadership(&mut self, context: &mut Context<'_>, is_connected: bool) {
        self.is_suspended &= !is_connected;
        let is_wanted = is_connected && !self.is_broken();
        if is_wanted == self.is_leader_wanted {
            return;
        }
        self.is_leader_wanted = is_wanted;
        self.is_leader &= is_wanted;
        context.effects.push(Effect::Leader { is_wanted });
    }

    pub(crate) fn set_leader(&mut self, is_leader: bool) {
        self.is_leader = is_leader && self.is_leader_wanted;
        self.set_stale();
    }

    /// Makes the next request, if there is something to do and no request is under way.
    /// `memory_producer` is a name that only the hub knows.
    pub(crate) fn work(
        &mut self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        memory_producer: &str,
    ) {
        if self.is_closed {
            // A transaction that failed has returned its saves.
            self.refuse_late(context);
        }
        if self.sync_state == SyncState::Current {
            self.count(outbox);
        }
        let is_urgent = self.next.saves.iter().any(|save| !save.is_repeated);
        if self.is_busy || self.is_suspended && !is_urgent {
            return;
        }
        // Reads need no room, so a full disk doesn't delay them.
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
            let to = public_name(&format!("{memory_producer} {from}"));
            StoreRequest::Rename { from, to }
        } else if let Some(query) = self.load_query(outbox) {
            StoreRequest::Load(query)
        } else {
            return;
        };
        self.is_load_stale = false;
        self.under_way_wiped = None;
        self.is_busy = true;
        context.effects.push(Effect::Store(request));
    }

    fn batch(&mut self, outbox: &mut Outbox) -> Option<Batch> {
        if self.is_leader() {
            self.next.updates.extend(outbox.due_updates());
        }
        self.next.updates.extend(outbox.take_sent_updates());
        // After a full disk the same updates are here already.
        merge(&mut self.next.updates);
        let mut batch = std::mem::take(&mut self.next);
        // A row that is saved during a wipe might survive it and be sent before its own wipe.
        if std::mem::take(&mut self.has_wiped) || self.is_wiping() {
            self.next.saves = std::mem::take(&mut batch.saves);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// The rows in `outbox` are all that storage has.
    pub(crate) fn count(&mut self, outbox: &Outbox) {
        self.rows = i64::try_from(outbox.rows()).unwrap_or(i64::MAX);
        self.bytes = i64::try_from(outbox.bytes()).unwrap_or(i64::MAX);
    }

    fn load_query(&self, outbox: &Outbox) -> Option<LoadQuery> {
        let (after, awaited) = match self.sync_state {
            SyncState::Current => return None,
            SyncState::Behind => (self.known, Vec::new()),
            SyncState::Stale => (self.known, outbox.own()),
            SyncState::Unknown => (RowNo(0), outbox.own()),
        };
        let is_whole = self.needs_whole_load();
        // Other clients report the rows that they add, and the leader sends them.
        let is_wanted = self.is_leader || is_whole;
        is_wanted.then_some(LoadQuery {
            after,
            is_whole,
            awaited,
            with_dead_letters: is_whole && outbox.is_pausing(),
        })
    }
}

/// Leaves one update for each row.
fn merge(updates: &mut Vec<RowUpdate>) {
    updates.sort_by_key(|update| update.n);
    updates.dedup_by(|other, update| {
        let is_same = other.n == update.n;
        if is_same {
            update.attempts = update.attempts.max(other.attempts);
            update.is_cancelled |= other.is_cancelled;
            update.counts_from_ms = update.counts_from_ms.or(other.counts_from_ms);
        }
        is_same
    });
}

/// The saves that match, and the others.
fn split(saves: Vec<NewRow>, matches: &dyn Fn(&NewRow) -> bool) -> (Vec<NewRow>, Vec<NewRow>) {
    saves.into_iter().partition(matches)
}

/// Whether an earlier instance may have stored it.
fn is_repeated(save: &NewRow) -> bool {
    save.is_repeated
}
