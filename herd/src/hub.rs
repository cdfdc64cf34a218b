//! The simulated hub: away for a while, then admitting so many a second and sending the rest away.
//!
//! It knows what a hub can know: its own connections, the rate at which it can admit, and whom it has sent away.

use longhaul::Hint;

/// Admissions saved up while nobody comes, as a time, ms. Chosen: smooths the chance in arrivals and no more.
const BURST_MS: u64 = 100;

/// Nobody is sent away for less, ms. Chosen: chance fills a hub for a fraction of a second; who comes back at once fills it again.
const RETRY_MS_MIN: u64 = 1_000;

/// Those sent away come back within so many ms of their time. Chosen: wider than what round trips do to their order.
const RETRY_SPREAD_MS: u64 = 1_000;

/// Who may come in: a token bucket, and a queue in which those sent away are given their time.
#[derive(Clone, Debug)]
pub struct Admission {
    per_s: u64,
    /// Thousandths of an admission.
    tokens: u64,
    filled_ms: u64,
    /// When the last of those sent away is expected, in thousandths of ms.
    queue_end: u64,
}

impl Admission {
    /// From `now_ms` on, at `per_s` a second.
    #[must_use]
    pub fn new(now_ms: u64, per_s: u64) -> Self {
        Self {
            per_s,
            tokens: 0,
            filled_ms: now_ms,
            queue_end: 0,
        }
    }

    /// Somebody knocks. Refused, with the time to come back.
    ///
    /// # Errors
    /// What to write behind the close reason.
    pub fn knock(&mut self, now_ms: u64) -> Result<(), Hint> {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = now_ms;
        self.tokens = (self.tokens + passed_ms * self.per_s)
            .min(BURST_MS.max(1_000 / self.per_s) * self.per_s);
        if self.tokens >= 1_000 {
            self.tokens -= 1_000;
            return Ok(());
        }
        let soonest = (now_ms + RETRY_MS_MIN) * 1_000;
        self.queue_end = self.queue_end.max(soonest) + 1_000_000 / self.per_s;
        Err(Hint {
            retry_ms: Some(self.queue_end / 1_000 - now_ms),
            spread_ms: Some(RETRY_SPREAD_MS),
        })
    }
}

/// The window to tell `connections` clients of a hub that admits `per_s` a second, ms.
#[must_use]
pub fn spread_ms(connections: u64, per_s: u64) -> u64 {
    connections * 1_000 / per_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_admits_its_rate_and_queues_the_rest() {
        let mut admission = Admission::new(0, 2_000);
        let mut admitted = 0;
        let mut last = 0;
        for ms in 1..=1_000 {
            for _ in 0..4 {
                match admission.knock(ms) {
                    Ok(()) => admitted += 1,
                    Err(hint) => last = ms + hint.retry_ms.unwrap(),
                }
            }
        }
        assert_eq!(admitted, 2_000);
        assert_eq!(
            last, 2_001,
            "those sent away from 1 ms on fill the second that begins a second later"
        );
    }
}
