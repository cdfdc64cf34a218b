//! Who may come in, and when to come back for whom there is no room yet (rule R1).
//!
//! A token bucket, and a queue that exists only as its end: a number. Knows no connection.

use longhaul::Hint;

use super::time::Time;

/// Admissions saved up while nobody comes, as a time, ms. Chosen: smooths the chance in arrivals and no more.
const BURST_MS: u64 = 100;

/// Nobody is sent away for less, ms. Chosen: chance fills a hub for a fraction of a second; who comes back at once fills it again.
const RETRY_MS_MIN: u64 = 1_000;

/// Those sent away come back within so many ms of their time. Chosen: wider than what round trips do to their order.
const RETRY_SPREAD_MS: u64 = 1_000;

/// Who may come in, at a rate, and when those sent away are expected.
#[derive(Clone, Debug)]
pub struct Admission {
    per_s: u64,
    /// The longest queue, ms.
    queue_ms_max: u64,
    /// Thousandths of an admission.
    tokens: u64,
    filled: Time,
    /// When the last of those sent away is expected, in thousandths of ms.
    queue_end: u64,
}

impl Admission {
    /// From `now` on at `per_s` a second, for at most `clients` of them.
    #[must_use]
    pub fn new(now: Time, per_s: u64, clients: u64) -> Self {
        let per_s = per_s.max(1);
        Self {
            per_s,
            queue_ms_max: spread_ms(clients, per_s).max(RETRY_SPREAD_MS),
            tokens: burst(per_s),
            filled: now,
            queue_end: 0,
        }
    }

    /// Somebody knocks. Refused, with the time to come back.
    ///
    /// # Errors
    /// What to write behind the close reason.
    pub fn knock(&mut self, now: Time) -> Result<(), Hint> {
        let filled = now.since(self.filled).saturating_mul(self.per_s);
        self.filled = self.filled.max(now);
        self.tokens = self.tokens.saturating_add(filled).min(burst(self.per_s));
        if self.tokens >= 1_000 {
            self.tokens -= 1_000;
            return Ok(());
        }
        Err(self.queue(now))
    }

    /// A place at the end of the queue. A queue that is longer than all clients is one of those who do not heed their time:
    /// the others may come anywhere in it.
    pub fn queue(&mut self, now: Time) -> Hint {
        let soonest = now.plus(RETRY_MS_MIN).0.saturating_mul(1_000);
        let end = self
            .queue_end
            .max(soonest)
            .saturating_add(1_000_000 / self.per_s);
        let retry_ms = (end / 1_000).saturating_sub(now.0);
        let (retry_ms, spread_ms) = if retry_ms > RETRY_MS_MIN + self.queue_ms_max {
            (RETRY_MS_MIN, self.queue_ms_max)
        } else {
            self.queue_end = end;
            (retry_ms, RETRY_SPREAD_MS)
        };
        Hint {
            retry_ms: Some(retry_ms),
            spread_ms: Some(spread_ms),
        }
    }
}

/// The window to tell so many clients of a hub that admits `per_s` a second, ms (rule R2).
#[must_use]
pub fn spread_ms(clients: u64, per_s: u64) -> u64 {
    clients.saturating_mul(1_000) / per_s.max(1)
}

/// What is saved up at most, at least one, in thousandths.
fn burst(per_s: u64) -> u64 {
    per_s.saturating_mul(BURST_MS).max(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knocks(admission: &mut Admission, ms: std::ops::RangeInclusive<u64>) -> (u64, Vec<Hint>) {
        let (mut admitted, mut refused) = (0, Vec::new());
        for ms in ms {
            for _ in 0..4 {
                match admission.knock(Time(ms)) {
                    Ok(()) => admitted += 1,
                    Err(hint) => refused.push(hint),
                }
            }
        }
        (admitted, refused)
    }

    #[test]
    fn r1_a_bucket_admits_its_rate_and_queues_the_rest() {
        let mut admission = Admission::new(Time(0), 2_000, 100_000);
        for _ in 0..200 {
            assert!(admission.knock(Time(0)).is_ok(), "saved up");
        }
        let (admitted, refused) = knocks(&mut admission, 1..=1_000);
        assert_eq!((admitted, refused.len()), (2_000, 2_000));
        assert_eq!(
            refused.last().unwrap().retry_ms,
            Some(1_001),
            "those sent away from 1 ms on fill the second that begins a second later"
        );
    }

    #[test]
    fn what_is_saved_up_is_a_tenth_of_a_second_or_one() {
        for (per_s, saved) in [(2_000, 200), (10, 1), (3, 1), (1, 1)] {
            let mut admission = Admission::new(Time(5), per_s, 100);
            for now in [Time(5), Time(1_000_000)] {
                let admitted = (0..1_000).filter(|_| admission.knock(now).is_ok()).count();
                assert_eq!(admitted, saved, "{per_s} a second");
            }
            let later = Time(1_000_000 + 1_000_u64.div_ceil(per_s));
            assert!(admission.knock(later).is_ok(), "{per_s} a second");
        }
    }

    #[test]
    fn those_who_do_not_heed_their_time_make_nobody_wait_longer_than_all_clients_take() {
        let mut admission = Admission::new(Time(0), 100, 500);
        let mut hints = Vec::new();
        for ms in 0..60_000 {
            hints.extend(admission.knock(Time(ms)).err());
        }
        for hint in &hints {
            let (retry_ms, spread_ms) = (hint.retry_ms.unwrap(), hint.spread_ms.unwrap());
            assert!((1_000..=6_000).contains(&retry_ms), "{retry_ms}");
            assert!(retry_ms + spread_ms <= 7_000, "{retry_ms} {spread_ms}");
        }
        let last = hints.last().unwrap();
        assert_eq!((last.retry_ms, last.spread_ms), (Some(1_000), Some(5_000)));
    }
}
