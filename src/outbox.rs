//! The client's queue of publications: which rows there are, which are on their way, which have a verdict.
//!
//! Owns identity and order (rules C6 to C8) and the limits. Payloads stay with the caller under the row's number. What is kept
//! in the browser's storage, and whether this client is the one that sends it, is `ledger`'s.

use std::collections::VecDeque;

use crate::backoff::Backoff;
use crate::codes;
use crate::config::{BackoffPolicy, OutboxLimits, POST_MS_MAX, WINDOW_BYTES_MAX, WINDOW_ROWS_MAX};
use crate::connection::with_floor;
use crate::effect::{Effect, Outcome, PublishRefusal};
use crate::event::NewPublication;
use crate::frame::{Kind, Publish, Skip, ToHub};
use crate::ids::{ConnectionId, RowNo};
use crate::metrics::Metrics;
use crate::store::{Letter, Save, Until};
use crate::time::Time;

/// After `nack busy` nothing is sent for this long, ms, half to all of it by chance. Chosen.
const BUSY_MS: u64 = 1_000;

/// The code of a row that the user has given up: no dead letter.
pub(crate) const DISCARDED: &str = "discarded";

/// Ends that are no word of the hub's about the publication itself: they stop no topic.
const HARMLESS: [&str; 5] = [
    DISCARDED,
    "expired",
    "wiped",
    "outbox_lost",
    "outcome_unknown",
];

/// Added to the numbers of rows that are in memory beside an outbox that is in storage, so that a caller's rows have one name each.
pub const BESIDE: u64 = 1 << 52;

#[derive(Debug)]
struct Row {
    n: RowNo,
    /// The row before this one in the same topic, if it is still here.
    prev: RowNo,
    topic: Box<str>,
    kind: Kind,
    key: Option<Box<str>>,
    bytes: u64,
    attempts: u32,
    is_on_its_way: bool,
    created: Time,
    /// Given up by this client's own clock, as long as it was never sent.
    expires: Option<Time>,
    stored: Option<Stored>,
}

impl Row {
    fn is_replaceable(&self) -> bool {
        self.stored.is_some_and(|stored| stored.is_replaceable)
    }

    fn is_given_up(&self) -> bool {
        self.stored.is_some_and(|stored| stored.is_given_up)
    }

    fn is_keyed(&self) -> bool {
        self.stored.is_some_and(|stored| stored.is_keyed)
    }

    fn is_own(&self) -> bool {
        self.stored.is_none_or(|stored| stored.is_own)
    }
}

/// What matters of a row that is in storage, where others may send it too.
#[derive(Clone, Copy, Debug)]
struct Stored {
    /// The hub takes it up to here (rule C10).
    until: Until,
    /// Another publication may still take its place: that must end before it is sent.
    is_replaceable: bool,
    /// The user has given it up.
    is_given_up: bool,
    /// This client's own publication.
    is_own: bool,
    /// Storage knows that it may have been sent.
    is_marked: bool,
    /// It has a key: whose place it took, or who took its place, waits for it too.
    is_keyed: bool,
}

/// A row that has left, and how.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) n: RowNo,
    pub(crate) attempts: u32,
    pub(crate) bytes: u64,
    pub(crate) is_own: bool,
    pub(crate) outcome: Outcome,
}

/// A row that storage has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its number.
    pub n: RowNo,
    /// Its topic.
    pub topic: Box<str>,
    /// Message or change of a document.
    pub kind: Kind,
    /// Size of the payload.
    pub bytes: u64,
    /// Until when the hub takes it.
    pub until: Until,
    /// It has a key and was not sent: another publication may take its place.
    pub is_replaceable: bool,
    /// The user has given it up.
    pub is_given_up: bool,
    /// How often it was sent, as far as storage knows.
    pub attempts: u32,
}

