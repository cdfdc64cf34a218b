//! The core's one door: events in, effects out. Routes to topics and connections and holds no rule of its own.
//!
//! Owns the tables and the timers. A connection is told apart by its id alone.

use std::collections::{BTreeMap, BTreeSet};

use longhaul::ids::{Seq, TopicNo};
use longhaul::wire::Kind;

use super::admission::Admission;
use super::close::{Close, Refusal};
use super::document::{Expected, State};
use super::door::Phase;
use super::high_water::HighWater;
use super::limits::{HEAD_BYTES_MAX, Limits};
use super::owners::Owners;
use super::peer::{ConnId, Mode, Peer, Subscription};
use super::posts;
use super::records::TOO_MANY_TOPICS;
use super::room::Room;
use super::sessions::Sessions;
use super::stream;
use super::tickets::Tickets;
use super::time::{Now, Time};
use super::topic::{MEMORY_IS_FULL, Offer, Page, PublishFault, Published, ReadFault, Topic};
use super::topics::{TopicId, Topics};

/// What happens to the hub.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A WebSocket is there. Other transports come by `open_stream` and `open_poll`.
    Opened(ConnId),
    /// A text frame came.
    Frame(ConnId, &'a str),
    /// A frame came that is not text.
    NotText(ConnId),
    /// What came breaks the rules of WebSocket, in these words.
    Malformed(ConnId, &'a str),
    /// A frame for the connection could not be written.
    Unwritten(ConnId),
    /// A frame came that was too large to be read.
    TooLarge(ConnId),
    /// A frame for the connection was not taken in time.
    Stalled(ConnId),
    /// The connection is gone.
    Closed(ConnId),
    /// The deadline is reached.
    Tick,
    /// The hub is to stop once its clients are let go, one after another.
    Drain,
    /// The hub stops now.
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
        /// For the wire: code, message and options.
        reason: String,
    },
    /// All have been let go.
    Drained,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Peer(ConnId),
    Topic(TopicId),
    Tickets,
    Sessions,
    Owners,
    Drain,
}

/// The hub.
#[derive(Debug)]
pub struct Hub {
    pub(super) limits: Limits,
    pub(super) rng: fastrand::Rng,
    pub(super) topics: Topics,
    pub(super) owners: Owners,
    pub(super) peers: BTreeMap<ConnId, Peer>,
    pub(super) tickets: Tickets,
    pub(super) sessions: Sessions,
    pub(super) admission: Admission,
    pub(super) high_water: HighWater,
    pub(super) phase: Phase,
    /// Memory that all subscriptions take.
    pub(super) subscriptions_bytes: usize,
    timers: BTreeSet<(Time, Timer)>,
}

impl Hub {
    /// An empty hub. Epochs and sessions come from the seed.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            limits,
            topics: Topics::new(rng.u64(..)),
            owners: Owners::default(),
            peers: BTreeMap::new(),
            tickets: Tickets::default(),
            sessions: Sessions::default(),
            admission: Admission::new(
                Time::default(),
                limits.admit_per_s,
                wire(limits.connections_max),
            ),
            high_water: HighWater::new(limits.expect_connections),
            phase: Phase::Serving,
            subscriptions_bytes: 0,
            rng,
            timers: BTreeSet::new(),
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

