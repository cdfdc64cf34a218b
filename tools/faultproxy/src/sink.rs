//! One direction of a connection. Bytes wait in a queue until they are due. Then they leave as
//! slowly, and in as small pieces, as the faults say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::faults::Shape;
use crate::flow::{Direction, Ending, Reset};
use crate::state::{Start, State};

/// The most bytes in the queue of one direction. Beyond it the sender waits. Chosen: a socket's
/// buffer.
pub const QUEUE_BYTES_MAX: usize = 262_144;

/// The most bytes of one chunk of the queue. Chosen: the most bytes of a read.
const CHUNK_BYTES_MAX: usize = 16_384;

/// A direction with a limited rate writes the bytes of this time at once, ms. Chosen: smooth, with
/// few timers.
const PACE_MS: u32 = 20;

enum Chunk {
    Bytes(Instant, Bytes, OwnedSemaphorePermit),
    End(Instant, Ending),
}

/// The relay's end of a direction: it puts bytes into the queue.
pub(crate) struct Sink {
    direction: Direction,
    state: watch::Receiver<State>,
    rng: fastrand::Rng,
    capacity: Arc<Semaphore>,
    queue: Option<mpsc::UnboundedSender<Chunk>>,
}

/// The other end of a direction: it takes bytes out of the queue and writes them.
pub(crate) struct Pump {
    direction: Direction,
    start: Start,
    state: watch::Receiver<State>,
    queue: mpsc::UnboundedReceiver<Chunk>,
    sent: Arc<AtomicU64>,
}

/// The two ends of one direction of a connection. `sent` counts the written bytes.
pub(crate) fn sink(
    direction: Direction,
    start: Start,
    state: &watch::Receiver<State>,
    sent: Arc<AtomicU64>,
) -> (Sink, Pump) {
    let (sender, queue) = mpsc::unbounded_channel();
    let seed = state.borrow().faults().seed;
    // Each direction of each connection has its own random numbers.
    let own = start
        .number
        .wrapping_mul(2)
        .wrapping_add(u64::from(direction == Direction::Up));
    let sink = Sink {
        direction,
        state: state.clone(),
        rng: fastrand::Rng::with_seed(seed ^ own.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        capacity: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
        queue: Some(sender),
    };
    let pump = Pump {
        direction,
        start,
        state: state.clone(),
        queue,
        sent,
    };
    (sink, pump)
}

impl Sink {
    /// Queues bytes. Waits for capacity first.
    pub(crate) async fn send(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX));
            let permits = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&self.capacity).acquire_many_owned(permits).await else {
                return;
            };
            let due = self.due();
            if let Some(queue) = &self.queue {
                // If the pump is gone, it has ended the connection.
                let _ = queue.send(Chunk::Bytes(due, chunk, permit));
            }
        }
    }

    /// Ends the direction. Only the first call counts.
    pub(crate) fn end(&mut self, ending: Ending) {
        let due = self.due();
        if let Some(queue) = self.queue.take() {
            let _ = queue.send(Chunk::End(due, ending));
        }
    }

    /// When new bytes are due. The queue keeps the order, so they may have to wait longer.
    fn due(&mut self) -> Instant {
        let shape = self.state.borrow().shape(self.direction);
        let jitter = self.rng.u64(0..=shape.jitter_ms);
        Instant::now() + Duration::from_millis(shape.latency_ms + jitter)
    }
}

impl Pump {
    /// Writes the queue, until the direction ends.
    pub(crate) async fn run(mut self, mut out: impl AsyncWrite + Unpin) -> Result<(), Reset> {
        let mut gone = 0;
        let mut free_at = Instant::now();
        while let Some(chunk) = self.queue.recv().await {
            match chunk {
                Chunk::Bytes(due, bytes, _permit) => {
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
            // The direction may have been stopped during the sleep.
            self.flowing().await?;
            let written = u64::try_from(part.len()).unwrap_or(u64::MAX);
            // The count comes first, so that a receiver finds its bytes counted.
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

    /// Waits until the direction is not stopped. Returns its shape.
    async fn flowing(&mut self) -> Result<Shape, Reset> {
        let (direction, start) = (self.direction, self.start);
        let state = self
            .state
            .wait_for(|state| !state.is_stopped(direction, start))
            .await
            .map_err(|_| Reset)?;
        Ok(state.shape(direction))
    }
}

/// How many of `bytes` leave at once.
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
