//! A record that is too large for one frame, on its way in parts (rule W9).
//!
//! All recipients share a document's text. The hub copies one part at a time.

use std::sync::Arc;

use longhaul::ids::TopicNo;
use longhaul::wire::ToClient;

/// The most bytes around the text of a part: verb, two numbers, spaces, a line feed.
const PART_HEAD_BYTES: usize = 40;

/// The least text in a part, bytes: at least one character fits.
const TEXT_BYTES_MIN: usize = 64;

/// Which part of a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// More parts follow.
    More,
    /// It was the last part.
    Last,
}

/// A record, and how much of it the client has.
#[derive(Clone, Debug)]
pub(crate) struct LargeRecord {
    /// Its subscription.
    pub(crate) no: TopicNo,
    /// The record, or the part of it before `text`.
    head: String,
    text: Arc<str>,
    index: u32,
    at: usize,
}

impl LargeRecord {
    pub(crate) fn new(no: TopicNo, head: String, text: Arc<str>) -> Self {
        Self {
            no,
            head,
            text,
            index: 0,
            at: 0,
        }
    }

    /// Writes the next part into a frame of `bytes_max`, which may have other records in it.
    pub(crate) fn write(&mut self, frame: &mut String, bytes_max: usize) -> Written {
        let free = bytes_max.saturating_sub(frame.len() + PART_HEAD_BYTES);
        let end = self.end(self.at + free.max(TEXT_BYTES_MIN));
        let left = self.head.len() + self.text.len() - end;
        let record = ToClient::Part {
            index: self.index,
            left: u64::try_from(left).unwrap_or(u64::MAX),
            text: "",
        };
        record.encode(frame);
        let cut = self.head.len();
        let of_head = self.head.get(self.at.min(cut)..end.min(cut));
        let of_text = self
            .text
            .get(self.at.saturating_sub(cut)..end.saturating_sub(cut));
        frame.extend(of_head);
        frame.extend(of_text);
        self.at = end;
        self.index += 1;
        if left == 0 {
            Written::Last
        } else {
            Written::More
        }
    }

    /// The last index up to `to` that is between two characters.
    fn end(&self, to: usize) -> usize {
        let cut = self.head.len();
        if to >= cut {
            let to = (to - cut).min(self.text.len());
            return cut + floor(&self.text, to);
        }
        floor(&self.head, to)
    }
}

fn floor(text: &str, to: usize) -> usize {
    let mut indexes = (0..=to).rev();
    indexes
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use longhaul::wire::Parts;

    use super::*;

    #[test]
    fn w9_the_parts_of_a_record_make_it_again_whatever_their_size() {
        let text: Arc<str> = format!("\"{}\"", "aü🚚".repeat(300)).into();
        for bytes_max in [1, 100, 137, 1_000, 10_000] {
            let mut large =
                LargeRecord::new(TopicNo(1), "snapshot 1 2 3 4 ".to_owned(), text.clone());
            let mut parts = Parts::default();
            let mut whole = String::new();
            loop {
                let mut frame = String::new();
                let written = large.write(&mut frame, bytes_max);
                assert!(
                    frame.len() <= bytes_max.max(PART_HEAD_BYTES + TEXT_BYTES_MIN),
                    "{frame}"
                );
                whole.push_str(&parts.frame(&frame).unwrap_or_default());
                if written == Written::Last {
                    break;
                }
            }
            assert_eq!(whole, format!("snapshot 1 2 3 4 {text}"));
        }
    }
}
