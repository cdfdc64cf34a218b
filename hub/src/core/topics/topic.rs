//! One topic: its log, its content and its producers. A publication is checked, appended and
//! recorded in one step.
//!
//! Owns the subscriptions that wait for the next message. Knows connections only by their ids.

use std::collections::BTreeSet;

use longhaul::ids::{Cursor, Epoch, From, RowNo, Seq, TopicNo};
use longhaul::wire::public_id::message_id;
use longhaul::wire::{Publish, ResumeFailure, Skip};

use super::capacity::Capacity;
use super::document::{Content, DocumentState, Expected, Refused};
use super::log::Log;
use super::nack::{Nack, NackCode, Shortage};
use super::payload;
use super::producers::{BodyHash, Numbered, Producers, Step, Verdict};
use super::publication::{Offer, Page, PublishFault, Published, ReadFault, Terms};
use crate::core::ids::ConnId;
use crate::core::limits::Limits;
use crate::core::time::{Now, Time};

/// The shortest time between two searches for expired messages, ms. Chosen: retention needs no
/// better than a second.
const EXPIRY_MS: u64 = 1_000;

/// Memory of a topic without its names, bytes. Measured over 100,000 of them: 600 when new, and 400
/// more once its log has had a message.
const TOPIC_BYTES: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Box<str>,
    pub(crate) log: Log,
    pub(crate) content: Content,
    pub(crate) subscribers: usize,
    /// Subscriptions that have every message. The next message wakes them.
    pub(crate) caught_up: BTreeSet<(ConnId, TopicNo)>,
    /// The time of its timer, if it is set.
    pub(crate) timer: Option<Time>,
    producers: Producers,
    last_used: Time,
}

impl Topic {
    pub(crate) fn new(now: Time, name: &str, epoch: Epoch) -> Self {
        Self {
            name: name.into(),
            log: Log::new(name, epoch),
            content: Content::default(),
            subscribers: 0,
            caught_up: BTreeSet::new(),
            timer: None,
            producers: Producers::default(),
            last_used: now,
        }
    }

