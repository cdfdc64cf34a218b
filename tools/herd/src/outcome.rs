//! What a scenario counts: attempts over time, and when each client is connected again.

use crate::fleet::Answer;

/// The size of the bins that count attempts, ms. A peak is the fullest second of ten bins.
const BIN_MS: u64 = 100;

/// The numbers of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The number of clients.
    pub clients: u32,
    /// The end of the last outage, ms.
    pub up_ms: u64,
    /// Clients that gave up.
    pub gave_up: u32,
    /// Attempts.
    pub attempts: u64,
    /// Attempts that the hub did not admit.
    pub wasted: u64,
    bins: Vec<u32>,
    lost_ms: Vec<u64>,
    back_ms: Vec<Option<u64>>,
}

impl Outcome {
    pub(crate) fn new(clients: u32, up_ms: u64) -> Self {
        Self {
            clients,
            up_ms,
            gave_up: 0,
            attempts: 0,
            wasted: 0,
            bins: Vec::new(),
            lost_ms: vec![0; usize::try_from(clients).unwrap_or(0)],
            back_ms: (0..clients).map(|_| None).collect(),
        }
    }

    pub(crate) fn attempted(&mut self, at_ms: u64, answer: &Answer) {
        let is_wasted = !matches!(answer, Answer::Admitted { .. });
        self.attempts += 1;
        self.wasted += u64::from(is_wasted);
        let bin = usize::try_from(at_ms / BIN_MS).unwrap_or(usize::MAX);
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0);
        }
        if let Some(count) = self.bins.get_mut(bin) {
            *count += 1;
        }
    }

    fn slot(&mut self, no: u32) -> Option<&mut Option<u64>> {
        self.back_ms.get_mut(usize::try_from(no).ok()?)
    }

    pub(crate) fn lost(&mut self, no: u32, at_ms: u64) {
        if let Some(slot) = self.slot(no) {
            *slot = None;
        }
        if let Some(lost_ms) = usize::try_from(no)
            .ok()
            .and_then(|no| self.lost_ms.get_mut(no))
        {
            *lost_ms = at_ms;
        }
    }

    pub(crate) fn back(&mut self, no: u32, at_ms: u64) {
        if let Some(slot) = self.slot(no) {
            *slot = Some(at_ms);
        }
    }

    /// When `percent` of the clients were back, ms.
    #[must_use]
    pub fn percent_back_ms(&self, percent: usize) -> Option<u64> {
        let mut times: Vec<u64> = self.back_ms.iter().flatten().copied().collect();
        times.sort_unstable();
        let rank = (self.back_ms.len() * percent).div_ceil(100);
        times.get(rank.checked_sub(1)?).copied()
    }

    /// The longest time without a connection of the luckiest `percent` of the clients, ms.
    #[must_use]
    pub fn percent_gap_ms(&self, percent: usize) -> Option<u64> {
        let gap = |(lost, back): (&u64, &Option<u64>)| back.map(|back| back.saturating_sub(*lost));
        let mut gaps: Vec<u64> = self
            .lost_ms
            .iter()
            .zip(&self.back_ms)
            .filter_map(gap)
            .collect();
        gaps.sort_unstable();
        let rank = (self.back_ms.len() * percent).div_ceil(100);
        gaps.get(rank.checked_sub(1)?).copied()
    }

    /// The most attempts in any second that begins at `from_ms` or later.
    #[must_use]
    pub fn peak_per_s(&self, from_ms: u64) -> u32 {
        let first = usize::try_from(from_ms / BIN_MS).unwrap_or(usize::MAX);
        let bins = self.bins.get(first..).unwrap_or_default();
        let second = usize::try_from(1_000 / BIN_MS).unwrap_or(1);
        bins.windows(second.min(bins.len().max(1)))
            .map(|bins| bins.iter().sum())
            .max()
            .unwrap_or(0)
    }

    /// Attempts in each second.
    #[must_use]
    pub fn attempts_per_s(&self) -> Vec<u32> {
        self.bins
            .chunks(usize::try_from(1_000 / BIN_MS).unwrap_or(1))
            .map(|bins| bins.iter().sum())
            .collect()
    }

    /// The share of the clients that are back at the end of each second.
    #[must_use]
    pub fn back_per_s(&self, seconds: usize) -> Vec<f64> {
        let mut counts = vec![0_u32; seconds];
        for ms in self.back_ms.iter().flatten() {
            let second = usize::try_from(ms / 1_000).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(second) {
                *count += 1;
            }
        }
        let mut back = 0;
        let share = |count: u32| {
            back += count;
            f64::from(back) / f64::from(self.clients)
        };
        counts.into_iter().map(share).collect()
    }

    /// Attempts for each client, and how many of them were wasted.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "counts are far below 2^53")]
    pub fn per_client(&self) -> (f64, f64) {
        let clients = f64::from(self.clients);
        (self.attempts as f64 / clients, self.wasted as f64 / clients)
    }
}
