//! One subscription: what the app wants, and what the client has asked the hub for.
//!
//! Owns the times at which the client asks again. Handles the hub's answers.

use crate::backoff::repeat::RepeatPause;
use crate::config::{BUSY_MS, PAUSE_MS, SUB_MS_MAX};
use crate::context::Context;
use crate::ids::{Chain, ConnectionId, Cursor, From, Seq, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::Run;
use crate::subscription::sequencer::Sequencer;
use crate::subscription::stream::{Arrived, Stream};
use crate::time::Time;
use crate::wire::{ResumeFailure, Start, ToHub, View};

/// What the app wants of a new subscription.
pub(crate) struct Wanted<'a> {
    pub(crate) topic: &'a str,
    pub(crate) from: From,
    pub(crate) is_passive: bool,
    /// The producer of the client's outbox, if the app wants the topic as a document.
    pub(crate) producer: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) no: TopicNo,
    topic: Box<str>,
    from: From,
    /// Its subscription is passive: messages may come late.
    pub(super) is_passive: bool,
    pub(super) document: Option<Followed>,
    /// `None` until the hub has answered.
    stream: Option<Stream>,
    refusal: Option<Refusal>,
    /// The user knows that the hub is too busy for it.
    is_busy_reported: bool,
    /// The pause before the client asks again.
    pause: RepeatPause,
    /// The position when the client last asked again.
    repeated_at: Seq,
    awaits: Option<Awaits>,
}

/// The hub's answer is due.
#[derive(Clone, Copy, Debug)]
struct Awaits {
    connection: ConnectionId,
    /// The first heartbeat without the answer, or the time at which the client asked again.
    since: Time,
}

/// The part of a subscription that only documents have (rule D7).
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) producer: Box<str>,
    /// Whether there is a value that entries apply to. Without one a cursor is worthless.
    has_snapshot: bool,
    /// The pause before the client asks for another snapshot. Entries that arrive meanwhile are no
    /// progress.
    pause: RepeatPause,
}

/// The hub gave no stream (rule H12), or one that did not help (rule R7).
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// The client asks again then.
    Until(Time),
    /// The client has asked again.
    AskedAgain,
    /// The hub gives none on this connection.
    Final,
}

impl Subscription {
    pub(super) fn new(no: TopicNo, wanted: &Wanted<'_>) -> Self {
        Self {
            no,
            topic: wanted.topic.into(),
            from: wanted.from,
            is_passive: wanted.is_passive,
            document: wanted.producer.map(|producer| Followed {
                producer: producer.into(),
                has_snapshot: false,
                pause: RepeatPause::default(),
            }),
            stream: None,
            refusal: None,
            is_busy_reported: false,
            pause: RepeatPause::default(),
            repeated_at: Seq(0),
            awaits: None,
        }
    }

    /// Handles the hub's answer, or its report of a gap in the stream.
    pub(super) fn begin(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        start: &Start,
        failure: Option<ResumeFailure>,
        records: &mut String,
    ) {
        self.refusal = None;
        self.is_busy_reported = false;
        // An older answer about the same log says nothing of what has arrived meanwhile.
        let is_same_log = failure
            .is_none_or(|why| matches!(why, ResumeFailure::Expired | ResumeFailure::Trimmed));
        if is_same_log
            && let Some(stream) = &mut self.stream
            && stream.continues(connection, start)
        {
            return;
        }
        self.discard_held(context);
        if failure.is_none()
            && self.has_cursor()
            && let Some(stream) = &mut self.stream
            && stream.sequencer.cursor() != start.after
        {
            // The client asked before another connection brought a cursor. Accepting this answer
            // would skip the messages between the two without a gap.
            stream.connection = None;
            self.ask_again(context, records);
            return;
        }
        if let Some(reason) = failure {
            context.metrics.resumes_failed += 1;
            self.expect_snapshot();
            self.report_gaps(context, start, reason);
        }
        context.effects.push(Effect::Streaming {
            no: start.no,
            after: start.after,
        });
        self.stream = Some(Stream::new(connection, start));
    }

