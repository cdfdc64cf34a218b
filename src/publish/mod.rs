//! The client's publications, from the call of `publish` to their outcomes.
//!
//! Owns which outbox a publication enters: the durable outbox, or the memory outbox for times
//! without storage. `outbox` owns the rows of either, and `durable` owns the work with storage.

pub(crate) mod durable;
mod hub_clock;
mod hub_limits;
pub(crate) mod outbox;

use crate::config::{Config, Inherited, OutboxLimits};
use crate::context::Context;
use crate::ids::{ConnectionId, RowNo};
use crate::interface::effect::Effect;
use crate::interface::publication::{
    NewRow, Outcome, Publication, PublishRefusal, SavedRow, StoredRow, Until,
};
use crate::interface::storage::StoreAnswer;
use crate::interface::tab_message::TabMessage;
use crate::publish::durable::{Consequence, DurableOutbox, WipeScope, WipeStage};
use crate::publish::hub_clock::HubClock;
use crate::publish::hub_limits::HubLimits;
use crate::publish::outbox::{Conflict, MEMORY_ROWS, Outbox, Ownership, RetryReason};
use crate::time::Time;
use crate::wire::Welcome;

/// The hub's answer that a publication did not take effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nack<'a> {
    pub(crate) producer: &'a str,
    pub(crate) n: RowNo,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
}

#[derive(Debug)]
pub(crate) struct Publisher {
    /// The rows in storage if the outbox is durable, or else all rows.
    main: Outbox,
    durable: Option<DurableOutbox>,
    /// The memory outbox, for publications that storage could not take.
    memory: Outbox,
    limits: OutboxLimits,
    hub_limits: HubLimits,
    hub_clock: HubClock,
}

impl Publisher {
    pub(crate) fn new(config: &Config, rng: &mut fastrand::Rng) -> Self {
        let Inherited {
            producer,
            last,
            stored,
        } = match &config.inherited {
            Some(inherited) => inherited.clone(),
            None => Inherited {
                producer: producer_id(rng),
                last: RowNo(0),
                stored: String::new(),
            },
        };
        let outbox = |producer, last| Outbox::new(producer, last, config);
        let (memory, other) = (outbox(producer, last), outbox(stored, RowNo(0)));
        let (main, memory) = if config.is_durable {
            (other, memory)
        } else {
            (memory, other)
        };
        Self {
            main,
            durable: config.is_durable.then(DurableOutbox::new),
            memory: memory.into_memory(),
            limits: config.outbox,
            hub_limits: HubLimits::default(),
            hub_clock: HubClock::default(),
        }
    }

    /// The identity of the outbox. It is empty until storage has opened, and the identity of the
    /// memory outbox if storage can't open.
    pub(crate) fn producer(&self) -> &str {
        let is_broken = self.durable.as_ref().is_some_and(DurableOutbox::is_broken);
        if is_broken && self.main.producer().is_empty() {
            self.memory.producer()
        } else {
            self.main.producer()
        }
    }

    /// The identity of the memory outbox.
    pub(crate) fn memory_producer(&self) -> &str {
        self.memory.producer()
    }

    /// Rows without an outcome, of all clients of the same storage.
    pub(crate) fn rows(&self) -> u64 {
        let durable = self.durable.as_ref().map(DurableOutbox::rows);
        durable.unwrap_or(self.main.rows()) + self.memory.rows()
    }

