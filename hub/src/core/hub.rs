//! The core's one door: events in, effects out. Routes to topics and connections and holds no rule of its own.
//!
//! Owns the tables and the timers. A connection is told apart by its id alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use longhaul::frame::{self, Publish, ResumeFailure, Start, ToClient, ToHub, Welcome};
use longhaul::ids::{Epoch, From, Seq, TopicNo, is_id};

use super::close::Close;
use super::limits::Limits;
use super::peer::{ConnId, Peer, State, Subscription};
use super::stream;
use super::time::{Now, Time};
use super::topic::{Page, PublishFault, Published, ReadFault, Topic, TopicId};

/// What happens to the hub.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A connection is there.
    Opened(ConnId),
    /// A text frame came.
    Frame(ConnId, &'a str),
    /// A frame came that is not text.
    NotText(ConnId),
    /// A frame came that was too large to be read.
    TooLarge(ConnId),
    /// A frame for the connection was not taken in time.
    Stalled(ConnId),
    /// The connection is gone.
    Closed(ConnId),
    /// The deadline is reached.
    Tick,
    /// The hub is stopping.
    Stop,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Take frames for this connection until there are none.
    Wake(ConnId),
    /// Close this connection. The hub has forgotten it.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        close: Close,
        /// For the wire: code and message.
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Peer(ConnId),
    Topic(TopicId),
}

/// Topics by name and by id.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    ids: HashMap<Box<str>, TopicId>,
    by_id: HashMap<TopicId, Topic>,
    last_id: u64,
}

impl Topics {
    pub(crate) fn by_id(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.by_id.get_mut(&id)
    }
}

/// The hub.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    rng: fastrand::Rng,
    topics: Topics,
    /// Memory of all topics, roughly.
    bytes: usize,
    peers: BTreeMap<ConnId, Peer>,
    timers: BTreeSet<(Time, Timer)>,
    is_stopping: bool,
}

