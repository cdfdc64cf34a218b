//! Where the stream of a subscription stands: the hub's answers, what comes over it, and what of that is missing.
//!
//! Owns which connection it comes over, and one sequencer a subscription. Never sends: what is missing is asked for in the
//! records of whoever calls.

use super::{Asking, Subscription, Subscriptions};
use crate::ids::{Chain, ConnectionId, Cursor, From, Seq, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::Run;
use crate::metrics::Metrics;
use crate::subscription::sequencer::{Sequencer, Verdict};
use crate::wire::{ResumeFailure, Start};

/// What the hub has answered: on `connection`, with replay up to `head`. On any later connection the answer is still to come,
/// and where there is no connection it is on all.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Option<ConnectionId>,
    head: Seq,
    is_repairing: bool,
    pub(super) sequencer: Sequencer,
    /// Where it stood at the last heartbeat; nothing where there was none since the hub's answer.
    stood: Option<Seq>,
}

impl Subscriptions {
    /// The hub's answer to a sub, or its word that a running stream has a gap.
    pub(crate) fn begin(
        &mut self,
        connection: ConnectionId,
        start: &Start,
        failure: Option<ResumeFailure>,
        asking: &mut Asking<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(subscription) = self.find(start.no) else {
            return;
        };
        subscription.refusal = None;
        subscription.is_busy_told = false;
        // Of the same log, older than what we have meanwhile: nothing of what it names is missing.
        let is_same_log = failure
            .is_none_or(|why| matches!(why, ResumeFailure::Expired | ResumeFailure::Trimmed));
        if is_same_log && subscription.goes_on(connection, start) {
            return;
        }
        subscription.discard_held(effects);
        if failure.is_none()
            && subscription.has_cursor()
            && let Some(stream) = &mut subscription.stream
            && stream.sequencer.cursor() != start.after
        {
            // Asked before another connection had brought a cursor: what lies between would be missing without a word.
            stream.connection = None;
            subscription.ask_again(asking);
            return;
        }
        if let Some(reason) = failure {
            asking.metrics.resumes_failed += 1;
            subscription.expect_snapshot();
            subscription.tell_gaps(start, reason, asking.metrics, effects);
        }
        effects.push(Effect::Streaming {
            no: start.no,
            after: start.after,
        });
        subscription.stream = Some(Stream {
            connection: Some(connection),
            head: start.head,
            is_repairing: false,
            sequencer: Sequencer::new(start.after),
            stood: None,
        });
    }

    /// A document's snapshot arrived: the stream goes on after it, whatever was held. False where it brought nothing new.
    pub(crate) fn snapshot(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        run: u32,
        (seq, chain): (Seq, Chain),
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(subscription) = self.find(no) else {
            return false;
        };
        let has_snapshot = subscription.document.as_ref();
        let has_snapshot = has_snapshot.is_some_and(|it| it.has_snapshot);
        let Some(stream) = subscription.stream_on(connection) else {
            return false;
        };
        let Cursor { epoch, seq: at, .. } = stream.sequencer.cursor();
        if has_snapshot && seq <= at {
            // It came twice, and entries behind it are in the document already.
            return false;
        }
        stream.discard_held(effects);
        stream.sequencer = Sequencer::new(Cursor { epoch, seq, chain });
        if let Some(followed) = &mut subscription.document {
            followed.has_snapshot = true;
        }
        effects.push(Effect::Deliver { no, run, skip: 0 });
        true
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
        self.heard();
        let subscription = self.find(no);
        let Some(stream) = subscription.and_then(|it| it.stream_on(connection)) else {
            return false;
        };
        let is_next = run.first > stream.head && stream.sequencer.advance_next(run);
        if is_next {
            metrics.messages_received += u64::from(run.count);
        }
        is_next
    }

    /// A run arrived. What is missing before it is asked for. False where it brought nothing that can be delivered.
    pub(crate) fn receive(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        run: Run,
        asking: &mut Asking<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(subscription) = self.find(no) else {
            return false;
        };
        let Some(stream) = subscription.stream_on(connection) else {
            return false;
        };
        let (head, metrics) = (stream.head, &mut *asking.metrics);
        let must_repair = match stream.sequencer.accept(run) {
            Verdict::Deliver { skip } => {
                deliver(no, run, skip, head, metrics, effects);
                while let Some((run, skip)) = stream.sequencer.release() {
                    deliver(no, run, skip, head, metrics, effects);
                }
                return true;
            }
            Verdict::Drop => {
                metrics.duplicates_dropped += u64::from(run.count);
                false
            }
            Verdict::Hold => {
                effects.push(Effect::Hold { run: run.id });
                !stream.is_repairing
            }
            Verdict::Overflow => {
                stream.discard_held(effects);
                true
            }
        };
        if must_repair {
            stream.is_repairing = true;
            subscription.ask_again(asking);
        }
        false
    }
}

impl Subscription {
    /// An answer that continues what we have: after a move to another connection, or a new poll, the cursor was asked for
    /// a while ago and more has been delivered since. What comes twice is dropped.
    fn goes_on(&mut self, by: ConnectionId, start: &Start) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let ours = stream.sequencer.cursor();
        let goes_on = ours.epoch == start.after.epoch && start.after.seq < ours.seq;
        if goes_on {
            stream.connection = Some(by);
            stream.head = start.head;
            stream.is_repairing = false;
            stream.stood = None;
        }
        goes_on
    }

    /// The stream, if it is `connection` that brings it.
    pub(super) fn stream_on(&mut self, connection: ConnectionId) -> Option<&mut Stream> {
        let stream = self.stream.as_mut();
        stream.filter(|stream| stream.connection == Some(connection))
    }

    pub(super) fn discard_held(&mut self, effects: &mut Vec<Effect>) {
        if let Some(stream) = &mut self.stream {
            stream.discard_held(effects);
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
            (Some(stream), _) => stream.sequencer.cursor(),
            (None, From::After(cursor)) => cursor,
            (None, From::Seq(seq)) => {
                // Asked by number, so in whatever log there is; a number not yet reached has no last missing one.
                let last = (after.seq >= seq).then_some(after.seq);
                tell(after.epoch, seq, last, reason);
                return;
            }
            (None, From::Live | From::Start) => return,
        };
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

impl Stream {
    /// The last message delivered.
    pub(super) fn stands(&self) -> Seq {
        self.sequencer.cursor().seq
    }

    /// Whether the hub has told of messages that have not come yet.
    pub(super) fn is_behind(&self) -> bool {
        self.sequencer.cursor().seq < self.head
    }

    /// At a heartbeat: whether it is behind, and nothing has come since the one before.
    pub(super) fn has_stalled(&mut self) -> bool {
        let now = self.sequencer.cursor().seq;
        self.is_behind() && self.stood.replace(now) == Some(now)
    }

    fn discard_held(&mut self, effects: &mut Vec<Effect>) {
        let held = self.sequencer.drain();
        effects.extend(held.map(|run| Effect::Discard { run: run.id }));
    }
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
