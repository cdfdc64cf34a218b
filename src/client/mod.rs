//! The client: the entry to the core.
//!
//! Owns the random numbers and the counters, and lends them to the parts for one event.
//! `router` passes the event to its part.

mod hub;
mod life;
mod router;

use crate::client::router::Router;
use crate::config::Config;
use crate::connection::{Status, Tried};
use crate::context::Context;
use crate::ids::{ConnectionId, TopicNo};
use crate::interface::effect::Effect;
use crate::interface::event::{Event, Run};
use crate::metrics::Metrics;
use crate::time::Time;

/// A client of one hub.
#[derive(Debug)]
pub struct Client {
    rng: fastrand::Rng,
    metrics: Metrics,
    router: Router,
    /// The last `repeat_at` that the user has seen in the status.
    repeat_at_shown: Option<Time>,
    repeats_seen: u64,
}

impl Client {
    /// A client that does nothing until [`Event::Start`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        Self {
            router: Router::new(config, &mut rng),
            rng,
            metrics: Metrics::default(),
            repeat_at_shown: None,
            repeats_seen: 0,
        }
    }

    /// What the client does, for users.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.router.connection.status();
        if let Status::Connected { repeat_at, .. } = &mut status {
            *repeat_at = self.router.repeat_at();
        }
        status
    }

    /// The counters as of `now`.
    #[must_use]
    pub fn metrics(&self, now: Time) -> Metrics {
        self.metrics.at(now)
    }

    /// The last attempts, oldest first.
    pub fn tried(&self) -> impl Iterator<Item = &Tried> {
        self.router.connection.tried()
    }

    /// Whether this connection is the established one.
    #[must_use]
    pub fn is_established(&self, connection: ConnectionId) -> bool {
        self.router.connection.established() == Some(connection)
    }

    /// Whether short polls are the best transport now, because every subscription is passive.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.router.connection.is_idle()
    }

    /// The hello of a post of publications (rule T1).
    #[must_use]
    pub fn hello(&self) -> String {
        self.router.connection.hello_of_post()
    }

    /// The token that requests over HTTP have.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.router.connection.token()
    }

    /// Rows without a verdict, of all clients of the same storage.
    #[must_use]
    pub fn outbox_rows(&self) -> u64 {
        self.router.publisher.rows()
    }

    /// Whether no publication waits for a verdict or a row, as far as the client has read storage.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.router.publisher.is_idle()
    }

    /// Whether publications wait for something that only the user can do: retry or discard a dead
    /// letter, make room on the disk, or repair storage.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.router.publisher.is_stopped()
    }

    /// The producer of the outbox, empty until storage is open. A publication's id is this, a
    /// colon, and its row.
    #[must_use]
    pub fn producer(&self) -> &str {
        self.router.publisher.producer()
    }

    /// The producer of the memory outbox, for what storage could not take. Its rows have numbers
    /// from [`crate::MEMORY_ROWS`] on.
    #[must_use]
    pub fn memory_producer(&self) -> &str {
        self.router.publisher.memory_producer()
    }

    /// When the client wants [`Event::Deadline`]. Every event may change it.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        // A timer would keep the client's memory alive, or a process.
        if self.router.connection.is_closed_by_user() {
            return None;
        }
        self.router.deadline()
    }

    /// The only entry. `now` never goes back. The caller must execute the effects in their order.
    pub fn handle(&mut self, now: Time, event: Event<'_>, effects: &mut Vec<Effect>) {
        let mut context = Context {
            now,
            rng: &mut self.rng,
            metrics: &mut self.metrics,
            effects,
        };
        self.router.route(&mut context, event);
        // Computing `repeat_at` visits each subscription, and most clients never repeat a request.
        let repeats = std::mem::replace(&mut self.repeats_seen, self.metrics.repeats);
        if repeats != self.metrics.repeats || self.repeat_at_shown.is_some() {
            let connected = self.router.connection.established();
            let repeat_at = connected.and_then(|_| self.router.repeat_at());
            if std::mem::replace(&mut self.repeat_at_shown, repeat_at) != repeat_at {
                effects.push(Effect::StatusChanged);
            }
        }
    }

    /// Handles the common case of [`Event::Messages`] without time and effects: the run is next in
    /// its stream, and the caller delivers it as it is. If this returns false, the caller must pass
    /// the event to [`Self::handle`]. Sends no ping that is due, so the caller's timers must be in
    /// time.
    pub fn deliver_next(&mut self, connection: ConnectionId, no: TopicNo, run: &Run) -> bool {
        let (router, metrics) = (&mut self.router, &mut self.metrics);
        router.connection.heard_untimed(connection)
            && router
                .subscriptions
                .receive_next(metrics, connection, no, run)
    }
}
