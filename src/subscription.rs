//! The subscriptions of a client: what is wanted, where each stream stands, and how it goes on after a reconnect.
//!
//! Owns one sequencer a subscription. Payloads never come here.

use crate::config::{BUSY_MS, BUSY_MS_MAX, WELL_MS};
use crate::effect::Effect;
use crate::frame::{ResumeFailure, Start, ToHub, View};
use crate::ids::{Chain, ConnectionId, Cursor, From, Seq, TopicNo};
use crate::metrics::Metrics;
use crate::sequencer::{Run, Sequencer, Verdict};
use crate::time::Time;

/// What a new subscription is to be.
pub(crate) struct Wanted<'a> {
    pub(crate) topic: &'a str,
    pub(crate) from: From,
    pub(crate) is_passive: bool,
    /// Our outbox, if the topic is wanted as a document.
    pub(crate) producer: Option<&'a str>,
}

#[derive(Debug)]
struct Subscription {
    no: TopicNo,
    topic: Box<str>,
    from: From,
    /// Nobody waits for its messages.
    is_passive: bool,
    /// It is a document.
    document: Option<Followed>,
    stream: Stream,
    refusal: Option<Refusal>,
}

/// What a document's subscription says besides (rule D7).
#[derive(Debug)]
struct Followed {
    /// Our outbox.
    producer: Box<str>,
    /// Whether there is a value that entries can be applied to. Without one a cursor is worth nothing.
    has_snapshot: bool,
    /// When it last diverged, and how often it had before without having been well.
    diverged: Option<(Time, u32)>,
}

/// The hub gave no stream (rule H12), or one that did not help.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// It was too busy, so many times: it is asked again then.
    Busy { times: u32, until: Time },
    /// And now it is asked again.
    AskedAgain { times: u32 },
    /// It never will on this connection.
    Final,
}

/// Where the stream of a subscription stands.
#[derive(Debug)]
enum Stream {
    /// The hub has never answered.
    AwaitingAnswer,
    /// It has: on `connection`, with replay up to `head`. On any later connection the answer is still to come, and where
    /// there is no connection it is on all.
    Begun {
        connection: Option<ConnectionId>,
        head: Seq,
        is_repairing: bool,
        sequencer: Sequencer,
        /// Where it stood at the last heartbeat.
        stood: Seq,
    },
}

/// In order of their numbers: numbers are used once and grow.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
}

impl Subscriptions {
    fn at(&self, no: TopicNo) -> Option<usize> {
        self.all.binary_search_by_key(&no, |s| s.no).ok()
    }

    fn find(&mut self, no: TopicNo) -> Option<&mut Subscription> {
        let at = self.at(no)?;
        self.all.get_mut(at)
    }

    /// Adds a subscription and asks for it over the sockets where a hello has gone out; else the next hello brings it.
    pub(crate) fn add(
        &mut self,
        no: TopicNo,
        wanted: &Wanted<'_>,
        greeted: impl Iterator<Item = ConnectionId>,
        effects: &mut Vec<Effect>,
    ) {
        debug_assert!(
            self.all.last().is_none_or(|last| last.no < no),
            "subscription numbers grow"
        );
        let subscription = Subscription {
            no,
            topic: wanted.topic.into(),
            from: wanted.from,
            is_passive: wanted.is_passive,
            document: wanted.producer.map(|producer| Followed {
                producer: producer.into(),
                has_snapshot: false,
                diverged: None,
            }),
            stream: Stream::AwaitingAnswer,
            refusal: None,
        };
        let mut records = String::new();
        subscription.ask(&mut records);
        send_to(greeted, &records, effects);
        self.all.push(subscription);
    }

    /// Ends a subscription.
    pub(crate) fn remove(
        &mut self,
        no: TopicNo,
        greeted: impl Iterator<Item = ConnectionId>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.at(no) else { return };
        let mut gone = self.all.remove(at);
        gone.discard_held(effects);
        let mut records = String::new();
        ToHub::Unsubscribe { no }.encode(&mut records);
        send_to(greeted, &records, effects);
    }

    /// Asks for all of them, each from where it stands. On a connection that goes on, not for those that were refused.
    pub(crate) fn ask_all(&self, is_new: bool, records: &mut String) {
        for subscription in &self.all {
            if is_new || subscription.is_askable() {
                subscription.ask(records);
            }
        }
    }

