//! What each record of a client does to the hub (rules C1 to C8).
//!
//! Owns the order of a connection: hello first, an answer for every sub and publication. The rules of logs and producers
//! are theirs.

use std::collections::HashMap;

use longhaul::ids::{From, RowNo, TopicNo, is_id};
use longhaul::wire::{self, Publish, ResumeFailure, Skip, Start, ToClient, ToHub, View, Welcome};

use super::close::{Close, Refusal};
use super::document::ChangeFault;
use super::hub::{Effect, Hub, Timer, wake, wire};
use super::peer::{ConnId, Follower, Peer, State, Subscription};
use super::posts;
use super::subject::Subject;
use super::time::Now;
use super::topic::{BUSY, MEMORY_IS_FULL, Nack, Published, Topic};

/// Why a topic is not made.
pub(super) const TOO_MANY_TOPICS: &str = "the hub has too many topics";

/// What came before a publication in an `until` (rule C10).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// It takes no effect after this time of the hub's wall clock.
    pub(crate) until_ms: Option<u64>,
    /// Which call it is of; 0 where nobody says.
    pub(crate) tag: u64,
}

impl Terms {
    pub(crate) fn new(until_ms: u64, tag: Option<u64>) -> Self {
        Self {
            until_ms: Some(until_ms),
            tag: tag.unwrap_or_default(),
        }
    }
}

