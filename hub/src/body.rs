//! Bodies of requests: read whole, within a size and a time, because a body that never ends holds a socket for good.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use http_body_util::LengthLimitError;
use hyper::body::Body as _;
use longhaul::wire::slow_ms;

use crate::api::problem::Problem;
use crate::core::Limits;

/// The body.
///
/// # Errors
/// `too_large` if it is; it did not end, or ended before its time.
pub(crate) async fn read(
    body: Body,
    bytes_max: usize,
    limits: &Limits,
    too_large: fn(usize) -> Problem,
) -> Result<Bytes, Problem> {
    // Over a slow line what was announced takes its time.
    let announced = body
        .size_hint()
        .exact()
        .and_then(|bytes| usize::try_from(bytes).ok());
    let body_ms = limits.body_ms + slow_ms(announced.unwrap_or(0).min(bytes_max));
    let body = tokio::time::timeout(Duration::from_millis(body_ms), to_bytes(body, bytes_max));
    let Ok(body) = body.await else {
        let detail = format!("the body did not end within {body_ms} ms");
        return Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            detail,
        ));
    };
    body.map_err(|error| {
        if std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>()) {
            return too_large(bytes_max);
        }
        let detail = "the body ended before its time";
        Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", detail)
    })
}
