//! The check of the outbox's owner by the hub (rule H14).
//!
//! Owns the pause after a refusal: all rows wait, and from time to time one row asks the hub again.

use super::Outbox;
use crate::ids::RowNo;
use crate::time::Time;

/// Pause before one row asks again, ms, unless the client shows another token. Chosen: only a user
/// can change the owner.
const REFUSED_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum OwnerCheck {
    #[default]
    Passed,
    /// The client sends nothing before this time.
    RefusedUntil(Time),
    /// The client sends one row to ask again.
    Probing,
}

impl Outbox {
    /// The hub takes this row only from another subject. True if that is news.
    pub(crate) fn refuse_owner(&mut self, now: Time, n: RowNo) -> bool {
        if !self.take_back(n) {
            return false;
        }
        let refused = OwnerCheck::RefusedUntil(now.plus(REFUSED_MS));
        matches!(
            std::mem::replace(&mut self.owner_check, refused),
            OwnerCheck::Passed
        )
    }

    /// Another token or connection may show the right subject, or the hub has taken a row.
    pub(crate) fn retry_owner(&mut self) {
        self.owner_check = OwnerCheck::Passed;
    }

    pub(super) fn refused_until(&self) -> Option<Time> {
        match self.owner_check {
            OwnerCheck::RefusedUntil(until) => Some(until),
            OwnerCheck::Passed | OwnerCheck::Probing => None,
        }
    }

    pub(super) fn probe_owner(&mut self, now: Time) {
        if self.refused_until().is_some_and(|until| until <= now) {
            self.owner_check = OwnerCheck::Probing;
        }
    }
}