    /// A snapshot has arrived. The stream goes on after it. Returns whether it is new.
    pub(super) fn snapshot(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        snapshot: &Snapshot,
    ) -> bool {
        let has_snapshot = self.document.as_ref().is_some_and(|it| it.has_snapshot);
        let Some(stream) = self.stream_on(connection) else {
            return false;
        };
        let &Snapshot { run, seq, chain } = snapshot;
        let Cursor { epoch, seq: at, .. } = stream.sequencer.cursor();
        if has_snapshot && seq <= at {
            // A duplicate. The document contains later entries already.
            return false;
        }
        stream.discard_held(context);
        stream.sequencer = Sequencer::new(Cursor { epoch, seq, chain });
        if let Some(followed) = &mut self.document {
            followed.has_snapshot = true;
        }
        let no = self.no;
        context.effects.push(Effect::Deliver { no, run, skip: 0 });
        true
    }

    /// A run has arrived. Asks for what is missing before it. Returns whether it is new.
    pub(super) fn receive(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        run: Run,
        records: &mut String,
    ) -> bool {
        let no = self.no;
        let Some(stream) = self.stream_on(connection) else {
            return false;
        };
        let arrived = stream.receive(context, no, run);
        if arrived == Arrived::Hole {
            self.ask_again(context, records);
        }
        arrived == Arrived::News
    }

    /// The hub has refused the stream, or ended it. A hub that is busy is asked again later, and
    /// the user hears of it once. The user hears of every final refusal.
    pub(super) fn refused(&mut self, context: &mut Context<'_>, code: &str, message: &str) {
        let is_busy = code == "busy";
        let was_reported = std::mem::replace(&mut self.is_busy_reported, is_busy);
        self.refusal = Some(if is_busy {
            context.metrics.repeats += 1;
            Refusal::Until(self.pause.grow(context.now, BUSY_MS, context.rng))
        } else {
            Refusal::Final
        });
        if !(is_busy && was_reported) {
            context.effects.push(Effect::Refused {
                no: self.no,
                code: code.to_owned(),
                message: message.to_owned(),
            });
        }
    }

