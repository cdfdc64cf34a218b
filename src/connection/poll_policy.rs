//! Chooses between long polls and short polls.
//!
//! Owns the three reasons for short polls: the client is idle, it has no slot, or a proxy cuts long
//! polls. `poll_interval` and `poll_timeout` have the numbers.

use crate::backoff::repeat::RepeatPause;
use crate::config::{IDLE_AFTER_MS, PAUSE_MS};
use crate::connection::poll_interval::{IDLE, PollInterval, WITHOUT_SLOT};
use crate::connection::poll_timeout::PollTimeout;
use crate::context::Context;
use crate::time::Time;

#[derive(Debug, Default)]
pub(crate) struct PollPolicy {
    demand: Demand,
    slot: Slot,
    timeout: PollTimeout,
    interval: PollInterval,
    has_news: bool,
    /// The hub could not resume a subscription: messages may have arrived for the second time.
    has_setback: bool,
    /// The pause before the next poll while answers come at once and bring nothing.
    empty: RepeatPause,
}

/// The poll that follows an answer later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextPoll {
    pub(crate) at: Time,
    /// It waits because of the hub's last answer (rule R7).
    pub(crate) is_repeat: bool,
}

/// An answer to a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The hub has more messages than fitted into it.
    pub(crate) is_behind: bool,
    /// The hub did not hold a poll that it could hold.
    pub(crate) is_hasty: bool,
}

/// Whether somebody waits for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Demand {
    #[default]
    Live,
    /// Every subscription is passive, but only since a moment ago.
    Settling { until: Time },
    /// Every subscription is passive: the client is idle.
    Idle,
}

/// One of the few connections that all tabs share for streams and long polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    NotWanted,
    /// Counts as granted until the answer: that takes a moment, and it is mostly yes.
    Wanted,
    Denied,
}

impl PollPolicy {
    /// Whether short polls are the best transport, because every subscription is passive.
    pub(crate) fn is_idle(&self) -> bool {
        self.demand == Demand::Idle
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.slot != Slot::Denied
    }

    /// Whether polls are short.
    pub(crate) fn is_short(&self) -> bool {
        self.is_idle() || !self.has_slot()
    }

    /// Notes whether every subscription is passive. A connected client settles for a while before
    /// it is idle; the other changes are immediate. Returns whether `is_idle` has changed.
    pub(crate) fn set_demand(&mut self, now: Time, is_passive: bool, is_connected: bool) -> bool {
        let was_idle = self.is_idle();
        self.demand = match self.demand {
            _ if !is_passive => Demand::Live,
            Demand::Live if is_connected => Demand::Settling {
                until: now.plus(IDLE_AFTER_MS),
            },
            Demand::Settling { .. } if is_connected => self.demand,
            _ => Demand::Idle,
        };
        was_idle != self.is_idle()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match self.demand {
            Demand::Settling { until } => Some(until),
            Demand::Live | Demand::Idle => None,
        }
    }

    /// Returns whether the client becomes idle now.
    pub(crate) fn tick(&mut self, now: Time) -> bool {
        let settles = self.deadline().is_some_and(|until| now >= until);
        if settles {
            self.demand = Demand::Idle;
        }
        settles
    }

    /// The connection wants a slot, or no longer. Returns whether that is new.
    pub(crate) fn seek(&mut self, is_wanted: bool) -> bool {
        let is_new = is_wanted != (self.slot != Slot::NotWanted);
        if is_new {
            self.slot = if is_wanted {
                Slot::Wanted
            } else {
                Slot::NotWanted
            };
        }
        is_new
    }

    /// The browser has granted or denied the slot. Returns whether that changes something.
    pub(crate) fn slot_granted(&mut self, is_granted: bool) -> bool {
        let before = self.slot;
        if before != Slot::NotWanted {
            self.slot = if is_granted {
                Slot::Wanted
            } else {
                Slot::Denied
            };
        }
        before != self.slot
    }

    /// The timeout of the next poll, at most the hub's `allowed_ms`.
    pub(crate) fn hold_ms(&self, allowed_ms: u64) -> u64 {
        if self.is_short() {
            0
        } else {
            self.timeout.ms().min(allowed_ms)
        }
    }

    /// New messages have arrived.
    pub(crate) fn news(&mut self) {
        self.has_news = true;
    }

    /// The hub could not resume a subscription.
    pub(crate) fn setback(&mut self) {
        self.has_setback = true;
    }

    /// When the next poll follows an answer. `None` means at once: polls are long, or the hub had
    /// more messages than fitted.
    pub(crate) fn next_poll(
        &mut self,
        context: &mut Context<'_>,
        answer: Answer,
    ) -> Option<NextPoll> {
        let now = context.now;
        let has_setback = std::mem::take(&mut self.has_setback);
        let has_news = std::mem::take(&mut self.has_news) && !has_setback;
        if !self.is_short() {
            if has_news || !answer.is_hasty {
                self.empty.progressed();
                return None;
            }
            context.metrics.repeats += 1;
            let at = self.empty.next(now, PAUSE_MS, context.rng)?;
            return Some(NextPoll {
                at,
                is_repeat: true,
            });
        }
        if has_news && answer.is_behind {
            return None;
        }
        let bounds = if self.is_idle() { IDLE } else { WITHOUT_SLOT };
        Some(NextPoll {
            at: now.plus(self.interval.next(bounds, has_news, context.rng)),
            is_repeat: false,
        })
    }

    /// The hub has answered a long poll.
    pub(crate) fn held(&mut self, age_ms: u64, asked_ms: u64) {
        self.timeout.answered(age_ms, asked_ms);
    }

    /// Something on the way has cut a long poll.
    pub(crate) fn cut(&mut self, age_ms: u64) {
        self.timeout.cut(age_ms);
    }
}
