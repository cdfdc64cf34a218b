//! The faults of the moment and the counters, which all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::faults::{Action, Faults, Rule, Shape};
use crate::flow::Direction;
use crate::http::Request;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) opened: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) ruled: AtomicU64,
    pub(crate) bytes_up: Arc<AtomicU64>,
    pub(crate) bytes_down: Arc<AtomicU64>,
}

impl Counters {
    /// Counts a request that met a rule.
    pub(crate) fn count_ruled(&self) {
        self.ruled.fetch_add(1, Ordering::Relaxed);
    }
}

/// The faults of the moment. Some concern all connections, some only older ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) faults: Arc<ActiveFaults>,
    pub(crate) is_frozen: bool,
    pub(crate) cuts: u64,
    pub(crate) strandings: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    faults: Faults,
    /// The number of uses of each rule.
    used: Vec<AtomicU32>,
}

/// The number of a connection, and the cuts and strandings before it. Later ones concern it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) cuts: u64,
    pub(crate) strandings: u64,
}

impl State {
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults.faults
    }

    pub(crate) fn shape(&self, direction: Direction) -> Shape {
        match direction {
            Direction::Up => self.faults().up,
            Direction::Down => self.faults().down,
        }
    }

    pub(crate) fn is_stopped(&self, direction: Direction, start: Start) -> bool {
        let stop = self.faults().stop;
        let is_asked = match direction {
            Direction::Up => stop.up(),
            Direction::Down => stop.down(),
        };
        is_asked || self.is_frozen || self.strandings != start.strandings
    }

    pub(crate) fn is_cut(&self, start: Start) -> bool {
        self.cuts != start.cuts
    }

    /// The action of the first rule that fits this request. Counts as a use of the rule.
    pub(crate) fn action(&self, request: &Request) -> Option<Action> {
        let rules = self.faults().http.iter().zip(&self.faults.used);
        rules
            .filter(|(rule, _)| fits(rule, request))
            .find(|(rule, used)| {
                let limit = rule.times.map_or(u32::MAX, std::num::NonZero::get);
                used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                    (used < limit).then(|| used.saturating_add(1))
                })
                .is_ok()
            })
            .map(|(rule, _)| rule.action.clone())
    }

    #[cfg(test)]
    pub(crate) fn with(faults: Faults) -> Self {
        Self {
            faults: Arc::new(ActiveFaults::new(faults)),
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(crate) fn frozen() -> Self {
        Self {
            is_frozen: true,
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(crate) fn start(number: u64) -> Start {
        Start {
            number,
            cuts: 0,
            strandings: 0,
        }
    }
}

fn fits(rule: &Rule, request: &Request) -> bool {
    let is_path = rule
        .path_prefix
        .as_ref()
        .is_none_or(|prefix| request.path.starts_with(prefix));
    let is_kind = rule
        .upgrade
        .is_none_or(|upgrade| upgrade == request.is_upgrade);
    let is_method = rule
        .method
        .as_ref()
        .is_none_or(|method| *method == request.method);
    let is_meant = rule.action != Action::BlockUpgrade || request.is_upgrade;
    is_path && is_method && is_kind && is_meant
}

impl ActiveFaults {
    pub(crate) fn new(faults: Faults) -> Self {
        let used = faults.http.iter().map(|_| AtomicU32::new(0)).collect();
        Self { faults, used }
    }
}
