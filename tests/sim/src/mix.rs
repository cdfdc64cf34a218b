//! Draws each seed's own mix of faults, sizes and limits: swarm testing.
//!
//! Source of the idea: Groce et al., "Swarm Testing", 2012. Leaving most faults out lets the others
//! go deep.

use longhaul_hub::core::Limits;

/// The odds of each fault, and the sizes.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Pages with a client each.
    pub pages: usize,
    /// Browsers with durable outboxes.
    pub browsers: usize,
    /// Topics.
    pub topics: usize,
    /// Documents.
    pub documents: usize,
    /// How long faults strike, ms.
    pub stormy_ms: u64,
    /// The latency of the network in one direction, ms.
    pub latency_ms: u64,
    /// The random part of the latency, ms.
    pub jitter_ms: u64,
    /// The mean time between two actions of a page, ms.
    pub action_ms: u64,
    /// The mean time between two faults, ms.
    pub fault_ms: u64,
    /// The share of passive subscriptions, per mille.
    pub passive: u32,
    /// How often a page gets no slot, per mille.
    pub crowded: u32,
    /// The hub's limits.
    pub limits: Limits,
    /// The odds of faults of an opening, per mille.
    pub opening: Opening,
    /// The odds of faults of a frame, per mille.
    pub frame: Frame,
    /// The odds of faults of a tab message, per mille.
    pub tab_message: TabMessage,
    /// The weights of the faults.
    pub faults: Vec<(Fault, u32)>,
}

/// The faults of an opening, per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// Nobody listens.
    pub refused: u32,
    /// No answer arrives.
    pub black_holed: u32,
    /// A socket opens without our subprotocol.
    pub stripped: u32,
    /// A proxy answers 502.
    pub bad_gateway: u32,
    /// An answer has 503 and Retry-After.
    pub busy: u32,
    /// A captive portal answers 200 with HTML.
    pub portal: u32,
    /// A proxy buffers the stream.
    pub buffered: u32,
    /// The answer arrives a second or more late.
    pub slow: u32,
}

/// The faults of a frame, per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// The frame is cut off and the connection ends.
    pub truncated: u32,
    /// An invalid record replaces one of its records.
    pub corrupted: u32,
    /// The frame arrives twice.
    pub duplicated: u32,
    /// Another frame overtakes it.
    pub reordered: u32,
}

/// The faults of a tab message, per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct TabMessage {
    /// Nobody receives it.
    pub lost: u32,
    /// It arrives late.
    pub late: u32,
    /// It arrives twice.
    pub twice: u32,
}

/// The faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A connection is reset.
    Reset,
    /// All connections of a page are reset.
    ResetPage,
    /// A page's connections carry nothing any more.
    HalfOpen,
    /// A page's connections carry nothing to the hub any more.
    OneWayUp,
    /// A page's connections carry nothing to the page any more.
    OneWayDown,
    /// A page's network is slow for a while.
    Slow,
    /// The machine sleeps.
    Sleep,
    /// The wall clock is set back.
    ClockBack,
    /// A page's timers run once a second, or once a minute.
    Throttle,
    /// A page freezes.
    Freeze,
    /// A page goes into the back-forward cache and comes back.
    Suspend,
    /// A page ends without a close, and another one opens.
    Kill,
    /// The hub's process dies and restarts without memory.
    Crash,
    /// The hub stops and starts.
    Restart,
    /// The browser reports offline, then online.
    Offline,
    /// The browser removes its storage.
    Evict,
    /// A browser's disk is full for a while.
    FullStorage,
    /// A browser's storage can't be reached for a while.
    LostStorage,
    /// A browser's storage is slow for a while.
    SlowStorage,
    /// A page that waits for the lock steals it.
    Steal,
    /// A page that does not send holds the lock for a while, once it is free.
    Jam,
    /// A service worker starts.
    Worker,
    /// A page wipes the outbox.
    Wipe,
    /// A machine's clock jumps by hours.
    ClockJump,
    /// A page's instance of the wasm crashes, and another one continues.
    Panic,
    /// The handles of a browser's database die.
    LostHandle,
    /// The next transactions are aborted.
    Abort,
}