/// What a client wants done with one row of its outbox.
pub(super) enum Row<'a> {
    /// It is to take effect.
    Publish(Publish<'a>, Terms),
    /// It is given up.
    Skip(Skip<'a>),
}

impl Hub {
    pub(super) fn frame(&mut self, now: Now, conn: ConnId, text: &str, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        peer.heard(now.time);
        if text.len() > self.limits.frame_bytes_max {
            let refusal = posts::too_large(self.limits.frame_bytes_max);
            return self.close(now, conn, &refusal, effects);
        }
        for record in wire::records(text) {
            if let Err(refusal) = self.record(now, conn, record, effects) {
                return self.close(now, conn, &refusal, effects);
            }
        }
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        if peer.is_overfull(&self.limits) {
            let refusal = Refusal::new(Close::SlowConsumer, "answers were not taken");
            self.close(now, conn, &refusal, effects);
        }
    }

    fn record(
        &mut self,
        now: Now,
        conn: ConnId,
        record: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let record = posts::decode(record)?;
        let Some(peer) = self.peers.get_mut(&conn) else {
            return Ok(());
        };
        match (&peer.state, record) {
            (
                State::AwaitingHello { .. },
                ToHub::Hello {
                    version,
                    session,
                    token,
                    ..
                },
            ) => {
                posts::check_version(version)?;
                peer.subject = token.and_then(Subject::of);
                let session = self.session(session);
                self.hello(now, conn, &session, effects);
            }
            (State::AwaitingHello { .. }, _) => {
                return Err(posts::bad("the first record is not hello"));
            }
            (State::Open { .. }, ToHub::Hello { .. }) => return Err(posts::bad("a second hello")),
            (
                _,
                ToHub::Subscribe {
                    no,
                    topic,
                    from,
                    view,
                },
            ) => {
                // Moving one does not count as another.
                self.unsubscribe(now, conn, no);
                if self.subscriptions(conn) >= self.limits.subscriptions_max {
                    return Err(posts::too_many_subscriptions(&self.limits));
                }
                self.subscribe(now, conn, no, (topic, from, view), effects);
            }
            (_, ToHub::Unsubscribe { no }) => self.unsubscribe(now, conn, no),
            (_, ToHub::Until { ms, tag }) => peer.terms = Terms::new(ms, tag),
            (_, ToHub::Publish(publish)) => {
                let terms = std::mem::take(&mut peer.terms);
                self.row(now, conn, &Row::Publish(publish, terms), effects);
            }
            (_, ToHub::Skip(skip)) => self.row(now, conn, &Row::Skip(skip), effects),
            (_, ToHub::Ping { t }) => self.pong(now, conn, t, effects),
            (_, ToHub::Auth { token }) => peer.subject = Subject::of(token),
            (_, ToHub::Pong { .. }) => {}
        }
        Ok(())
    }

    /// The client's session, or a new one. It grants nothing, so it need not be secret; see docs/protocol.md, H1.
    pub(super) fn session(&mut self, session: Option<&str>) -> String {
        match session.filter(|session| is_id(session)) {
            Some(session) => session.to_owned(),
            None => format!("{:016x}{:016x}", self.rng.u64(..), self.rng.u64(..)),
        }
    }

    pub(super) fn hello(
        &mut self,
        now: Now,
        conn: ConnId,
        session: &str,
        effects: &mut Vec<Effect>,
    ) {
        let spread_ms = self.spread_ms(now);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.told_ms = spread_ms;
            peer.state = State::Open {
                subscriptions: HashMap::new(),
            };
        }
        let transports = self.limits.transports.to_string();
        let welcome = ToClient::Welcome(Welcome {
            session,
            now: now.wall_ms,
            ping_ms: Some(self.limits.ping_ms),
            wait_ms: Some(self.limits.wait_ms),
            frame_bytes_max: Some(wire(self.limits.frame_bytes_max)),
            payload_bytes_max: Some(wire(self.limits.payload_bytes_max)),
            hold_ms: Some(self.limits.hold_ms),
            transports: Some(&transports),
            spread_ms: Some(spread_ms),
        });
        self.answer(conn, &welcome, effects);
        self.set_peer_timer(conn);
    }

    /// Whether it goes on right where it was asked to.
    pub(super) fn subscribe(
        &mut self,
        now: Now,
        conn: ConnId,
        no: TopicNo,
        (name, from, view): (&str, From, View<'_>),
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.unsubscribe(now, conn, no);
        self.make_room(0);
        let topic_id = if self.room().for_subscriptions {
            self.topic_to_follow(now, name)
        } else {
            Err("the hub has too many subscriptions")
        };
        let topic_id = match topic_id {
            Ok(id) => id,
            Err(message) => {
                let code = BUSY;
                self.answer(conn, &ToClient::Refused { no, code, message }, effects);
                return false;
            }
        };
        let limits = self.limits;
        let begin = |topic: &mut Topic| {
            let (mut after, failure) = topic.resume(now.time, from, &limits);
            let document = follow(view, from, failure);
            if document.is_some() && !topic.content.is_document() {
                return None;
            }
            let is_snapshot_due = document.as_ref().is_some_and(|it| it.is_snapshot_due);
            if is_snapshot_due {
                after = topic.log.end();
            }
            let head = topic.log.head();
            topic.subscribers += 1;
            if after.seq == head && !is_snapshot_due {
                topic.waiting.insert((conn, no));
            }
            Some((Start { no, after, head }, failure, document))
        };
        let Some((begun, ..)) = self.topics.with(topic_id, begin) else {
            return false;
        };
        let Some((start, failure, document)) = begun else {
            let fault = ChangeFault::NotADocument;
            let message = fault.message();
            let refused = ToClient::Refused {
                no,
                code: fault.code(),
                message: &message,
            };
            self.answer(conn, &refused, effects);
            return false;
        };
        let is_snapshot_due = document.as_ref().is_some_and(|it| it.is_snapshot_due);
        let Start { after, head, .. } = start;
        self.answer(conn, &answer_of(start, failure), effects);
        if let Some(peer) = self.peers.get_mut(&conn) {
            if let Some(subscriptions) = peer.subscriptions() {
                let subscription = Subscription {
                    topic: topic_id,
                    after: after.seq,
                    turn: None,
                    document,
                };
                self.subscriptions_bytes += subscription.bytes();
                subscriptions.insert(no, subscription);
            }
            if after.seq < head || is_snapshot_due {
                peer.ready(no);
            }
        }
        failure.is_none()
    }

    fn subscriptions(&mut self, conn: ConnId) -> usize {
        self.peers
            .get_mut(&conn)
            .and_then(Peer::subscriptions)
            .map_or(0, |subscriptions| subscriptions.len())
    }

    fn unsubscribe(&mut self, now: Now, conn: ConnId, no: TopicNo) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        if let Some(gone) = peer.unsubscribe(no) {
            self.leave(now, conn, no, &gone);
        }
    }

    fn row(&mut self, now: Now, conn: ConnId, row: &Row<'_>, effects: &mut Vec<Effect>) {
        let peer = self.peers.get(&conn);
        let subject = peer.and_then(|peer| peer.subject.clone());
        let outcome = self.settle(now, row, subject.as_ref(), effects);
        self.answer(conn, &row.verdict(&outcome), effects);
    }

    /// What becomes of a row. One that is another subject's leaves no trace (rule H14).
    pub(super) fn settle(
        &mut self,
        now: Now,
        row: &Row<'_>,
        subject: Option<&Subject>,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, Nack> {
        let limits = self.limits;
        let (topic, producer) = row.place();
        self.owners.check(now.time, producer, subject, &limits)?;
        self.make_room(row.payload_bytes());
        let room = self.room();
        if subject.is_some() && !room.for_producers && !self.owners.has(producer) {
            return Err((BUSY, MEMORY_IS_FULL.to_owned()));
        }
        let settled = self.with_topic(now, topic, effects, |topic| {
            let outcome = match row {
                Row::Publish(publish, terms) => topic.publish(now, publish, *terms, room, &limits),
                Row::Skip(skip) => topic.skip(now.time, skip, room, &limits),
            };
            (outcome, topic.last_of(producer) > RowNo(0))
        });
        let Some((outcome, is_remembered)) = settled else {
            return Err((BUSY, TOO_MANY_TOPICS.to_owned()));
        };
        if let Some(subject) = subject
            && is_remembered
            && self.owners.heard(now.time, producer, subject, &limits)
        {
            self.set_timer(self.owners.deadline(), Timer::Owners);
        }
        outcome
    }

    fn pong(&mut self, now: Now, conn: ConnId, t: u64, effects: &mut Vec<Effect>) {
        self.answer(conn, &ToClient::Pong { t }, effects);
        let spread_ms = self.spread_ms(now);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.tell_spread(spread_ms, &self.limits);
        }
    }

    fn answer(&mut self, conn: ConnId, record: &ToClient<'_>, effects: &mut Vec<Effect>) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.answer(record, &self.limits);
            wake(conn, peer, effects);
        }
    }
}

