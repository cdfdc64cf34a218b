//! The form of an event stream (rule T2).
//!
//! A browser can't read a refused stream, so the hub sends a refusal as a stream too.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::frame::{PASS_THROUGH, close_record};
use super::handshake::disabled;
use super::origin::PageOrigin;
use crate::core::{Limits, Refusal, Transport};

/// The text before the first frame. It sends the headers on their way at once. Its retry time keeps
/// the browser from reconnecting by itself; the client reconnects, with a new ticket.
pub const OPENING: &str = ": longhaul\nretry: 3600000\n\n";

/// A comment that keeps a silent stream open. Source: rule T2.
pub const COMMENT: &str = ":\n\n";

/// The time between two comments of a silent stream, ms. Source: rule T2.
pub const COMMENT_MS: u64 = 15_000;

/// The headers of every stream.
pub fn headers() -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let content_type = (CONTENT_TYPE, "text/event-stream; charset=utf-8");
    std::iter::once(content_type)
        .chain(PASS_THROUGH)
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// The ticket in a query string, empty if there is none.
#[must_use]
pub fn ticket(query: &str) -> &str {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ticket="))
        .unwrap_or_default()
}

/// Why the hub refuses a stream, whatever its ticket.
#[must_use]
pub fn refusal(origin: PageOrigin, limits: &Limits) -> Option<Refusal> {
    origin
        .refusal()
        .or_else(|| disabled(Transport::EventSource, limits))
}

/// A complete stream that only says why the hub refuses it.
#[must_use]
pub fn refused(refusal: &Refusal) -> String {
    let close = close_record(refusal.close, &refusal.reason());
    format!("{OPENING}{}", event(&close))
}

/// A frame as an event. Frames contain no CR (rule W2), so the client gets the frame unchanged.
#[must_use]
pub fn event(frame: &str) -> String {
    let mut event = String::with_capacity(frame.len() + 64);
    for record in frame.split('\n') {
        event.push_str("data: ");
        event.push_str(record);
        event.push('\n');
    }
    event.push('\n');
    event
}
