//! Who may come in, and when to come back for whom there is no room yet (rule R1).
//!
//! A token bucket, and a queue of which only counts are kept: how many are expected in each second. Knows no connection, so
//! it learns from those who come whether those who were sent away come back.

use std::collections::VecDeque;

use longhaul::Hint;

use super::time::Time;

/// Admissions saved up while nobody comes, as a time, ms. Chosen: smooths the chance in arrivals and no more.
const BURST_MS: u64 = 100;

/// Nobody is sent away for less, ms. Chosen: chance fills a hub for a fraction of a second; who comes back at once fills it again.
const RETRY_MS_MIN: u64 = 1_000;

/// Those sent away come back within so many ms of their time. Chosen: wider than what round trips do to their order.
const RETRY_SPREAD_MS: u64 = 1_000;

/// Nobody is given a place further off, ms. Chosen: as long as a client rests at most, and longer than 100,000 clients take at the
/// default rate. Beyond it the hub does not yet know whether those before come at all.
const QUEUE_MS_MAX: u64 = 60_000;

/// Who has not come so long after the second of its place, ms, does not come. Chosen: its spread, and as much again for bad lines.
const LATE_MS: u64 = 2_000;

/// So many places say whether those sent away come. Chosen: of eight clients that heed their time half do not stay away by chance.
const SAMPLE: u64 = 8;

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
    /// How many are still expected in each second from `expected_from` on.
    expected: VecDeque<u64>,
    expected_from: u64,
    /// Places whose time is over since the last look, and how many of them nobody took.
    over: u64,
    missed: u64,
}

impl Admission {
    /// From `now` on at `per_s` a second, for at most `clients` of them.
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

    /// Somebody knocks. Refused, with the time to come back.
    ///
    /// # Errors
    /// What to write behind the close reason.
    pub fn knock(&mut self, now: Time) -> Result<(), Hint> {
        let filled = now.since(self.filled).saturating_mul(self.per_s);
        self.filled = self.filled.max(now);
        self.tokens = self.tokens.saturating_add(filled).min(burst(self.per_s));
        self.look_back(now);
        self.take_place(now);
        if self.tokens >= 1_000 {
            self.tokens -= 1_000;
            return Ok(());
        }
        Err(self.queue(now))
    }

    /// A place at the end of the queue. A queue that is longer than all clients, or than a minute, may be one of those who do
    /// not heed their time: the others may come anywhere in it.
    pub fn queue(&mut self, now: Time) -> Hint {
        self.look_back(now);
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

    /// Somebody is to come in this second.
    fn expect(&mut self, second: u64) {
        if self.expected.is_empty() {
            self.expected_from = second;
        }
        let index = usize::try_from(second.saturating_sub(self.expected_from));
        let index = index.unwrap_or(usize::MAX);
        // Never more seconds than the longest queue has.
        if index >= self.expected.len() {
            self.expected.resize(index + 1, 0);
        }
        if let Some(places) = self.expected.get_mut(index) {
            *places += 1;
        }
    }

    /// Whoever comes takes the oldest place whose time has come, if there is one.
    fn take_place(&mut self, now: Time) {
        let second = now.0 / 1_000;
        let come = (self.expected_from..=second).zip(&mut self.expected);
        if let Some(places) = come.map(|(_, places)| places).find(|places| **places > 0) {
            *places -= 1;
            self.over += 1;
        }
    }

    /// Counts the places that nobody took. Where most were not taken, those behind will not be either: the queue is shortened
    /// to the share that comes.
    fn look_back(&mut self, now: Time) {
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
        let come = self.over - self.missed;
        for places in &mut self.expected {
            *places = *places * come / self.over;
        }
        let left_ms = (self.queue_end / 1_000).saturating_sub(now.0) * come / self.over;
        self.queue_end = now.0.saturating_add(left_ms).saturating_mul(1_000);
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

    /// The longest wait that a hint allows.
    fn longest_ms(hint: Hint) -> u64 {
        hint.retry_ms.unwrap() + hint.spread_ms.unwrap()
    }

    #[test]
    fn f28_places_that_nobody_takes_make_nobody_wait() {
        // One that knocks 2,000 times at once and never comes back.
        let mut admission = Admission::new(Time(0), 2, 10_000);
        let hints: Vec<Hint> = (0..2_000)
            .filter_map(|_| admission.knock(Time(0)).err())
            .collect();
        assert_eq!(hints.len(), 1_999);
        let longest = hints.iter().map(|hint| longest_ms(*hint)).max();
        assert!(longest.unwrap() <= 62_000, "{longest:?}");
        assert!(admission.knock(Time(20_000)).is_ok());
        // The hub has seen that nobody comes, so the next ones wait no longer than they have to.
        let hint = admission.knock(Time(20_000)).unwrap_err();
        assert!(longest_ms(hint) <= 3_000, "{hint:?}");
    }

    #[test]
    fn f28_those_who_come_keep_their_places_when_others_do_not() {
        // A third of the clients come at their time, a queue of 60 s at 10 a second.
        let mut admission = Admission::new(Time(0), 10, 600);
        let mut due: Vec<u64> = (0..600)
            .filter_map(|_| admission.knock(Time(0)).err())
            .step_by(3)
            .map(|hint| hint.retry_ms.unwrap())
            .collect();
        due.retain(|ms| *ms <= 30_000);
        for ms in due {
            assert!(admission.knock(Time(ms)).is_ok(), "at {ms}");
        }
        while admission.knock(Time(30_000)).is_ok() {}
        let hint = admission.knock(Time(30_000)).unwrap_err();
        assert!(longest_ms(hint) <= 10_000, "{hint:?}");
    }

    #[test]
    fn f28_a_queue_whose_clients_come_is_not_shortened() {
        let mut admission = Admission::new(Time(0), 10, 600);
        let due: Vec<u64> = (0..300)
            .filter_map(|_| admission.knock(Time(0)).err())
            .map(|hint| hint.retry_ms.unwrap())
            .collect();
        for ms in due.into_iter().filter(|ms| *ms <= 15_000) {
            // Half a second late, as the spread has it.
            let _ = admission.knock(Time(ms + 500));
        }
        let hint = admission.queue(Time(15_500));
        assert!(hint.retry_ms.unwrap() >= 14_000, "{hint:?}");
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
