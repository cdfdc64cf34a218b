//! Whether a connection is alive: pings, pongs, and how long silence may last (rules B1, B2).
//!
//! Judges by timestamps. A timer that fires late proves that the page slept, not that the peer is gone.

use crate::config::HeartbeatPolicy;
use crate::time::Time;

/// A deadline noticed later than this, ms, means that timers were stopped. Chosen: above the 1 s to which hidden tabs are throttled.
const LATE_MS: u64 = 2_000;

/// How long the pong to a probe may take, ms. Chosen: a user waits this long after opening the lid.
const PROBE_MS: u64 = 5_000;

/// Data extends the wait for a pong to at most so many times as long (rule B2).
const EXTENSION: u64 = 3;

/// What to do at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing yet.
    Rest,
    /// Send a ping with this time as its `t`.
    Ping(Time),
    /// Ask the hub anew: this transport can't be pinged.
    Renew,
    /// The peer is gone.
    Dead,
}

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    policy: HeartbeatPolicy,
    heard: Time,
    wait: Wait,
    rtt_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Wait {
    NextPing {
        at: Time,
    },
    Pong {
        sent: Time,
        until: Time,
    },
    /// Nothing to send; the peer is heard from within so many ms.
    Sound {
        within_ms: u64,
    },
}

impl Heartbeat {
    pub(crate) fn new(now: Time, policy: HeartbeatPolicy, rtt_ms: Option<u64>) -> Self {
        Self {
            policy,
            heard: now,
            wait: Wait::NextPing {
                at: now.plus(policy.interval_ms),
            },
            rtt_ms,
        }
    }

    /// Of a transport that only listens: the hub says something at least every interval, and has the time-out on top.
    pub(crate) fn listening(now: Time, policy: HeartbeatPolicy, rtt_ms: Option<u64>) -> Self {
        Self {
            wait: Wait::Sound {
                within_ms: policy.interval_ms.saturating_add(policy.timeout_ms),
            },
            ..Self::new(now, policy, rtt_ms)
        }
    }

    pub(crate) fn rtt_ms(&self) -> Option<u64> {
        self.rtt_ms
    }

    pub(crate) fn deadline(&self) -> Time {
        match self.wait {
            Wait::NextPing { at } => at,
            Wait::Pong { until, .. } => until,
            Wait::Sound { within_ms } => self.heard.plus(within_ms),
        }
    }

    /// Something arrived.
    pub(crate) fn heard(&mut self, now: Time) {
        self.heard = now;
    }

    /// A pong arrived. True if it answers the ping that we wait for.
    pub(crate) fn pong(&mut self, now: Time, t: u64) -> bool {
        let Wait::Pong { sent, .. } = self.wait else {
            return false;
        };
        if sent.0 != t {
            return false;
        }
        self.rtt_ms = Some(now.since(sent));
        self.wait = Wait::NextPing {
            at: now.plus(self.policy.interval_ms),
        };
        true
    }

    /// Asks the peer for a sign of life now, with a short wait.
    pub(crate) fn probe(&mut self, now: Time) -> Beat {
        if let Wait::Sound { .. } = self.wait {
            // Judged anew from here: what silence there was, the page may have slept through.
            self.heard = now;
            return Beat::Renew;
        }
        self.ping(now, self.policy.timeout_ms.min(PROBE_MS))
    }

    /// What is due.
    pub(crate) fn tick(&mut self, now: Time) -> Beat {
        if now < self.deadline() {
            return Beat::Rest;
        }
        if now.since(self.deadline()) > LATE_MS {
            return self.probe(now);
        }
        match self.wait {
            Wait::NextPing { .. } => self.ping(now, self.policy.timeout_ms),
            Wait::Pong { sent, .. } => {
                let extended = self
                    .heard
                    .plus(self.policy.timeout_ms)
                    .min(sent.plus(EXTENSION * self.policy.timeout_ms));
                if self.heard > sent && now < extended {
                    self.wait = Wait::Pong {
                        sent,
                        until: extended,
                    };
                    Beat::Rest
                } else {
                    Beat::Dead
                }
            }
            Wait::Sound { .. } => Beat::Dead,
        }
    }

    fn ping(&mut self, now: Time, timeout_ms: u64) -> Beat {
        self.wait = Wait::Pong {
            sent: now,
            until: now.plus(timeout_ms),
        };
        Beat::Ping(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time(1_000_000);

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(T0, HeartbeatPolicy::default(), None)
    }

    #[test]
    fn b2_a_ping_goes_out_every_interval_and_a_pong_tells_the_round_trip() {
        let mut h = heartbeat();
        assert_eq!(h.tick(T0.plus(24_999)), Beat::Rest);
        let sent = T0.plus(25_000);
        assert_eq!(h.tick(sent), Beat::Ping(sent));
        assert!(!h.pong(sent.plus(40), 7), "a pong of another ping");
        assert!(h.pong(sent.plus(40), sent.0));
        assert_eq!(h.rtt_ms(), Some(40));
        assert_eq!(h.deadline(), sent.plus(40 + 25_000));
    }

    #[test]
    fn b2_silence_after_a_ping_ends_the_connection_within_35_s() {
        let mut h = heartbeat();
        h.tick(T0.plus(25_000));
        assert_eq!(h.tick(T0.plus(34_999)), Beat::Rest);
        assert_eq!(h.tick(T0.plus(35_000)), Beat::Dead);
    }

    #[test]
    fn b2_data_extends_the_wait_for_a_pong_but_not_for_ever() {
        let mut h = heartbeat();
        let sent = T0.plus(25_000);
        h.tick(sent);
        let mut now = sent;
        while now < sent.plus(30_000) {
            assert_ne!(h.tick(now), Beat::Dead, "data arrives all the time");
            h.heard(now);
            now = now.plus(1_000);
        }
        assert_eq!(h.tick(sent.plus(30_000)), Beat::Dead, "but no pong does");
    }

    #[test]
    fn a_transport_that_only_listens_is_judged_by_silence() {
        let mut h = Heartbeat::listening(T0, HeartbeatPolicy::default(), None);
        h.heard(T0.plus(20_000));
        assert_eq!(h.tick(T0.plus(54_999)), Beat::Rest);
        assert_eq!(h.tick(T0.plus(55_000)), Beat::Dead);
        let woke = T0.plus(7_200_000);
        assert_eq!(h.tick(woke), Beat::Renew);
        assert_eq!(h.deadline(), woke.plus(35_000));
    }

    #[test]
    fn s52_a_timer_that_fires_late_leads_to_a_probe_not_to_a_cut() {
        let mut h = heartbeat();
        h.tick(T0.plus(25_000));
        let woke = T0.plus(7_200_000);
        assert_eq!(h.tick(woke), Beat::Ping(woke));
        assert_eq!(h.tick(woke.plus(PROBE_MS)), Beat::Dead);
    }
}