    /// Whether no publication waits for a row or an outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.rows() == 0 && self.durable.as_ref().is_none_or(DurableOutbox::is_idle)
    }

    /// Whether rows wait for something that only the user can do: take a dead letter away, make
    /// room on the disk, or repair storage.
    pub(crate) fn is_stopped(&self) -> bool {
        let is_stopped = self
            .durable
            .as_ref()
            .map_or(self.main.is_stopped(), |durable| {
                let is_out_of_reach = durable.is_broken() && durable.rows() > 0;
                let is_full = durable.is_resting() && self.main.awaits_update();
                is_out_of_reach || is_full || durable.has_all(&self.main) && self.main.is_stopped()
            });
        is_stopped && (self.memory.rows() == 0 || self.memory.is_stopped())
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let durable = self.durable.as_ref().and_then(DurableOutbox::deadline);
        let parts = [self.main.deadline(), self.memory.deadline(), durable];
        parts.into_iter().flatten().min()
    }

    /// When the client sends rows again that the hub refused for now, or that a post could not
    /// bring.
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        let parts = [self.main.repeat_at(), self.memory.repeat_at()];
        parts.into_iter().flatten().min()
    }

    /// Takes a new publication. It gets a refusal or a row now, or a row once it is in storage.
    pub(crate) fn publish(&mut self, context: &mut Context<'_>, new: &Publication<'_>) {
        let until = self.hub_clock.until(context.now, new.ttl_ms);
        // An earlier instance has accepted a repeated call. The client doesn't refuse it now.
        let checked = if new.is_repeated {
            Ok(())
        } else {
            self.hub_limits.check(new.bytes)
        };
        let added = checked.and_then(|()| match &mut self.durable {
            None => self.main.add(context.now, new).map(Some),
            Some(durable) if durable.is_broken() && !new.is_repeated => {
                self.memory.add(context.now, new).map(Some)
            }
            Some(durable) => durable
                .save(new_row(new, until), self.limits)
                .map(|()| None),
        });
        if let Some(added) = added.transpose() {
            report_added(context, new.request, added);
        }
    }

    /// Restores a row of the earlier instance that had this outbox. For a row in storage, the next
    /// load tells the rest.
    pub(crate) fn restore(&mut self, now: Time, row: RowNo, attempts: u32, new: &Publication<'_>) {
        match row.0.checked_sub(MEMORY_ROWS) {
            Some(n) => self.memory.append(now, RowNo(n), attempts, new),
            None if self.durable.is_none() => self.main.append(now, row, attempts, new),
            None => {
                let saved = SavedRow {
                    n: row,
                    was_there: true,
                    tag: 0,
                };
                let new = new_row(new, self.hub_clock.until(now, new.ttl_ms));
                let stored = StoredRow {
                    attempts,
                    ..StoredRow::of(saved, &new)
                };
                self.main.insert(now, &stored, Ownership::Own);
            }
        }
    }

    /// Makes the next storage request and sends the rows that are due. `posting_at` is as
    /// [`Outbox::pump`] has it.
    pub(crate) fn pump(
        &mut self,
        context: &mut Context<'_>,
        connection: Option<ConnectionId>,
        posting_at: Option<Time>,
    ) {
        if let Some(durable) = &mut self.durable {
            durable.seek_leadership(context, connection.is_some());
            if durable.is_leader() {
                end_misnamed(context, durable, &mut self.main);
            }
            durable.work(context, &mut self.main, self.memory.producer());
        }
        let Some(connection) = connection else { return };
        if self.durable.as_ref().is_some_and(DurableOutbox::is_wiping) {
            return;
        }
        if self.durable.as_ref().is_none_or(DurableOutbox::is_leader) {
            self.main.pump(context, connection, posting_at);
        }
        self.memory.pump(context, connection, posting_at);
    }

    /// Abandons the posts under way if they hang.
    pub(crate) fn abandon_posts(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if self.main.is_post_overdue(context.now) || self.memory.is_post_overdue(context.now) {
            context.effects.push(Effect::AbandonPosts { connection });
            self.post_failed(context, 0);
        }
    }

    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        if let Some(durable) = &mut self.durable {
            durable.tick(context.now);
        }
        self.main.tick(context);
        self.memory.tick(context);
    }

    /// The machine slept, and the clock behind `now` stood still.
    pub(crate) fn slept(&mut self, ms: u64) {
        self.main.slept(ms);
        self.memory.slept(ms);
        self.hub_clock.slept(ms);
    }

    /// The page goes to sleep.
    pub(crate) fn suspended(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.suspended();
        }
    }

    /// The client is closed. Calls without a row get a refusal.
    pub(crate) fn closed(&mut self, context: &mut Context<'_>) {
        if let Some(durable) = &mut self.durable {
            durable.closed(context);
        }
    }

    /// The page may have slept.
    pub(crate) fn woke(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.woke();
        }
    }

    /// The browser closed the storage.
    pub(crate) fn storage_ended(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.storage_ended();
        }
    }

    /// The hub's welcome has its time and its limits.
    pub(crate) fn welcomed(&mut self, now: Time, welcome: &Welcome<'_>) {
        self.hub_limits.update(welcome);
        self.hub_clock.set(now, welcome.now);
        self.date_rows(now);
    }

    fn date_rows(&mut self, now: Time) {
        if let Some(hub_ms) = self.hub_clock.at(now) {
            self.main.date_rows(now, hub_ms);
        }
    }

    pub(crate) fn connection_lost(&mut self) {
        self.main.connection_lost();
        self.memory.connection_lost();
    }

    pub(crate) fn post_failed(&mut self, context: &mut Context<'_>, retry_after_ms: u64) {
        context.metrics.repeats += 1;
        self.main.post_failed(context, retry_after_ms);
        self.memory.post_failed(context, retry_after_ms);
    }

    /// The hub sent a verdict on a row.
    pub(crate) fn settle(
        &mut self,
        context: &mut Context<'_>,
        producer: &str,
        n: RowNo,
        outcome: Outcome,
    ) {
        if producer == self.memory.producer() {
            self.memory.verdict_received(n);
            self.memory.end(context, n, outcome);
        } else if producer == self.main.producer() {
            self.main.verdict_received(n);
            let ended = self.main.end(context, n, outcome);
            if let (Some(durable), Some(row)) = (&mut self.durable, ended) {
                durable.ended(context, row, producer);
            }
        }
    }

    /// The hub did not take a row. It never will, or the client must send the row again (rule H9).
    pub(crate) fn refused(&mut self, context: &mut Context<'_>, nack: Nack<'_>) {
        let Nack {
            producer,
            n,
            code,
            message,
        } = nack;
        if code == "not_owner" {
            return self.not_owner(context, nack);
        }
        let conflict = match code {
            "id_conflict" => Some(Conflict::Certain),
            "id_forgotten" => Some(Conflict::Possible),
            _ => None,
        };
        if let Some(conflict) = conflict
            && producer == self.main.producer()
            && self.main.conflicts(n, conflict)
        {
            return;
        }
        let reason = match code {
            "busy" => RetryReason::Busy,
            "out_of_order" => RetryReason::OutOfOrder,
            _ => return self.settle(context, producer, n, Outcome::dead(code, message)),
        };
        for outbox in [&mut self.main, &mut self.memory] {
            if outbox.producer() == producer {
                outbox.send_again(context, n, reason);
            }
        }
    }

    /// For the hub, the outbox belongs to another subject. Its rows wait for a token of that
    /// subject.
    fn not_owner(&mut self, context: &mut Context<'_>, nack: Nack<'_>) {
        for outbox in [&mut self.main, &mut self.memory] {
            if outbox.producer() == nack.producer && outbox.refuse_owner(context.now, nack.n) {
                context.effects.push(Effect::OutboxRefused {
                    code: nack.code.to_owned(),
                    message: nack.message.to_owned(),
                });
            }
        }
    }

    /// The client shows another token from now on.
    pub(crate) fn token_changed(&mut self) {
        self.main.retry_owner();
        self.memory.retry_owner();
    }

    /// Storage has answered.
    pub(crate) fn stored(&mut self, context: &mut Context<'_>, answer: StoreAnswer) {
        let Some(durable) = &mut self.durable else {
            return;
        };
        match durable.answered(context, answer, &mut self.main) {
            Consequence::None => {}
            Consequence::Evicted { rows } => {
                context.effects.push(Effect::OutboxLost { rows });
                self.main
                    .end_all(context, WipeScope::ALL.stored_rows(), &durable::lost());
            }
            Consequence::NotStored(saves) => {
                for save in saves {
                    self.keep_in_memory(context, &save);
                }
            }
        }
        self.date_rows(context.now);
    }

    /// Adds a publication that storage could not take to the memory outbox.
    fn keep_in_memory(&mut self, context: &mut Context<'_>, save: &NewRow) {
        let new = Publication {
            request: save.request,
            topic: &save.topic,
            kind: save.kind,
            bytes: save.bytes,
            ttl_ms: self.hub_clock.ttl_ms(context.now, save.until),
            machine_ms: save.created_ms,
            key: save.key.as_deref(),
            is_repeated: false,
        };
        let added = self.memory.add(context.now, &new);
        report_added(context, save.request, added);
    }

    /// Whether this client is the leader.
    pub(crate) fn set_leader(&mut self, is_leader: bool) {
        if let Some(durable) = &mut self.durable {
            durable.set_leader(is_leader);
        }
    }

    /// Another client of the same storage sent news about a producer's rows.
    pub(crate) fn receive_tab_message(
        &mut self,
        context: &mut Context<'_>,
        producer: &str,
        tab_message: TabMessage,
    ) {
        if let TabMessage::DeadLetterTaken { n } = tab_message {
            for outbox in [&mut self.main, &mut self.memory] {
                if outbox.producer() == producer {
                    outbox.dead_letter_taken(n);
                }
            }
        } else if let Some(durable) = &mut self.durable
            && self.main.producer() == producer
        {
            durable.receive(context, tab_message, &mut self.main);
        }
    }

    /// A client wipes the outbox, or has wiped it. The wipe also reaches rows in memory. A post
    /// with the remaining rows may have been dropped, so they go again.
    pub(crate) fn wiped(&mut self, context: &mut Context<'_>, scope: WipeScope, stage: WipeStage) {
        let mut range = scope.memory_rows();
        if let Some(durable) = &mut self.durable {
            durable.wiped(context, scope, stage, &self.main);
            range = scope.stored_rows();
        }
        if scope.is_known() {
            let outcome = durable::wiped();
            self.main.end_all(context, range, &outcome);
            self.memory.end_all(context, scope.memory_rows(), &outcome);
            if let Some(durable) = &mut self.durable {
                durable.count(&self.main);
            }
        }
        self.main.take_all_back();
        self.memory.take_all_back();
    }

    /// The user cancels a row.
    pub(crate) fn cancel(&mut self, context: &mut Context<'_>, row: RowNo) {
        match (row.0.checked_sub(MEMORY_ROWS), &mut self.durable) {
            (Some(n), _) => self.memory.cancel_in_memory(context, RowNo(n)),
            (None, None) => self.main.cancel_in_memory(context, row),
            (None, Some(durable)) => {
                self.main.cancel(row);
                durable.cancel(context, row, self.main.producer());
            }
        }
    }
}

