//! Counts the faults that were injected and the states that were reached. A fault that never fires
//! proves nothing.

use std::collections::BTreeMap;

/// The situations that a run of many seeds must meet at least once.
pub const WANTED: &[&str] = &[
    "fault: connection refused",
    "fault: connection black-holed",
    "fault: handshake stripped",
    "fault: handshake 5xx",
    "fault: HTTP 503 with Retry-After",
    "fault: HTTP 200 from a captive portal",
    "fault: stream buffered",
    "fault: reset",
    "fault: half-open",
    "fault: one-way up",
    "fault: one-way down",
    "fault: slow line",
    "fault: frame truncated",
    "fault: frame corrupted",
    "fault: frame duplicated",
    "fault: frame reordered",
    "fault: publication duplicated",
    "fault: machine slept",
    "fault: clock set back",
    "fault: timers throttled",
    "fault: page frozen",
    "fault: page suspended",
    "fault: page killed",
    "fault: hub crashed",
    "fault: hub stopped",
    "fault: network told offline",
    "fault: storage removed",
    "fault: storage closed",
    "fault: storage full",
    "fault: storage lost",
    "fault: storage slow",
    "fault: storage slow to open",
    "fault: page killed before its transaction",
    "fault: page killed after its transaction",
    "fault: instance crashed",
    "fault: instance crashed before its transaction",
    "fault: instance crashed after its transaction",
    "fault: transaction torn by a crash",
    "fault: storage closed in a transaction",
    "fault: transaction aborted",
    "fault: handle lost",
    "fault: no locks",
    "fault: lock stolen",
    "fault: lock jammed",
    "fault: notice lost",
    "fault: notice late",
    "fault: notice heard twice",
    "fault: notice about other storage",
    "fault: service worker killed",
    "fault: machine's clock jumped",
    "state: connected over websocket",
    "state: connected over eventsource",
    "state: connected over longpoll",
    "state: moved to another transport",
    "state: waiting",
    "state: offline",
    "state: hole held",
    "state: record in parts",
    "state: held run discarded",
    "state: duplicate dropped",
    "state: gap trimmed",
    "state: gap expired",
    "state: gap of a new epoch",
    "state: acked",
    "state: acked as duplicate",
    "state: publication sent again",
    "state: publication expired",
    "state: publication replaced",
    "state: publication in storage",
    "state: publication beside storage",
    "state: publication refused",
    "state: publication given up",
    "state: publication wiped",
    "state: publication lost with storage",
    "state: outcome unknown",
    "state: outbox lost",
    "state: outbox wiped",
    "state: stored row replaced",
    "state: row forgotten",
    "state: several flushers",
    "state: call found in storage",
    "state: call found with its verdict",
    "state: service worker",
    "state: service worker has flushed",
    "state: missed heartbeat",
    "state: snapshot",
    "state: checkpoint",
    "state: change refused",
    "state: two downlinks at once",
    "state: no place for what is held",
];

/// How often the run met each situation.
#[derive(Clone, Debug, Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Counts one.
    pub fn met(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// Adds the counts of another run.
    pub fn join(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    /// Lists all counts by name.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(what, times)| (*what, *times))
    }

    /// Lists the wanted situations that the run has not met.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let has = |what: &&&str| !self.0.contains_key(**what);
        WANTED.iter().filter(has).copied().collect()
    }
}
