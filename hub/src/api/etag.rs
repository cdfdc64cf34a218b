//! Entity tags of documents: the epoch and the seq in quotes.

use http::header::{ETAG, HeaderValue};
use longhaul::ids::{Epoch, Seq};

use super::answer::Answer;

/// The tag of a document after an entry.
pub(super) fn tag(epoch: Epoch, seq: Seq) -> String {
    format!("\"{:016x}-{}\"", epoch.0, seq.0)
}

/// The entry of a tag. `None` if the hub has not made the tag.
pub(super) fn parse(text: &str) -> Option<(Epoch, Seq)> {
    let (epoch, seq) = text.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    let entry = (
        Epoch(u64::from_str_radix(epoch, 16).ok()?),
        Seq(seq.parse().ok()?),
    );
    // Another spelling of the same numbers is not a tag of this hub.
    (tag(entry.0, entry.1) == text).then_some(entry)
}

/// An answer with a tag.
pub(super) fn tagged(mut answer: Answer, tag: &str) -> Answer {
    // A tag contains hex digits, a number and quotes, so it is a valid header.
    let tag = HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag));
    answer.headers_mut().extend(tag);
    answer
}
