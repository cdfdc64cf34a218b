//! One direction's way out: bytes queue here until they are due, and leave as slowly and in as small pieces as asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::faults::Shape;
use crate::proxy::{Born, State};

/// The most bytes on their way in one direction of a connection. Chosen: a socket's buffer; past it the sender waits.
pub const QUEUE_BYTES_MAX: usize = 262_144;

/// The most bytes of one piece of the queue. Chosen: what a read gives at most.
const CHUNK_BYTES_MAX: usize = 16_384;

/// A limited direction writes what it may write in so long at once, ms. Chosen: smooth, and few timers.
const PACE_MS: u32 = 20;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// How the bytes of a direction end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a FIN.
    Finished,
    /// With a RST.
    Reset,
}

/// The connection is to be reset both ways.
#[derive(Debug)]
pub(crate) struct Reset;

enum Chunk {
    Bytes(Instant, Bytes, OwnedSemaphorePermit),
    End(Instant, Ending),
}

/// Where a relay puts the bytes of one direction.
pub(crate) struct Sink {
    direction: Direction,
    state: watch::Receiver<State>,
    rng: fastrand::Rng,
    room: Arc<Semaphore>,
    queue: Option<mpsc::UnboundedSender<Chunk>>,
}

/// What takes them out of there.
pub(crate) struct Pump {
    direction: Direction,
    born: Born,
    state: watch::Receiver<State>,
    queue: mpsc::UnboundedReceiver<Chunk>,
    sent: Arc<AtomicU64>,
}

/// The two ends of one direction of the connection `born`. `sent` counts what was written.
pub(crate) fn sink(
    direction: Direction,
    born: Born,
    state: &watch::Receiver<State>,
    sent: Arc<AtomicU64>,
) -> (Sink, Pump) {
    let (sender, queue) = mpsc::unbounded_channel();
    let seed = state.borrow().faults().seed;
    // Every connection and direction draws its own numbers.
    let own = born
        .number
        .wrapping_mul(2)
        .wrapping_add(u64::from(direction == Direction::Up));
    let sink = Sink {
        direction,
        state: state.clone(),
        rng: fastrand::Rng::with_seed(seed ^ own.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
        queue: Some(sender),
    };
    let pump = Pump {
        direction,
        born,
        state: state.clone(),
        queue,
        sent,
    };
    (sink, pump)
}

impl Sink {
    /// Waits for room.
    pub(crate) async fn send(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX));
            let permits = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(permits).await else {
                return;
            };
            let due = self.due();
            if let Some(queue) = &self.queue {
                // A pump that is gone has ended the connection.
                let _ = queue.send(Chunk::Bytes(due, chunk, permit));
            }
        }
    }

    /// Nothing comes after it. The first call counts.
    pub(crate) fn end(&mut self, ending: Ending) {
        let due = self.due();
        if let Some(queue) = self.queue.take() {
            let _ = queue.send(Chunk::End(due, ending));
        }
    }

    /// When what came now is due. Should that be before what came earlier, it waits: the queue keeps the order.
    fn due(&mut self) -> Instant {
        let shape = self.state.borrow().shape(self.direction);
        let jitter = self.rng.u64(0..=shape.jitter_ms);
        Instant::now() + Duration::from_millis(shape.latency_ms + jitter)
    }
}

impl Pump {
    /// Writes what comes until it has ended.
    pub(crate) async fn run(mut self, mut out: impl AsyncWrite + Unpin) -> Result<(), Reset> {
        let mut gone = 0;
        let mut free_at = Instant::now();
        while let Some(chunk) = self.queue.recv().await {
            match chunk {
                Chunk::Bytes(due, bytes, _room) => {
                    tokio::time::sleep_until(due).await;
                    self.write(bytes, &mut out, &mut gone, &mut free_at).await?;
                }
                Chunk::End(due, ending) => {
                    tokio::time::sleep_until(due).await;
                    self.flowing().await?;
                    return match ending {
                        Ending::Finished => out.shutdown().await.map_err(|_| Reset),
                        Ending::Reset => Err(Reset),
                    };
                }
            }
        }
        Ok(())
    }

    async fn write(
        &mut self,
        mut bytes: Bytes,
        out: &mut (impl AsyncWrite + Unpin),
        gone: &mut u64,
        free_at: &mut Instant,
    ) -> Result<(), Reset> {
        while !bytes.is_empty() {
            let shape = self.flowing().await?;
            let left = shape
                .reset_after_bytes
                .map(|after| after.saturating_sub(*gone));
            if left == Some(0) {
                return Err(Reset);
            }
            let part = bytes.split_to(piece(shape, left, bytes.len()));
            tokio::time::sleep_until(*free_at).await;
            // It may have been stopped while it waited for its turn.
            self.flowing().await?;
            let written = u64::try_from(part.len()).unwrap_or(u64::MAX);
            // Counted first: who has heard it finds it counted.
            self.sent.fetch_add(written, Ordering::Relaxed);
            out.write_all(&part).await.map_err(|_| Reset)?;
            out.flush().await.map_err(|_| Reset)?;
            *gone += written;
            if let Some(rate) = shape.bytes_per_sec {
                let micros = written.saturating_mul(1_000_000) / u64::from(rate.get());
                *free_at = Instant::now().max(*free_at) + Duration::from_micros(micros);
            }
            if shape.reset_after_bytes.is_some_and(|after| *gone >= after) {
                return Err(Reset);
            }
            if shape.slice.is_some() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Waits until this direction does not stand still. Gives its shape then.
    async fn flowing(&mut self) -> Result<Shape, Reset> {
        let (direction, born) = (self.direction, self.born);
        let state = self
            .state
            .wait_for(|state| !state.is_stopped(direction, born))
            .await
            .map_err(|_| Reset)?;
        Ok(state.shape(direction))
    }
}

/// How many of so many bytes go at once.
fn piece(shape: Shape, left: Option<u64>, bytes: usize) -> usize {
    let narrow = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let slice = shape.slice.map(|slice| u64::from(slice.get()));
    let pace = shape
        .bytes_per_sec
        .map(|rate| u64::from((rate.get() / (1_000 / PACE_MS)).max(1)));
    [slice, pace, left]
        .into_iter()
        .flatten()
        .map(narrow)
        .fold(bytes, usize::min)
}
