//! A scenario: all clients lose the hub, and come back as fast as the hub admits them.
//!
//! Owns virtual time. Clients do not affect each other, so the run computes each answer when the
//! hub sends it.

use std::collections::VecDeque;

use longhaul_hub::core::spread_ms;

use crate::fleet::{Answer, Fleet, Hints, Next};
use crate::hub_driver::{HubDriver, drained};
use crate::outcome::Outcome;

/// A time without the hub.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// The beginning, ms.
    pub from_ms: u64,
    /// The end, ms.
    pub until_ms: u64,
}

/// When clients notice that the hub is gone.
#[derive(Clone, Copy, Debug)]
pub enum Detection {
    /// Uniformly between these times after the beginning of the outage, ms.
    Between(u64, u64),
    /// When the draining hub closes them.
    Drained {
        /// So many clients a second shall come back.
        per_s: u64,
        /// The duration of the drain instead of `per_s`, ms.
        over_ms: Option<u64>,
    },
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The number of clients.
    pub clients: u32,
    /// The number of clients that the hub admits a second.
    pub per_s: u64,
    /// The outages. Clients that are connected at the beginning of one lose the connection.
    pub outages: Vec<Outage>,
    /// When clients notice an outage.
    pub detection: Detection,
    /// The close code and reason of a lost connection.
    pub ended: (u16, String),
    /// Whether packets vanish during an outage. Otherwise attempts fail at once.
    pub is_silent: bool,
    /// The hints of the hub.
    pub hints: Hints,
    /// The end of the scenario, ms.
    pub end_ms: u64,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Scenario {
    /// All clients lose the hub without a close. It comes back after `away_ms`.
    #[must_use]
    pub fn new(clients: u32, per_s: u64, away_ms: u64) -> Self {
        Self {
            clients,
            per_s,
            outages: vec![Outage {
                from_ms: 0,
                until_ms: away_ms,
            }],
            detection: Detection::Between(0, 1_000),
            ended: (1006, String::new()),
            is_silent: false,
            hints: Hints::Refusals,
            end_ms: away_ms + 900_000,
            seed: 1,
        }
    }

    /// The shortest possible time until `percent` of the clients are back, ms.
    #[must_use]
    pub fn ideal_ms(&self, percent: u64) -> u64 {
        self.up_ms() + u64::from(self.clients) * percent * 10 / self.per_s
    }

    /// The end of the last outage, ms.
    #[must_use]
    pub fn up_ms(&self) -> u64 {
        self.outages.last().map_or(0, |outage| outage.until_ms)
    }

    /// Runs the scenario with a fleet.
    pub fn run(&self, fleet: &mut impl Fleet) -> Outcome {
        let mut run = Run::new(self);
        run.begin_outage(fleet);
        while let Some((now_ms, event)) = run.pop() {
            match event {
                Event::Lost(no) => {
                    let next = fleet.lose(no, now_ms, run.ended.0, &run.ended.1);
                    run.follow(no, next);
                }
                Event::Arrival(no) => run.connect(fleet, no, now_ms),
                Event::Outage => run.begin_outage(fleet),
            }
        }
        run.outcome
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Outage,
    Lost(u32),
    /// An attempt reaches the hub.
    Arrival(u32),
}

#[derive(Clone, Copy, Debug)]
struct Network {
    rtt_ms: u64,
    connected_ms: Option<u64>,
}

struct Run<'a> {
    scenario: &'a Scenario,
    rng: fastrand::Rng,
    now_ms: u64,
    /// The events of `now_ms` and of each ms after it. Within one ms, the last event is first.
    wheel: VecDeque<Vec<Event>>,
    networks: Vec<Network>,
    connections: u64,
    /// The number of connections at each second.
    history: Vec<u64>,
    outages: std::slice::Iter<'a, Outage>,
    outage: Option<Outage>,
    hub: HubDriver,
    /// The close code and reason of a lost connection.
    ended: (u16, String),
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let networks = (0..scenario.clients)
            .map(|_| Network {
                rtt_ms: rng.u64(50..=100),
                connected_ms: Some(0),
            })
            .collect();
        Self {
            scenario,
            rng,
            now_ms: 0,
            wheel: VecDeque::new(),
            networks,
            connections: u64::from(scenario.clients),
            history: vec![0],
            outages: scenario.outages.iter(),
            outage: None,
            hub: HubDriver::new(scenario.clients, scenario.per_s, scenario.hints),
            ended: scenario.ended.clone(),
            outcome: Outcome::new(scenario.clients, scenario.up_ms()),
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        let ahead = usize::try_from(at_ms.saturating_sub(self.now_ms)).unwrap_or(usize::MAX);
        if at_ms > self.scenario.end_ms {
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

    fn network(&mut self, no: u32) -> Option<&mut Network> {
        self.networks.get_mut(usize::try_from(no).ok()?)
    }

    /// Begins an outage. Connected clients will notice it.
    fn begin_outage(&mut self, fleet: &mut impl Fleet) {
        let Some(outage) = self.outages.next().copied() else {
            return;
        };
        self.outage = Some(outage);
        self.connections = 0;
        self.hub = HubDriver::new(
            self.scenario.clients,
            self.scenario.per_s,
            self.scenario.hints,
        );
        let closes = self.drain();
        if let Some(then) = self.outages.as_slice().first() {
            self.push(then.from_ms, Event::Outage);
        }
        for no in 0..self.scenario.clients {
            let Some(since_ms) = self
                .network(no)
                .and_then(|network| network.connected_ms.take())
            else {
                continue;
            };
            if self.scenario.hints == Hints::Repeated && since_ms > 0 {
                let window_ms =
                    since_ms + (outage.from_ms.saturating_sub(since_ms)) / 25_000 * 25_000;
                let second = usize::try_from(window_ms / 1_000).unwrap_or(usize::MAX);
                let connections = self.history.get(second).copied().unwrap_or(0);
                fleet.spread_changed(no, window_ms, spread_ms(connections, self.scenario.per_s));
            }
            let noticed_ms = match self.scenario.detection {
                Detection::Between(from_ms, to_ms) => self.rng.u64(from_ms..=to_ms),
                Detection::Drained { .. } => {
                    let close = usize::try_from(no).ok().and_then(|no| closes.get(no));
                    let rtt_ms = self.network(no).map_or(0, |network| network.rtt_ms);
                    close.map_or(0, |close_ms| close_ms + rtt_ms / 2)
                }
            };
            self.push(outage.from_ms + noticed_ms, Event::Lost(no));
            self.outcome.lost(no, outage.from_ms + noticed_ms);
        }
    }

    /// When a draining hub closes each of its clients, ms. All get the same reason.
    fn drain(&mut self) -> Vec<u64> {
        let Detection::Drained { per_s, over_ms } = self.scenario.detection else {
            return Vec::new();
        };
        let closed = drained(self.scenario.clients, per_s, over_ms);
        if let Some(first) = closed.first() {
            self.ended = (first.code, first.reason.clone());
        }
        closed.iter().map(|close| close.at_ms).collect()
    }

    fn connect(&mut self, fleet: &mut impl Fleet, no: u32, now_ms: u64) {
        let rtt_ms = self.network(no).map_or(0, |network| network.rtt_ms);
        let is_away = self.outage.is_some_and(|outage| now_ms < outage.until_ms);
        let answer = if is_away {
            if self.scenario.is_silent {
                Answer::Silence
            } else {
                Answer::NoServer
            }
        } else {
            let answer = self.hub.connect(now_ms);
            self.connections += u64::from(matches!(answer, Answer::Admitted { .. }));
            answer
        };
        let at_ms = now_ms - rtt_ms / 2;
        self.outcome.attempted(at_ms, &answer);
        let next = fleet.answer(no, at_ms, rtt_ms, &answer);
        if matches!(answer, Answer::Admitted { .. })
            && let Some(network) = self.network(no)
        {
            network.connected_ms = Some(now_ms);
        }
        self.follow(no, next);
    }

    fn follow(&mut self, no: u32, next: Next) {
        match next {
            Next::Attempt { at_ms } => {
                let rtt_ms = self.network(no).map_or(0, |network| network.rtt_ms);
                self.push(at_ms + rtt_ms / 2, Event::Arrival(no));
            }
            Next::Back { at_ms } => self.outcome.back(no, at_ms),
            Next::GivesUp => self.outcome.gave_up += 1,
        }
    }
}
