//! All timers of the hub, in order of time.

use std::collections::BTreeSet;

use crate::core::ids::{ConnId, TopicId};
use crate::core::time::Time;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Connection(ConnId),
    Topic(TopicId),
    Tickets,
    Sessions,
    Owners,
    Drain,
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, Timer)>);

impl Timers {
    /// The time of the first timer.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.0.first().map(|(time, _)| *time)
    }

    /// Takes the first timer, if it is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Timer> {
        if self.deadline()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// Sets a timer, if there is a deadline. A timer that has become useless does no harm.
    pub(super) fn set(&mut self, deadline: Option<Time>, timer: Timer) {
        self.0.extend(deadline.map(|time| (time, timer)));
    }

    pub(super) fn cancel(&mut self, time: Time, timer: Timer) {
        self.0.remove(&(time, timer));
    }
}