    /// When the client asks again.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.refusal {
            Some(Refusal::Until(until)) => Some(until),
            _ => None,
        }
    }

    /// Asks again if it is time.
    pub(super) fn tick(&mut self, now: Time, records: &mut String) {
        if self.deadline().is_some_and(|until| now >= until) {
            self.refusal = Some(Refusal::AskedAgain);
            self.restart_wait(now);
            self.ask(records);
        }
    }

    /// A document has diverged. Asks for a snapshot: at once, or later if that did not help before.
    pub(super) fn resync(&mut self, context: &mut Context<'_>, records: &mut String) {
        let Some(document) = &mut self.document else {
            return;
        };
        let at = document.pause.next(context.now, BUSY_MS, context.rng);
        self.discard_held(context);
        self.stream = None;
        self.expect_snapshot();
        context.metrics.repeats += 1;
        self.ask_at(at, context.now, records);
    }

    /// The document has no value until a snapshot arrives.
    fn expect_snapshot(&mut self) {
        if let Some(followed) = &mut self.document {
            followed.has_snapshot = false;
        }
    }

    /// Whether the client must ask again at this heartbeat. `idle_since` is the last heartbeat
    /// before which something had arrived.
    pub(super) fn has_stalled(
        &mut self,
        connection: ConnectionId,
        now: Time,
        idle_since: Time,
    ) -> bool {
        let has_cursor = self.has_cursor();
        if let Some(stream) = self.stream_on(connection)
            && has_cursor
        {
            let has_stalled = stream.has_stalled();
            self.awaits = None;
            return has_stalled;
        }
        let awaits = self.awaits.filter(|it| it.connection == connection);
        let awaits = awaits.unwrap_or(Awaits {
            connection,
            since: now,
        });
        self.awaits = Some(awaits);
        now.since(awaits.since.max(idle_since)) >= SUB_MS_MAX
    }

    /// The client has asked: the answer is due later.
    fn restart_wait(&mut self, now: Time) {
        if let Some(awaits) = &mut self.awaits {
            awaits.since = now;
        }
    }

    /// Whether a request for it is allowed on this connection.
    pub(super) fn is_unrefused(&self) -> bool {
        matches!(self.refusal, None | Some(Refusal::AskedAgain))
    }

    /// Whether the hub has announced messages that have not arrived.
    pub(super) fn is_behind(&self) -> bool {
        self.is_unrefused() && self.stream.as_ref().is_some_and(Stream::is_behind)
    }

    /// Asks again for what follows the last message, because of the hub's last answer: at once, or
    /// after a pause.
    pub(super) fn ask_again(&mut self, context: &mut Context<'_>, records: &mut String) {
        if let Some(Refusal::Until(_)) = self.refusal {
            return;
        }
        let position = self.stream.as_ref().map_or(Seq(0), Stream::position);
        if position > self.repeated_at {
            self.repeated_at = position;
            self.pause.progressed();
        }
        context.metrics.repeats += 1;
        let at = self.pause.next(context.now, PAUSE_MS, context.rng);
        self.ask_at(at, context.now, records);
    }

    fn ask_at(&mut self, at: Option<Time>, now: Time, records: &mut String) {
        match at {
            None => {
                self.restart_wait(now);
                self.ask(records);
            }
            Some(at) => self.refusal = Some(Refusal::Until(at)),
        }
    }

    /// Whether the hub may continue after the last message.
    fn has_cursor(&self) -> bool {
        self.document.as_ref().is_none_or(|it| it.has_snapshot)
    }

    /// Asks for what follows the last message.
    pub(super) fn ask(&self, records: &mut String) {
        let from = match &self.stream {
            _ if !self.has_cursor() => From::Live,
            None => self.from,
            Some(stream) => From::After(stream.sequencer.cursor()),
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

    /// The stream, if `connection` brings it.
    pub(super) fn stream_on(&mut self, connection: ConnectionId) -> Option<&mut Stream> {
        let stream = self.stream.as_mut();
        stream.filter(|stream| stream.connection == Some(connection))
    }

    pub(super) fn discard_held(&mut self, context: &mut Context<'_>) {
        if let Some(stream) = &mut self.stream {
            stream.discard_held(context);
        }
    }

    /// Reports what is missing: in the log that the client followed, and at the beginning of a new
    /// one.
    fn report_gaps(&self, context: &mut Context<'_>, start: &Start, reason: ResumeFailure) {
        let mut report = |epoch, first: Seq, last: Option<Seq>, reason| {
            if last.is_none_or(|last| last >= first) {
                context.metrics.gaps += 1;
                context.effects.push(Effect::Gap {
                    no: self.no,
                    epoch,
                    first,
                    last,
                    reason,
                });
            }
        };
        if self.document.is_some() {
            // A snapshot follows, so nothing is missing (rule D7).
            return;
        }
        let after = start.after;
        let seen = match (&self.stream, self.from) {
            (Some(stream), _) => stream.sequencer.cursor(),
            (None, From::After(cursor)) => cursor,
            (None, From::Seq(seq)) => {
                // A number counts in any log. If the log has not reached it, no last one is
                // missing.
                let last = (after.seq >= seq).then_some(after.seq);
                report(after.epoch, seq, last, reason);
                return;
            }
            (None, From::Live | From::Start) => return,
        };
        if seen.epoch == after.epoch
            && matches!(reason, ResumeFailure::Expired | ResumeFailure::Trimmed)
        {
            report(after.epoch, seen.seq.next(), Some(after.seq), reason);
        } else {
            report(seen.epoch, seen.seq.next(), None, reason);
            report(after.epoch, Seq(1), Some(after.seq), ResumeFailure::Trimmed);
        }
    }
}

/// A document's whole value at a seq.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// The caller's number for the value, as for a run of messages.
    pub(crate) run: u32,
    pub(crate) seq: Seq,
    pub(crate) chain: Chain,
}
