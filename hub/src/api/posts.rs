//! Posts of clients without a WebSocket: publications, polls, and the subscriptions of an event
//! stream (rules T1 to T3).
//!
//! Owns the form of a refusal (rules T4, T5). The core reads the frame.

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use longhaul::ids::is_token;

use super::access::Access;
use super::answer::{Answer, essence};
use super::frame::{FRAME, answer, close_record};
use super::origin::origin;
use super::problem::{Problem, ProblemCode};
use crate::core::{Close, Limits, Refusal, Transport};

/// The minimum retry delay where the hub gives no retry time, s. Chosen: a client's own first
/// window.
const RETRY_S: u64 = 1;

/// Rule T6.
///
/// # Errors
/// The hub does not serve this transport.
pub fn check_transport(limits: &Limits, transport: Transport) -> Result<(), Problem> {
    if limits.transports.has(transport) {
        return Ok(());
    }
    let detail = format!("the hub serves {}", limits.transports);
    let code = ProblemCode::Close(Close::TransportDisabled);
    Err(Problem::new(StatusCode::NOT_FOUND, code, detail))
}

/// Checks that the content type is that of a frame.
///
/// # Errors
/// It is another one.
pub fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if essence(headers).eq_ignore_ascii_case(FRAME) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = format!("send a frame as {FRAME}");
    Err(Problem::new(
        status,
        ProblemCode::ContentTypeUnsupported,
        detail,
    ))
}

/// The frame in a body.
///
/// # Errors
/// It is not UTF-8.
pub fn text(body: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(body).map_err(|_| bad_frame("the frame is not UTF-8"))
}

/// The body is over the limit.
#[must_use]
pub fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the frame is over the limit of {bytes_max} bytes");
    let code = ProblemCode::Close(Close::FrameTooLarge);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
}

fn bad_frame(detail: &str) -> Problem {
    let code = ProblemCode::Close(Close::BadFrame);
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}

/// `POST /v1/publish`.
///
/// # Errors
/// Why nothing took effect.
pub fn publish(hub: &impl Access, headers: &HeaderMap, text: &str) -> Result<Answer, Problem> {
    let token = token(headers)?;
    match hub.with(|hub, now, effects| hub.post(now, token.as_deref(), text, effects)) {
        Ok(frame) => Ok(answer(frame)),
        Err(refusal) => refuse(&refusal),
    }
}

/// `POST /v1/session`. Nobody can guess `ticket`.
///
/// # Errors
/// Why there is no ticket.
pub fn session(
    hub: &impl Access,
    headers: &HeaderMap,
    ticket: &str,
    text: &str,
) -> Result<Answer, Problem> {
    let origin = origin(headers);
    match hub.with(|hub, now, _| hub.issue_ticket(now, ticket, origin.as_deref(), text)) {
        Ok(frame) => Ok(answer(frame)),
        // The client expects only a ticket. It would believe that another server sent the close.
        Err(refusal) if refusal.close == Close::GoingAway => Err(unavailable(&refusal)),
        Err(refusal) => refuse(&refusal),
    }
}

/// The token of a client (rule C9). The hub ignores other schemes than Bearer.
///
/// # Errors
/// It is not a token.
pub fn token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let value = String::from_utf8_lossy(value.unwrap_or_default());
    let Some((scheme, token)) = value.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim();
    if !is_token(token) {
        return Err(bad_frame("a token is 1 to 8192 visible ASCII characters"));
    }
    Ok(Some(token.to_owned()))
}

/// A refusal as an answer: a close record, unless rule T5 has a problem for it.
///
/// # Errors
/// The problem.
pub fn refuse(refusal: &Refusal) -> Result<Answer, Problem> {
    let Refusal { close, message, .. } = refusal;
    tracing::info!(code = close.code(), %message, "the hub refuses a post");
    let status = match close {
        Close::BadFrame | Close::VersionUnsupported => StatusCode::BAD_REQUEST,
        Close::FrameTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Close::Unauthorized => StatusCode::UNAUTHORIZED,
        Close::TryAgainLater => return Err(unavailable(refusal)),
        _ => return Ok(answer(close_record(*close, &refusal.reason()))),
    };
    Err(Problem::new(status, ProblemCode::Close(*close), message))
}

/// Asks a client to come back later. The header has the time in seconds, the detail in ms (rule
/// R1).
#[must_use]
pub fn unavailable(refusal: &Refusal) -> Problem {
    let Refusal { message, hint, .. } = refusal;
    let code = ProblemCode::Close(Close::TryAgainLater);
    let retry_s = hint.retry_ms.map_or(RETRY_S, |ms| ms.div_ceil(1_000));
    let detail = format!("{message}{hint}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after_s(retry_s)
}
