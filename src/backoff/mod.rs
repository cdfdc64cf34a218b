//! When to make the next attempt (rules R1 to R4).
//!
//! Owns the count of failures and how it falls again, what the hub has said of the herd, and the client's place in it.
//! A herd that has been spread once stays spread if everybody keeps the same time between attempts. So a client draws a
//! place once, as wide as the hub asked for, and keeps it for as long as the hub stays away: whenever it returns, the
//! herd arrives at the rate that it asked for.

use crate::codes;
use crate::config::{BACKOFF_DECAY_MS, BACKOFF_FLOOR_MS, BackoffPolicy, Jitter};
pub(crate) mod hint;
pub(crate) mod repeat;

use crate::backoff::hint::{Hint, clamp};
use crate::time::Time;

/// A place wanders by at most a period divided by this, either way, so that no client meets a hub that comes and goes in
/// step with it for ever. Chosen: a wandering herd stays flat, but the last one arrives later by so much.
const WANDER: u64 = 20;

/// After the browser says `online`, so many failures are not yet the hub's. Chosen: a network is up some seconds after its sign.
const ONLINE_TRIES: u32 = 3;

/// Full jitter over a floor with a cap, and the place in the herd.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
    /// The window that the hub asks for, ms; 0 where it said nothing.
    spread_ms: u64,
    /// Where the last attempt stood, if it was one of the herd's.
    place: Option<Place>,
    /// How many failures more are put down to our own side.
    excused: u32,
    /// How often in a row the hub has sent us away with a time.
    sent_away: u32,
}

/// So often in a row a client believes that the hub's time is its place in a queue. Chosen: a storm sends nobody away more often.
const SENT_AWAY_MAX: u32 = 3;

#[derive(Clone, Copy, Debug)]
struct Place {
    at: Time,
    period_ms: u64,
}

impl Backoff {
    pub(crate) fn new(policy: BackoffPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            spread_ms: 0,
            place: None,
            excused: 0,
            sent_away: 0,
        }
    }

    /// Notes that a connection ended or an attempt failed, with the peer's words, and says when to make the next one.
    ///
    /// With a window of `w` = min(cap, base * factor^(n-1)) after the n-th failure and the hub's spread `s`:
    /// - the hub named a time: then, and its spread after it, or `w` (rule R1);
    /// - our own side is to blame: uniform in [floor, w] (full jitter, AWS 2015);
    /// - else the first time: uniform in [floor, max(s, w)];
    /// - else a period p = max(s, w / 2) after the last one: as many attempts as full jitter, but in step (rule R4). While `w`
    ///   makes it grow: uniform in [p / 2, 3 p / 2], or in [floor, w] where the hub never said how wide its herd must be.
    ///
    /// Without jitter the hub's spread is not drawn from, with half jitter only where it is wider than `w`.
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
        self.spread_ms = self.spread_ms.max(hint.spread_ms.unwrap_or(0));
        let excused = self.excused;
        self.excused = excused.saturating_sub(1);
        let kept = self.place.take();
        self.sent_away = match hint.retry_ms {
            Some(_) => self.sent_away.saturating_add(1),
            None => 0,
        };

        let period_ms = self.spread_ms.max(window_ms / 2).max(BACKOFF_FLOOR_MS);
        let drawn_ms = hint.spread_ms.unwrap_or(self.spread_ms).max(window_ms);
        let is_herd = match self.policy.jitter {
            Jitter::Full => true,
            Jitter::Half => drawn_ms > window_ms,
            Jitter::None => false,
        };
        if let Some(retry_ms) = hint.retry_ms {
            // A hub that always says 0 must not make a loop.
            let start = now.plus(retry_ms.max(self.policy.base_ms.min(self.policy.cap_ms)));
            let at = match hint.spread_ms {
                // A hub that always says the same must not make one either.
                Some(spread_ms) if self.policy.jitter != Jitter::None => {
                    let is_queue = self.sent_away <= SENT_AWAY_MAX;
                    let own_ms = if is_queue { 0 } else { window_ms };
                    start.plus(rng.u64(0..=spread_ms.max(own_ms)))
                }
                _ => start.plus(self.jittered(window_ms, rng)),
            };
            self.place = Some(Place { at, period_ms });
            return at;
        }
        if !is_herd || (hint.spread_ms.is_none() && (excused > 0 || is_our_side(close_code))) {
            return now.plus(self.jittered(window_ms, rng).max(BACKOFF_FLOOR_MS));
        }
        let asked_ms = hint.spread_ms.unwrap_or(self.spread_ms);
        let place = match kept.filter(|_| hint.spread_ms.is_none()) {
            Some(place) if place.period_ms >= period_ms => Place {
                at: place.next(now, period_ms, rng),
                period_ms,
            },
            Some(place) if asked_ms > 0 && place.period_ms >= asked_ms => Place {
                at: now.plus(between(period_ms / 2, period_ms + period_ms / 2, rng)),
                period_ms,
            },
            _ => Place {
                at: now.plus(between(BACKOFF_FLOOR_MS, drawn_ms, rng)),
                // What it is drawn for: a longer period than this needs a wider draw.
                period_ms: asked_ms.max(window_ms / 2).max(BACKOFF_FLOOR_MS),
            },
        };
        self.place = Some(place);
        place.at
    }

    /// The client's own jitter over its own window, ms.
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

    /// The hub said welcome. What it said of the herd holds until it says otherwise.
    pub(crate) fn welcomed(&mut self, spread_ms: Option<u64>) {
        self.spread_ms = clamp(spread_ms.unwrap_or(0));
        self.place = None;
        self.excused = 0;
    }

    /// The hub has changed its mind about the spread (rule R3).
    pub(crate) fn told(&mut self, spread_ms: u64) {
        self.spread_ms = clamp(spread_ms);
    }

    /// The browser says that there is a network again: what fails now may be the network's, which is not quite there.
    pub(crate) fn back_online(&mut self) {
        self.excused = ONLINE_TRIES;
    }

    /// A connection that was useful for `ms` has ended: half the failures are forgiven for each [`BACKOFF_DECAY_MS`].
    pub(crate) fn was_useful_for(&mut self, ms: u64) {
        let halvings = u32::try_from(ms / BACKOFF_DECAY_MS).unwrap_or(u32::MAX);
        self.failures = self.failures.checked_shr(halvings).unwrap_or(0);
        self.sent_away = self.sent_away.checked_shr(halvings).unwrap_or(0);
    }

    /// The user asked for an attempt now: forgets everything.
    pub(crate) fn forget(&mut self) {
        self.failures = 0;
        self.sent_away = 0;
        self.place = None;
    }
}

impl Place {
    /// The same place in the first period that is still to come.
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

/// Whether the connection ended for a reason of this client's alone, so that nobody else is coming back with it.
fn is_our_side(close_code: u16) -> bool {
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

/// Uniform; `from` where there is no room.
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
