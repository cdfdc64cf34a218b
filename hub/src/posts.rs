//! What clients without a WebSocket post: publications, polls, and the subscriptions of an event stream (rules T1 to T3).
//!
//! Owns how a body is read and how a refusal is told (rules T4, T5). The core reads the frame.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use longhaul::frame::ToClient;
use tokio::sync::SemaphorePermit;

use crate::core::{Close, Refusal, Transport};
use crate::problem::Problem;
use crate::shell::Shell;

/// Of posts and answers.
pub(crate) const FRAME: &str = "application/vnd.longhaul.v1";

/// What keeps proxies from storing, rewriting and holding back an answer.
pub(crate) const PASS_THROUGH: [(HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store, no-transform"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// How long a body may take, ms. Chosen: as long as a hello (rule C1).
const BODY_MS: u64 = 10_000;

/// When to ask again where the hub says no time, s. Chosen: a client's own first window.
const RETRY_S: u64 = 1;

/// Random bytes of a ticket.
const TICKET_BYTES: usize = 16;

/// `POST /v1/publish`.
pub(crate) async fn publish(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    let token = token(request.headers());
    let text = frame(request, shell.limits().frame_bytes_max).await?;
    match shell.with(|hub, now, effects| hub.post(now, token.as_deref(), &text, effects)) {
        Ok(frame) => Ok(answer(frame)),
        Err(refusal) => refuse(&refusal),
    }
}

/// `POST /v1/session`.
pub(crate) async fn session(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    check_transport(&shell, Transport::EventSource)?;
    let origin = origin(request.headers());
    let (text, _room) = subs(&shell, request).await?;
    let Some(ticket) = new_ticket() else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "hub_error",
            "the system gave no randomness",
        ));
    };
    match shell.with(|hub, now, _| hub.issue(now, &ticket, origin.as_deref(), &text)) {
        Ok(frame) => Ok(answer(frame)),
        // Nothing but a ticket is expected here, so a client would take a close for another server's words.
        Err(refusal) if refusal.close == Close::GoingAway => Err(unavailable(&refusal)),
        Err(refusal) => refuse(&refusal),
    }
}

/// `POST /v1/poll`.
pub(crate) async fn poll(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    check_transport(&shell, Transport::LongPoll)?;
    let (text, room) = subs(&shell, request).await?;
    let opened = shell.connect(|hub, now, conn, effects| hub.open_poll(now, conn, &text, effects));
    let connection = match opened {
        Ok(connection) => connection,
        Err(refusal) => return refuse(&refusal),
    };
    drop((text, room));
    loop {
        if let Some(frame) = connection.take_answer() {
            return Ok(answer(frame));
        }
        if let Some((close, reason)) = connection.link().close.get() {
            return Ok(answer(close_record(*close, reason)));
        }
        connection.link().wake.notified().await;
    }
}

/// The Origin that a browser names.
pub(crate) fn origin(headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(header::ORIGIN)?;
    Some(String::from_utf8_lossy(origin.as_bytes()).into_owned())
}

/// The token that a client shows (rule C9).
fn token(headers: &HeaderMap) -> Option<String> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// Rule T4.
pub(crate) fn close_record(close: Close, reason: &str) -> String {
    let mut frame = String::new();
    let code = close.number();
    ToClient::Close { code, reason }.encode(&mut frame);
    frame
}

fn check_transport(shell: &Shell, transport: Transport) -> Result<(), Problem> {
    let transports = shell.limits().transports;
    if transports.has(transport) {
        return Ok(());
    }
    let detail = format!("the hub serves {transports}");
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "transport_disabled",
        detail,
    ))
}

/// The body of a post of subscriptions. One larger than a frame names its length, and takes its part of what all may have.
async fn subs(
    shell: &Shell,
    request: Request,
) -> Result<(String, Option<SemaphorePermit<'_>>), Problem> {
    let limits = shell.limits();
    let bytes = length(request.headers()).filter(|bytes| *bytes > limits.frame_bytes_max);
    let Some(bytes) = bytes else {
        return Ok((frame(request, limits.frame_bytes_max).await?, None));
    };
    if bytes > limits.subs_bytes_max {
        return Err(too_large(limits.subs_bytes_max));
    }
    let Some(room) = shell.room_for_post(bytes) else {
        let message = "too many large posts are being read";
        return Err(unavailable(&Refusal::new(Close::TryAgainLater, message)));
    };
    Ok((frame(request, bytes).await?, Some(room)))
}

fn length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The body, a frame.
async fn frame(request: Request, bytes_max: usize) -> Result<String, Problem> {
    if !is_frame(request.headers()) {
        let detail = format!("send a frame as {FRAME}");
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_unsupported",
            detail,
        ));
    }
    let body = to_bytes(request.into_body(), bytes_max);
    let body = tokio::time::timeout(Duration::from_millis(BODY_MS), body)
        .await
        .map_err(|_| {
            let detail = format!("the body did not end within {BODY_MS} ms");
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
        })?
        .map_err(|error| body_fault(&error, bytes_max))?;
    String::from_utf8(body.into()).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_frame",
            "the frame is not UTF-8",
        )
    })
}

fn is_frame(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FRAME))
}

fn body_fault(error: &axum::Error, bytes_max: usize) -> Problem {
    if std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>()) {
        return too_large(bytes_max);
    }
    let detail = "the body ended before its time";
    Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", detail)
}

fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the frame is over the limit of {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "frame_too_large", detail)
}

fn answer(frame: String) -> Response {
    let content_type = [(header::CONTENT_TYPE, FRAME)];
    (content_type, PASS_THROUGH, Body::from(frame)).into_response()
}

/// A problem where rule T5 has one, else a close.
fn refuse(refusal: &Refusal) -> Result<Response, Problem> {
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
fn unavailable(refusal: &Refusal) -> Problem {
    let Refusal { message, hint, .. } = refusal;
    let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, Close::TryAgainLater.word());
    let retry_s = hint.retry_ms.map_or(RETRY_S, |ms| ms.div_ceil(1_000));
    Problem::new(status, code, format!("{message}{hint}")).retry_after_s(retry_s)
}

/// 128 bits that nobody can guess, in hex.
fn new_ticket() -> Option<String> {
    let mut bytes = [0; TICKET_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_le_bytes(bytes)))
}