    /// Memory that topics, producers and subscriptions take, as the limits count it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.topics.bytes() + self.owners.bytes() + self.subscriptions_bytes
    }

    /// Topics that it keeps at present.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// When `Tick` is due, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// For how long something has been due that is not done, ms. A hub whose driver has died shows it here.
    #[must_use]
    pub fn late_ms(&self, now: Time) -> u64 {
        self.deadline().map_or(0, |due| now.since(due))
    }

    /// The door.
    pub fn handle(&mut self, now: Now, event: Event<'_>, effects: &mut Vec<Effect>) {
        match event {
            Event::Opened(conn) => self.opened(now, conn, effects),
            Event::Frame(conn, text) => self.frame(now, conn, text, effects),
            Event::NotText(conn) => {
                self.close(now, conn, &posts::bad("a frame is not text"), effects);
            }
            Event::Malformed(conn, what) => self.close(now, conn, &posts::bad(what), effects),
            Event::Unwritten(conn) => {
                let refusal = Refusal::new(Close::HubError, "a frame could not be written");
                self.close(now, conn, &refusal, effects);
            }
            Event::TooLarge(conn) => {
                let refusal = posts::too_large(self.limits.frame_bytes_max);
                self.close(now, conn, &refusal, effects);
            }
            Event::Stalled(conn) => self.close(now, conn, &stalled(), effects),
            Event::Closed(conn) => self.forget(now, conn),
            Event::Tick => self.tick(now, effects),
            Event::Drain => self.drain(now, effects),
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
        if let Mode::Stream { untaken_since } = &mut peer.mode {
            // Whoever asks for a frame has room again, so the one before it is on its way.
            *untaken_since = frame.is_some().then_some(now.time);
            self.set_peer_timer(conn);
        }
        self.leave_refused(now, conn);
        frame
    }

    /// The answer of a poll, once it is due. Whoever takes it says `Closed` then.
    pub fn take_answer(&mut self, now: Now, conn: ConnId) -> Option<String> {
        let peer = self.peers.get_mut(&conn)?;
        if !peer.is_due() {
            return None;
        }
        peer.sent(now.time);
        let bytes_max = self.limits.answer_bytes_aim;
        let answer = stream::take_answer(conn, peer, &mut self.topics, bytes_max);
        self.leave_refused(now, conn);
        Some(answer)
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
        let offer = Offer {
            kind: Kind::Message,
            key,
            payload,
            expected: &Expected::Anything,
        };
        self.offer(now, topic, &offer, effects)
    }

    /// A back end's publication: a message, or a change of a document.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn offer(
        &mut self,
        now: Now,
        topic: &str,
        offer: &Offer<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, PublishFault> {
        self.make_room(offer.payload.len());
        let room = self.room();
        let limits = self.limits;
        self.with_topic(now, topic, effects, |topic| {
            topic.publish_keyed(now, offer, room, &limits)
        })
        .unwrap_or(Err(PublishFault::Busy))
    }

    /// A document for a back end, if one has been written.
    pub fn document(&mut self, now: Now, topic: &str) -> Option<State> {
        let id = self.topics.find(topic)?;
        self.topics.by_id(id)?.state(now.time)
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
        let read = |topic: &mut Topic| topic.read(now.time, first, count, &limits);
        let id = self.topics.find(topic);
        match id.and_then(|id| self.topics.with(id, read)) {
            Some((outcome, _)) => outcome,
            // Reading makes no topic. One that nobody has written is an empty log.
            None => Topic::new(now.time, topic, self.topics.next_epoch(topic))
                .read(now.time, first, count, &limits),
        }
    }

    fn opened(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        if let Err(refusal) = self.admit(now, None) {
            effects.push(close_effect(conn, &refusal));
            return;
        }
        self.peers
            .insert(conn, Peer::new(now.time, Mode::Socket, &self.limits));
        self.set_peer_timer(conn);
    }

    /// Does something to a topic, made if need be, and wakes those who wait for what it appended. `None` if there are too
    /// many topics.
    pub(super) fn with_topic<T>(
        &mut self,
        now: Now,
        name: &str,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<T> {
        let id = match self.topics.find(name) {
            Some(id) => id,
            None => self.topics.add(now.time, name, &self.limits)?,
        };
        let (outcome, waiting) = self.topics.with(id, act)?;
        for (conn, no) in waiting {
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.ready(no);
                wake(conn, peer, effects);
            }
        }
        self.look_after_topic(now, id);
        Some(outcome)
    }

    /// A topic that is about to get a subscriber, or why there is none.
    pub(super) fn topic_to_follow(
        &mut self,
        now: Now,
        name: &str,
    ) -> Result<TopicId, &'static str> {
        if let Some(id) = self.topics.find(name) {
            return Ok(id);
        }
        if !self.room().for_topics {
            return Err(MEMORY_IS_FULL);
        }
        let id = self.topics.add_unwritten(now.time, name, &self.limits);
        id.ok_or(TOO_MANY_TOPICS)
    }

    /// A subscription has ended.
    pub(super) fn leave(&mut self, now: Now, conn: ConnId, no: TopicNo, gone: &Subscription) {
        self.subscriptions_bytes = self.subscriptions_bytes.saturating_sub(gone.bytes());
        let id = gone.topic;
        if let Some(topic) = self.topics.by_id(id) {
            topic.unsubscribe(now.time, conn, no);
            self.look_after_topic(now, id);
        }
    }

    /// Those that the last frame has refused have ended.
    fn leave_refused(&mut self, now: Now, conn: ConnId) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        for (no, subscription) in std::mem::take(&mut peer.refused) {
            self.leave(now, conn, no, &subscription);
        }
    }

    /// What more may be kept.
    pub(super) fn room(&self) -> Room {
        let (owners, subscriptions) = (self.owners.bytes(), self.subscriptions_bytes);
        Room::beside(&self.topics.taken(owners, subscriptions), &self.limits)
    }

    /// A payload is about to come, and what comes with it. Where the memory is full, old messages go.
    pub(super) fn make_room(&mut self, payload_bytes: usize) {
        let bytes = payload_bytes.min(self.limits.payload_bytes_max) + HEAD_BYTES_MAX;
        while self.memory_bytes() + bytes > self.limits.memory_bytes_max {
            if !self.topics.drop_oldest() {
                break;
            }
        }
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
                Timer::Tickets => {
                    self.tickets.expire(now.time);
                    self.set_timer(self.tickets.deadline(), Timer::Tickets);
                }
                Timer::Sessions => {
                    self.sessions.expire(now.time);
                    self.set_timer(self.sessions.deadline(), Timer::Sessions);
                    self.left(now);
                }
                Timer::Owners => {
                    self.owners.expire(now.time, &self.limits);
                    self.set_timer(self.owners.deadline(), Timer::Owners);
                }
                Timer::Drain => self.tick_drain(now, effects),
            }
        }
    }

    fn tick_peer(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let spread_ms = self.spread_ms(now);
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        match peer.tick(now, &self.limits) {
            Ok(has_news) => {
                if has_news {
                    peer.tell_spread(spread_ms, &self.limits);
                    wake(conn, peer, effects);
                }
                self.set_peer_timer(conn);
            }
            Err(refusal) => self.close(now, conn, &refusal, effects),
        }
    }

    fn tick_topic(&mut self, now: Now, id: TopicId) {
        let limits = self.limits;
        self.topics.with(id, |topic| {
            topic.timer = None;
            topic.tick(now.time, &limits);
        });
        self.look_after_topic(now, id);
    }

    pub(super) fn close(
        &mut self,
        now: Now,
        conn: ConnId,
        refusal: &Refusal,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            if let Some(session) = peer.session.take() {
                self.sessions.forget(&session);
            }
            self.forget(now, conn);
            effects.push(close_effect(conn, refusal));
        }
    }

    fn forget(&mut self, now: Now, conn: ConnId) {
        let Some(mut peer) = self.peers.remove(&conn) else {
            return;
        };
        self.timers.remove(&(peer.timer, Timer::Peer(conn)));
        for (no, subscription) in peer.subscriptions().into_iter().flatten() {
            self.leave(now, conn, *no, subscription);
        }
        if let Some(session) = &peer.session {
            self.sessions.leave(now.time, session, peer.told_ms);
            self.set_timer(self.sessions.deadline(), Timer::Sessions);
        }
        self.left(now);
    }

    pub(super) fn set_peer_timer(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            self.timers.remove(&(peer.timer, Timer::Peer(conn)));
            peer.timer = peer.deadline(&self.limits);
            self.timers.insert((peer.timer, Timer::Peer(conn)));
        }
    }

    /// One more time at which something is due. A time that has become useless does no harm.
    pub(super) fn set_timer(&mut self, deadline: Option<Time>, timer: Timer) {
        self.timers.extend(deadline.map(|time| (time, timer)));
    }

    /// Something has happened to a topic: it may be over, or something may be due sooner. Its timer is never moved back,
    /// so that a busy topic costs no more than one tick for nothing.
    fn look_after_topic(&mut self, now: Now, id: TopicId) {
        let Some(topic) = self.topics.by_id(id) else {
            return;
        };
        let (timer, is_over) = (topic.timer, topic.is_over(now.time, &self.limits));
        let due = topic.deadline(now.time, &self.limits).filter(|_| !is_over);
        let is_sooner = due.is_some_and(|due| timer.is_none_or(|timer| due < timer));
        if !is_over && !is_sooner {
            return;
        }
        topic.timer = due;
        self.timers.extend(due.map(|due| (due, Timer::Topic(id))));
        if let Some(timer) = timer {
            self.timers.remove(&(timer, Timer::Topic(id)));
        }
        if is_over {
            self.topics.remove(id);
        }
    }
}

pub(super) fn stalled() -> Refusal {
    Refusal::new(Close::SlowConsumer, "a frame was not taken in time")
}

fn close_effect(conn: ConnId, refusal: &Refusal) -> Effect {
    Effect::Close {
        conn,
        close: refusal.close,
        reason: refusal.reason(),
    }
}

/// A count or a size as the wire has it.
pub(super) fn wire(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn wake(conn: ConnId, peer: &mut Peer, effects: &mut Vec<Effect>) {
    if !peer.is_awake && peer.is_due() {
        peer.is_awake = true;
        effects.push(Effect::Wake(conn));
    }
}
