//! Posts of clients without a WebSocket: publications, polls, and the subscriptions of an event stream (rules T1 to T3).
//!
//! Owns how a refusal is told (rules T4, T5). The core reads the frame.

use http::StatusCode;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use longhaul::ids::is_token;
use longhaul::wire::ToClient;

use super::problem::Problem;
use super::{Access, Answer, essence, events};
use crate::core::{Close, Limits, Refusal, Transport};

/// Of posts and answers.
pub const FRAME: &str = "application/vnd.longhaul.v1";

/// What keeps proxies from storing, rewriting and holding back an answer.
pub const PASS_THROUGH: [(HeaderName, &str); 2] = [
    (CACHE_CONTROL, "no-store, no-transform"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// When to ask again where the hub says no time, s. Chosen: a client's own first window.
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
    let status = StatusCode::NOT_FOUND;
    Err(Problem::new(status, "transport_disabled", detail))
}

/// Whether the body is a frame by its type.
///
/// # Errors
/// It is something else.
pub fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if essence(headers).eq_ignore_ascii_case(FRAME) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = format!("send a frame as {FRAME}");
    Err(Problem::new(status, "content_type_unsupported", detail))
}

/// The frame in a body.
///
/// # Errors
/// It is not UTF-8.
pub fn text(body: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(body).map_err(|_| {
        let detail = "the frame is not UTF-8";
        Problem::new(StatusCode::BAD_REQUEST, "bad_frame", detail)
    })
}

/// A body over the limit.
#[must_use]
pub fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the frame is over the limit of {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "frame_too_large", detail)
}

/// `POST /v1/publish`.
///
/// # Errors
/// Why nothing of it has taken effect.
pub fn publish(hub: &impl Access, headers: &HeaderMap, text: &str) -> Result<Answer, Problem> {
    let token = token(headers)?;
    match hub.with(|hub, now, effects| hub.post(now, token.as_deref(), text, effects)) {
        Ok(frame) => Ok(answer(frame)),
        Err(refusal) => refuse(&refusal),
    }
}

/// `POST /v1/session`: `ticket` is one that nobody can guess.
///
/// # Errors
/// Why there is no ticket.
pub fn session(
    hub: &impl Access,
    headers: &HeaderMap,
    ticket: &str,
    text: &str,
) -> Result<Answer, Problem> {
    let origin = events::origin(headers);
    match hub.with(|hub, now, _| hub.issue(now, ticket, origin.as_deref(), text)) {
        Ok(frame) => Ok(answer(frame)),
        // Nothing but a ticket is expected here, so a client would take a close for another server's words.
        Err(refusal) if refusal.close == Close::GoingAway => Err(unavailable(&refusal)),
        Err(refusal) => refuse(&refusal),
    }
}

/// The token that a client shows (rule C9). Other schemes are none of ours.
///
/// # Errors
/// It is no token.
pub fn token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = String::from_utf8_lossy(shown.unwrap_or_default());
    let Some((scheme, token)) = shown.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim();
    if !is_token(token) {
        let detail = "a token is 1 to 8192 visible ASCII characters";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_frame", detail));
    }
    Ok(Some(token.to_owned()))
}

/// Rule T4.
#[must_use]
pub fn close_record(close: Close, reason: &str) -> String {
    let mut frame = String::new();
    let code = close.number();
    ToClient::Close { code, reason }.encode(&mut frame);
    frame
}

/// A frame.
#[must_use]
pub fn answer(frame: String) -> Answer {
    let mut answer = Answer::new(frame);
    for (name, value) in [(CONTENT_TYPE, FRAME)].into_iter().chain(PASS_THROUGH) {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// A problem where rule T5 has one, else a close.
///
/// # Errors
/// The problem.
pub fn refuse(refusal: &Refusal) -> Result<Answer, Problem> {
    let Refusal { close, message, .. } = refusal;
    tracing::info!(code = close.word(), %message, "refused a post");
    let status = match close {
        Close::BadFrame | Close::VersionUnsupported => StatusCode::BAD_REQUEST,
        Close::FrameTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Close::Unauthorized => StatusCode::UNAUTHORIZED,
        Close::TryAgainLater => return Err(unavailable(refusal)),
        _ => return Ok(answer(close_record(*close, &refusal.reason()))),
    };
    Err(Problem::new(status, close.word(), message))
}

/// Come back later: when, is in the header, and exactly in the words (rule R1).
#[must_use]
pub fn unavailable(refusal: &Refusal) -> Problem {
    let Refusal { message, hint, .. } = refusal;
    let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, Close::TryAgainLater.word());
    let retry_s = hint.retry_ms.map_or(RETRY_S, |ms| ms.div_ceil(1_000));
    Problem::new(status, code, format!("{message}{hint}")).retry_after_s(retry_s)
}
