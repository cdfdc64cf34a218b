//! The limit on new connections per second, and the retry times of clients beyond it (rule R1).
//!
//! A token bucket, and an admission queue that keeps only counts: how many clients it expects in
//! each second. It knows no connections. It learns from the arrivals whether refused clients come
//! back.

use std::collections::VecDeque;

use longhaul::Hint;

use crate::core::time::Time;

/// The size of the bucket as a time, ms. Chosen: it smooths random arrivals and no more.
const BURST_MS: u64 = 100;

/// The least retry time, ms. Chosen: random arrivals fill a hub for a fraction of a second, and
/// clients that come back at once would fill it again.
const RETRY_MS_MIN: u64 = 1_000;

/// Refused clients come back within this time after their retry time, ms. Chosen: round trips
/// change their order by less.
const RETRY_SPREAD_MS: u64 = 1_000;

/// The longest admission queue, ms. Chosen: a client's longest backoff, and longer than 100,000
/// clients need at the default rate. Beyond it, the hub can't know whether earlier clients come at
/// all.
const QUEUE_MS_MAX: u64 = 60_000;

/// A client that is this late, ms, does not come. Chosen: `RETRY_SPREAD_MS`, and as much again for
/// bad networks.
const LATE_MS: u64 = 2_000;

/// The hub judges by this many retry times whether refused clients come. Chosen: of eight clients
/// that obey their retry time, half do not stay away by chance.
const SAMPLE: u64 = 8;

/// Admits clients at a rate, and expects refused clients at their retry times.
#[derive(Clone, Debug)]
pub struct Admission {
    per_s: u64,
    /// The longest admission queue, ms.
    queue_ms_max: u64,
    /// Thousandths of an admission.
    tokens: u64,
    filled: Time,
    /// The last retry time, in thousandths of ms.
    queue_end: u64,
    /// The number of clients that are still expected in each second from `expected_from` on.
    expected: VecDeque<u64>,
    expected_from: u64,
    /// Retry times that have passed since the last judgement, and how many of them nobody used.
    over: u64,
    missed: u64,
}

impl Admission {
    /// Admits `per_s` clients a second from `now` on, and `clients` in total.
    #[must_use]
    pub fn new(now: Time, per_s: u64, clients: u64) -> Self {
        let per_s = per_s.max(1);
        Self {
            per_s,
            queue_ms_max: spread_ms(clients, per_s).clamp(RETRY_SPREAD_MS, QUEUE_MS_MAX),
            tokens: burst(per_s),
            filled: now,
            queue_end: 0,
            expected: VecDeque::new(),
            expected_from: 0,
            over: 0,
            missed: 0,
        }
    }

    /// Admits a client if the rate allows it.
    ///
    /// # Errors
    /// The retry time, for the end of the close reason.
    pub fn try_acquire(&mut self, now: Time) -> Result<(), Hint> {
        let filled = now.since(self.filled).saturating_mul(self.per_s);
        self.filled = self.filled.max(now);
        self.tokens = self.tokens.saturating_add(filled).min(burst(self.per_s));
        self.count_missed(now);
        self.count_arrival(now);
        if self.tokens >= 1_000 {
            self.tokens -= 1_000;
            return Ok(());
        }
        Err(self.enqueue(now))
    }

    /// A retry time at the end of the admission queue. If the queue is longer than all clients
    /// need, or than a minute, its clients may not obey their retry times. Then a client may come
    /// back anywhere in it.
    pub fn enqueue(&mut self, now: Time) -> Hint {
        self.count_missed(now);
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
            self.expect(end / 1_000_000);
            (retry_ms, RETRY_SPREAD_MS)
        };
        Hint {
            retry_ms: Some(retry_ms),
            spread_ms: Some(spread_ms),
        }
    }

    /// Expects a client in this second.
    fn expect(&mut self, second: u64) {
        if self.expected.is_empty() {
            self.expected_from = second;
        }
        let index = usize::try_from(second.saturating_sub(self.expected_from));
        let index = index.unwrap_or(usize::MAX);
        // The longest queue limits the number of seconds.
        if index >= self.expected.len() {
            self.expected.resize(index + 1, 0);
        }
        if let Some(clients) = self.expected.get_mut(index) {
            *clients += 1;
        }
    }

    /// An arrival uses the oldest retry time that has passed, if there is one.
    fn count_arrival(&mut self, now: Time) {
        let second = now.0 / 1_000;
        let passed = (self.expected_from..=second).zip(&mut self.expected);
        let mut clients = passed.map(|(_, clients)| clients);
        if let Some(clients) = clients.find(|clients| **clients > 0) {
            *clients -= 1;
            self.over += 1;
        }
    }

    /// Counts the retry times that nobody used. If most were not used, later ones will not be
    /// either. Then the queue shrinks to the share that comes.
    fn count_missed(&mut self, now: Time) {
        while let Some(missed) = self.expected.front().copied()
            && (self.expected_from + 1).saturating_mul(1_000) + LATE_MS <= now.0
        {
            self.expected.pop_front();
            self.expected_from += 1;
            self.over += missed;
            self.missed += missed;
            if self.over < SAMPLE {
                continue;
            }
            if self.missed * 2 > self.over {
                self.shorten(now);
            }
            (self.over, self.missed) = (0, 0);
        }
    }

    fn shorten(&mut self, now: Time) {
        let used = self.over - self.missed;
        for clients in &mut self.expected {
            *clients = *clients * used / self.over;
        }
        let left_ms = (self.queue_end / 1_000).saturating_sub(now.0) * used / self.over;
        self.queue_end = now.0.saturating_add(left_ms).saturating_mul(1_000);
    }
}

