//! The form of an event stream (rule T2). A browser can't read a refused stream, so refusals come
//! in one.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::handshake::{disabled, origin_refused};
use super::posts::{PASS_THROUGH, close_record};
use crate::core::{Limits, Refusal, Transport};

/// What comes before the first frame: something at once, so that the headers are on their way; and
/// that a browser need not come back by itself, because the client does, with another ticket.
pub const OPENING: &str = ": longhaul\nretry: 3600000\n\n";

/// What keeps a silent stream open, and how often, ms. Source: rule T2.
pub const COMMENT: &str = ":\n\n";
/// See `COMMENT`.
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

/// Why nobody gets a stream here, whatever the ticket.
#[must_use]
pub fn refusal(is_origin_served: bool, limits: &Limits) -> Option<Refusal> {
    if !is_origin_served {
        return Some(origin_refused());
    }
    disabled(Transport::EventSource, limits)
}

/// A whole stream that only says why.
#[must_use]
pub fn refused(refusal: &Refusal) -> String {
    let close = close_record(refusal.close, &refusal.reason());
    format!("{OPENING}{}", event(&close))
}

/// A frame as an event. A frame has no CR (rule W2), so the client gets it back as it was.
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

/// The Origin that a browser names.
#[must_use]
pub fn origin(headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(http::header::ORIGIN)?;
    Some(String::from_utf8_lossy(origin.as_bytes()).into_owned())
}
