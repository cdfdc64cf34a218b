//! File descriptors: how many connections the system's limit allows. The hub checks this at the
//! start, not under load.
//!
//! Each TCP connection needs one. Others are for posts and reads, and for the hub itself.

/// Descriptors for the listener, the runtime, standard output, static files, and refused
/// connections.
const OWN: u64 = 64;

/// The least number of TCP connections for other requests. Chosen: probes, and a back end's pool.
const BESIDE_MIN: u64 = 32;

/// One more of these for this many connections. Chosen: clients of polls and event streams send a
/// post now and then.
const CONNECTIONS_A_BESIDE: u64 = 4;

/// How many connections the hub accepts, and how many TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// WebSockets, event streams and polls.
    pub connections_max: u64,
    /// TCP connections, including those of posts and reads.
    pub sockets_max: u64,
}

impl Plan {
    /// Plans for `wanted` connections, or else for at most `usual`, within a limit of descriptors.
    ///
    /// # Errors
    /// A text for the operator: the limit is too low.
    pub fn new(wanted: Option<u64>, usual: u64, limit: Option<u64>) -> Result<Self, String> {
        let plan = Self::of(wanted.unwrap_or(usual));
        let Some(limit) = limit.filter(|limit| plan.descriptors() > *limit) else {
            return Ok(plan);
        };
        let fitting = fitting(limit);
        if wanted.is_some() || fitting == 0 {
            let (connections, needed) = match wanted {
                Some(connections) => (connections, plan.descriptors()),
                None => (1, Self::of(1).descriptors()),
            };
            return Err(format!(
                "{connections} connections need {needed} file descriptors and the limit is {limit}: raise it (ulimit -n, \
                 LimitNOFILE), or set --connections-max to at most {fitting}"
            ));
        }
        Ok(Self::of(fitting))
    }

    fn of(connections_max: u64) -> Self {
        let beside = BESIDE_MIN + connections_max / CONNECTIONS_A_BESIDE;
        Self {
            connections_max,
            sockets_max: connections_max.saturating_add(beside),
        }
    }

    /// The descriptors that the process needs.
    #[must_use]
    pub fn descriptors(self) -> u64 {
        self.sockets_max.saturating_add(OWN)
    }
}

/// The most connections that a limit of descriptors allows.
fn fitting(limit: u64) -> u64 {
    let left = limit.saturating_sub(OWN + BESIDE_MIN);
    // n connections need n + n / 4 descriptors.
    let most = left - left / (CONNECTIONS_A_BESIDE + 1);
    most - u64::from(Plan::of(most).descriptors() > limit).min(most)
}

/// The limit of this process, raised as far as the system allows. `None` without a limit.
#[cfg(unix)]
#[must_use]
pub fn limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// The limit of this system is unknown.
#[cfg(not(unix))]
#[must_use]
pub fn limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f25_the_most_that_fits_a_limit_fits_and_one_more_does_not() {
        for limit in (98..3_000).chain([4_096, 65_536, 1_048_576]) {
            let plan = Plan::new(None, u64::MAX / 4, Some(limit)).unwrap();
            assert!(plan.descriptors() <= limit, "{limit}: {plan:?}");
            let more = Plan::new(Some(plan.connections_max + 1), 1, Some(limit));
            assert!(more.is_err(), "{limit}: {plan:?}");
        }
        assert_eq!(
            Plan::new(None, 10_000, Some(256)),
            Ok(Plan {
                connections_max: 128,
                sockets_max: 192,
            })
        );
    }

    #[test]
    fn f25_the_plan_is_the_usual_number_or_the_wanted_one_or_an_error() {
        let usual = Plan::new(None, 10_000, Some(1 << 20)).unwrap();
        assert_eq!(usual.connections_max, 10_000);
        assert_eq!(Plan::new(None, 10_000, None), Ok(usual));
        assert_eq!(Plan::new(Some(10_000), 5, Some(12_596)), Ok(usual));
        let message = Plan::new(Some(10_000), 5, Some(12_595)).unwrap_err();
        assert!(
            message.contains("10000 connections need 12596 file descriptors"),
            "{message}"
        );
        assert!(message.contains("the limit is 12595"), "{message}");
        assert!(message.contains("at most 9999"), "{message}");
        assert!(Plan::new(None, 10_000, Some(96)).is_err());
    }
}
