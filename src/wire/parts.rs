//! Records that are too large for one frame: their limits, and how to join their parts (rule W9).
//!
//! The browser joins them in js/src/parts.ts, because payloads never enter the wasm.

use crate::wire::record::{DecodeError, records};
use crate::wire::to_client::ToClient;

/// Largest frame of either direction, bytes, posts of subscriptions aside. Source: rule W8.
pub use crate::boundary::FRAME_BYTES_MAX;

/// The hub aims at frames of at most this size, bytes, and sends larger records in parts. Source:
/// rule W9.
pub const PART_BYTES_MAX: usize = 16_384;

/// Largest record in parts, bytes. Source: rule W9. The largest snapshot has a head and 6 MiB, if
/// every character is an escape.
pub use crate::boundary::RECORD_BYTES_MAX;

/// Largest answer to a poll, bytes. Source: rule T3. It has room for the answers to all
/// subscriptions and one of the largest records.
pub use crate::boundary::ANSWER_BYTES_MAX;

/// The slowest line that all timeouts must allow, bytes a second. Source: rule W9.
pub const SLOW_LINE_BYTES_PER_S: u64 = 8_000;

/// How long so many bytes take over the slowest line, ms.
#[must_use]
#[expect(clippy::as_conversions, reason = "no From in a const; usize fits u64")]
pub const fn slow_ms(bytes: usize) -> u64 {
    bytes as u64 * 1_000 / SLOW_LINE_BYTES_PER_S
}

/// The incomplete record of one connection.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    text: String,
    next: u32,
    left: u64,
}

impl Parts {
    /// Takes a part. Returns the record when it is complete.
    ///
    /// # Errors
    /// The field that contradicts the part before, or exceeds the limit. The connection should
    /// close.
    pub fn add(
        &mut self,
        index: u32,
        left: u64,
        text: &str,
    ) -> Result<Option<String>, DecodeError> {
        if index == 0 {
            self.text.clear();
        } else if index != self.next {
            return Err(DecodeError::BadNumber("index"));
        }
        let bytes = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let is_expected = index == 0 || bytes(text).saturating_add(left) == self.left;
        let is_within = bytes(&self.text)
            .saturating_add(bytes(text))
            .saturating_add(left)
            <= bytes_max();
        if !is_expected || !is_within {
            return Err(DecodeError::BadNumber("left"));
        }
        self.text.push_str(text);
        (self.next, self.left) = (index.saturating_add(1), left);
        if left > 0 {
            return Ok(None);
        }
        self.next = 0;
        let record = std::mem::take(&mut self.text);
        if record.starts_with("part ") {
            return Err(DecodeError::BadField("text"));
        }
        Ok(Some(record))
    }

    /// A frame of whole records: instead of its parts it contains the records that they complete.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn frame(&mut self, frame: &str) -> Result<String, DecodeError> {
        let mut whole: Vec<String> = Vec::new();
        for record in records(frame) {
            match ToClient::decode(record) {
                Ok(ToClient::Part { index, left, text }) => {
                    whole.extend(self.add(index, left, text)?);
                }
                _ => whole.push(record.to_owned()),
            }
        }
        Ok(whole.join("\n"))
    }
}

fn bytes_max() -> u64 {
    u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w9_parts_are_put_together_and_other_records_may_come_between_them() {
        let mut parts = Parts::default();
        assert_eq!(parts.frame("part 0 7 m 1 1 0 0").as_deref(), Ok(""));
        assert_eq!(parts.frame("pong 5").as_deref(), Ok("pong 5"));
        assert_eq!(parts.frame("part 1 3  - \"").as_deref(), Ok(""));
        assert_eq!(
            parts
                .frame("ack q 1 00c0ffee00c0ffee 1 0\npart 2 0 ü\"")
                .as_deref(),
            Ok("ack q 1 00c0ffee00c0ffee 1 0\nm 1 1 0 0 - \"ü\"")
        );
    }

    #[test]
    fn w9_a_part_0_begins_anew_and_no_other_may_be_missing() {
        let mut parts = Parts::default();
        assert_eq!(parts.add(0, 100, "pin"), Ok(None));
        assert_eq!(parts.add(0, 3, "pin"), Ok(None));
        assert_eq!(parts.add(1, 0, "g 1"), Ok(Some("ping 1".to_owned())));
        assert_eq!(parts.add(1, 0, "g 1"), Err(DecodeError::BadNumber("index")));
        assert_eq!(parts.add(0, 9, "pin"), Ok(None));
        assert_eq!(parts.add(2, 0, "g 1"), Err(DecodeError::BadNumber("index")));
        assert_eq!(parts.add(1, 5, "g 1"), Err(DecodeError::BadNumber("left")));
    }

    #[test]
    fn f24_a_record_over_the_limit_is_refused_with_its_first_part() {
        let mut parts = Parts::default();
        let left = bytes_max();
        assert_eq!(parts.add(0, left, "p"), Err(DecodeError::BadNumber("left")));
        assert_eq!(parts.add(0, left - 1, "p"), Ok(None));
    }

    #[test]
    fn w9_a_record_in_parts_is_no_part_itself() {
        let mut parts = Parts::default();
        let nested = parts.add(0, 0, "part 0 0 ping 1");
        assert_eq!(nested, Err(DecodeError::BadField("text")));
    }
}
