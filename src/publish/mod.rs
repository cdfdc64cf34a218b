//! The way out of a publication: into storage where there is one, into memory where there is none, and from there to the hub.
//!
//! Owns which of the two outboxes a publication is in, and the clocks by which its time is told. Rows are `outbox`'s, storage is `ledger`'s.

pub(crate) mod durable;
mod hub_limits;
pub(crate) mod outbox;

use crate::config::{Config, Inherited, OutboxLimits, ROW_MS_MAX};
use crate::context::Context;
use crate::ids::{ConnectionId, RowNo};
use crate::interface::effect::Effect;
use crate::interface::publication::{NewRow, Outcome, Publication, SavedRow, StoredRow, Until};
use crate::interface::storage::StoreAnswer;
use crate::interface::tab_message::TabMessage;
use crate::metrics::Metrics;
use crate::publish::durable::{Consequence, DurableOutbox, LOST, WIPED, WipeScope};
use crate::publish::hub_limits::HubLimits;
use crate::publish::outbox::{MEMORY_ROWS, Outbox};
use crate::time::Time;
use crate::wire::Welcome;

/// A clock's reading, ms since 1970, and when it was read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ms: u64,
    at: Time,
}

impl Reading {
    fn at(self, now: Time) -> u64 {
        self.ms.saturating_add(now.since(self.at))
    }
}