    /// Whether somebody waits for the messages of a subscription has changed.
    pub(crate) fn set_passive(&mut self, no: TopicNo, is_passive: bool) {
        if let Some(subscription) = self.find(no) {
            subscription.is_passive = is_passive;
        }
    }

    /// Whether there are any, and nobody waits for the messages of any.
    pub(crate) fn are_passive(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|each| each.is_passive)
    }

    /// Whether the hub has told of messages that have not come yet.
    pub(crate) fn are_behind(&self) -> bool {
        self.all.iter().any(|each| match &each.stream {
            Stream::Begun {
                head, sequencer, ..
            } => sequencer.cursor().seq < *head,
            Stream::AwaitingAnswer => false,
        })
    }

    /// At a heartbeat: asks again for what the hub has told of where nothing has come since the one before. True if there was one.
    pub(crate) fn ask_stalled(&mut self, records: &mut String) -> bool {
        let before = records.len();
        for subscription in &mut self.all {
            if let Stream::Begun {
                head,
                sequencer,
                stood,
                ..
            } = &mut subscription.stream
            {
                let now = sequencer.cursor().seq;
                if now < *head && std::mem::replace(stood, now) == now {
                    subscription.ask(records);
                }
            }
        }
        records.len() > before
    }

    /// The hub gives no stream. One that is busy is asked again, ever more rarely. True if users should know.
    pub(crate) fn refused(
        &mut self,
        now: Time,
        no: TopicNo,
        is_busy: bool,
        rng: &mut fastrand::Rng,
    ) -> bool {
        let Some(subscription) = self.find(no) else {
            return false;
        };
        let times = match subscription.refusal {
            Some(Refusal::Busy { times, .. } | Refusal::AskedAgain { times }) => times,
            Some(Refusal::Final) | None => 0,
        };
        subscription.refusal = Some(if is_busy {
            Refusal::busy(now, times, rng)
        } else {
            Refusal::Final
        });
        times == 0
    }

    /// When one is to be asked for again.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waits = self.all.iter().filter_map(|each| match each.refusal {
            Some(Refusal::Busy { until, .. }) => Some(until),
            _ => None,
        });
        waits.min()
    }

    /// Asks again for those whose time has come. True if there was one.
    pub(crate) fn tick(&mut self, now: Time, records: &mut String) -> bool {
        let mut is_any = false;
        for subscription in &mut self.all {
            if let Some(Refusal::Busy { times, until }) = subscription.refusal
                && now >= until
            {
                subscription.refusal = Some(Refusal::AskedAgain { times });
                subscription.ask(records);
                is_any = true;
            }
        }
        is_any
    }

    /// The hub's answer to a sub, or its word that a running stream has a gap. True if it must be asked again.
    pub(crate) fn begin(
        &mut self,
        connection: ConnectionId,
        start: &Start,
        failure: Option<ResumeFailure>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(subscription) = self.find(start.no) else {
            return false;
        };
        subscription.refusal = None;
        // Of the same log, older than what we have meanwhile: nothing of what it names is missing.
        let is_same_log = failure
            .is_none_or(|why| matches!(why, ResumeFailure::Expired | ResumeFailure::Trimmed));
        if is_same_log && subscription.goes_on(connection, start) {
            return false;
        }
        subscription.discard_held(effects);
        if failure.is_none()
            && subscription.has_cursor()
            && let Stream::Begun {
                connection,
                sequencer,
                ..
            } = &mut subscription.stream
            && sequencer.cursor() != start.after
        {
            // Asked before another connection had brought a cursor: what lies between would be missing without a word.
            *connection = None;
            return true;
        }
        if let Some(reason) = failure {
            metrics.resumes_failed += 1;
            subscription.expect_snapshot();
            subscription.tell_gaps(start, reason, metrics, effects);
        }
        effects.push(Effect::Streaming {
            no: start.no,
            after: start.after,
        });
        subscription.stream = Stream::Begun {
            connection: Some(connection),
            head: start.head,
            is_repairing: false,
            sequencer: Sequencer::new(start.after),
            stood: Seq(0),
        };
        false
    }

    /// A document's snapshot arrived: the stream goes on after it, whatever was held.
    pub(crate) fn snapshot(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        run: u32,
        (seq, chain): (Seq, Chain),
        effects: &mut Vec<Effect>,
    ) {
        let Some(subscription) = self.find(no) else {
            return;
        };
        let Stream::Begun {
            connection: expected,
            sequencer,
            ..
        } = &mut subscription.stream
        else {
            return;
        };
        if *expected != Some(connection) {
            return;
        }
        let Cursor { epoch, seq: at, .. } = sequencer.cursor();
        let is_there = |it: &Followed| it.has_snapshot;
        if seq <= at && subscription.document.as_ref().is_some_and(is_there) {
            // It came twice, and entries behind it are in the document already.
            return;
        }
        effects.extend(sequencer.drain().map(|run| Effect::Discard { run: run.id }));
        *sequencer = Sequencer::new(Cursor { epoch, seq, chain });
        if let Some(followed) = &mut subscription.document {
            followed.has_snapshot = true;
        }
        effects.push(Effect::Deliver { no, run, skip: 0 });
    }

    /// A document has diverged: it is asked for anew, at once or, where that has not helped before, after a while.
    pub(crate) fn resync(
        &mut self,
        now: Time,
        no: TopicNo,
        rng: &mut fastrand::Rng,
        records: &mut String,
        effects: &mut Vec<Effect>,
    ) {
        let Some(subscription) = self.find(no) else {
            return;
        };
        subscription.discard_held(effects);
        subscription.stream = Stream::AwaitingAnswer;
        subscription.expect_snapshot();
        let times = match subscription.document.as_mut().map(|it| &mut it.diverged) {
            Some(Some((last, times))) if now.since(*last) < WELL_MS => {
                *last = now;
                *times = times.saturating_add(1);
                *times
            }
            Some(diverged) => {
                *diverged = Some((now, 0));
                0
            }
            None => 0,
        };
        match times.checked_sub(1) {
            None => subscription.ask(records),
            Some(times) => subscription.refusal = Some(Refusal::busy(now, times, rng)),
        }
    }

    /// A run arrived, which is to be delivered whole if it is new and next in line, with nothing held behind it. Else it is
    /// for [`Self::receive`].
    pub(crate) fn deliver_next(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        run: &Run,
        metrics: &mut Metrics,
    ) -> bool {
        let Some(Stream::Begun {
            connection: expected,
            head,
            sequencer,
            ..
        }) = self.find(no).map(|subscription| &mut subscription.stream)
        else {
            return false;
        };
        let is_next =
            *expected == Some(connection) && run.first > *head && sequencer.advance_next(run);
        if is_next {
            metrics.messages_received += u64::from(run.count);
        }
        is_next
    }

    /// A run arrived. True if something before it is missing and must be asked for.
    pub(crate) fn receive(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        run: Run,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(subscription) = self.find(no) else {
            return false;
        };
        let Stream::Begun {
            connection: expected,
            head,
            is_repairing,
            sequencer,
            ..
        } = &mut subscription.stream
        else {
            return false;
        };
        if *expected != Some(connection) {
            return false;
        }
        let must_repair = match sequencer.accept(run) {
            Verdict::Deliver { skip } => {
                deliver(no, run, skip, *head, metrics, effects);
                while let Some((run, skip)) = sequencer.release() {
                    deliver(no, run, skip, *head, metrics, effects);
                }
                false
            }
            Verdict::Drop => {
                metrics.duplicates_dropped += u64::from(run.count);
                false
            }
            Verdict::Hold => {
                effects.push(Effect::Hold { run: run.id });
                !*is_repairing
            }
            Verdict::Overflow => {
                effects.extend(sequencer.drain().map(|run| Effect::Discard { run: run.id }));
                true
            }
        };
        if must_repair {
            *is_repairing = true;
        }
        must_repair
    }

    /// Asks for what follows the last message delivered.
    pub(crate) fn ask_one(&mut self, no: TopicNo, records: &mut String) {
        if let Some(subscription) = self.find(no) {
            subscription.ask(records);
        }
    }
}

