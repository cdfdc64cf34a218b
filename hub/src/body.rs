//! Reads the bodies of requests, within limits of size and time.
//!
//! Without them a body that never ends would hold a socket for ever.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use http_body_util::LengthLimitError;
use hyper::body::Body as _;
use longhaul::wire::slow_ms;

use crate::api::problem::{Problem, ProblemCode};
use crate::core::Limits;

/// Reads a body.
///
/// # Errors
/// It is too large, it takes too long, or the connection ends before it.
pub(crate) async fn read(
    body: Body,
    bytes_max: usize,
    limits: &Limits,
    too_large: fn(usize) -> Problem,
) -> Result<Bytes, Problem> {
    // A slow network needs time for a large body.
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
            ProblemCode::BodyTimeout,
            detail,
        ));
    };
    body.map_err(|error| {
        if std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>()) {
            return too_large(bytes_max);
        }
        let detail = "the connection ended before the body did";
        Problem::new(StatusCode::BAD_REQUEST, ProblemCode::BodyUnreadable, detail)
    })
}