impl Hub {
    /// An empty hub. Epochs and sessions come from the seed.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            rng: fastrand::Rng::with_seed(seed),
            topics: Topics::default(),
            bytes: 0,
            peers: BTreeMap::new(),
            timers: BTreeSet::new(),
            is_stopping: false,
        }
    }

    /// What it keeps and takes at most.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Connections at present.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// When `Tick` is due, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// The door.
    pub fn handle(&mut self, now: Now, event: Event<'_>, effects: &mut Vec<Effect>) {
        match event {
            Event::Opened(conn) => self.opened(now, conn, effects),
            Event::Frame(conn, text) => self.frame(now, conn, text, effects),
            Event::NotText(conn) => {
                self.close(now, conn, Close::BadFrame, "a frame is not text", effects);
            }
            Event::TooLarge(conn) => self.too_large(now, conn, effects),
            Event::Stalled(conn) => {
                let message = "a frame was not taken in time";
                self.close(now, conn, Close::SlowConsumer, message, effects);
            }
            Event::Closed(conn) => self.forget(now, conn),
            Event::Tick => self.tick(now, effects),
            Event::Stop => self.stop(now, effects),
        }
    }

    /// The next frame for a connection; after `None` a `Wake` tells when to ask again.
    pub fn take_frame(&mut self, now: Now, conn: ConnId, bytes_max: usize) -> Option<String> {
        let peer = self.peers.get_mut(&conn)?;
        let frame = stream::take_frame(conn, peer, &mut self.topics, bytes_max, &self.limits);
        match &frame {
            Some(_) => peer.sent(now.time),
            None => peer.is_awake = false,
        }
        frame
    }

    /// A back end's publication.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn publish(
        &mut self,
        now: Now,
        topic: &str,
        key: Option<&str>,
        payload: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, PublishFault> {
        let is_full = self.is_full();
        let limits = self.limits;
        self.with_topic(now, topic, effects, |topic| {
            topic.publish_keyed(now, key, payload, is_full, &limits)
        })
        .unwrap_or(Err(PublishFault::Busy))
    }

    /// A stretch of a topic's log for a back end.
    ///
    /// # Errors
    /// Why it can't be had.
    pub fn read(
        &mut self,
        now: Now,
        topic: &str,
        first: Seq,
        count: usize,
    ) -> Result<Page, ReadFault> {
        let limits = self.limits;
        self.with_topic(now, topic, &mut Vec::new(), |topic| {
            topic.read(now.time, first, count, &limits)
        })
        .unwrap_or(Err(ReadFault::Busy))
    }

    fn opened(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let refusal = if self.is_stopping {
            Some((Close::GoingAway, "the hub is stopping"))
        } else if self.peers.len() >= self.limits.connections_max {
            Some((Close::TryAgainLater, "too many connections"))
        } else {
            None
        };
        if let Some((close, message)) = refusal {
            let reason = close.reason(message);
            effects.push(Effect::Close {
                conn,
                close,
                reason,
            });
            return;
        }
        self.peers.insert(conn, Peer::new(now.time, &self.limits));
        self.set_peer_timer(conn);
    }

    fn too_large(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let message = format!("the limit is {} bytes", self.limits.frame_bytes_max);
        self.close(now, conn, Close::FrameTooLarge, &message, effects);
    }

    fn frame(&mut self, now: Now, conn: ConnId, text: &str, effects: &mut Vec<Effect>) {
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
        let Some(topic_id) = self.topic_id(now, name) else {
            let refused = ToClient::Refused {
                no,
                code: "busy",
                message: "the hub has too many topics",
            };
            self.answer(conn, &refused, effects);
            return Ok(());
        };
        let Some(topic) = self.topics.by_id(topic_id) else {
            return Ok(());
        };
        let (after, failure) = topic.resume(now.time, from, &self.limits);
        let head = topic.log.head();
        topic.subscribers += 1;
        let is_behind = after.seq < head;
        if !is_behind {
            topic.waiting.insert((conn, no));
        }
        self.answer(
            conn,
            &answer_of(Start { no, after, head }, failure),
            effects,
        );
        if let Some(peer) = self.peers.get_mut(&conn) {
            if let Some(subscriptions) = peer.subscriptions() {
                let subscription = Subscription {
                    topic: topic_id,
                    after: after.seq,
                    is_ready: false,
                };
                subscriptions.insert(no, subscription);
            }
            if is_behind {
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
        let is_full = self.is_full();
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

    /// Does something to a topic, made if need be, and sees to what follows. `None` if there are too many topics.
    fn with_topic<T>(
        &mut self,
        now: Now,
        name: &str,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<T> {
        let id = self.topic_id(now, name)?;
        let topic = self.topics.by_id(id)?;
        let (head, bytes, was_empty) = (topic.log.head(), topic.bytes(), topic.log.is_empty());
        let outcome = act(topic);
        self.bytes = (self.bytes + topic.bytes()).saturating_sub(bytes);
        if topic.log.head() != head {
            for (conn, no) in std::mem::take(&mut topic.waiting) {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.ready(no);
                    wake(conn, peer, effects);
                }
            }
            if was_empty {
                self.set_topic_timer(now, id);
            }
        }
        Some(outcome)
    }

    fn topic_id(&mut self, now: Now, name: &str) -> Option<TopicId> {
        if let Some(id) = self.topics.ids.get(name) {
            return Some(*id);
        }
        if self.topics.by_id.len() >= self.limits.topics_max {
            return None;
        }
        self.topics.last_id += 1;
        let id = TopicId(self.topics.last_id);
        let topic = Topic::new(now.time, name, Epoch(self.rng.u64(..)));
        self.bytes += topic.bytes();
        self.topics.ids.insert(name.into(), id);
        self.topics.by_id.insert(id, topic);
        self.set_topic_timer(now, id);
        Some(id)
    }

    fn is_full(&self) -> bool {
        self.bytes >= self.limits.memory_bytes_max
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some((due, timer)) = self.timers.first().copied() {
            if due > now.time {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Peer(conn) => self.tick_peer(now, conn, effects),
                Timer::Topic(id) => self.tick_topic(now, id),
            }
        }
    }

    fn tick_peer(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        match peer.tick(now, &self.limits) {
            Ok(has_ping) => {
                if has_ping {
                    wake(conn, peer, effects);
                }
                self.set_peer_timer(conn);
            }
            Err((close, message)) => self.close(now, conn, close, &message, effects),
        }
    }

    fn tick_topic(&mut self, now: Now, id: TopicId) {
        let Some(topic) = self.topics.by_id(id) else {
            return;
        };
        let bytes = topic.bytes();
        if topic.tick(now.time, &self.limits) {
            self.bytes = self.bytes.saturating_sub(bytes);
            if let Some(topic) = self.topics.by_id.remove(&id) {
                self.topics.ids.remove(&topic.name);
            }
            return;
        }
        self.bytes = (self.bytes + topic.bytes()).saturating_sub(bytes);
        self.set_topic_timer(now, id);
    }

    fn stop(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.is_stopping = true;
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in conns {
            self.close(now, conn, Close::GoingAway, "the hub is stopping", effects);
        }
    }

    fn close(
        &mut self,
        now: Now,
        conn: ConnId,
        close: Close,
        message: &str,
        effects: &mut Vec<Effect>,
    ) {
        if self.peers.contains_key(&conn) {
            self.forget(now, conn);
            let reason = close.reason(message);
            effects.push(Effect::Close {
                conn,
                close,
                reason,
            });
        }
    }

    fn forget(&mut self, now: Now, conn: ConnId) {
        let Some(mut peer) = self.peers.remove(&conn) else {
            return;
        };
        self.timers.remove(&(peer.timer, Timer::Peer(conn)));
        for (no, subscription) in peer.subscriptions().into_iter().flatten() {
            if let Some(topic) = self.topics.by_id(subscription.topic) {
                topic.unsubscribe(now.time, conn, *no);
            }
        }
    }

    fn set_peer_timer(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            self.timers.remove(&(peer.timer, Timer::Peer(conn)));
            peer.timer = peer.deadline(&self.limits);
            self.timers.insert((peer.timer, Timer::Peer(conn)));
        }
    }

    fn set_topic_timer(&mut self, now: Now, id: TopicId) {
        if let Some(topic) = self.topics.by_id.get_mut(&id) {
            self.timers.remove(&(topic.timer, Timer::Topic(id)));
            topic.timer = topic.deadline(now.time, &self.limits);
            self.timers.insert((topic.timer, Timer::Topic(id)));
        }
    }
}

fn wake(conn: ConnId, peer: &mut Peer, effects: &mut Vec<Effect>) {
    if !peer.is_awake {
        peer.is_awake = true;
        effects.push(Effect::Wake(conn));
    }
}

fn answer_of(start: Start, failure: Option<ResumeFailure>) -> ToClient<'static> {
    match failure {
        None => ToClient::Subscribed(start),
        Some(reason) => ToClient::ResumeFailed { reason, start },
    }
}