impl Refusal {
    /// One after so many others.
    fn busy(now: Time, times: u32, rng: &mut fastrand::Rng) -> Self {
        let window_ms = (BUSY_MS << times.min(16)).min(BUSY_MS_MAX);
        Self::Busy {
            times: times.saturating_add(1),
            until: now.plus(rng.u64(window_ms / 2..=window_ms)),
        }
    }
}

impl Subscription {
    /// What is here of a document is worth nothing.
    fn expect_snapshot(&mut self) {
        if let Some(followed) = &mut self.document {
            followed.has_snapshot = false;
        }
    }

    fn is_askable(&self) -> bool {
        matches!(self.refusal, None | Some(Refusal::AskedAgain { .. }))
    }

    /// Whether what has come is worth continuing.
    fn has_cursor(&self) -> bool {
        self.document.as_ref().is_none_or(|it| it.has_snapshot)
    }

    fn ask(&self, records: &mut String) {
        let from = match &self.stream {
            _ if !self.has_cursor() => From::Live,
            Stream::AwaitingAnswer => self.from,
            Stream::Begun { sequencer, .. } => From::After(sequencer.cursor()),
        };
        ToHub::Subscribe {
            no: self.no,
            topic: &self.topic,
            from,
            view: match &self.document {
                None => View::Messages,
                Some(followed) => View::Document {
                    producer: Some(&followed.producer),
                },
            },
        }
        .encode(records);
    }

