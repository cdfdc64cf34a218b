//! One topic: its log and its producers as one, so that a publication is checked, appended and recorded in one step.
//!
//! Owns who waits for the next message. Knows no connection but by its id.

use std::collections::BTreeSet;

use longhaul::ids::{Cursor, Epoch, From, RowNo, Seq, TopicNo};
use longhaul::wire::public_id::message_id;
use longhaul::wire::{Kind, Publish, ResumeFailure, Skip};

use super::document::{ChangeFault, Content, Expected, Refused, State};
use super::limits::Limits;
use super::log::{Entry, Log};
use super::payload::{self, PayloadFault};
use super::peer::ConnId;
use super::producers::{BodyHash, Producers, Step, Verdict};
use super::records::Terms;
use super::room::Room;
use super::time::{Now, Time};

/// How often at most a topic looks for messages to forget, ms. Chosen: retention needs no better than a second.
const EXPIRY_MS: u64 = 1_000;

/// What a topic costs beside its names, bytes. Measured over 100,000 of them: 600 when new, 400 more once its log has had a message.
const TOPIC_BYTES: usize = 1_000;

/// The nack of what there is no room for; no verdict (rule H9).
pub(super) const BUSY: &str = "busy";

/// Why nothing new is taken.
pub(super) const MEMORY_IS_FULL: &str = "the hub's memory is full";

/// A publication of a back end that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it stands.
    pub epoch: Epoch,
    /// Where it stands.
    pub seq: Seq,
    /// Whether the hub had it before.
    pub duplicate: bool,
}

/// Why a publication of a client took no effect: the nack's code and message (rule H9).
pub(crate) type Nack = (&'static str, String);

/// A publication of a back end.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Message or change of a document.
    pub kind: Kind,
    /// What makes it the same publication when it comes again.
    pub key: Option<&'a str>,
    /// JSON text.
    pub payload: &'a str,
    /// What it is to find.
    pub expected: &'a Expected,
}

/// Why a publication of a back end did not take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishFault {
    /// What it says is no payload.
    Payload(PayloadFault),
    /// The topic can't take it (rules D1, D4).
    Change(ChangeFault),
    /// The document is not as expected: it stands after this entry.
    Unexpected(Epoch, Seq),
    /// Another body had its idempotency key.
    IdConflict,
    /// The hub has no room now.
    Busy,
}

/// A stretch of a log for a back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which incarnation of the log.
    pub epoch: Epoch,
    /// Messages in order.
    pub entries: Vec<(Seq, Entry)>,
}

/// Why a stretch of a log can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Its first message is no longer or not yet there.
    Gone {
        /// Why.
        reason: ResumeFailure,
        /// Which incarnation of the log.
        epoch: Epoch,
        /// The oldest retained message, or the next one if none is.
        first: Seq,
        /// The last message, 0 for none.
        head: Seq,
    },
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Box<str>,
    pub(crate) log: Log,
    pub(crate) content: Content,
    pub(crate) subscribers: usize,
    /// Subscriptions that have every message.
    pub(crate) waiting: BTreeSet<(ConnId, TopicNo)>,
    /// When its timer is set for, if it is.
    pub(crate) timer: Option<Time>,
    producers: Producers,
    used: Time,
}

impl Topic {
    pub(crate) fn new(now: Time, name: &str, epoch: Epoch) -> Self {
        Self {
            name: name.into(),
            log: Log::new(name, epoch),
            content: Content::default(),
            subscribers: 0,
            waiting: BTreeSet::new(),
            timer: None,
            producers: Producers::default(),
            used: now,
        }
    }

