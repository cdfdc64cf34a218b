//! An outbox whose rows the hub takes from somebody else only (rule H14): they wait, and one of them asks again from time to time.
//!
//! Owns that pause. Why the hub says so, and what users are told, is not its matter.

use super::Outbox;
use crate::ids::RowNo;
use crate::time::Time;

/// Pause before one row asks again, ms, unless another token is shown. Chosen: only a user can change whose the rows are.
const BARRED_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Bar {
    #[default]
    None,
    /// Nothing is sent before.
    Until(Time),
    /// One row is sent to see whether it still is so.
    Probing,
}

impl Outbox {
    /// The hub takes this row from somebody else only. True if that is news.
    pub(crate) fn bar(&mut self, now: Time, n: RowNo) -> bool {
        if !self.take_back(n) {
            return false;
        }
        let until = Bar::Until(now.plus(BARRED_MS));
        matches!(std::mem::replace(&mut self.bar, until), Bar::None)
    }

    /// Another token or connection may show somebody else, or the hub has taken a row.
    pub(crate) fn unbar(&mut self) {
        self.bar = Bar::None;
    }

    pub(super) fn barred_until(&self) -> Option<Time> {
        match self.bar {
            Bar::Until(until) => Some(until),
            Bar::None | Bar::Probing => None,
        }
    }

    pub(super) fn end_bar(&mut self, now: Time) {
        if self.barred_until().is_some_and(|until| until <= now) {
            self.bar = Bar::Probing;
        }
    }
}
