//! Detects dead connections: pings, pongs, and the longest silence (rules B1, B2).
//!
//! Judges by timestamps. A timer that fires late proves that the page slept, not that the hub is
//! gone.

use crate::config::{HeartbeatPolicy, PROBE_MS};
use crate::time::Time;

/// A timer that fires later than this, ms, had been stopped. Chosen: above the 1 s to which
/// browsers throttle hidden tabs.
const LATE_MS: u64 = 2_000;

/// What to do at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing yet.
    Nothing,
    /// Send a ping with this time as its `t`.
    Ping(Time),
    /// Send another request: this transport can't send pings.
    Renew,
    /// Close the connection: the hub is gone.
    Dead,
}

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    policy: HeartbeatPolicy,
    heard: Time,
    /// Something arrived after `heard`, and nobody looked at the clock.
    has_news: bool,
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
    /// The client sends nothing. Something arrives within this time, ms.
    Sound {
        within_ms: u64,
    },
    /// The same after another request: something arrives until then.
    Sign {
        until: Time,
        within_ms: u64,
    },
}

impl Heartbeat {
    pub(crate) fn new(now: Time, policy: HeartbeatPolicy, rtt_ms: Option<u64>) -> Self {
        Self {
            policy,
            heard: now,
            has_news: false,
            wait: Wait::NextPing {
                at: now.plus(policy.interval_ms),
            },
            rtt_ms,
        }
    }

