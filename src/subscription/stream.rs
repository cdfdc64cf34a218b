//! The stream of a subscription: which connection brings it, and how far it is.
//!
//! Never sends. `one` asks the hub for missing messages.

use crate::context::Context;
use crate::ids::{ConnectionId, Seq, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::Run;
use crate::metrics::Metrics;
use crate::subscription::sequencer::{Placement, Sequencer};
use crate::wire::Start;

#[derive(Debug)]
pub(super) struct Stream {
    /// The connection of the hub's answer. Over any other one the answer is still to come.
    pub(super) connection: Option<ConnectionId>,
    /// The hub replays messages up to this one.
    head: Seq,
    /// The client has asked for a hole.
    is_repairing: bool,
    pub(super) sequencer: Sequencer,
    /// The position at the last heartbeat since the hub's answer.
    at_heartbeat: Option<Seq>,
}

/// What a run has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Messages to deliver.
    News,
    /// Nothing to deliver now.
    Nothing,
    /// The first sign of a hole, which the client must ask for.
    Hole,
}

impl Stream {
    /// Begins where the hub's answer over `connection` says.
    pub(super) fn new(connection: ConnectionId, start: &Start) -> Self {
        Self {
            connection: Some(connection),
            head: start.head,
            is_repairing: false,
            sequencer: Sequencer::new(start.after),
            at_heartbeat: None,
        }
    }

    /// Goes on over `connection`, because the hub's answer overlaps with the stream. After a move
    /// to another connection, or a new poll, the client has received more than it asked after.
    pub(super) fn continues(&mut self, connection: ConnectionId, start: &Start) -> bool {
        let own = self.sequencer.cursor();
        let continues = own.epoch == start.after.epoch && start.after.seq < own.seq;
        if continues {
            self.connection = Some(connection);
            self.head = start.head;
            self.is_repairing = false;
            self.at_heartbeat = None;
        }
        continues
    }

    /// Takes a run.
    pub(super) fn receive(&mut self, context: &mut Context<'_>, no: TopicNo, run: Run) -> Arrived {
        let is_new_hole = match self.sequencer.accept(run) {
            Placement::Next { skip } => {
                self.deliver(context, no, run, skip);
                while let Some((run, skip)) = self.sequencer.release() {
                    self.deliver(context, no, run, skip);
                }
                return Arrived::News;
            }
            Placement::Duplicate => {
                context.metrics.duplicates_dropped += u64::from(run.count);
                false
            }
            Placement::Held => {
                context.effects.push(Effect::Hold { run: run.id });
                !self.is_repairing
            }
            Placement::Overflow => {
                self.discard_held(context);
                true
            }
        };
        if is_new_hole {
            self.is_repairing = true;
            return Arrived::Hole;
        }
        Arrived::Nothing
    }

    /// Takes a run if it is new, next in line, and no run is held. Returns whether it did.
    pub(super) fn receive_next(&mut self, run: &Run, metrics: &mut Metrics) -> bool {
        let is_next = run.first > self.head && self.sequencer.advance_next(run);
        if is_next {
            metrics.messages_received += u64::from(run.count);
        }
        is_next
    }

    fn deliver(&self, context: &mut Context<'_>, no: TopicNo, run: Run, skip: u32) {
        let metrics = &mut *context.metrics;
        let delivered = u64::from(run.count.saturating_sub(skip));
        metrics.messages_received += delivered;
        metrics.duplicates_dropped += u64::from(skip);
        if run.first <= self.head {
            let replayed = self.head.0 - run.first.0 + 1;
            metrics.messages_replayed += replayed.saturating_sub(u64::from(skip)).min(delivered);
        }
        context.effects.push(Effect::Deliver {
            no,
            run: run.id,
            skip,
        });
    }

    /// The last message delivered.
    pub(super) fn position(&self) -> Seq {
        self.sequencer.cursor().seq
    }

    /// Whether the hub has announced messages that have not arrived.
    pub(super) fn is_behind(&self) -> bool {
        self.position() < self.head
    }

    /// Whether the stream is behind and has not moved since the last heartbeat.
    pub(super) fn has_stalled(&mut self) -> bool {
        let position = self.position();
        self.is_behind() && self.at_heartbeat.replace(position) == Some(position)
    }

    pub(super) fn discard_held(&mut self, context: &mut Context<'_>) {
        let held = self.sequencer.drain();
        context
            .effects
            .extend(held.map(|run| Effect::Discard { run: run.id }));
    }
}
