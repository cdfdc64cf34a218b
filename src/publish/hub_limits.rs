//! The limits that the hub's welcome sets for publications.
//!
//! Owns the current limits, and the check of a new publication against them.

use crate::interface::publication::PublishRefusal;
use crate::wire::Welcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HubLimits {
    payload_bytes_max: u64,
}

impl Default for HubLimits {
    /// The limits before the first welcome (rule W8).
    fn default() -> Self {
        Self {
            payload_bytes_max: 65_536,
        }
    }
}

impl HubLimits {
    pub(super) fn check(self, bytes: u64) -> Result<(), PublishRefusal> {
        let bytes_max = self.payload_bytes_max;
        if bytes > bytes_max {
            return Err(PublishRefusal::PayloadTooLarge { bytes_max });
        }
        Ok(())
    }

    pub(super) fn update(&mut self, welcome: &Welcome<'_>) {
        if let Some(bytes) = welcome.payload_bytes_max {
            self.payload_bytes_max = bytes;
        }
    }
}
