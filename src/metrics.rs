//! The counters and measurements of a client since its start.
//!
//! Owns the numbers. The part that causes or detects something counts it here.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::time::Time;

/// Counters and histograms, named as in the JavaScript API.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Welcomes.
    pub connects: u64,
    /// Welcomes after the first.
    pub reconnects: u64,
    /// Transports opened.
    pub attempts: u64,
    /// Moves from one transport to another within a session.
    pub transport_switches: u64,
    /// Messages handed to listeners.
    pub messages_received: u64,
    /// Of these, messages older than the answer to their sub.
    pub messages_replayed: u64,
    /// Duplicates of messages.
    pub duplicates_dropped: u64,
    /// Gaps that the client has reported.
    pub gaps: u64,
    /// Resumes that the hub could not continue.
    pub resumes_failed: u64,
    /// Publications that got a row.
    pub publications: u64,
    /// Publications that took effect.
    pub acks: u64,
    /// Publications sent again.
    pub retries: u64,
    /// Publications that became dead letters.
    pub dead_letters: u64,
    /// Requests that the client repeats because of the hub's last answer (rule R7).
    pub repeats: u64,
    /// Connections that the client closed because they were silent.
    pub missed_heartbeats: u64,
    /// Time on degraded connections, ms.
    pub degraded_ms: u64,
    /// Time without a connection, ms.
    pub disconnected_ms: u64,
    /// Round trips.
    pub rtt_ms: Histogram,
    /// From losing a connection to the next welcome.
    pub recovery_ms: Histogram,
    /// From publish to ack.
    pub ack_ms: Histogram,
    /// Delays before attempts.
    pub backoff_ms: Histogram,
    disconnected_since: Option<Time>,
    degraded_since: Option<Time>,
}

impl Metrics {
    /// Begins to count time without a connection.
    pub(crate) fn started(&mut self, now: Time) {
        self.disconnected_since = Some(now);
    }

    pub(crate) fn connected(&mut self, now: Time, rtt_ms: u64) {
        if let Some(since) = self.disconnected_since.take() {
            let ms = now.since(since);
            self.disconnected_ms += ms;
            if self.connects > 0 {
                self.recovery_ms.record(ms);
            }
        }
        self.reconnects += u64::from(self.connects > 0);
        self.connects += 1;
        self.rtt_ms.record(rtt_ms);
    }

    pub(crate) fn disconnected(&mut self, now: Time) {
        self.disconnected_since = Some(now);
    }

    /// Notes whether the connection is degraded.
    pub(crate) fn degraded(&mut self, now: Time, is_degraded: bool) {
        if let Some(since) = self.degraded_since.take() {
            self.degraded_ms += now.since(since);
        }
        self.degraded_since = is_degraded.then_some(now);
    }

    /// The numbers as of `now`.
    #[must_use]
    pub fn at(&self, now: Time) -> Self {
        let mut metrics = self.clone();
        let until_now = |since: Option<Time>| since.map_or(0, |since| now.since(since));
        metrics.disconnected_ms += until_now(self.disconnected_since);
        metrics.degraded_ms += until_now(self.degraded_since);
        metrics
    }
}

/// A distribution of milliseconds. The buckets are a quarter of a power of two wide, so a
/// percentile is at most 25% too high.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: [u32; BUCKETS],
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

/// Up to 2^31 ms.
const BUCKETS: usize = 120;

/// The part of a histogram that users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// Half of the values are at most this.
    pub p50: u64,
    /// 95% of them.
    pub p95: u64,
    /// 99% of them.
    pub p99: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            count: 0,
            sum: 0,
            min: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Adds a value.
    pub fn record(&mut self, ms: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(ms)) {
            *bucket = bucket.saturating_add(1);
        }
        self.min = if self.count == 0 {
            ms
        } else {
            self.min.min(ms)
        };
        self.max = self.max.max(ms);
        self.count += 1;
        self.sum += ms;
    }

    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return top_of(bucket).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

