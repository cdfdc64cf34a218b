//! Posts of clients without a WebSocket (rules T1 to T3).
//!
//! Reads the bodies from sockets; `api::posts` checks and answers them, and the core reads the
//! frames.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::sync::SemaphorePermit;

use crate::api::frame::{answer, close_record};
use crate::api::posts;
use crate::api::problem::{Problem, ProblemCode};
use crate::body;
use crate::core::{Close, Limits, Refusal, Transport};
use crate::runtime::Runtime;

/// Random bytes of a ticket.
const TICKET_BYTES: usize = 16;

/// `POST /v1/publish`.
pub(crate) async fn publish(
    State(runtime): State<Arc<Runtime>>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let text = frame(request, runtime.limits().frame_bytes_max, runtime.limits()).await?;
    Ok(posts::publish(&*runtime, &headers, &text)?.map(Body::from))
}

/// `POST /v1/session`.
pub(crate) async fn session(
    State(runtime): State<Arc<Runtime>>,
    request: Request,
) -> Result<Response, Problem> {
    posts::check_transport(runtime.limits(), Transport::EventSource)?;
    let headers = request.headers().clone();
    let (text, _permit) = subscriptions(&runtime, request).await?;
    let Some(ticket) = new_ticket() else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ProblemCode::Close(Close::HubError),
            "the system has no randomness",
        ));
    };
    Ok(posts::session(&*runtime, &headers, &ticket, &text)?.map(Body::from))
}

/// `POST /v1/poll`.
pub(crate) async fn poll(
    State(runtime): State<Arc<Runtime>>,
    request: Request,
) -> Result<Response, Problem> {
    posts::check_transport(runtime.limits(), Transport::LongPoll)?;
    let (text, permit) = subscriptions(&runtime, request).await?;
    let opened =
        runtime.connect(|hub, now, conn, effects| hub.open_poll(now, conn, &text, effects));
    let connection = match opened {
        Ok(connection) => connection,
        Err(refusal) => return Ok(posts::refuse(&refusal)?.map(Body::from)),
    };
    drop((text, permit));
    let frame = loop {
        if let Some(frame) = connection.take_answer() {
            break frame;
        }
        if let Some((close, reason)) = connection.signals().close.get() {
            break close_record(*close, reason);
        }
        connection.signals().wake.notified().await;
    };
    Ok(answer(frame).map(Body::from))
}

/// The body of a post of subscriptions. A body larger than a frame must name its length. It needs a
/// permit, because all large posts share a limit.
async fn subscriptions(
    runtime: &Runtime,
    request: Request,
) -> Result<(String, Option<SemaphorePermit<'_>>), Problem> {
    let limits = runtime.limits();
    let bytes = length(request.headers()).filter(|bytes| *bytes > limits.frame_bytes_max);
    let Some(bytes) = bytes else {
        return Ok((frame(request, limits.frame_bytes_max, limits).await?, None));
    };
    if bytes > limits.subs_bytes_max {
        return Err(posts::too_large(limits.subs_bytes_max));
    }
    let Some(permit) = runtime.try_acquire_post(bytes) else {
        let message = "the hub is reading too many large posts";
        return Err(posts::unavailable(&Refusal::new(
            Close::TryAgainLater,
            message,
        )));
    };
    Ok((frame(request, bytes, limits).await?, Some(permit)))
}

fn length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The frame in a body.
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