/// How a subscription follows a document, if it wants one (rule D7).
fn follow(view: View<'_>, from: From, failure: Option<ResumeFailure>) -> Option<Follower> {
    let View::Document { producer } = view else {
        return None;
    };
    Some(Follower {
        producer: producer.map(Into::into),
        is_snapshot_due: failure.is_some() || !matches!(from, From::After(_)),
        unchecked: 0,
    })
}

fn answer_of(start: Start, failure: Option<ResumeFailure>) -> ToClient<'static> {
    match failure {
        None => ToClient::Subscribed(start),
        Some(reason) => ToClient::ResumeFailed { reason, start },
    }
}

impl<'a> Row<'a> {
    /// Its topic and its producer.
    fn place(&self) -> (&'a str, &'a str) {
        let (Self::Publish(
            Publish {
                topic, producer, ..
            },
            _,
        )
        | Self::Skip(Skip {
            topic, producer, ..
        })) = *self;
        (topic, producer)
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Publish(publish, _) => publish.payload.len(),
            Self::Skip(_) => 0,
        }
    }

    pub(super) fn verdict(&self, outcome: &'a Result<Published, Nack>) -> ToClient<'a> {
        let (Self::Publish(Publish { producer, n, .. }, _) | Self::Skip(Skip { producer, n, .. })) =
            *self;
        match outcome {
            Ok(published) => ToClient::Ack {
                producer,
                n,
                epoch: published.epoch,
                seq: published.seq,
                duplicate: published.duplicate,
            },
            Err((code, message)) => ToClient::Nack {
                producer,
                n,
                code,
                message,
            },
        }
    }
}