const FAULTS: [Fault; 27] = [
    Fault::Reset,
    Fault::ResetPage,
    Fault::HalfOpen,
    Fault::OneWayUp,
    Fault::OneWayDown,
    Fault::Slow,
    Fault::Sleep,
    Fault::ClockBack,
    Fault::Throttle,
    Fault::Freeze,
    Fault::Suspend,
    Fault::Kill,
    Fault::Crash,
    Fault::Restart,
    Fault::Offline,
    Fault::Evict,
    Fault::FullStorage,
    Fault::LostStorage,
    Fault::SlowStorage,
    Fault::Steal,
    Fault::Jam,
    Fault::Worker,
    Fault::Wipe,
    Fault::ClockJump,
    Fault::Panic,
    Fault::LostHandle,
    Fault::Abort,
];

impl Mix {
    /// Draws the mix of a seed.
    #[must_use]
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        let often = |rng: &mut fastrand::Rng, most: u32| {
            if rng.u8(0..3) == 0 {
                rng.u32(1..=most)
            } else {
                0
            }
        };
        let limits = Limits {
            retain_entries: pick(rng, &[300, 1_000]),
            retain_ms: pick(rng, &[2_000, 20_000, 300_000]),
            // Small limits fill frames and windows soon.
            frame_bytes_aim: pick(rng, &[500, 4_000, 16_384]),
            for_readers_bytes: pick(rng, &[0, 2_000, 16 << 20]),
            for_readers_ms: pick(rng, &[0, 1_000, 30_000]),
            hold_ms: pick(rng, &[1_000, 25_000]),
            admit_per_s: pick(rng, &[1, 20, 2_000]),
            ..Limits::default()
        };
        let faults = FAULTS.into_iter().filter_map(|fault| {
            let weight = often(rng, 10);
            (weight > 0).then_some((fault, weight))
        });
        Self {
            faults: faults.collect(),
            pages: rng.usize(1..=4),
            browsers: pick(rng, &[0, 1, 1, 2]),
            topics: rng.usize(1..=4),
            documents: rng.usize(0..=2),
            stormy_ms: rng.u64(5_000..=60_000),
            latency_ms: pick(rng, &[1, 20, 150]),
            jitter_ms: pick(rng, &[0, 10, 300]),
            action_ms: pick(rng, &[200, 1_000, 3_000]),
            fault_ms: pick(rng, &[500, 3_000, 15_000]),
            passive: pick(rng, &[0, 0, 300, 1_000]),
            crowded: often(rng, 1_000),
            limits,
            opening: Opening {
                refused: often(rng, 300),
                black_holed: often(rng, 300),
                stripped: often(rng, 500),
                bad_gateway: often(rng, 300),
                busy: often(rng, 300),
                portal: often(rng, 300),
                buffered: often(rng, 900),
                slow: often(rng, 300),
            },
            tab_message: TabMessage {
                lost: often(rng, 300),
                late: often(rng, 500),
                twice: often(rng, 300),
            },
            frame: Frame {
                truncated: often(rng, 20),
                corrupted: often(rng, 20),
                duplicated: often(rng, 100),
                reordered: often(rng, 100),
            },
        }
    }

    /// Draws the next fault by weight.
    pub fn fault(&self, rng: &mut fastrand::Rng) -> Option<Fault> {
        let all: u32 = self.faults.iter().map(|(_, weight)| weight).sum();
        let mut at = rng.u32(0..all.max(1));
        for (fault, weight) in &self.faults {
            if at < *weight {
                return Some(*fault);
            }
            at -= weight;
        }
        None
    }
}

fn pick<T: Copy + Default>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of.get(rng.usize(..of.len())).copied().unwrap_or_default()
}