#[derive(Debug)]
pub(crate) struct Publisher {
    /// What is in storage, if there is a ledger; else in memory.
    main: Outbox,
    durable: Option<DurableOutbox>,
    /// In memory, for what storage could not take.
    memory: Outbox,
    limits: OutboxLimits,
    hub_limits: HubLimits,
    hub_clock: Option<Reading>,
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
        let outbox = |producer, last| {
            Outbox::new(producer, last, config.outbox, config.backoff).pausing(config.is_pausing)
        };
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
            hub_clock: None,
        }
    }

    /// The identity of the outbox, empty before storage has told it; of the one in memory where `is_beside`, or where there is no storage.
    pub(crate) fn producer(&self, of_memory: bool) -> &str {
        let is_broken = self.durable.as_ref().is_some_and(DurableOutbox::is_broken);
        if of_memory || is_broken && self.main.producer().is_empty() {
            self.memory.producer()
        } else {
            self.main.producer()
        }
    }

    /// Rows without a verdict, of all clients of the same storage.
    pub(crate) fn rows(&self) -> u64 {
        let durable = self.durable.as_ref().map(DurableOutbox::rows);
        durable.unwrap_or(self.main.rows()) + self.memory.rows()
    }

    /// Whether nothing waits for a verdict or a place.
    pub(crate) fn is_idle(&self) -> bool {
        self.rows() == 0 && self.durable.as_ref().is_none_or(DurableOutbox::is_idle)
    }

    /// Whether rows wait for something that only the user can bring: a dead letter taken away, room on the disk, storage that opens.
    pub(crate) fn is_stopped(&self) -> bool {
        let is_stopped = self
            .durable
            .as_ref()
            .map_or(self.main.is_stopped(), |durable| {
                let is_out_of_reach = durable.is_broken() && durable.rows() > 0;
                let is_full = durable.is_resting() && self.main.awaits_mark();
                is_out_of_reach || is_full || durable.has_all(&self.main) && self.main.is_stopped()
            });
        is_stopped && (self.memory.rows() == 0 || self.memory.is_stopped())
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let durable = self.durable.as_ref().and_then(DurableOutbox::deadline);
        let parts = [self.main.deadline(), self.memory.deadline(), durable];
        parts.into_iter().flatten().min()
    }

    /// When something is sent again that the hub has not taken, or no post could bring it.
    pub(crate) fn repeat_at(&self) -> Option<Time> {
        let parts = [self.main.repeat_at(), self.memory.repeat_at()];
        parts.into_iter().flatten().min()
    }

    /// A new publication. It is refused at once, or has its row now or when it is in storage.
    pub(crate) fn publish(&mut self, context: &mut Context<'_>, new: &Publication<'_>) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        let until = self.until(now, new.ttl_ms);
        // What was taken once is not refused.
        let checked = if new.is_repeated {
            Ok(())
        } else {
            self.hub_limits.check(new.bytes)
        };
        let taken = checked.and_then(|()| match &mut self.durable {
            None => self.main.add(now, new).map(Some),
            Some(durable) if durable.is_broken() && !new.is_repeated => {
                self.memory.add(now, new).map(Some)
            }
            Some(durable) => durable.save(saved(new, until), self.limits).map(|()| None),
        });
        let request = new.request;
        match taken {
            Ok(None) => {}
            Ok(Some(row)) => {
                metrics.publications += 1;
                effects.push(Effect::RowAssigned {
                    request,
                    row,
                    is_durable: false,
                });
            }
            Err(why) => effects.push(Effect::PublishRefused { request, why }),
        }
    }

    /// A row of the client that had this outbox before. Of one in storage the next look tells the rest.
    pub(crate) fn restore(&mut self, now: Time, row: RowNo, attempts: u32, new: &Publication<'_>) {
        match row.0.checked_sub(MEMORY_ROWS) {
            Some(n) => self.memory.append(now, RowNo(n), attempts, new),
            None if self.durable.is_none() => self.main.append(now, row, attempts, new),
            None => {
                let save = saved(new, self.until(now, new.ttl_ms));
                let stored = StoredRow {
                    attempts,
                    ..StoredRow::of(
                        SavedRow {
                            n: row,
                            was_there: true,
                            tag: 0,
                        },
                        &save,
                    )
                };
                self.main.insert(now, &stored, true);
            }
        }
    }

    fn until(&self, now: Time, ttl_ms: Option<u64>) -> Until {
        let ttl_ms = ttl_ms.unwrap_or(ROW_MS_MAX).min(ROW_MS_MAX);
        match self.hub_clock {
            Some(clock) => Until::Hub(clock.at(now).saturating_add(ttl_ms)),
            None => Until::Left(ttl_ms),
        }
    }

    /// Works on what is in storage, and sends what there is to send. `posting_at` is as `Outbox::pump` has it.
    pub(crate) fn pump(
        &mut self,
        context: &mut Context<'_>,
        connection: Option<ConnectionId>,
        posting_at: Option<Time>,
    ) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        if let Some(durable) = &mut self.durable {
            durable.seek(connection.is_some(), effects);
            durable.work(&mut self.main, self.memory.producer(), effects);
        }
        let Some(connection) = connection else { return };
        if self.durable.as_ref().is_some_and(DurableOutbox::is_wiping) {
            return;
        }
        if self.durable.as_ref().is_none_or(DurableOutbox::is_leader) {
            self.main
                .pump(now, connection, posting_at, metrics, effects);
        }
        self.memory
            .pump(now, connection, posting_at, metrics, effects);
    }

    /// Gives up the posts under way, if they hang.
    pub(crate) fn abandon_posts(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        let now = context.now;
        if self.main.is_post_overdue(now) || self.memory.is_post_overdue(now) {
            context.effects.push(Effect::AbandonPosts { connection });
            self.post_failed(context, 0);
        }
    }

    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        if let Some(durable) = &mut self.durable {
            durable.tick(now);
        }
        self.main.tick(now, metrics, effects);
        self.memory.tick(now, metrics, effects);
    }

    /// The machine slept, and the clock that `now` is of stood still.
    pub(crate) fn slept(&mut self, ms: u64) {
        self.main.slept(ms);
        self.memory.slept(ms);
        if let Some(clock) = &mut self.hub_clock {
            clock.ms = clock.ms.saturating_add(ms);
        }
    }

    /// The page goes to sleep.
    pub(crate) fn suspended(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.suspended();
        }
    }

    /// The client is closed: calls that have no row get none.
    pub(crate) fn closed(&mut self, context: &mut Context<'_>) {
        if let Some(durable) = &mut self.durable {
            durable.closed(context.effects);
        }
    }

    /// The page may have slept.
    pub(crate) fn woke(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.woke();
        }
    }

    /// Storage was closed.
    pub(crate) fn storage_ended(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.storage_ended();
        }
    }

    /// The hub has told its time, and what it takes.
    pub(crate) fn welcomed(&mut self, now: Time, welcome: &Welcome<'_>) {
        self.hub_limits.update(welcome);
        self.hub_clock = Some(Reading {
            ms: welcome.now,
            at: now,
        });
        self.set_clock(now);
    }

    fn set_clock(&mut self, now: Time) {
        if let Some(clock) = self.hub_clock {
            self.main.set_clock(now, clock.at(now));
        }
    }

    pub(crate) fn connection_lost(&mut self) {
        self.main.connection_lost();
        self.memory.connection_lost();
    }

    pub(crate) fn post_failed(&mut self, context: &mut Context<'_>, floor_ms: u64) {
        let Context {
            now, rng, metrics, ..
        } = context;
        let now = *now;
        metrics.repeats += 1;
        self.main.post_failed(now, floor_ms, rng);
        self.memory.post_failed(now, floor_ms, rng);
    }

    /// The hub's final word on a row.
    pub(crate) fn settle(
        &mut self,
        context: &mut Context<'_>,
        producer: &str,
        n: RowNo,
        outcome: Outcome,
    ) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        if producer == self.memory.producer() {
            self.memory.heard_verdict(n);
            self.memory.end(now, n, outcome, metrics, effects);
        } else if producer == self.main.producer() {
            self.main.heard_verdict(n);
            let gone = self.main.end(now, n, outcome, metrics, effects);
            if let (Some(durable), Some(gone)) = (&mut self.durable, gone) {
                durable.ended(gone, producer, effects);
            }
        }
    }

    /// The hub has not taken a row: never will, or not yet, and it must be sent again (rule H9).
    pub(crate) fn refused(
        &mut self,
        context: &mut Context<'_>,
        (producer, n): (&str, RowNo),
        (code, message): (&str, &str),
    ) {
        if code == "not_owner" {
            let (now, effects) = (context.now, &mut *context.effects);
            return self.not_owner(now, (producer, n), (code, message), effects);
        }
        let is_certain = code == "id_conflict";
        if (is_certain || code == "id_forgotten")
            && producer == self.main.producer()
            && self.main.conflicts(n, is_certain)
        {
            return;
        }
        if !matches!(code, "out_of_order" | "busy") {
            let outcome = Outcome::dead(code, message);
            return self.settle(context, producer, n, outcome);
        }
        let Context {
            now, rng, metrics, ..
        } = context;
        let now = *now;
        for outbox in [&mut self.main, &mut self.memory] {
            if outbox.producer() == producer {
                outbox.send_again(now, n, code == "busy", rng, metrics);
            }
        }
    }

    /// The outbox is another subject's, as the hub has it: its rows wait for that one's token.
    fn not_owner(
        &mut self,
        now: Time,
        (producer, n): (&str, RowNo),
        (code, message): (&str, &str),
        effects: &mut Vec<Effect>,
    ) {
        for outbox in [&mut self.main, &mut self.memory] {
            if outbox.producer() == producer && outbox.bar(now, n) {
                effects.push(Effect::OutboxRefused {
                    code: code.to_owned(),
                    message: message.to_owned(),
                });
            }
        }
    }

    /// Another token is shown from now on.
    pub(crate) fn token_changed(&mut self) {
        self.main.unbar();
        self.memory.unbar();
    }

    /// Storage has answered.
    pub(crate) fn stored(&mut self, context: &mut Context<'_>, answer: StoreAnswer) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        let Some(durable) = &mut self.durable else {
            return;
        };
        match durable.answered(now, answer, &mut self.main, metrics, effects) {
            Consequence::None => {}
            Consequence::Evicted { rows } => {
                effects.push(Effect::OutboxLost { rows });
                self.main
                    .end_all(now, WipeScope::ALL.rows(), LOST, metrics, effects);
            }
            Consequence::NotStored(saves) => {
                for save in saves {
                    self.keep_in_memory(now, &save, metrics, effects);
                }
            }
        }
        self.set_clock(now);
    }

    /// What storage could not take is kept in memory.
    fn keep_in_memory(
        &mut self,
        now: Time,
        save: &NewRow,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let ttl_ms = match save.until {
            Until::Hub(until) => self
                .hub_clock
                .map(|clock| until.saturating_sub(clock.at(now))),
            Until::Left(ms) => Some(ms),
        };
        let new = Publication {
            request: save.request,
            topic: &save.topic,
            kind: save.kind,
            bytes: save.bytes,
            ttl_ms,
            machine_ms: save.created_ms,
            key: save.key.as_deref(),
            is_repeated: false,
        };
        let request = save.request;
        effects.push(match self.memory.add(now, &new) {
            Ok(row) => {
                metrics.publications += 1;
                Effect::RowAssigned {
                    request,
                    row,
                    is_durable: false,
                }
            }
            Err(why) => Effect::PublishRefused { request, why },
        });
    }

    /// Whether this client is the one that sends what is in storage.
    pub(crate) fn granted(&mut self, is_granted: bool) {
        if let Some(durable) = &mut self.durable {
            durable.granted(is_granted);
        }
    }

    /// Another client of the same storage told something of a producer's rows.
    pub(crate) fn heard(
        &mut self,
        context: &mut Context<'_>,
        producer: &str,
        tab_message: TabMessage,
    ) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        if let TabMessage::DeadLetterTaken { n } = tab_message {
            for outbox in [&mut self.main, &mut self.memory] {
                if outbox.producer() == producer {
                    outbox.letter_taken(n);
                }
            }
        } else if let Some(durable) = &mut self.durable
            && self.main.producer() == producer
        {
            durable.heard(now, tab_message, &mut self.main, metrics, effects);
        }
    }

    /// All rows are about to be removed, or were: those in memory too, as far as the wipe reaches. What it leaves may have been in a
    /// post that was dropped.
    pub(crate) fn wiped(&mut self, context: &mut Context<'_>, scope: WipeScope, is_done: bool) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        let mut rows = scope.volatile();
        if let Some(durable) = &mut self.durable {
            durable.wiped(now, scope, is_done, &self.main, effects);
            rows = scope.rows();
        }
        if scope.is_any() {
            self.main.end_all(now, rows, WIPED, metrics, effects);
            let rows = scope.volatile();
            self.memory.end_all(now, rows, WIPED, metrics, effects);
            if let Some(durable) = &mut self.durable {
                durable.count(&self.main);
            }
        }
        self.main.take_all_back();
        self.memory.take_all_back();
    }

    /// The user gives a row up.
    pub(crate) fn cancel(&mut self, context: &mut Context<'_>, row: RowNo) {
        let Context {
            now,
            metrics,
            effects,
            ..
        } = context;
        let now = *now;
        match (row.0.checked_sub(MEMORY_ROWS), &mut self.durable) {
            (Some(n), _) => self.memory.cancel_here(now, RowNo(n), metrics, effects),
            (None, None) => self.main.cancel_here(now, row, metrics, effects),
            (None, Some(durable)) => {
                self.main.cancel(row);
                durable.cancel(row, self.main.producer(), effects);
            }
        }
    }
}

fn saved(new: &Publication<'_>, until: Until) -> NewRow {
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
