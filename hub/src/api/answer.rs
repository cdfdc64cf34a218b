//! Answers in JSON, and the content types of requests.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;

/// A complete answer.
pub type Answer = http::Response<String>;

/// The content type of a request, without its parameters.
pub(super) fn essence(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// JSON with status 200.
pub(super) fn json(body: &impl Serialize) -> Answer {
    // Serialising the answers of this folder never fails.
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut answer = Answer::new(body);
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
