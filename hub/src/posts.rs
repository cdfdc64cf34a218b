//! Reads what clients without a WebSocket post: publications, polls, and the subscriptions of an event stream (rules T1 to T3).
//!
//! Owns how a body is read. What it must be and how it is answered is in `api::posts`, and the core reads the frame.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::sync::SemaphorePermit;

use crate::api::posts;
use crate::api::problem::Problem;
use crate::body;
use crate::core::{Close, Limits, Refusal, Transport};
use crate::shell::Shell;

/// Random bytes of a ticket.
const TICKET_BYTES: usize = 16;

/// `POST /v1/publish`.
pub(crate) async fn publish(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let text = frame(request, shell.limits().frame_bytes_max, shell.limits()).await?;
    Ok(posts::publish(&*shell, &headers, &text)?.map(Body::from))
}

/// `POST /v1/session`.
pub(crate) async fn session(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    posts::check_transport(shell.limits(), Transport::EventSource)?;
    let headers = request.headers().clone();
    let (text, _room) = subs(&shell, request).await?;
    let Some(ticket) = new_ticket() else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "hub_error",
            "the system gave no randomness",
        ));
    };
    Ok(posts::session(&*shell, &headers, &ticket, &text)?.map(Body::from))
}

/// `POST /v1/poll`.
pub(crate) async fn poll(
    State(shell): State<Arc<Shell>>,
    request: Request,
) -> Result<Response, Problem> {
    posts::check_transport(shell.limits(), Transport::LongPoll)?;
    let (text, room) = subs(&shell, request).await?;
    let opened = shell.connect(|hub, now, conn, effects| hub.open_poll(now, conn, &text, effects));
    let connection = match opened {
        Ok(connection) => connection,
        Err(refusal) => return Ok(posts::refuse(&refusal)?.map(Body::from)),
    };
    drop((text, room));
    let frame = loop {
        if let Some(frame) = connection.take_answer() {
            break frame;
        }
        if let Some((close, reason)) = connection.link().close.get() {
            break posts::close_record(*close, reason);
        }
        connection.link().wake.notified().await;
    };
    Ok(posts::answer(frame).map(Body::from))
}

/// The body of a post of subscriptions. One larger than a frame names its length, and takes its part of what all may have.
async fn subs(
    shell: &Shell,
    request: Request,
) -> Result<(String, Option<SemaphorePermit<'_>>), Problem> {
    let limits = shell.limits();
    let bytes = length(request.headers()).filter(|bytes| *bytes > limits.frame_bytes_max);
    let Some(bytes) = bytes else {
        return Ok((frame(request, limits.frame_bytes_max, limits).await?, None));
    };
    if bytes > limits.subs_bytes_max {
        return Err(posts::too_large(limits.subs_bytes_max));
    }
    let Some(room) = shell.room_for_post(bytes) else {
        let message = "too many large posts are being read";
        return Err(posts::unavailable(&Refusal::new(
            Close::TryAgainLater,
            message,
        )));
    };
    Ok((frame(request, bytes, limits).await?, Some(room)))
}

fn length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The body, a frame.
async fn frame(request: Request, bytes_max: usize, limits: &Limits) -> Result<String, Problem> {
    posts::check_type(request.headers())?;
    let body = body::read(request.into_body(), bytes_max, limits, posts::too_large).await?;
    posts::text(body.into())
}

/// 128 bits that nobody can guess, in hex.
fn new_ticket() -> Option<String> {
    let mut bytes = [0; TICKET_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_le_bytes(bytes)))
}
