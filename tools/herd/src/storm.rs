//! A storm: everybody loses the hub, and comes back when and as fast as it admits them.
//!
//! Owns virtual time and the counting. Clients do not know of each other, so each answer is computed when it is sent.

use std::collections::VecDeque;

use longhaul_hub::core::spread_ms;

use crate::hub::{Gate, drained};

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hub said welcome.
    Admitted {
        /// What it said of the herd.
        spread_ms: Option<u64>,
    },
    /// The hub accepted the socket and closed it with 1013.
    Refused {
        /// With these words.
        reason: String,
    },
    /// Nothing listens there.
    Nobody,
    /// Nothing answers at all.
    Silence,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It tries at this time.
    Attempt {
        /// ms since the storm began.
        at_ms: u64,
    },
    /// It is connected since this time.
    Back {
        /// ms since the storm began.
        at_ms: u64,
    },
    /// It never tries again.
    GaveUp,
}

/// Clients of one kind, numbered from 0.
pub trait Fleet {
    /// A client notices that its connection is gone.
    fn lose(&mut self, no: u32, now_ms: u64, code: u16, reason: &str) -> Next;
    /// A connected client is told another spread.
    fn told(&mut self, _no: u32, _now_ms: u64, _spread_ms: u64) {}
    /// The attempt that a client began at `at_ms` got this answer.
    fn answer(&mut self, no: u32, at_ms: u64, rtt_ms: u64, answer: &Answer) -> Next;
}

/// What the hub says to those whom it welcomes and refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Nothing.
    None,
    /// The time to come back, to those it refuses.
    Refusals,
    /// That, and the spread of its connections of the moment in each welcome.
    All,
    /// That, and the spread again with the pong to each ping, every 25 s.
    Retold,
    /// As all, but for as many as there were before (`expect_connections`).
    Expected,
}

/// The hub is gone between these times, ms.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// From.
    pub from_ms: u64,
    /// Until.
    pub until_ms: u64,
}

/// When clients notice that the hub is gone, after it is.
#[derive(Clone, Copy, Debug)]
pub enum Noticed {
    /// Uniformly between these times, ms.
    Between(u64, u64),
    /// When the hub closes them, which drains so that `per_s` a second come back, or in `over_ms`.
    Drained {
        /// Clients a second.
        per_s: u64,
        /// Instead of as long as that takes, ms.
        over_ms: Option<u64>,
    },
}

/// One storm.
#[derive(Clone, Debug)]
pub struct Storm {
    /// How many clients.
    pub clients: u32,
    /// How many the hub admits a second.
    pub per_s: u64,
    /// When the hub is gone. Whoever is connected at its beginning loses the connection.
    pub away: Vec<Away>,
    /// When those who lose the connection notice.
    pub noticed: Noticed,
    /// How a client sees its connection end: close code and reason.
    pub ended: (u16, String),
    /// While away, packets vanish instead of being refused.
    pub is_silent: bool,
    /// What the hub says when it is back.
    pub words: Words,
    /// When to stop, ms.
    pub end_ms: u64,
    /// Of everything.
    pub seed: u64,
}

impl Storm {
    /// Everybody loses the hub, which comes back after `away_ms`, without a word.
    #[must_use]
    pub fn new(clients: u32, per_s: u64, away_ms: u64) -> Self {
        Self {
            clients,
            per_s,
            away: vec![Away {
                from_ms: 0,
                until_ms: away_ms,
            }],
            noticed: Noticed::Between(0, 1_000),
            ended: (1006, String::new()),
            is_silent: false,
            words: Words::Refusals,
            end_ms: away_ms + 900_000,
            seed: 1,
        }
    }

    /// The least time until a share of the clients can be back, ms.
    #[must_use]
    pub fn ideal_ms(&self, percent: u64) -> u64 {
        let up = self.away.last().map_or(0, |away| away.until_ms);
        up + u64::from(self.clients) * percent * 10 / self.per_s
    }

