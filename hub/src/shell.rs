//! The core behind a lock, with clocks and wake-ups around it.
//!
//! Owns the lock, the clocks and the links to the connections' tasks. Nothing blocks or awaits while the lock is held.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::api::Access;
use crate::core::{Close, ConnId, Effect, Event, Hub, Limits, Now, Refusal, Time};

/// What the core has to say to a connection's task.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Frames are ready, or the close is set.
    pub(crate) wake: Notify,
    /// Set once: how the connection ends.
    pub(crate) close: OnceLock<(Close, String)>,
    /// The close is set; for whoever watches that the connection does end.
    pub(crate) ended: Notify,
}

/// A connection's place in the hub, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    shell: Arc<Shell>,
    id: ConnId,
    link: Arc<Link>,
}

impl Connection {
    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The next frame for it. After `None`, the link's `wake` tells when to ask again.
    pub(crate) fn take_frame(&self) -> Option<String> {
        let bytes_max = self.shell.limits.frame_bytes_aim;
        self.shell
            .with(|hub, now, _| hub.take_frame(now, self.id, bytes_max))
    }

    /// A poll's answer. After `None`, the link's `wake` tells when to ask again.
    pub(crate) fn take_answer(&self) -> Option<String> {
        self.shell.with(|hub, now, _| hub.take_answer(now, self.id))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shell.handle(Event::Closed(self.id));
        self.shell.lock().links.remove(&self.id);
        tracing::debug!(conn = self.id.0, "closed");
    }
}

#[derive(Debug)]
struct Inner {
    hub: Hub,
    links: HashMap<ConnId, Arc<Link>>,
    last_conn: u64,
    effects: Vec<Effect>,
    /// What the ticker sleeps until.
    armed: Option<Time>,
}

/// The hub that all tasks share.
#[derive(Debug)]
pub(crate) struct Shell {
    inner: Mutex<Inner>,
    started: Instant,
    ticker: Notify,
    drained: Notify,
    limits: Limits,
    large_posts: Semaphore,
}

impl Shell {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        // The standard library seeds its hash maps from the system's randomness: enough for epochs.
        let seed = RandomState::new().hash_one(SystemTime::now());
        Arc::new(Self {
            inner: Mutex::new(Inner {
                hub: Hub::new(limits, seed),
                links: HashMap::new(),
                last_conn: 0,
                effects: Vec::new(),
                armed: None,
            }),
            started: Instant::now(),
            ticker: Notify::new(),
            drained: Notify::new(),
            limits,
            large_posts: Semaphore::new(limits.large_posts_bytes_max),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Room for a large post, until it is dropped.
    pub(crate) fn room_for_post(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
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

    /// A new connection, if the hub opens it.
    pub(crate) fn connect(
        self: &Arc<Self>,
        open: impl FnOnce(&mut Hub, Now, ConnId, &mut Vec<Effect>) -> Result<(), Refusal>,
    ) -> Result<Connection, Refusal> {
        let link = Arc::new(Link::default());
        let now = self.now();
        let mut inner = self.lock();
        inner.last_conn += 1;
        let id = ConnId(inner.last_conn);
        inner.links.insert(id, Arc::clone(&link));
        let opened = self.act(&mut inner, |hub, effects| open(hub, now, id, effects));
        if opened.is_err() {
            inner.links.remove(&id);
        }
        drop(inner);
        opened.map(|()| {
            tracing::debug!(conn = id.0, "opened");
            Connection {
                shell: Arc::clone(self),
                id,
                link,
            }
        })
    }

    pub(crate) fn handle(&self, event: Event<'_>) {
        self.with(|hub, now, effects| hub.handle(now, event, effects));
    }

    /// Does something with the hub, and what follows from it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T {
        let now = self.now();
        self.act(&mut self.lock(), |hub, effects| act(hub, now, effects))
    }

    /// Lets the clients go in turn, until all are.
    pub(crate) async fn drain(&self) {
        self.handle(Event::Drain);
        self.drained.notified().await;
    }

    /// Connections whose tasks still run, the closing ones included.
    pub(crate) fn links(&self) -> usize {
        self.lock().links.len()
    }

    /// Ticks for ever.
    pub(crate) async fn run_ticker(self: Arc<Self>) {
        loop {
            let deadline = {
                let mut inner = self.lock();
                inner.armed = inner.hub.deadline();
                inner.armed
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
                    if let Some(link) = inner.links.get(&conn) {
                        link.wake.notify_one();
                    }
                }
                Effect::Close {
                    conn,
                    close,
                    reason,
                } => {
                    tracing::info!(conn = conn.0, %reason, "closing");
                    if let Some(link) = inner.links.get(&conn) {
                        let _ = link.close.set((close, reason));
                        link.wake.notify_one();
                        link.ended.notify_one();
                    }
                }
                Effect::Drained => self.drained.notify_one(),
            }
        }
        let is_sooner = match (inner.hub.deadline(), inner.armed) {
            (Some(deadline), Some(armed)) => deadline < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_sooner {
            inner.armed = inner.hub.deadline();
            self.ticker.notify_one();
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is a bug of ours that one request pays for; the others go on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access for Shell {
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