impl From<&Histogram> for Summary {
    fn from(h: &Histogram) -> Self {
        Self {
            count: h.count,
            sum: h.sum,
            min: h.min,
            max: h.max,
            p50: h.percentile(50),
            p95: h.percentile(95),
            p99: h.percentile(99),
        }
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = [
            ("connects", self.connects),
            ("reconnects", self.reconnects),
            ("attempts", self.attempts),
            ("transportSwitches", self.transport_switches),
            ("messagesReceived", self.messages_received),
            ("messagesReplayed", self.messages_replayed),
            ("duplicatesDropped", self.duplicates_dropped),
            ("gaps", self.gaps),
            ("resumesFailed", self.resumes_failed),
            ("publications", self.publications),
            ("acks", self.acks),
            ("retries", self.retries),
            ("deadLetters", self.dead_letters),
            ("repeats", self.repeats),
            ("missedHeartbeats", self.missed_heartbeats),
            ("degradedMs", self.degraded_ms),
            ("disconnectedMs", self.disconnected_ms),
        ];
        let histograms = [
            ("rttMs", &self.rtt_ms),
            ("recoveryMs", &self.recovery_ms),
            ("ackMs", &self.ack_ms),
            ("backoffMs", &self.backoff_ms),
        ];
        let fields = counters.len() + histograms.len();
        let mut shown = serializer.serialize_struct("Metrics", fields)?;
        add(&mut shown, &counters)?;
        for (name, histogram) in histograms {
            shown.serialize_field(name, &Summary::from(histogram))?;
        }
        shown.end()
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = [
            ("count", self.count),
            ("sum", self.sum),
            ("min", self.min),
            ("max", self.max),
            ("p50", self.p50),
            ("p95", self.p95),
            ("p99", self.p99),
        ];
        let mut shown = serializer.serialize_struct("Summary", numbers.len())?;
        add(&mut shown, &numbers)?;
        shown.end()
    }
}

/// Serialises numbers of JavaScript. A derived `Serialize` would contain the code for numbers that
/// are too large for one.
fn add<S: SerializeStruct>(shown: &mut S, numbers: &[(&'static str, u64)]) -> Result<(), S::Error> {
    for (name, number) in numbers {
        #[expect(clippy::as_conversions, reason = "what is past 2^53 loses a digit")]
        shown.serialize_field(name, &(*number as f64))?;
    }
    Ok(())
}

/// 0 to 3 have a bucket each. Above, each power of two has four, and the two bits after the leading
/// one choose among them.
fn bucket_of(ms: u64) -> usize {
    let bucket = match ms.checked_ilog2() {
        None | Some(0 | 1) => ms,
        Some(log) => u64::from(log - 1) * 4 + (ms >> (log - 2) & 3),
    };
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The largest value of a bucket.
fn top_of(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    if bucket < 4 {
        bucket
    } else {
        let shift = bucket / 4 - 1;
        ((4 + bucket % 4 + 1) << shift) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_bucket() {
        for ms in (0..100_000).chain([1 << 30, (1 << 31) - 1]) {
            let bucket = bucket_of(ms);
            assert!(ms <= top_of(bucket), "{ms}");
            assert!(bucket == 0 || ms > top_of(bucket - 1), "{ms}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_at_most_a_quarter_too_high() {
        let mut h = Histogram::default();
        for ms in 1..=1_000 {
            h.record(ms);
        }
        let s = Summary::from(&h);
        assert_eq!((s.count, s.sum, s.min, s.max), (1_000, 500_500, 1, 1_000));
        assert!((500..=625).contains(&s.p50), "{s:?}");
        assert!((950..=1_000).contains(&s.p95), "{s:?}");
        assert!((990..=1_000).contains(&s.p99), "{s:?}");
    }

    #[test]
    fn an_empty_histogram_is_all_zeros() {
        let s = Summary::from(&Histogram::default());
        assert_eq!((s.count, s.min, s.max, s.p50, s.p99), (0, 0, 0, 0, 0));
    }
}
