//! What each record of a client does to the hub (rules C1 to C8).
//!
//! Owns the order of a connection: hello first, an answer for every sub and publication. The rules of logs and producers
//! are theirs.

use std::collections::HashMap;

use longhaul::frame::{self, Publish, ResumeFailure, Start, ToClient, ToHub, Welcome};
use longhaul::ids::{From, TopicNo, is_id};

use super::close::Close;
use super::hub::{Effect, Hub, wake};
use super::peer::{ConnId, Peer, State, Subscription};
use super::time::Now;
use super::topic::Topic;

impl Hub {
    pub(super) fn too_large(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let message = format!("the limit is {} bytes", self.limits.frame_bytes_max);
        self.close(now, conn, Close::FrameTooLarge, &message, effects);
    }

    pub(super) fn frame(&mut self, now: Now, conn: ConnId, text: &str, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        peer.heard(now.time);
        if text.len() > self.limits.frame_bytes_max {
            return self.too_large(now, conn, effects);
        }
        for record in frame::records(text) {
            if let Err((close, message)) = self.record(now, conn, record, effects) {
                return self.close(now, conn, close, &message, effects);
            }
        }
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        if peer.is_overfull(&self.limits) {
            let message = "answers were not taken";
            self.close(now, conn, Close::SlowConsumer, message, effects);
        }
    }

    fn record(
        &mut self,
        now: Now,
        conn: ConnId,
        record: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), (Close, String)> {
        let bad = |message: &str| (Close::BadFrame, message.to_owned());
        if record.contains('\r') {
            return Err(bad("a record contains CR"));
        }
        let record = ToHub::decode(record).map_err(|error| bad(&error.to_string()))?;
        let Some(peer) = self.peers.get_mut(&conn) else {
            return Ok(());
        };
        match (&peer.state, record) {
            (
                State::AwaitingHello { .. },
                ToHub::Hello {
                    version, session, ..
                },
            ) => {
                if version != frame::VERSION {
                    let message = format!("version {version}, the hub speaks {}", frame::VERSION);
                    return Err((Close::VersionUnsupported, message));
                }
                self.hello(now, conn, session, effects);
            }
            (State::AwaitingHello { .. }, _) => return Err(bad("the first record is not hello")),
            (State::Open { .. }, ToHub::Hello { .. }) => return Err(bad("a second hello")),
            (_, ToHub::Subscribe { no, topic, from }) => {
                self.subscribe(now, conn, no, topic, from, effects)?;
            }
            (_, ToHub::Unsubscribe { no }) => self.unsubscribe(now, conn, no),
            (_, ToHub::Publish(publish)) => self.publication(now, conn, &publish, effects),
            (_, ToHub::Ping { t }) => self.answer(conn, &ToClient::Pong { t }, effects),
            (_, ToHub::Pong { .. }) => {}
        }
        Ok(())
    }

    fn hello(&mut self, now: Now, conn: ConnId, session: Option<&str>, effects: &mut Vec<Effect>) {
        // It grants nothing, so it need not be secret; see docs/protocol.md, H1.
        let session = match session.filter(|session| is_id(session)) {
            Some(session) => session.to_owned(),
            None => format!("{:016x}{:016x}", self.rng.u64(..), self.rng.u64(..)),
        };
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.state = State::Open {
                subscriptions: HashMap::new(),
            };
        }
        let wire = |limit: usize| u64::try_from(limit).ok();
        let welcome = ToClient::Welcome(Welcome {
            session: &session,
            now: now.wall_ms,
            ping_ms: Some(self.limits.ping_ms),
            wait_ms: Some(self.limits.wait_ms),
            frame_bytes_max: wire(self.limits.frame_bytes_max),
            payload_bytes_max: wire(self.limits.payload_bytes_max),
            spread_ms: None,
        });
        self.answer(conn, &welcome, effects);
        self.set_peer_timer(conn);
    }

    fn subscribe(
        &mut self,
        now: Now,
        conn: ConnId,
        no: TopicNo,
        name: &str,
        from: From,
        effects: &mut Vec<Effect>,
    ) -> Result<(), (Close, String)> {
        self.unsubscribe(now, conn, no);
        let subscriptions_max = self.limits.subscriptions_max;
        let count = self
            .peers
            .get_mut(&conn)
            .and_then(Peer::subscriptions)
            .map_or(0, |subscriptions| subscriptions.len());
        if count >= subscriptions_max {
            let message = format!("the limit is {subscriptions_max} a connection");
            return Err((Close::TooManySubscriptions, message));
        }
        let Some(topic_id) = self.topic(now, name) else {
            let refused = ToClient::Refused {
                no,
                code: "busy",
                message: "the hub has too many topics",
            };
            self.answer(conn, &refused, effects);
            return Ok(());
        };
        let limits = self.limits;
        let begin = |topic: &mut Topic| {
            let (after, failure) = topic.resume(now.time, from, &limits);
            let head = topic.log.head();
            topic.subscribers += 1;
            if after.seq == head {
                topic.waiting.insert((conn, no));
            }
            (Start { no, after, head }, failure)
        };
        let Some(((start, failure), ..)) = self.topics.with(topic_id, begin) else {
            return Ok(());
        };
        let Start { after, head, .. } = start;
        self.answer(conn, &answer_of(start, failure), effects);
        if let Some(peer) = self.peers.get_mut(&conn) {
            if let Some(subscriptions) = peer.subscriptions() {
                let subscription = Subscription {
                    topic: topic_id,
                    after: after.seq,
                    is_ready: false,
                };
                subscriptions.insert(no, subscription);
            }
            if after.seq < head {
                peer.ready(no);
            }
        }
        Ok(())
    }

    fn unsubscribe(&mut self, now: Now, conn: ConnId, no: TopicNo) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        let Some(gone) = peer.subscriptions().and_then(|all| all.remove(&no)) else {
            return;
        };
        if gone.is_ready {
            peer.ready.retain(|ready| *ready != no);
        }
        if let Some(topic) = self.topics.by_id(gone.topic) {
            topic.unsubscribe(now.time, conn, no);
        }
    }

    fn publication(
        &mut self,
        now: Now,
        conn: ConnId,
        publish: &Publish<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let is_full = self.topics.is_full(&self.limits);
        let limits = self.limits;
        let outcome = self
            .with_topic(now, publish.topic, effects, |topic| {
                topic.publish(now, publish, is_full, &limits)
            })
            .unwrap_or_else(|| Err(("busy", "the hub has too many topics".to_owned())));
        let Publish { producer, n, .. } = *publish;
        let record = match &outcome {
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
        };
        self.answer(conn, &record, effects);
    }

    fn answer(&mut self, conn: ConnId, record: &ToClient<'_>, effects: &mut Vec<Effect>) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.answer(record, &self.limits);
            wake(conn, peer, effects);
        }
    }
}

fn answer_of(start: Start, failure: Option<ResumeFailure>) -> ToClient<'static> {
    match failure {
        None => ToClient::Subscribed(start),
        Some(reason) => ToClient::ResumeFailed { reason, start },
    }
}
