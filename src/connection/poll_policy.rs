//! How eagerly the hub is asked: polls that are held, or short ones with a rest between.
//!
//! Owns the three reasons for it: nothing is urgent, no connection of the browser is free, a proxy cuts long holds.

use crate::backoff::repeat::RepeatPause;
use crate::config::{IDLE_AFTER_MS, PAUSE_MS};
use crate::connection::poll_interval::{CROWDED, PollInterval, QUIET};
use crate::connection::poll_timeout::Hold;
use crate::metrics::Metrics;
use crate::time::Time;

#[derive(Debug, Default)]
pub(crate) struct PollPolicy {
    urgency: Urgency,
    place: Place,
    hold: Hold,
    poll_interval: PollInterval,
    has_news: bool,
    /// The hub could not go on from where a subscription stood: what came may have come before.
    has_setback: bool,
    /// Before the next poll where answers come at once and bring nothing.
    empty: RepeatPause,
}

/// Until when there is no poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) until: Time,
    /// Because of how the hub answers (rule R7).
    pub(crate) is_repeat: bool,
}

/// Whether somebody waits for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Urgency {
    #[default]
    Live,
    /// Every subscription is passive, since a moment ago.
    Settling {
        until: Time,
    },
    Quiet,
}

/// One of the few connections that all tabs share for what is held over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    NotWanted,
    /// Until the answer comes we have it: it takes a moment, and most of the time it is yes.
    Wanted,
    Denied,
}

impl PollPolicy {
    /// Whether polls are the best transport, because nothing is urgent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.urgency == Urgency::Quiet
    }

    pub(crate) fn has_place(&self) -> bool {
        self.place != Place::Denied
    }

    /// Whether polls are short.
    pub(crate) fn is_short(&self) -> bool {
        self.is_quiet() || !self.has_place()
    }

    /// Whether every subscription is passive. What becomes urgent is so at once; what is connected settles for a while
    /// before it is quiet. True if that has changed whether it is quiet.
    pub(crate) fn set_demand(&mut self, now: Time, is_passive: bool, is_connected: bool) -> bool {
        let was_quiet = self.is_quiet();
        self.urgency = match self.urgency {
            _ if !is_passive => Urgency::Live,
            Urgency::Live if is_connected => Urgency::Settling {
                until: now.plus(IDLE_AFTER_MS),
            },
            Urgency::Settling { .. } if is_connected => self.urgency,
            _ => Urgency::Quiet,
        };
        was_quiet != self.is_quiet()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match self.urgency {
            Urgency::Settling { until } => Some(until),
            Urgency::Live | Urgency::Quiet => None,
        }
    }

    /// True if it is quiet from now on.
    pub(crate) fn tick(&mut self, now: Time) -> bool {
        let settles = self.deadline().is_some_and(|until| now >= until);
        if settles {
            self.urgency = Urgency::Quiet;
        }
        settles
    }

    /// A place is wanted, or no longer. True if that is new.
    pub(crate) fn seek(&mut self, is_wanted: bool) -> bool {
        let is_new = is_wanted != (self.place != Place::NotWanted);
        if is_new {
            self.place = if is_wanted {
                Place::Wanted
            } else {
                Place::NotWanted
            };
        }
        is_new
    }

    /// The answer. True if it changes something.
    pub(crate) fn slot_granted(&mut self, is_granted: bool) -> bool {
        let before = self.place;
        if before != Place::NotWanted {
            self.place = if is_granted {
                Place::Wanted
            } else {
                Place::Denied
            };
        }
        before != self.place
    }

    /// How long the next poll may be held, where the hub allows `allowed_ms`.
    pub(crate) fn hold_ms(&self, allowed_ms: u64) -> u64 {
        if self.is_short() {
            0
        } else {
            self.hold.ms().min(allowed_ms)
        }
    }

    /// Messages came that had not come before.
    pub(crate) fn news(&mut self) {
        self.has_news = true;
    }

    /// The hub could not go on from where a subscription stood.
    pub(crate) fn setback(&mut self) {
        self.has_setback = true;
    }

    /// A poll was answered, `is_hasty` where it was to be held and was not. Gives the rest before the next one: none where
    /// polls are held, or where the hub had more than fits into an answer.
    pub(crate) fn rest(
        &mut self,
        now: Time,
        is_behind: bool,
        is_hasty: bool,
        rng: &mut fastrand::Rng,
        metrics: &mut Metrics,
    ) -> Option<Rest> {
        let has_setback = std::mem::take(&mut self.has_setback);
        let has_news = std::mem::take(&mut self.has_news) && !has_setback;
        if !self.is_short() {
            if has_news || !is_hasty {
                self.empty.progressed();
                return None;
            }
            metrics.repeats += 1;
            let until = self.empty.next(now, PAUSE_MS, rng)?;
            return Some(Rest {
                until,
                is_repeat: true,
            });
        }
        if has_news && is_behind {
            return None;
        }
        let bounds = if self.is_quiet() { QUIET } else { CROWDED };
        Some(Rest {
            until: now.plus(self.poll_interval.next(bounds, has_news, rng)),
            is_repeat: false,
        })
    }

    /// A held poll was answered.
    pub(crate) fn held(&mut self, age_ms: u64, asked_ms: u64) {
        self.hold.answered(age_ms, asked_ms);
    }

    /// A held poll was cut.
    pub(crate) fn cut(&mut self, age_ms: u64) {
        self.hold.cut(age_ms);
    }
}
