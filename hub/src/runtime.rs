//! The hub's runtime: the core behind a lock, with clocks and wake-ups around it.
//!
//! Owns the lock, the clocks, and the signals to the tasks of connections. Nothing blocks or awaits
//! while it holds the lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::api::Access;
use crate::core::{Close, ConnId, Effect, Event, Hub, Limits, Now, Refusal, Time};

/// What the core signals to the task of a connection.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Frames are ready, or `close` is set.
    pub(crate) wake: Notify,
    /// How the connection ends. Set once.
    pub(crate) close: OnceLock<(Close, String)>,
    /// `close` is set. For a watchdog of the connection's end.
    pub(crate) ended: Notify,
}

/// A connection of the hub. The drop ends it.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    runtime: Arc<Runtime>,
    id: ConnId,
    signals: Arc<Signals>,
}

impl ConnectionHandle {
    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// The next frame. After `None`, the signal `wake` says when to ask again.
    pub(crate) fn take_frame(&self) -> Option<String> {
        let bytes_max = self.runtime.limits.frame_bytes_aim;
        self.runtime
            .with(|hub, now, _| hub.take_frame(now, self.id, bytes_max))
    }

    /// The answer of a poll. After `None`, the signal `wake` says when to ask again.
    pub(crate) fn take_answer(&self) -> Option<String> {
        self.runtime
            .with(|hub, now, _| hub.take_answer(now, self.id))
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.runtime.handle(Event::Closed(self.id));
        self.runtime.lock().signals.remove(&self.id);
        self.runtime.closed.notify_one();
        tracing::debug!(conn = self.id.0, "closed");
    }
}

#[derive(Debug)]
struct Inner {
    hub: Hub,
    signals: HashMap<ConnId, Arc<Signals>>,
    last_conn: u64,
    effects: Vec<Effect>,
    /// The time until which the ticker sleeps.
    sleeps_until: Option<Time>,
}

/// The hub of all tasks.
#[derive(Debug)]
pub(crate) struct Runtime {
    inner: Mutex<Inner>,
    started: Instant,
    ticker: Notify,
    drained: Notify,
    /// The task of a connection has ended.
    closed: Notify,
    limits: Limits,
    large_posts: Semaphore,
}

impl Runtime {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        // The standard library seeds its hash maps with the system's randomness. That is enough for
        // epochs.
        let seed = RandomState::new().hash_one(SystemTime::now());
        Arc::new(Self {
            inner: Mutex::new(Inner {
                hub: Hub::new(limits, seed),
                signals: HashMap::new(),
                last_conn: 0,
                effects: Vec::new(),
                sleeps_until: None,
            }),
            started: Instant::now(),
            ticker: Notify::new(),
            drained: Notify::new(),
            closed: Notify::new(),
            limits,
            large_posts: Semaphore::new(limits.large_posts_bytes_max),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A permit for a large post, if there is capacity. The drop releases it.
    pub(crate) fn try_acquire_post(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let bytes = u32::try_from(bytes).ok()?;
        self.large_posts.try_acquire_many(bytes).ok()
    }

    /// Both clocks, now.
    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            time: Time(whole_ms(self.started.elapsed())),
            wall_ms: whole_ms(wall),
        }
    }

    /// Opens a connection, unless the hub refuses it.
    pub(crate) fn connect(
        self: &Arc<Self>,
        open: impl FnOnce(&mut Hub, Now, ConnId, &mut Vec<Effect>) -> Result<(), Refusal>,
    ) -> Result<ConnectionHandle, Refusal> {
        let signals = Arc::new(Signals::default());
        let now = self.now();
        let mut inner = self.lock();
        inner.last_conn += 1;
        let id = ConnId(inner.last_conn);
        inner.signals.insert(id, Arc::clone(&signals));
        let opened = self.act(&mut inner, |hub, effects| open(hub, now, id, effects));
        if opened.is_err() {
            inner.signals.remove(&id);
        }
        drop(inner);
        opened.map(|()| {
            tracing::debug!(conn = id.0, "opened");
            ConnectionHandle {
                runtime: Arc::clone(self),
                id,
                signals,
            }
        })
    }

    pub(crate) fn handle(&self, event: Event<'_>) {
        self.with(|hub, now, effects| hub.handle(now, event, effects));
    }

    /// Calls `act` with the hub, and executes the effects.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T {
        let now = self.now();
        self.act(&mut self.lock(), |hub, effects| act(hub, now, effects))
    }

    /// Drains: closes the connections one after another, and returns after the last one.
    pub(crate) async fn drain(&self) {
        self.handle(Event::Drain);
        self.drained.notified().await;
    }

    /// The number of connections whose tasks still run, including closing ones.
    pub(crate) fn open_connections(&self) -> usize {
        self.lock().signals.len()
    }

    /// Returns when no task of a connection runs, not even of a closing one.
    pub(crate) async fn all_closed(&self) {
        while self.open_connections() > 0 {
            self.closed.notified().await;
        }
    }

    /// Sends the core a tick at each of its deadlines. Never returns.
    pub(crate) async fn run_ticker(self: Arc<Self>) {
        loop {
            let deadline = {
                let mut inner = self.lock();
                inner.sleeps_until = inner.hub.deadline();
                inner.sleeps_until
            };
            match deadline {
                None => self.ticker.notified().await,
                Some(Time(ms)) => {
                    let due = self.started + Duration::from_millis(ms);
                    tokio::select! {
                        () = self.ticker.notified() => {}
                        () = tokio::time::sleep_until(due) => self.handle(Event::Tick),
                    }
                }
            }
        }
    }

    fn act<T>(&self, inner: &mut Inner, act: impl FnOnce(&mut Hub, &mut Vec<Effect>) -> T) -> T {
        let outcome = act(&mut inner.hub, &mut inner.effects);
        for effect in inner.effects.drain(..) {
            match effect {
                Effect::Wake(conn) => {
                    if let Some(signals) = inner.signals.get(&conn) {
                        signals.wake.notify_one();
                    }
                }
                Effect::Close {
                    conn,
                    close,
                    reason,
                } => {
                    tracing::info!(conn = conn.0, %reason, "the hub closes a connection");
                    if let Some(signals) = inner.signals.get(&conn) {
                        let _ = signals.close.set((close, reason));
                        signals.wake.notify_one();
                        signals.ended.notify_one();
                    }
                }
                Effect::Drained => self.drained.notify_one(),
            }
        }
        let is_sooner = match (inner.hub.deadline(), inner.sleeps_until) {
            (Some(deadline), Some(until)) => deadline < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_sooner {
            inner.sleeps_until = inner.hub.deadline();
            self.ticker.notify_one();
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is a bug of the hub. It fails one request; the others continue.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access for Runtime {
    fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T {
        self.with(act)
    }

    fn limits(&self) -> &Limits {
        self.limits()
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_connections_ends_with_the_last_one() {
        let runtime = Runtime::new(Limits::default());
        let open = || runtime.connect(|_, _, _, _| Ok(())).unwrap();
        let (first, last) = (open(), open());
        let waiting = Arc::clone(&runtime);
        let waiting = tokio::spawn(async move { waiting.all_closed().await });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(last);
        let minute = Duration::from_secs(60);
        tokio::time::timeout(minute, waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
