//! Decides when to make the next attempt (rules R1 to R4).
//!
//! Owns the count of failures, the reconnect window and the client's phase in it. A client draws
//! its phase once and keeps it while the hub is away. So the clients stay spread, and they arrive
//! at the rate that the hub asked for whenever it returns.

pub(crate) mod hint;
pub(crate) mod repeat;

use crate::backoff::hint::{Hint, clamp};
use crate::codes;
use crate::config::{BACKOFF_DECAY_MS, BACKOFF_FLOOR_MS, BackoffPolicy, Jitter};
use crate::time::Time;

/// A phase wanders by at most a period divided by this, either way. Otherwise a client could always
/// miss a hub that comes and goes with the same period. Chosen: the arrivals stay even, and the
/// last client arrives later by this much.
const WANDER: u64 = 20;

/// After the browser reports `online`, so many failures are the network's and not the hub's.
/// Chosen: a network works some seconds after its event.
const ONLINE_TRIES: u32 = 3;

/// Full jitter between a floor and a cap, and the client's phase.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
    /// The reconnect window that the hub asks for, ms; 0 if it asks for none.
    reconnect_window_ms: u64,
    /// The phase of the last attempt, if other clients come back with this one.
    phase: Option<Phase>,
    /// So many more failures count as the client's own.
    excused: u32,
    /// How often in a row the hub has named a retry time.
    sent_away: u32,
}

/// A client takes the hub's retry time for its turn in the admission queue this often in a row.
/// Chosen: a thundering herd sends no client away more often.
const SENT_AWAY_MAX: u32 = 3;

#[derive(Clone, Copy, Debug)]
struct Phase {
    at: Time,
    period_ms: u64,
}