impl StoredRow {
    /// What a publication has become, now that it has a number.
    pub(crate) fn of(n: RowNo, save: &Save) -> Self {
        Self {
            n,
            topic: save.topic.clone(),
            kind: save.kind,
            bytes: save.bytes,
            until: save.until,
            is_replaceable: save.key.is_some(),
            is_given_up: false,
            attempts: 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    producer: String,
    /// Added to a row's number where the caller is told of it.
    beside: u64,
    limits: OutboxLimits,
    last: RowNo,
    /// In order of n.
    rows: VecDeque<Row>,
    bytes: u64,
    rows_on_their_way: usize,
    bytes_on_their_way: u64,
    busy_until: Option<Time>,
    /// Of posts that have failed.
    backoff: Backoff,
    /// When the posts under way have gone without a verdict for too long.
    post_until: Option<Time>,
    next_expiry: Option<Time>,
    unmarked: Vec<(RowNo, u32)>,
    /// The topics that dead letters have stopped, by those; nothing where none does.
    pauses: Option<Vec<(RowNo, Box<str>)>>,
}

impl Outbox {
    /// `last` is the last row of this producer's that has been numbered.
    pub(crate) fn new(
        producer: String,
        last: RowNo,
        limits: OutboxLimits,
        backoff: BackoffPolicy,
    ) -> Self {
        Self {
            producer,
            beside: 0,
            limits,
            last,
            rows: VecDeque::new(),
            bytes: 0,
            rows_on_their_way: 0,
            bytes_on_their_way: 0,
            busy_until: None,
            backoff: Backoff::new(backoff),
            post_until: None,
            next_expiry: None,
            unmarked: Vec::new(),
            pauses: None,
        }
    }

    /// A dead letter stops its topic. What follows a row waits for its verdict then.
    pub(crate) fn pausing(self, is_pausing: bool) -> Self {
        Self {
            pauses: is_pausing.then(Vec::new),
            ..self
        }
    }

    pub(crate) fn is_pausing(&self) -> bool {
        self.pauses.is_some()
    }

    /// The dead letters that there are, but for those that `keep` has not yet put there.
    pub(crate) fn set_letters(&mut self, letters: &[Letter], keep: impl Fn(RowNo) -> bool) {
        let Some(pauses) = &mut self.pauses else {
            return;
        };
        pauses.retain(|(n, _)| keep(*n));
        for Letter { n, topic, code } in letters {
            if !HARMLESS.contains(&code.as_str()) {
                pauses.push((*n, topic.clone()));
            }
        }
    }

    /// A dead letter was taken away.
    pub(crate) fn letter_taken(&mut self, n: RowNo) {
        if let Some(pauses) = &mut self.pauses {
            pauses.retain(|(letter, _)| *letter != n);
        }
    }

    /// In memory, beside one that is in storage.
    pub(crate) fn beside(self) -> Self {
        Self {
            beside: BESIDE,
            ..self
        }
    }

    pub(crate) fn limits(&self) -> OutboxLimits {
        self.limits
    }

    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    /// Storage has told whose rows these are.
    pub(crate) fn set_producer(&mut self, producer: &str) {
        producer.clone_into(&mut self.producer);
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    /// Of their payloads.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn has(&self, n: RowNo) -> bool {
        self.position(n).is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let paused = earlier(self.busy_until, self.post_until);
        earlier(paused, self.next_expiry)
    }

    pub(crate) fn add(
        &mut self,
        now: Time,
        new: &NewPublication<'_>,
    ) -> Result<RowNo, PublishRefusal> {
        let replaced = self.unsent(new.topic, new.key);
        let freed = replaced.map_or(0, |(_, bytes)| bytes);
        let bytes = self.bytes - freed + new.bytes;
        let is_full = replaced.is_none() && self.rows.len() >= self.limits.rows_max;
        if is_full || bytes > self.limits.bytes_max {
            return Err(PublishRefusal::OutboxFull);
        }
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        let n = match replaced {
            Some((n, _)) => n,
            None => {
                self.last = self.last.next();
                self.append(self.last, new);
                self.last
            }
        };
        if let Some(row) = self.find(n) {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
        }
        self.bytes = bytes;
        self.next_expiry = earlier(self.next_expiry, expires);
        Ok(self.told(n))
    }

    /// A row's number as the caller is told it.
    fn told(&self, n: RowNo) -> RowNo {
        RowNo(n.0 + self.beside)
    }

    /// A row of storage: a new one, or what became of one that is here.
    pub(crate) fn insert(&mut self, now: Time, row: &StoredRow, is_own: bool) {
        let stored = Stored {
            until: row.until,
            is_replaceable: row.is_replaceable,
            is_given_up: row.is_given_up,
            is_own,
            is_marked: row.attempts > 0,
            is_keyed: row.is_replaceable,
        };
        if let Some(here) = self.find(row.n) {
            let before = here.bytes;
            let is_own = is_own || here.is_own();
            let is_keyed = stored.is_keyed || here.is_keyed();
            here.stored = Some(Stored {
                is_own,
                is_keyed,
                ..stored
            });
            if !here.is_on_its_way {
                here.bytes = row.bytes;
                self.bytes = self.bytes - before + row.bytes;
            }
            return;
        }
        let at = self.rows.partition_point(|other| other.n < row.n);
        let before = self.rows.range(..at).rev();
        let prev = { before }.find(|other| *other.topic == *row.topic);
        let prev = prev.map_or(RowNo(0), |prev| prev.n);
        let mut after = self.rows.range_mut(at..);
        if let Some(next) = after.find(|other| *other.topic == *row.topic) {
            next.prev = row.n;
        }
        self.bytes += row.bytes;
        self.rows.insert(
            at,
            Row {
                n: row.n,
                prev,
                topic: row.topic.clone(),
                kind: row.kind,
                key: None,
                bytes: row.bytes,
                attempts: row.attempts,
                is_on_its_way: false,
                created: now,
                expires: None,
                stored: Some(stored),
            },
        );
    }

    pub(crate) fn is_own(&mut self, n: RowNo) -> bool {
        self.find(n).is_some_and(|row| row.is_own())
    }

    /// The numbers of this client's own rows.
    pub(crate) fn own(&self) -> Vec<RowNo> {
        let own = self.rows.iter().filter(|row| row.is_own());
        own.map(|row| row.n).collect()
    }

    /// Forgets the rows that `keep` does not want; what became of them is told elsewhere.
    pub(crate) fn retain(&mut self, keep: impl Fn(RowNo, bool) -> bool, effects: &mut Vec<Effect>) {
        let gone = self.rows.iter().filter(|row| !keep(row.n, row.is_own()));
        for n in gone.map(|row| row.n).collect::<Vec<_>>() {
            self.forget(n, effects);
        }
    }

    /// Forgets a row, and gives its bytes.
    pub(crate) fn forget(&mut self, n: RowNo, effects: &mut Vec<Effect>) -> Option<u64> {
        let row = self.remove(n)?;
        effects.push(Effect::Forget { row: n });
        Some(row.bytes)
    }

    /// The hub's clock is known: times that were noted by this machine's are by the hub's from now on.
    pub(crate) fn set_clock(&mut self, machine_ms: u64, hub_ms: u64) {
        for row in &mut self.rows {
            if let Some(stored) = &mut row.stored
                && let Until::Machine(ms) = stored.until
            {
                stored.until = Until::Hub((ms + hub_ms).saturating_sub(machine_ms));
            }
        }
    }

    /// The user gives a row up: the hub is told, because it may have it already.
    pub(crate) fn give_up(&mut self, n: RowNo) {
        if let Some(stored) = self.find(n).and_then(|row| row.stored.as_mut()) {
            stored.is_given_up = true;
        }
    }

    /// Rows that may have been sent in vain, which storage does not know yet, and how often they were.
    pub(crate) fn unmarked(&mut self) -> Vec<(RowNo, u32)> {
        std::mem::take(&mut self.unmarked)
    }

    /// Storage has noted that a row is about to be sent: nothing takes its place any more.
    pub(crate) fn marked(&mut self, now: &StoredRow) {
        let Some(row) = self.find(now.n).filter(|row| !row.is_on_its_way) else {
            return;
        };
        if let Some(stored) = &mut row.stored {
            stored.is_replaceable = false;
            stored.is_marked = true;
            stored.is_given_up |= now.is_given_up;
            stored.until = now.until;
        }
        row.kind = now.kind;
        let before = std::mem::replace(&mut row.bytes, now.bytes);
        self.bytes = self.bytes - before + now.bytes;
    }

    /// Of the next rows those that something may still take the place of.
    pub(crate) fn replaceable(&self) -> impl Iterator<Item = RowNo> {
        let next = self.rows.iter().filter(|row| !row.is_on_its_way);
        next.take(WINDOW_ROWS_MAX)
            .filter(|row| row.is_replaceable())
            .map(|row| row.n)
    }

    /// A row of the client that had this outbox before, in order. It was within the limits.
    pub(crate) fn restore(&mut self, now: Time, n: RowNo, attempts: u32, new: &NewPublication<'_>) {
        self.append(n, new);
        let expires = new.ttl_ms.map(|ttl| now.plus(ttl));
        if let Some(row) = self.rows.back_mut() {
            row.bytes = new.bytes;
            row.created = now;
            row.expires = expires;
            row.attempts = attempts;
        }
        self.bytes += new.bytes;
        if attempts == 0 {
            self.next_expiry = earlier(self.next_expiry, expires);
        }
    }

    /// The row that a publication with this key replaces, and its size.
    fn unsent(&self, topic: &str, key: Option<&str>) -> Option<(RowNo, u64)> {
        let key = key?;
        let is_same = |row: &&Row| {
            row.attempts == 0 && row.key.as_deref() == Some(key) && *row.topic == *topic
        };
        self.rows.iter().find(is_same).map(|row| (row.n, row.bytes))
    }

    fn append(&mut self, n: RowNo, new: &NewPublication<'_>) {
        let prev = self.rows.iter().rev().find(|row| *row.topic == *new.topic);
        self.rows.push_back(Row {
            n,
            prev: prev.map_or(RowNo(0), |row| row.n),
            topic: new.topic.into(),
            kind: new.kind,
            key: new.key.map(Into::into),
            bytes: 0,
            attempts: 0,
            is_on_its_way: false,
            created: Time::default(),
            expires: None,
            stored: None,
        });
    }

    /// Sends what the window allows, in order. What goes out in posts, `posting_at`, is watched: nothing else tells that one hangs.
    pub(crate) fn pump(
        &mut self,
        connection: ConnectionId,
        posting_at: Option<Time>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        self.send_what_fits(connection, metrics, effects);
        self.post_until = posting_at
            .filter(|_| self.rows_on_their_way > 0)
            .map(|now| self.post_until.unwrap_or(now.plus(POST_MS_MAX)));
    }

    pub(crate) fn is_post_overdue(&self, now: Time) -> bool {
        self.post_until.is_some_and(|until| now >= until)
    }

    fn send_what_fits(
        &mut self,
        connection: ConnectionId,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if self.busy_until.is_some() {
            return;
        }
        for row in &mut self.rows {
            if row.is_on_its_way {
                continue;
            }
            if let Some(pauses) = &self.pauses
                && (row.prev > RowNo(0) || pauses.iter().any(|(_, topic)| *topic == row.topic))
            {
                continue;
            }
            let bytes = self.bytes_on_their_way + row.bytes;
            let has_room = self.rows_on_their_way < WINDOW_ROWS_MAX && bytes <= WINDOW_BYTES_MAX;
            if !has_room && self.rows_on_their_way > 0 {
                return;
            }
            if row.is_replaceable() {
                // Its followers in the topic would be refused; the others can wait that long.
                return;
            }
            metrics.retries += u64::from(row.attempts > 0);
            row.attempts = row.attempts.saturating_add(1);
            row.is_on_its_way = true;
            self.rows_on_their_way += 1;
            self.bytes_on_their_way = bytes;
            let mut head = String::new();
            if row.is_given_up() {
                let skip = Skip {
                    producer: &self.producer,
                    n: row.n,
                    prev: row.prev,
                    topic: &row.topic,
                };
                skip.encode(&mut head);
                let row = None;
                effects.push(Effect::SendPublication {
                    connection,
                    head,
                    row,
                });
                continue;
            }
            if let Some(Until::Hub(ms)) = row.stored.map(|stored| stored.until) {
                ToHub::Until { ms }.encode(&mut head);
            }
            Publish {
                producer: &self.producer,
                n: row.n,
                prev: row.prev,
                topic: &row.topic,
                kind: row.kind,
                payload: "",
            }
            .encode_head(&mut head);
            effects.push(Effect::SendPublication {
                connection,
                head,
                row: Some(RowNo(row.n.0 + self.beside)),
            });
        }
    }

    /// The machine slept, and the clock that `now` is of stood still: times to live went on.
    pub(crate) fn slept(&mut self, ms: u64) {
        for row in &mut self.rows {
            row.expires = row.expires.map(|at| Time(at.0.saturating_sub(ms)));
        }
        self.next_expiry = self.next_expiry.map(|at| Time(at.0.saturating_sub(ms)));
    }

    /// The connection is gone, and with it what was on its way.
    pub(crate) fn connection_lost(&mut self) {
        for row in &mut self.rows {
            if !row.is_on_its_way {
                continue;
            }
            row.is_on_its_way = false;
            if let Some(stored) = &mut row.stored
                && !stored.is_marked
            {
                stored.is_marked = true;
                self.unmarked.push((row.n, row.attempts));
            }
        }
        self.rows_on_their_way = 0;
        self.bytes_on_their_way = 0;
        self.busy_until = None;
        self.post_until = None;
    }

    /// A post failed: what was in it is sent again after a while, as attempts to connect are, and over the hub's floor.
    pub(crate) fn post_failed(&mut self, now: Time, floor_ms: u64, rng: &mut fastrand::Rng) {
        self.connection_lost();
        let words = with_floor("", floor_ms);
        // One client's own matter: others may have other proxies before them.
        let until = self.backoff.next(now, codes::REPLACED, &words, rng);
        self.busy_until = Some(until);
    }

    /// The hub has given a verdict: posts get through.
    pub(crate) fn heard_verdict(&mut self) {
        self.backoff.forget();
        self.post_until = None;
    }

    /// A row has its outcome, through whomever.
    pub(crate) fn end(
        &mut self,
        now: Time,
        n: RowNo,
        outcome: Outcome,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> Option<Gone> {
        let row = self.remove(n)?;
        let (bytes, is_own) = (row.bytes, row.is_own() && !row.is_keyed());
        let outcome = match outcome {
            Outcome::Dead { code, message } if row.is_given_up() && code == "expired" => {
                Outcome::Dead {
                    code: DISCARDED.to_owned(),
                    message,
                }
            }
            outcome => outcome,
        };
        if let Outcome::Acked { .. } = outcome {
            metrics.acks += 1;
            metrics.ack_ms.record(now.since(row.created));
        } else {
            metrics.dead_letters += 1;
        }
        if let (Some(pauses), Outcome::Dead { code, .. }) = (&mut self.pauses, &outcome)
            && !HARMLESS.contains(&code.as_str())
        {
            pauses.push((n, row.topic));
        }
        let attempts = row.attempts;
        effects.push(Effect::Settled {
            row: self.told(n),
            attempts,
            outcome: outcome.clone(),
        });
        Some(Gone {
            n,
            attempts,
            bytes,
            is_own,
            outcome,
        })
    }

    /// All rows are gone, for this reason.
    pub(crate) fn end_all(
        &mut self,
        now: Time,
        (code, message): (&str, &str),
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let rows: Vec<RowNo> = self.rows.iter().map(|row| row.n).collect();
        for n in rows {
            let outcome = Outcome::Dead {
                code: code.to_owned(),
                message: message.to_owned(),
            };
            self.end(now, n, outcome, metrics, effects);
        }
        if let Some(pauses) = &mut self.pauses {
            pauses.clear();
        }
    }

    /// The hub has not taken the row, and it must be sent again: at once, or after a while.
    pub(crate) fn send_again(
        &mut self,
        now: Time,
        n: RowNo,
        is_busy: bool,
        rng: &mut fastrand::Rng,
    ) {
        let Some(row) = self.find(n).filter(|row| row.is_on_its_way) else {
            return;
        };
        row.is_on_its_way = false;
        let bytes = row.bytes;
        self.rows_on_their_way -= 1;
        self.bytes_on_their_way -= bytes;
        if is_busy {
            self.busy_until = Some(now.plus(rng.u64(BUSY_MS / 2..=BUSY_MS)));
        }
    }

    /// Ends the pause after `busy`, and gives up rows whose time is over before they were ever sent.
    pub(crate) fn tick(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        self.busy_until = self.busy_until.filter(|until| now < *until);
        if self.next_expiry.is_none_or(|at| now < at) {
            return;
        }
        let over: Vec<RowNo> = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0 && row.expires.is_some_and(|at| at <= now))
            .map(|row| row.n)
            .collect();
        for n in over {
            self.remove(n);
            metrics.dead_letters += 1;
            effects.push(Effect::Settled {
                row: self.told(n),
                attempts: 0,
                outcome: Outcome::Dead {
                    code: "expired".to_owned(),
                    message: "its time to live was over before it could be sent".to_owned(),
                },
            });
        }
        self.next_expiry = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0)
            .filter_map(|row| row.expires)
            .min();
    }

    fn position(&self, n: RowNo) -> Option<usize> {
        self.rows.binary_search_by_key(&n, |row| row.n).ok()
    }

    fn find(&mut self, n: RowNo) -> Option<&mut Row> {
        let at = self.position(n)?;
        self.rows.get_mut(at)
    }

    /// Takes a row out; the next one of its topic now follows the one before it.
    fn remove(&mut self, n: RowNo) -> Option<Row> {
        let at = self.position(n)?;
        let gone = self.rows.remove(at)?;
        self.bytes -= gone.bytes;
        if gone.is_on_its_way {
            self.rows_on_their_way -= 1;
            self.bytes_on_their_way -= gone.bytes;
        }
        if let Some(next) = self.rows.iter_mut().skip(at).find(|row| row.prev == n) {
            next.prev = gone.prev;
        }
        Some(gone)
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
