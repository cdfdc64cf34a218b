//! The hub's state, and its only entry: events go in, effects come out.
//!
//! Owns the tables. Routes events and contains no rule.

use std::collections::BTreeMap;

use super::timers::Timers;
use crate::core::admission::bucket::Admission;
use crate::core::admission::peak_connections::PeakConnections;
use crate::core::admission::phase::Phase;
use crate::core::admission::sessions::Sessions;
use crate::core::admission::tickets::Tickets;
use crate::core::close::Close;
use crate::core::connections::connection::{Connection, Mode};
use crate::core::connections::frames;
use crate::core::event::{Effect, Event};
use crate::core::ids::ConnId;
use crate::core::limits::{HEAD_BYTES_MAX, Limits};
use crate::core::refusal::Refusal;
use crate::core::time::{Now, Time};
use crate::core::topics::capacity::Capacity;
use crate::core::topics::owners::Owners;
use crate::core::topics::registry::Topics;

/// The hub.
#[derive(Debug)]
pub struct Hub {
    pub(super) limits: Limits,
    pub(super) rng: fastrand::Rng,
    pub(super) topics: Topics,
    pub(super) owners: Owners,
    pub(super) connections: BTreeMap<ConnId, Connection>,
    pub(super) tickets: Tickets,
    pub(super) sessions: Sessions,
    pub(super) admission: Admission,
    pub(super) peak_connections: PeakConnections,
    pub(super) phase: Phase,
    /// The memory of all subscriptions.
    pub(super) subscriptions_bytes: usize,
    pub(super) timers: Timers,
}

impl Hub {
    /// An empty hub. The seed determines all epochs and sessions.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let clients = u64::try_from(limits.connections_max).unwrap_or(u64::MAX);
        Self {
            limits,
            topics: Topics::new(rng.u64(..)),
            owners: Owners::default(),
            connections: BTreeMap::new(),
            tickets: Tickets::default(),
            sessions: Sessions::default(),
            admission: Admission::new(Time::default(), limits.admit_per_s, clients),
            peak_connections: PeakConnections::new(limits.expect_connections),
            phase: Phase::Serving,
            subscriptions_bytes: 0,
            rng,
            timers: Timers::default(),
        }
    }

    /// The limits of the hub.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The present number of connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The memory of topics, producers and subscriptions, as the limits count it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.topics.bytes() + self.owners.bytes() + self.subscriptions_bytes
    }

    /// The present number of topics.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// The time of the next `Tick`, if there is one.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.deadline()
    }

    /// How long the oldest due timer has waited for its tick, ms. If the driver has died, this
    /// grows.
    #[must_use]
    pub fn late_ms(&self, now: Time) -> u64 {
        self.deadline().map_or(0, |due| now.since(due))
    }

    /// Handles an event. Appends what the driver shall do.
    pub fn handle(&mut self, now: Now, event: Event<'_>, effects: &mut Vec<Effect>) {
        match event {
            Event::Opened(conn) => self.opened(now, conn, effects),
            Event::Frame(conn, text) => self.frame(now, conn, text, effects),
            Event::NotText(conn) => {
                self.close(
                    now,
                    conn,
                    &Refusal::bad_frame("a frame is not text"),
                    effects,
                );
            }
            Event::Malformed(conn, what) => {
                self.close(now, conn, &Refusal::bad_frame(what), effects);
            }
            Event::Unwritten(conn) => {
                let refusal = Refusal::new(Close::HubError, "the hub could not write a frame");
                self.close(now, conn, &refusal, effects);
            }
            Event::TooLarge(conn) => {
                let refusal = Refusal::frame_too_large(self.limits.frame_bytes_max);
                self.close(now, conn, &refusal, effects);
            }
            Event::Stalled(conn) => self.close(now, conn, &Refusal::stalled(), effects),
            Event::Closed(conn) => self.forget(now, conn),
            Event::Tick => self.tick(now, effects),
            Event::Drain => self.drain(now, effects),
            Event::Stop => self.stop(now, effects),
        }
    }

    /// The next frame for a connection. After `None`, a `Wake` says when to ask again.
    pub fn take_frame(&mut self, now: Now, conn: ConnId, bytes_max: usize) -> Option<String> {
        let connection = self.connections.get_mut(&conn)?;
        let topics = &mut self.topics;
        let frame = frames::take_frame(conn, connection, topics, bytes_max, &self.limits);
        match &frame {
            Some(_) => connection.sent(now.time),
            None => connection.is_awake = false,
        }
        if let Mode::Stream { untaken_since } = &mut connection.mode {
            // A driver that asks for a frame has passed on the one before it.
            *untaken_since = frame.is_some().then_some(now.time);
            self.set_connection_timer(conn);
        }
        self.leave_refused(now, conn);
        frame
    }

    /// The answer of a poll, once it is ready. The driver then sends `Closed`.
    pub fn take_answer(&mut self, now: Now, conn: ConnId) -> Option<String> {
        let connection = self.connections.get_mut(&conn)?;
        if !connection.is_sendable() {
            return None;
        }
        connection.sent(now.time);
        let bytes_max = self.limits.answer_bytes_aim;
        let answer = frames::take_answer(conn, connection, &mut self.topics, bytes_max);
        self.leave_refused(now, conn);
        Some(answer)
    }

    /// What the hub has capacity for.
    pub(super) fn capacity(&self) -> Capacity {
        let (owners, subscriptions) = (self.owners.bytes(), self.subscriptions_bytes);
        Capacity::new(&self.topics.usage(owners, subscriptions), &self.limits)
    }

    /// Frees memory for a payload and its head: while the memory is full, old messages go.
    pub(super) fn free_memory(&mut self, payload_bytes: usize) {
        let bytes = payload_bytes.min(self.limits.payload_bytes_max) + HEAD_BYTES_MAX;
        while self.memory_bytes() + bytes > self.limits.memory_bytes_max {
            if !self.topics.drop_oldest() {
                break;
            }
        }
    }
}

/// Wakes the driver of a connection if there is something to send.
pub(super) fn wake(conn: ConnId, connection: &mut Connection, effects: &mut Vec<Effect>) {
    if !connection.is_awake && connection.is_sendable() {
        connection.is_awake = true;
        effects.push(Effect::Wake(conn));
    }
}

/// A count or a size as the wire has it.
pub(super) fn wire(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