    /// Memory it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let own = TOPIC_BYTES + 3 * self.name.len();
        own + self.log.bytes() + self.producers.bytes() + self.content.bytes()
    }

    /// The part of it that remembers who published what.
    pub(crate) fn producers_bytes(&self) -> usize {
        self.producers.bytes()
    }

    /// Rule H8: the verdict, whether it was there before, or a nack. `terms` say when it is too late, and what call it is of (C10).
    pub(crate) fn publish(
        &mut self,
        now: Now,
        publish: &Publish<'_>,
        terms: Terms,
        room: Room,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let Publish { producer, n, .. } = *publish;
        let body = Some(BodyHash::of(publish.payload, terms.tag));
        let numbers = (n, publish.prev);
        if let Some(known) = self.known(now.time, producer, numbers, body, room, limits) {
            return known;
        }
        let answer = match payload::check(publish.payload, limits.payload_bytes_max) {
            Err(fault) => Err((fault.code(), fault.to_string())),
            Ok(_)
                if terms
                    .until_ms
                    .is_some_and(|until_ms| now.wall_ms > until_ms) =>
            {
                Err(nack("expired"))
            }
            Ok(payload) => self.append(now, publish, &payload, room, limits),
        };
        let verdict = match &answer {
            Ok(published) => Verdict::Appended(published.seq),
            Err((BUSY, _)) => return answer,
            Err((code, _)) => Verdict::Nacked(code),
        };
        self.producers
            .record(now.time, producer, (n, body, verdict), room, limits);
        answer
    }

    /// Rule C11: the verdict that there was, or the nack that there is from now on.
    pub(crate) fn skip(
        &mut self,
        now: Time,
        skip: &Skip<'_>,
        room: Room,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let Skip { producer, n, .. } = *skip;
        if let Some(known) = self.known(now, producer, (n, skip.prev), None, room, limits) {
            return known;
        }
        let verdict = Verdict::Nacked("expired");
        self.producers
            .record(now, producer, (n, None, verdict), room, limits);
        Err(nack("expired"))
    }

    /// What is to be said of a publication without looking at it. `None` if it is the next one.
    fn known(
        &mut self,
        now: Time,
        producer: &str,
        numbers: (RowNo, RowNo),
        body: Option<BodyHash>,
        room: Room,
        limits: &Limits,
    ) -> Option<Result<Published, Nack>> {
        self.used = now;
        Some(
            match self
                .producers
                .check(now, producer, numbers, body, room, limits)
            {
                Step::Append if self.is_unwritten() && !room.for_topics => {
                    Err((BUSY, MEMORY_IS_FULL.to_owned()))
                }
                Step::Append => return None,
                Step::Repeat(Verdict::Appended(seq)) => Ok(self.published(seq, true)),
                Step::Repeat(Verdict::Nacked(code)) | Step::Nack(code) => Err(nack(code)),
            },
        )
    }

    fn append(
        &mut self,
        now: Now,
        publish: &Publish<'_>,
        payload: &str,
        room: Room,
        limits: &Limits,
    ) -> Result<Published, Nack> {
        let Publish {
            kind, producer, n, ..
        } = *publish;
        self.content
            .take(kind, payload, room.for_documents)
            .map_err(|refused| match refused {
                Refused::Fault(fault) => (fault.code(), fault.message().into_owned()),
                Refused::Grows => (BUSY, "the hub's memory for documents is full".to_owned()),
            })?;
        self.log.expire(now.time, limits);
        let id = message_id(producer, n);
        let seq = self.log.append_as(kind, now, Some(&id), payload, limits);
        Ok(self.published(seq, false))
    }

    /// A publication of a back end. With a key it is appended once, however often it comes.
    pub(crate) fn publish_keyed(
        &mut self,
        now: Now,
        offer: &Offer<'_>,
        room: Room,
        limits: &Limits,
    ) -> Result<Published, PublishFault> {
        self.used = now.time;
        let Offer { kind, key, .. } = *offer;
        let payload = payload::check(offer.payload, limits.payload_bytes_max)
            .map_err(PublishFault::Payload)?;
        let body = BodyHash::of(&payload, 0);
        match key.map_or(Step::Append, |key| self.producers.check_key(key, body)) {
            Step::Append if self.is_unwritten() && !room.for_topics => {
                return Err(PublishFault::Busy);
            }
            Step::Append => {}
            Step::Repeat(Verdict::Appended(seq)) => return Ok(self.published(seq, true)),
            Step::Repeat(Verdict::Nacked(_)) | Step::Nack(_) => {
                return Err(PublishFault::IdConflict);
            }
        }
        self.log.expire(now.time, limits);
        self.expect(offer.expected)?;
        self.content
            .take(kind, &payload, room.for_documents)
            .map_err(|refused| match refused {
                Refused::Fault(fault) => PublishFault::Change(fault),
                Refused::Grows => PublishFault::Busy,
            })?;
        let seq = self.log.append_as(kind, now, key, &payload, limits);
        if let Some(key) = key {
            self.producers.record_key(key, body, seq, room, limits);
        }
        Ok(self.published(seq, false))
    }

    /// Whether the document is as a back end expects it (rule P9).
    fn expect(&self, expected: &Expected) -> Result<(), PublishFault> {
        let (epoch, seq) = (self.log.epoch(), self.log.head());
        let is_met = match expected {
            Expected::Anything => true,
            Expected::Written => self.content.value().is_some(),
            Expected::Unwritten => seq == Seq(0),
            Expected::After(places) => places.contains(&(epoch, seq)),
        };
        if is_met {
            return Ok(());
        }
        Err(PublishFault::Unexpected(epoch, seq))
    }

    /// The document, if one has been written.
    pub(crate) fn state(&mut self, now: Time) -> Option<State> {
        self.used = now;
        Some(State {
            epoch: self.log.epoch(),
            seq: self.log.head(),
            value: self.content.value()?.clone(),
        })
    }

    /// A producer's last publication with a verdict, 0 for none.
    pub(crate) fn last_of(&self, producer: &str) -> RowNo {
        self.producers.last(producer)
    }

    /// Messages from `first` on, as many as fit one answer and at most `count`.
    pub(crate) fn read(
        &mut self,
        now: Time,
        first: Seq,
        count: usize,
        limits: &Limits,
    ) -> Result<Page, ReadFault> {
        self.used = now;
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

    /// Where a new subscription begins.
    pub(crate) fn resume(
        &mut self,
        now: Time,
        from: From,
        limits: &Limits,
    ) -> (Cursor, Option<ResumeFailure>) {
        self.used = now;
        self.log.expire(now, limits);
        self.log.resume(from)
    }

    pub(crate) fn unsubscribe(&mut self, now: Time, conn: ConnId, no: TopicNo) {
        self.used = now;
        self.waiting.remove(&(conn, no));
        self.subscribers = self.subscribers.saturating_sub(1);
    }

    /// Forgets what is due.
    pub(crate) fn tick(&mut self, now: Time, limits: &Limits) {
        self.log.expire(now, limits);
        self.producers.expire(now, limits);
    }

    /// Whether nobody has written it, so that nothing but its name would be forgotten with it.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.log.head() == Seq(0) && self.producers.is_empty()
    }

    /// Whether the topic itself may go (rule H11).
    pub(crate) fn is_over(&self, now: Time, limits: &Limits) -> bool {
        self.is_unused() && (self.is_unwritten() || now.since(self.used) >= limits.topic_idle_ms)
    }

    fn is_unused(&self) -> bool {
        self.subscribers == 0
            && self.log.is_empty()
            && !self.content.is_kept()
            && self.producers.is_empty()
    }

    /// When `tick` has something to do. `None` if only an event brings it something.
    pub(crate) fn deadline(&self, now: Time, limits: &Limits) -> Option<Time> {
        let idle = self
            .is_unused()
            .then(|| self.used.plus(limits.topic_idle_ms));
        [self.log.deadline(limits), self.producers.deadline(), idle]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.max(now.plus(EXPIRY_MS)))
    }

    fn published(&self, seq: Seq, duplicate: bool) -> Published {
        Published {
            epoch: self.log.epoch(),
            seq,
            duplicate,
        }
    }
}

/// A nack with what its code means, for people (rule H9).
/// In words of the code alone: of a verdict nothing more is kept.
fn nack(code: &'static str) -> Nack {
    let message = match code {
        "out_of_order" => {
            "the publication named as prev is not here; send again from the oldest without a verdict"
        }
        "id_conflict" => "another publication had this number",
        "id_forgotten" => "the number is older than the verdicts that the hub keeps",
        BUSY => "the topic, or the hub, has too many producers",
        "expired" => "its time to live had ended, or its client had cancelled it",
        "payload_invalid" => "the payload is no JSON text that the hub takes",
        "payload_too_large" => "the payload is larger than the hub takes",
        "is_document" => "the topic is a document, which takes patches and merges only",
        "not_a_document" => "the topic has messages, and takes no patch or merge",
        "patch_invalid" => "it is no patch",
        "patch_failed" => "the document was not as the patch says",
        "patch_too_long" => "the patch has more operations than one may have",
        "key_forbidden" => "the patch has a key that no document may have",
        "document_too_deep" => "the document would be nested too deep",
        "document_too_large" => "the document, or what the patch copies, would be too large",
        _ => "refused",
    };
    (code, message.to_owned())
}