    /// Lets it happen.
    pub fn run(&self, fleet: &mut impl Fleet) -> Outcome {
        let mut run = Run::new(self);
        run.begin_outage(fleet);
        while let Some((now_ms, event)) = run.pop() {
            match event {
                Event::Lost(no) => {
                    let next = fleet.lose(no, now_ms, run.ended.0, &run.ended.1);
                    run.follow(no, next);
                }
                Event::Knock(no) => run.knock(fleet, no, now_ms),
                Event::Away => run.begin_outage(fleet),
            }
        }
        run.outcome
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Away,
    Lost(u32),
    /// An attempt reaches the hub.
    Knock(u32),
}

#[derive(Clone, Copy, Debug)]
struct Line {
    rtt_ms: u64,
    connected_ms: Option<u64>,
}

struct Run<'a> {
    storm: &'a Storm,
    rng: fastrand::Rng,
    now_ms: u64,
    /// What happens at `now_ms` and in each ms after it: of one ms, the last one first.
    wheel: VecDeque<Vec<Event>>,
    lines: Vec<Line>,
    connections: u64,
    /// At each second, for what a client was last told.
    history: Vec<u64>,
    outages: std::slice::Iter<'a, Away>,
    away: Option<Away>,
    gate: Gate,
    /// How a client sees its connection end.
    ended: (u16, String),
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(storm: &'a Storm) -> Self {
        let mut rng = fastrand::Rng::with_seed(storm.seed);
        let lines = (0..storm.clients)
            .map(|_| Line {
                rtt_ms: rng.u64(50..=100),
                connected_ms: Some(0),
            })
            .collect();
        Self {
            storm,
            rng,
            now_ms: 0,
            wheel: VecDeque::new(),
            lines,
            connections: u64::from(storm.clients),
            history: vec![0],
            outages: storm.away.iter(),
            away: None,
            gate: Gate::new(storm.clients, storm.per_s, storm.words),
            ended: storm.ended.clone(),
            outcome: Outcome::new(storm),
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        let ahead = usize::try_from(at_ms.saturating_sub(self.now_ms)).unwrap_or(usize::MAX);
        if at_ms > self.storm.end_ms {
            return;
        }
        if self.wheel.len() <= ahead {
            self.wheel.resize_with(ahead + 1, Vec::new);
        }
        if let Some(events) = self.wheel.get_mut(ahead) {
            events.push(event);
        }
    }

    fn pop(&mut self) -> Option<(u64, Event)> {
        loop {
            if let Some(event) = self.wheel.front_mut()?.pop() {
                return Some((self.now_ms, event));
            }
            self.wheel.pop_front();
            self.now_ms += 1;
            if self.now_ms.is_multiple_of(1_000) {
                self.history.push(self.connections);
            }
        }
    }

    fn line(&mut self, no: u32) -> Option<&mut Line> {
        self.lines.get_mut(usize::try_from(no).ok()?)
    }

    /// The hub goes away: whoever is connected will notice.
    fn begin_outage(&mut self, fleet: &mut impl Fleet) {
        let Some(away) = self.outages.next().copied() else {
            return;
        };
        self.away = Some(away);
        self.connections = 0;
        self.gate = Gate::new(self.storm.clients, self.storm.per_s, self.storm.words);
        let closes = self.drain();
        if let Some(then) = self.outages.as_slice().first() {
            self.push(then.from_ms, Event::Away);
        }
        for no in 0..self.storm.clients {
            let Some(since_ms) = self.line(no).and_then(|line| line.connected_ms.take()) else {
                continue;
            };
            if self.storm.words == Words::Retold && since_ms > 0 {
                let told_ms = since_ms + (away.from_ms.saturating_sub(since_ms)) / 25_000 * 25_000;
                let second = usize::try_from(told_ms / 1_000).unwrap_or(usize::MAX);
                let connections = self.history.get(second).copied().unwrap_or(0);
                fleet.told(no, told_ms, spread_ms(connections, self.storm.per_s));
            }
            let noticed_ms = match self.storm.noticed {
                Noticed::Between(from_ms, to_ms) => self.rng.u64(from_ms..=to_ms),
                Noticed::Drained { .. } => {
                    let close = usize::try_from(no).ok().and_then(|no| closes.get(no));
                    let rtt_ms = self.line(no).map_or(0, |line| line.rtt_ms);
                    close.map_or(0, |close_ms| close_ms + rtt_ms / 2)
                }
            };
            self.push(away.from_ms + noticed_ms, Event::Lost(no));
            self.outcome.lost(no, away.from_ms + noticed_ms);
        }
    }

    /// When the hub that goes away closes each of its clients, ms. It says the same to all of them.
    fn drain(&mut self) -> Vec<u64> {
        let Noticed::Drained { per_s, over_ms } = self.storm.noticed else {
            return Vec::new();
        };
        let goodbyes = drained(self.storm.clients, per_s, over_ms);
        if let Some(first) = goodbyes.first() {
            self.ended = (first.code, first.reason.clone());
        }
        goodbyes.iter().map(|goodbye| goodbye.at_ms).collect()
    }

    fn knock(&mut self, fleet: &mut impl Fleet, no: u32, now_ms: u64) {
        let rtt_ms = self.line(no).map_or(0, |line| line.rtt_ms);
        let is_away = self.away.is_some_and(|away| now_ms < away.until_ms);
        let answer = if is_away {
            if self.storm.is_silent {
                Answer::Silence
            } else {
                Answer::Nobody
            }
        } else {
            let answer = self.gate.knock(now_ms);
            self.connections += u64::from(matches!(answer, Answer::Admitted { .. }));
            answer
        };
        let at_ms = now_ms - rtt_ms / 2;
        self.outcome
            .attempted(at_ms, !matches!(answer, Answer::Admitted { .. }));
        let next = fleet.answer(no, at_ms, rtt_ms, &answer);
        if matches!(answer, Answer::Admitted { .. })
            && let Some(line) = self.line(no)
        {
            line.connected_ms = Some(now_ms);
        }
        self.follow(no, next);
    }

    fn follow(&mut self, no: u32, next: Next) {
        match next {
            Next::Attempt { at_ms } => {
                let rtt_ms = self.line(no).map_or(0, |line| line.rtt_ms);
                self.push(at_ms + rtt_ms / 2, Event::Knock(no));
            }
            Next::Back { at_ms } => self.outcome.back(no, at_ms),
            Next::GaveUp => self.outcome.gave_up += 1,
        }
    }
}

/// Attempts are counted in bins of so many ms; a peak is the fullest second of ten bins.
const BIN_MS: u64 = 100;

/// What was counted.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many clients.
    pub clients: u32,
    /// When the hub was there for good, ms.
    pub up_ms: u64,
    /// Clients that stopped trying.
    pub gave_up: u32,
    /// Attempts.
    pub attempts: u64,
    /// Of these, those that were not admitted.
    pub wasted: u64,
    bins: Vec<u32>,
    lost_ms: Vec<u64>,
    back_ms: Vec<Option<u64>>,
}