    /// For a transport that only listens: the hub sends something in every interval, and has the
    /// timeout on top.
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
            Wait::Sign { until, .. } => until,
        }
    }

    /// Something has arrived. Sends a ping that is due, because the timer of a hidden page may be a
    /// minute late. A hub that sends messages sends no pings that the client could answer (rule
    /// B3).
    pub(crate) fn heard(&mut self, now: Time) -> Beat {
        self.heard = self.heard.max(now);
        match self.wait {
            Wait::NextPing { at } if now >= at => return self.ping(now, self.policy.timeout_ms),
            Wait::Pong { sent, .. } if now >= sent.plus(self.policy.interval_ms) => {
                return self.ping(now, self.policy.timeout_ms);
            }
            Wait::Sign { within_ms, .. } => self.wait = Wait::Sound { within_ms },
            _ => {}
        }
        Beat::Nothing
    }

    /// Something has arrived, and the caller did not look at the clock. The next [`Self::tick`]
    /// counts it as new. Only for transports that ping, and only where timers are in time: this
    /// sends no ping.
    pub(crate) fn heard_untimed(&mut self) {
        self.has_news = true;
    }

    /// Counts silence from `time` on, when the client sends a request.
    pub(crate) fn expect_from(&mut self, time: Time) {
        self.heard = time;
    }

    /// A pong has arrived. Returns whether it answers the last ping.
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

    /// Asks the hub for a sign of life now, with a short timeout.
    pub(crate) fn probe(&mut self, now: Time) -> Beat {
        let wait_ms = self.policy.timeout_ms.min(PROBE_MS);
        if let Wait::Sound { within_ms } | Wait::Sign { within_ms, .. } = self.wait {
            let until = now.plus(wait_ms);
            self.wait = Wait::Sign { until, within_ms };
            return Beat::Renew;
        }
        self.ping(now, wait_ms)
    }

    /// What to do now.
    pub(crate) fn tick(&mut self, now: Time) -> Beat {
        if std::mem::take(&mut self.has_news) {
            self.heard = now;
        }
        if now < self.deadline() {
            return Beat::Nothing;
        }
        if now.since(self.deadline()) > LATE_MS {
            return self.probe(now);
        }
        match self.wait {
            Wait::NextPing { .. } => self.ping(now, self.policy.timeout_ms),
            Wait::Pong { sent, .. } => {
                let extended = self.heard.plus(self.policy.timeout_ms);
                let next = sent.plus(self.policy.interval_ms);
                if self.heard <= sent || now >= extended {
                    Beat::Dead
                } else if now >= next {
                    // The pong may be behind much else, and the hub expects pings meanwhile (rule
                    // B3).
                    self.ping(now, self.policy.timeout_ms)
                } else {
                    let until = extended.min(next);
                    self.wait = Wait::Pong { sent, until };
                    Beat::Nothing
                }
            }
            Wait::Sound { .. } | Wait::Sign { .. } => Beat::Dead,
        }
    }

    fn ping(&mut self, now: Time, timeout_ms: u64) -> Beat {
        self.has_news = false;
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
        assert_eq!(h.tick(T0.plus(24_999)), Beat::Nothing);
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
        assert_eq!(h.tick(T0.plus(34_999)), Beat::Nothing);
        assert_eq!(h.tick(T0.plus(35_000)), Beat::Dead);
    }

    #[test]
    fn f03_whatever_arrives_is_life_and_the_hub_hears_a_ping_every_interval() {
        let mut h = heartbeat();
        let mut pings = Vec::new();
        let mut now = T0;
        // A megabyte at 8 kB/s, in frames of two seconds each: the pong is behind all of them.
        while now < T0.plus(131_000) {
            for beat in [h.tick(now), h.heard(now)] {
                assert_ne!(beat, Beat::Dead, "data arrives all the time");
                pings.extend((beat != Beat::Nothing).then_some(now.since(T0)));
            }
            now = now.plus(2_000);
        }
        assert_eq!(pings.len(), 5, "{pings:?}");
        assert!(pings.windows(2).all(|pair| pair[1] - pair[0] <= 26_000));
        let last = T0.plus(130_000 + 10_000);
        assert_eq!(h.tick(T0.plus(139_999)), Beat::Nothing);
        assert_eq!(h.tick(last), Beat::Dead, "nothing does any more");
    }

    #[test]
    fn f03_what_arrives_extends_the_wait_after_a_wake_too() {
        let mut h = heartbeat();
        h.probe(T0);
        h.heard(T0.plus(2_560));
        assert_eq!(h.tick(T0.plus(PROBE_MS)), Beat::Nothing);
        assert_eq!(h.tick(T0.plus(2_560 + 9_999)), Beat::Nothing);
        assert_eq!(h.tick(T0.plus(2_560 + 10_000)), Beat::Dead);
    }

    #[test]
    fn b2_what_nobody_looked_at_the_clock_for_extends_the_wait_too() {
        let mut h = heartbeat();
        h.heard_untimed();
        let sent = T0.plus(25_000);
        assert_eq!(h.tick(sent), Beat::Ping(sent));
        assert_eq!(
            h.tick(sent.plus(2_000)),
            Beat::Nothing,
            "a look before the deadline"
        );
        h.heard_untimed();
        assert_eq!(h.tick(sent.plus(4_000)), Beat::Nothing);
        assert_eq!(h.tick(sent.plus(10_000)), Beat::Nothing);
        assert_eq!(h.deadline(), sent.plus(14_000), "ten seconds after it");
        assert_eq!(h.tick(sent.plus(14_000)), Beat::Dead);
    }

    #[test]
    fn b2_what_came_before_the_ping_does_not_extend_the_wait() {
        let mut h = heartbeat();
        h.tick(T0.plus(24_000));
        h.heard_untimed();
        let sent = T0.plus(24_500);
        assert_eq!(h.probe(sent), Beat::Ping(sent));
        assert_eq!(h.tick(sent.plus(PROBE_MS)), Beat::Dead);
    }

    #[test]
    fn a_transport_that_only_listens_is_judged_by_silence() {
        let mut h = Heartbeat::listening(T0, HeartbeatPolicy::default(), None);
        h.heard(T0.plus(20_000));
        assert_eq!(h.tick(T0.plus(54_999)), Beat::Nothing);
        assert_eq!(h.tick(T0.plus(55_000)), Beat::Dead);
        let woke = T0.plus(7_200_000);
        assert_eq!(h.tick(woke), Beat::Renew);
        assert_eq!(h.deadline(), woke.plus(PROBE_MS));
        h.heard(woke.plus(PROBE_MS));
        assert_eq!(h.deadline(), woke.plus(PROBE_MS + 35_000));
        assert_eq!(h.probe(woke.plus(4_000)), Beat::Renew);
        assert_eq!(h.tick(woke.plus(4_000 + PROBE_MS)), Beat::Dead);
    }

    #[test]
    fn s52_what_arrives_sends_the_ping_that_a_stopped_timer_did_not() {
        let mut h = heartbeat();
        assert_eq!(h.heard(T0.plus(24_999)), Beat::Nothing);
        let sent = T0.plus(26_000);
        assert_eq!(h.heard(sent), Beat::Ping(sent));
        assert_eq!(h.heard(T0.plus(27_000)), Beat::Nothing, "one is on its way");
        assert!(h.pong(T0.plus(28_000), sent.0));
        assert_eq!(h.heard(T0.plus(52_999)), Beat::Nothing);
        assert!(matches!(h.heard(T0.plus(53_000)), Beat::Ping(_)));
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