    /// Its memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let own = TOPIC_BYTES + 3 * self.name.len();
        own + self.log.bytes() + self.producers.bytes() + self.content.bytes()
    }

    /// The memory of its producers.
    pub(crate) fn producers_bytes(&self) -> usize {
        self.producers.bytes()
    }

    /// Rule H8: an ack, or a nack. `terms` have the time limit and the tag (rule C10).
    pub(crate) fn publish(
        &mut self,
        now: Now,
        publish: &Publish<'_>,
        terms: Terms,
        capacity: Capacity,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let numbered = Numbered {
            producer: publish.producer,
            n: publish.n,
            prev: publish.prev,
            body: Some(BodyHash::of(publish.payload, terms.tag)),
        };
        if let Some(known) = self.check(now.time, numbered, capacity, limits) {
            return known;
        }
        let outcome = match payload::check(publish.payload, limits.payload_bytes_max) {
            Err(fault) => Err(Nack::Payload(fault)),
            Ok(_) if terms.is_expired(now.wall_ms) => Err(Nack::Plain(NackCode::Expired)),
            Ok(payload) => self.append(now, publish, &payload, capacity, limits),
        };
        let verdict = match &outcome {
            Ok(published) => Verdict::Appended(published.seq),
            // Not final: the client sends it again.
            Err(Nack::Busy(_)) => return outcome,
            Err(nack) => Verdict::Nacked(nack.code()),
        };
        self.producers
            .record(now.time, numbered, verdict, capacity, limits);
        outcome
    }

    /// Rule C11: the verdict that the publication has, or else a final nack from now on.
    pub(crate) fn skip(
        &mut self,
        now: Time,
        skip: &Skip<'_>,
        capacity: Capacity,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let numbered = Numbered {
            producer: skip.producer,
            n: skip.n,
            prev: skip.prev,
            body: None,
        };
        if let Some(known) = self.check(now, numbered, capacity, limits) {
            return known;
        }
        let verdict = Verdict::Nacked(NackCode::Expired);
        self.producers
            .record(now, numbered, verdict, capacity, limits);
        Err(Nack::Plain(NackCode::Expired))
    }

    /// The answer to a publication by its numbers alone. `None` if it is the next one.
    fn check(
        &mut self,
        now: Time,
        publication: Numbered<'_>,
        capacity: Capacity,
        limits: &Limits,
    ) -> Option<Result<Published, Nack>> {
        self.last_used = now;
        match self.producers.check(now, publication, capacity, limits) {
            Step::Append if self.is_unwritten() && !capacity.for_topics => {
                Some(Err(Nack::Busy(Shortage::Memory)))
            }
            Step::Append => None,
            Step::Repeat(Verdict::Appended(seq)) => Some(Ok(self.duplicate(seq))),
            Step::Repeat(Verdict::Nacked(code)) => Some(Err(Nack::Plain(code))),
            Step::Nack(nack) => Some(Err(nack)),
        }
    }

    fn append(
        &mut self,
        now: Now,
        publish: &Publish<'_>,
        payload: &str,
        capacity: Capacity,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let Publish {
            kind, producer, n, ..
        } = *publish;
        self.content
            .apply(kind, payload, capacity.documents)
            .map_err(|refused| match refused {
                Refused::Fault(fault) => Nack::Change(fault),
                Refused::Grows => Nack::Busy(Shortage::DocumentMemory),
            })?;
        self.log.expire(now.time, limits);
        let id = message_id(producer, n);
        let seq = self.log.append_as(kind, now, Some(&id), payload, limits);
        Ok(self.appended(seq))
    }

    /// A publication of a back end. With an idempotency key it is appended once, however often it
    /// arrives.
    pub(crate) fn publish_keyed(
        &mut self,
        now: Now,
        offer: &Offer<'_>,
        capacity: Capacity,
        limits: &Limits,
    ) -> Result<Published, PublishFault> {
        self.last_used = now.time;
        let Offer { kind, key, .. } = *offer;
        let payload = payload::check(offer.payload, limits.payload_bytes_max)
            .map_err(PublishFault::Payload)?;
        let body = BodyHash::of(&payload, 0);
        match key.map_or(Step::Append, |key| self.producers.check_key(key, body)) {
            Step::Append if self.is_unwritten() && !capacity.for_topics => {
                return Err(PublishFault::Busy);
            }
            Step::Append => {}
            Step::Repeat(Verdict::Appended(seq)) => return Ok(self.duplicate(seq)),
            Step::Repeat(Verdict::Nacked(_)) | Step::Nack(_) => {
                return Err(PublishFault::IdConflict);
            }
        }
        self.log.expire(now.time, limits);
        self.check_expected(offer.expected)?;
        self.content
            .apply(kind, &payload, capacity.documents)
            .map_err(|refused| match refused {
                Refused::Fault(fault) => PublishFault::Change(fault),
                Refused::Grows => PublishFault::Busy,
            })?;
        let seq = self.log.append_as(kind, now, key, &payload, limits);
        if let Some(key) = key {
            self.producers.record_key(key, body, seq, capacity, limits);
        }
        Ok(self.appended(seq))
    }

    /// Whether the document is the one that a back end expects (rule P9).
    fn check_expected(&self, expected: &Expected) -> Result<(), PublishFault> {
        let (epoch, seq) = (self.log.epoch(), self.log.head());
        let is_met = match expected {
            Expected::Anything => true,
            Expected::Written => self.content.value().is_some(),
            Expected::Unwritten => seq == Seq(0),
            Expected::After(entries) => entries.contains(&(epoch, seq)),
        };
        if is_met {
            return Ok(());
        }
        Err(PublishFault::Unexpected(epoch, seq))
    }

    /// The document, if somebody has written it.
    pub(crate) fn document(&mut self, now: Time) -> Option<DocumentState> {
        self.last_used = now;
        Some(DocumentState {
            epoch: self.log.epoch(),
            seq: self.log.head(),
            value: self.content.value()?.clone(),
        })
    }

    /// A producer's last publication with a verdict, 0 for none.
    pub(crate) fn last_of(&self, producer: &str) -> RowNo {
        self.producers.last(producer)
    }

    /// Messages from `first` on: at most `count`, and as many as fit one answer.
    pub(crate) fn read(
        &mut self,
        now: Time,
        first: Seq,
        count: usize,
        limits: &Limits,
    ) -> Result<Page, ReadFault> {
        self.last_used = now;
        self.log.expire(now, limits);
        let epoch = self.log.epoch();
        let gone = |reason| ReadFault::Gone {
            reason,
            epoch,
            first: self.log.begin().seq.next(),
            head: self.log.head(),
        };
        let (after, failure) = self.log.resume(From::Seq(first));
        if let Some(reason) = failure {
            return Err(gone(reason));
        }
        let mut bytes = 0;
        let entries = self
            .log
            .after(after.seq)
            .map_err(gone)?
            .take(count.min(limits.page_entries_max))
            .take_while(|(_, entry)| {
                let is_first = bytes == 0;
                bytes += entry.payload.len();
                is_first || bytes <= limits.page_bytes_max
            })
            .map(|(seq, entry)| (seq, entry.clone()))
            .collect();
        Ok(Page { epoch, entries })
    }

    /// Where a new subscription begins, and why that is not where the client asked for.
    pub(crate) fn resume(
        &mut self,
        now: Time,
        from: From,
        limits: &Limits,
    ) -> (Cursor, Option<ResumeFailure>) {
        self.last_used = now;
        self.log.expire(now, limits);
        self.log.resume(from)
    }

    pub(crate) fn unsubscribe(&mut self, now: Time, conn: ConnId, no: TopicNo) {
        self.last_used = now;
        self.caught_up.remove(&(conn, no));
        self.subscribers = self.subscribers.saturating_sub(1);
    }

    /// Removes expired messages and producers.
    pub(crate) fn tick(&mut self, now: Time, limits: &Limits) {
        self.log.expire(now, limits);
        self.producers.expire(now, limits);
    }

    /// Whether nobody has written the topic. Then it has nothing but its name.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.log.head() == Seq(0) && self.producers.is_empty()
    }

    /// Whether the hub may remove the topic (rule H11).
    pub(crate) fn is_over(&self, now: Time, limits: &Limits) -> bool {
        let is_idle = now.since(self.last_used) >= limits.topic_idle_ms;
        self.is_unused() && (self.is_unwritten() || is_idle)
    }

    fn is_unused(&self) -> bool {
        self.subscribers == 0
            && self.log.is_empty()
            && !self.content.is_kept()
            && self.producers.is_empty()
    }

    /// The time of the next `tick`. `None` if the topic waits for an event.
    pub(crate) fn deadline(&self, now: Time, limits: &Limits) -> Option<Time> {
        let idle = self
            .is_unused()
            .then(|| self.last_used.plus(limits.topic_idle_ms));
        [self.log.deadline(limits), self.producers.deadline(), idle]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.max(now.plus(EXPIRY_MS)))
    }

    fn appended(&self, seq: Seq) -> Published {
        Published {
            epoch: self.log.epoch(),
            seq,
            duplicate: false,
        }
    }

    fn duplicate(&self, seq: Seq) -> Published {
        Published {
            duplicate: true,
            ..self.appended(seq)
        }
    }
}