    /// An answer that continues what we have: after a move to another connection, or a new poll, the cursor was asked for
    /// a while ago and more has been delivered since. What comes twice is dropped.
    fn goes_on(&mut self, by: ConnectionId, start: &Start) -> bool {
        let Stream::Begun {
            connection,
            head,
            is_repairing,
            sequencer,
            ..
        } = &mut self.stream
        else {
            return false;
        };
        let ours = sequencer.cursor();
        let goes_on = ours.epoch == start.after.epoch && start.after.seq < ours.seq;
        if goes_on {
            *connection = Some(by);
            *head = start.head;
            *is_repairing = false;
        }
        goes_on
    }

    fn discard_held(&mut self, effects: &mut Vec<Effect>) {
        if let Stream::Begun { sequencer, .. } = &mut self.stream {
            effects.extend(sequencer.drain().map(|run| Effect::Discard { run: run.id }));
        }
    }

    /// Names what is missing: in the log that we followed, and at the beginning of a new one.
    fn tell_gaps(
        &self,
        start: &Start,
        reason: ResumeFailure,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let mut tell = |epoch, first: Seq, last: Option<Seq>, reason| {
            if last.is_none_or(|last| last >= first) {
                metrics.gaps += 1;
                effects.push(Effect::Gap {
                    no: self.no,
                    epoch,
                    first,
                    last,
                    reason,
                });
            }
        };
        if self.document.is_some() {
            // Nothing is missing: a snapshot follows (rule D7).
            return;
        }
        let after = start.after;
        let seen = match (&self.stream, self.from) {
            (Stream::Begun { sequencer, .. }, _) => Some(sequencer.cursor()),
            (Stream::AwaitingAnswer, From::After(cursor)) => Some(cursor),
            (Stream::AwaitingAnswer, From::Seq(seq)) => {
                // Asked by number, so in whatever log there is; a number not yet reached has no last missing one.
                let last = (after.seq >= seq).then_some(after.seq);
                tell(after.epoch, seq, last, reason);
                return;
            }
            (Stream::AwaitingAnswer, From::Live | From::Start) => None,
        };
        let Some(seen) = seen else { return };
        if seen.epoch == after.epoch
            && matches!(reason, ResumeFailure::Expired | ResumeFailure::Trimmed)
        {
            tell(after.epoch, seen.seq.next(), Some(after.seq), reason);
        } else {
            tell(seen.epoch, seen.seq.next(), None, reason);
            tell(after.epoch, Seq(1), Some(after.seq), ResumeFailure::Trimmed);
        }
    }
}

fn send_to(
    connections: impl Iterator<Item = ConnectionId>,
    records: &str,
    effects: &mut Vec<Effect>,
) {
    effects.extend(connections.map(|connection| Effect::Send {
        connection,
        records: records.to_owned(),
    }));
}

fn deliver(
    no: TopicNo,
    run: Run,
    skip: u32,
    head: Seq,
    metrics: &mut Metrics,
    effects: &mut Vec<Effect>,
) {
    let delivered = u64::from(run.count.saturating_sub(skip));
    metrics.messages_received += delivered;
    metrics.duplicates_dropped += u64::from(skip);
    if run.first <= head {
        let replayed = head.0 - run.first.0 + 1;
        metrics.messages_replayed += replayed.saturating_sub(u64::from(skip)).min(delivered);
    }
    effects.push(Effect::Deliver {
        no,
        run: run.id,
        skip,
    });
}
