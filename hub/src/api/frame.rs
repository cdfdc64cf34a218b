//! Frames over HTTP: their content type, their headers, and the close record (rule T4).

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use longhaul::wire::ToClient;

use super::answer::Answer;
use crate::core::Close;

/// The content type of posts and their answers.
pub const FRAME: &str = "application/vnd.longhaul.v1";

/// Headers that keep proxies from storing, rewriting and buffering an answer.
pub const PASS_THROUGH: [(HeaderName, &str); 2] = [
    (CACHE_CONTROL, "no-store, no-transform"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// A frame that only closes (rule T4).
#[must_use]
pub fn close_record(close: Close, reason: &str) -> String {
    let mut frame = String::new();
    let code = close.number();
    ToClient::Close { code, reason }.encode(&mut frame);
    frame
}

/// An answer with a frame.
#[must_use]
pub fn answer(frame: String) -> Answer {
    let mut answer = Answer::new(frame);
    for (name, value) in [(CONTENT_TYPE, FRAME)].into_iter().chain(PASS_THROUGH) {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}