/// Reports that a publication has its row in memory, or why it has none.
fn report_added(context: &mut Context<'_>, request: u32, added: Result<RowNo, PublishRefusal>) {
    context.effects.push(match added {
        Ok(row) => {
            context.metrics.publications += 1;
            Effect::RowAssigned {
                request,
                row,
                is_durable: false,
            }
        }
        Err(why) => Effect::PublishRefused { request, why },
    });
}

/// Ends the rows that an earlier version has stored under a name that is no topic's any more. The
/// hub would close the connection for each of them, and the rows behind would wait for ever.
fn end_misnamed(context: &mut Context<'_>, durable: &mut DurableOutbox, outbox: &mut Outbox) {
    for n in outbox.take_misnamed() {
        let outcome = Outcome::dead("topic_invalid", "this version accepts no such topic");
        if let Some(ended) = outbox.end(context, n, outcome) {
            durable.ended(context, ended, outbox.producer());
        }
    }
}

fn new_row(new: &Publication<'_>, until: Until) -> NewRow {
    NewRow {
        request: new.request,
        topic: new.topic.into(),
        kind: new.kind,
        bytes: new.bytes,
        created_ms: new.machine_ms,
        until,
        key: new.key.map(Into::into),
        is_repeated: new.is_repeated,
    }
}

/// 132 random bits in the alphabet of base64url.
fn producer_id(rng: &mut fastrand::Rng) -> String {
    (0..22)
        .map(|_| match rng.u8(0..64) {
            62 => '-',
            63 => '_',
            _ => rng.alphanumeric(),
        })
        .collect()
}