/// The reconnect window for `clients` of a hub that admits `per_s` a second, ms (rule R2).
#[must_use]
pub fn spread_ms(clients: u64, per_s: u64) -> u64 {
    clients.saturating_mul(1_000) / per_s.max(1)
}

/// The size of the bucket in thousandths of an admission: at least one admission.
fn burst(per_s: u64) -> u64 {
    per_s.saturating_mul(BURST_MS).max(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(admission: &mut Admission, ms: std::ops::RangeInclusive<u64>) -> (u64, Vec<Hint>) {
        let (mut admitted, mut refused) = (0, Vec::new());
        for ms in ms {
            for _ in 0..4 {
                match admission.try_acquire(Time(ms)) {
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
            assert!(admission.try_acquire(Time(0)).is_ok(), "the bucket is full");
        }
        let (admitted, refused) = arrivals(&mut admission, 1..=1_000);
        assert_eq!((admitted, refused.len()), (2_000, 2_000));
        assert_eq!(
            refused.last().unwrap().retry_ms,
            Some(1_001),
            "refused clients fill the second that begins a second later"
        );
    }

    #[test]
    fn the_bucket_holds_a_tenth_of_a_second_or_one_admission() {
        for (per_s, saved) in [(2_000, 200), (10, 1), (3, 1), (1, 1)] {
            let mut admission = Admission::new(Time(5), per_s, 100);
            for now in [Time(5), Time(1_000_000)] {
                let admitted = (0..1_000)
                    .filter(|_| admission.try_acquire(now).is_ok())
                    .count();
                assert_eq!(admitted, saved, "{per_s} a second");
            }
            let later = Time(1_000_000 + 1_000_u64.div_ceil(per_s));
            assert!(admission.try_acquire(later).is_ok(), "{per_s} a second");
        }
    }

    /// The longest wait that a hint allows.
    fn longest_ms(hint: Hint) -> u64 {
        hint.retry_ms.unwrap() + hint.spread_ms.unwrap()
    }

    #[test]
    fn f28_retry_times_that_nobody_uses_make_nobody_wait() {
        // One client connects 2,000 times at once and never comes back.
        let mut admission = Admission::new(Time(0), 2, 10_000);
        let hints: Vec<Hint> = (0..2_000)
            .filter_map(|_| admission.try_acquire(Time(0)).err())
            .collect();
        assert_eq!(hints.len(), 1_999);
        let longest = hints.iter().map(|hint| longest_ms(*hint)).max();
        assert!(longest.unwrap() <= 62_000, "{longest:?}");
        assert!(admission.try_acquire(Time(20_000)).is_ok());
        // The hub has seen that nobody comes, so the next clients wait no longer than necessary.
        let hint = admission.try_acquire(Time(20_000)).unwrap_err();
        assert!(longest_ms(hint) <= 3_000, "{hint:?}");
    }

    #[test]
    fn f28_clients_that_come_keep_their_retry_times_when_others_do_not() {
        // A third of the clients come at their retry time. The queue is 60 s at 10 a second.
        let mut admission = Admission::new(Time(0), 10, 600);
        let mut due: Vec<u64> = (0..600)
            .filter_map(|_| admission.try_acquire(Time(0)).err())
            .step_by(3)
            .map(|hint| hint.retry_ms.unwrap())
            .collect();
        due.retain(|ms| *ms <= 30_000);
        for ms in due {
            assert!(admission.try_acquire(Time(ms)).is_ok(), "at {ms}");
        }
        while admission.try_acquire(Time(30_000)).is_ok() {}
        let hint = admission.try_acquire(Time(30_000)).unwrap_err();
        assert!(longest_ms(hint) <= 10_000, "{hint:?}");
    }

    #[test]
    fn f28_a_queue_whose_clients_come_is_not_shortened() {
        let mut admission = Admission::new(Time(0), 10, 600);
        let due: Vec<u64> = (0..300)
            .filter_map(|_| admission.try_acquire(Time(0)).err())
            .map(|hint| hint.retry_ms.unwrap())
            .collect();
        for ms in due.into_iter().filter(|ms| *ms <= 15_000) {
            // Half a second late, within `RETRY_SPREAD_MS`.
            let _ = admission.try_acquire(Time(ms + 500));
        }
        let hint = admission.enqueue(Time(15_500));
        assert!(hint.retry_ms.unwrap() >= 14_000, "{hint:?}");
    }

    #[test]
    fn clients_that_ignore_their_retry_time_make_nobody_wait_longer_than_all_clients_need() {
        let mut admission = Admission::new(Time(0), 100, 500);
        let mut hints = Vec::new();
        for ms in 0..60_000 {
            hints.extend(admission.try_acquire(Time(ms)).err());
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