impl Backoff {
    pub(crate) fn new(policy: BackoffPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            reconnect_window_ms: 0,
            phase: None,
            excused: 0,
            sent_away: 0,
        }
    }

    /// Notes that a connection has ended or a race has failed. Returns when to make the next
    /// attempt.
    ///
    /// The backoff window after the n-th failure is `w` = min(cap, base * factor^(n-1)). `s` is the
    /// reconnect window.
    /// - The hub named a retry time: then, plus its spread or `w` (rule R1).
    /// - The failure is the client's own: uniform in [floor, w] (full jitter, AWS 2015).
    /// - The first time: uniform in [floor, max(s, w)].
    /// - Later: a period p = max(s, w / 2) after the last attempt. That makes as many attempts as
    ///   full jitter, but keeps the phase (rule R4). While `w` makes p grow: uniform in
    ///   [p / 2, 3 p / 2], or in [floor, w] if the hub never named a reconnect window.
    ///
    /// Without jitter the reconnect window does not count. With half jitter it counts if it is
    /// wider than `w`.
    pub(crate) fn next(
        &mut self,
        now: Time,
        close_code: u16,
        reason: &str,
        rng: &mut fastrand::Rng,
    ) -> Time {
        self.failures = self.failures.saturating_add(1);
        let window_ms = self.window_ms();
        let hint = Hint::of(reason);
        self.reconnect_window_ms = self.reconnect_window_ms.max(hint.spread_ms.unwrap_or(0));
        let excused = self.excused;
        self.excused = excused.saturating_sub(1);
        let kept = self.phase.take();
        self.sent_away = match hint.retry_ms {
            Some(_) => self.sent_away.saturating_add(1),
            None => 0,
        };

        let period_ms = self
            .reconnect_window_ms
            .max(window_ms / 2)
            .max(BACKOFF_FLOOR_MS);
        let drawn_ms = hint
            .spread_ms
            .unwrap_or(self.reconnect_window_ms)
            .max(window_ms);
        let is_shared = match self.policy.jitter {
            Jitter::Full => true,
            Jitter::Half => drawn_ms > window_ms,
            Jitter::None => false,
        };
        if let Some(retry_ms) = hint.retry_ms {
            // A hub that always names 0 must not cause a loop.
            let start = now.plus(retry_ms.max(self.policy.base_ms.min(self.policy.cap_ms)));
            let at = match hint.spread_ms {
                // Nor must a hub that always names the same time.
                Some(spread_ms) if self.policy.jitter != Jitter::None => {
                    let is_queue = self.sent_away <= SENT_AWAY_MAX;
                    let own_ms = if is_queue { 0 } else { window_ms };
                    start.plus(rng.u64(0..=spread_ms.max(own_ms)))
                }
                _ => start.plus(self.jittered(window_ms, rng)),
            };
            self.phase = Some(Phase { at, period_ms });
            return at;
        }
        if !is_shared || (hint.spread_ms.is_none() && (excused > 0 || is_own(close_code))) {
            return now.plus(self.jittered(window_ms, rng).max(BACKOFF_FLOOR_MS));
        }
        let asked_ms = hint.spread_ms.unwrap_or(self.reconnect_window_ms);
        let phase = match kept.filter(|_| hint.spread_ms.is_none()) {
            Some(phase) if phase.period_ms >= period_ms => Phase {
                at: phase.next(now, period_ms, rng),
                period_ms,
            },
            Some(phase) if asked_ms > 0 && phase.period_ms >= asked_ms => Phase {
                at: now.plus(between(period_ms / 2, period_ms + period_ms / 2, rng)),
                period_ms,
            },
            _ => Phase {
                at: now.plus(between(BACKOFF_FLOOR_MS, drawn_ms, rng)),
                // A longer period than this needs another phase.
                period_ms: asked_ms.max(window_ms / 2).max(BACKOFF_FLOOR_MS),
            },
        };
        self.phase = Some(phase);
        phase.at
    }

    /// The jitter of the client's own backoff window, ms.
    fn jittered(&self, window_ms: u64, rng: &mut fastrand::Rng) -> u64 {
        match self.policy.jitter {
            Jitter::Full => between(BACKOFF_FLOOR_MS, window_ms, rng),
            Jitter::Half => window_ms - rng.u64(0..=window_ms / 2),
            Jitter::None => window_ms,
        }
    }

    fn window_ms(&self) -> u64 {
        let cap = self.policy.cap_ms;
        let mut window = self.policy.base_ms.min(cap);
        for _ in 1..self.failures {
            if window == 0 || window >= cap {
                break;
            }
            window = widen(window, self.policy.factor).min(cap);
        }
        window
    }

    /// A welcome has arrived, perhaps with a reconnect window.
    pub(crate) fn welcomed(&mut self, reconnect_window_ms: Option<u64>) {
        self.set_reconnect_window(reconnect_window_ms.unwrap_or(0));
        self.phase = None;
        self.excused = 0;
    }

    /// The hub has changed the reconnect window (rule R3).
    pub(crate) fn set_reconnect_window(&mut self, ms: u64) {
        self.reconnect_window_ms = clamp(ms);
    }

    /// The browser reports a network. The next failures may be the network's, which may need
    /// seconds.
    pub(crate) fn back_online(&mut self) {
        self.excused = ONLINE_TRIES;
    }

    /// A connection that was useful for `ms` has ended. Each [`BACKOFF_DECAY_MS`] halves the count
    /// of failures.
    pub(crate) fn was_useful_for(&mut self, ms: u64) {
        let halvings = u32::try_from(ms / BACKOFF_DECAY_MS).unwrap_or(u32::MAX);
        self.failures = self.failures.checked_shr(halvings).unwrap_or(0);
        self.sent_away = self.sent_away.checked_shr(halvings).unwrap_or(0);
    }

    /// The user wants an attempt now.
    pub(crate) fn forget(&mut self) {
        self.failures = 0;
        self.sent_away = 0;
        self.phase = None;
    }
}

impl Phase {
    /// The same phase in the first period that is still to come.
    fn next(self, now: Time, period_ms: u64, rng: &mut fastrand::Rng) -> Time {
        let soonest = now.plus(BACKOFF_FLOOR_MS);
        if self.at >= soonest {
            return self.at;
        }
        let periods = soonest.since(self.at).div_ceil(period_ms);
        let wander_ms = period_ms / WANDER;
        let ms = periods.saturating_mul(period_ms).saturating_sub(wander_ms)
            + rng.u64(0..=2 * wander_ms);
        self.at.plus(ms).max(soonest)
    }
}

/// Whether the reason concerns this client alone, so that no others come back with it.
fn is_own(close_code: u16) -> bool {
    matches!(
        close_code,
        codes::POLICY
            | codes::FRAME_TOO_LARGE
            | codes::HEARTBEAT_TIMEOUT
            | codes::REPLACED
            | codes::TOO_MANY_SUBSCRIPTIONS
            | codes::SLOW_CONSUMER
    )
}

/// Uniform; `from_ms` if the range is empty.
fn between(from_ms: u64, to_ms: u64, rng: &mut fastrand::Rng) -> u64 {
    if to_ms > from_ms {
        rng.u64(from_ms..=to_ms)
    } else {
        from_ms
    }
}

/// `window * factor`.
#[expect(
    clippy::as_conversions,
    reason = "both are small and not negative: a window is at most the cap, and float-to-integer `as` saturates"
)]
fn widen(window: u64, factor: f64) -> u64 {
    (window as f64 * factor) as u64
}

#[cfg(test)]
mod tests;