impl Outcome {
    fn new(storm: &Storm) -> Self {
        Self {
            clients: storm.clients,
            up_ms: storm.away.last().map_or(0, |away| away.until_ms),
            gave_up: 0,
            attempts: 0,
            wasted: 0,
            bins: Vec::new(),
            lost_ms: vec![0; usize::try_from(storm.clients).unwrap_or(0)],
            back_ms: (0..storm.clients).map(|_| None).collect(),
        }
    }

    fn attempted(&mut self, at_ms: u64, is_wasted: bool) {
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

    fn lost(&mut self, no: u32, at_ms: u64) {
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

    fn back(&mut self, no: u32, at_ms: u64) {
        if let Some(slot) = self.slot(no) {
            *slot = Some(at_ms);
        }
    }

    /// When so many per cent of the clients were back, ms.
    #[must_use]
    pub fn percent_back_ms(&self, percent: usize) -> Option<u64> {
        let mut times: Vec<u64> = self.back_ms.iter().flatten().copied().collect();
        times.sort_unstable();
        let rank = (self.back_ms.len() * percent).div_ceil(100);
        times.get(rank.checked_sub(1)?).copied()
    }

    /// How long so many per cent of the clients were without a connection at most, ms.
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

    /// Share of the clients that are back at the end of each second.
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

    /// Attempts a client, and those wasted.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "counts are far below 2^53")]
    pub fn per_client(&self) -> (f64, f64) {
        let clients = f64::from(self.clients);
        (self.attempts as f64 / clients, self.wasted as f64 / clients)
    }
}
