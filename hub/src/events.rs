//! `GET /v1/events`: an event stream (rule T2). It takes its next frame when the client can receive
//! it.
//!
//! Owns what keeps a stream alive. `api::events` has the form of a stream.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::stream;
use tokio::task::AbortHandle;

use crate::api::events::{
    COMMENT, COMMENT_MS, OPENING, event, headers as stream_headers, refusal, refused, ticket,
};
use crate::api::frame::close_record;
use crate::api::origin::origin;
use crate::core::Close;
use crate::listener::Cut;
use crate::origin::page_origin;
use crate::runtime::{ConnectionHandle, Runtime};

/// How long a close may take, ms. Chosen: as for a socket.
const CLOSE_MS: u64 = 1_000;

/// What a stream sends next.
#[derive(Clone, Copy)]
enum Phase {
    Opening,
    Frames,
    End,
}

/// An open stream.
struct Events {
    connection: ConnectionHandle,
    phase: Phase,
    watchdog: AbortHandle,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

/// `GET /v1/events`.
pub(crate) async fn events(
    State(runtime): State<Arc<Runtime>>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let opened = match refusal(page_origin(&headers), runtime.limits()) {
        Some(refusal) => Err(refusal),
        None => runtime.connect(|hub, now, conn, effects| {
            let query = query.unwrap_or_default();
            let origin = origin(&headers);
            hub.open_stream(now, conn, ticket(&query), origin.as_deref(), effects)
        }),
    };
    let body = match opened {
        Ok(connection) => body(connection, cut, runtime.limits().stalled_close_ms),
        Err(refusal) => {
            tracing::info!(reason = %refusal.reason(), "the hub refuses an event stream");
            Body::from(refused(&refusal))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().extend(stream_headers());
    // Every page may read why the hub refuses it. Only served pages get more.
    let readers = headers.get(header::ORIGIN).cloned();
    let response_headers = response.headers_mut();
    response_headers.insert(header::VARY, header::HeaderValue::from_static("origin"));
    response_headers.extend(readers.map(|origin| (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)));
    response
}

fn body(connection: ConnectionHandle, cut: Cut, stalled_close_ms: u64) -> Body {
    let signals = Arc::clone(connection.signals());
    // A client that takes no frames does not take the close either.
    let watchdog = tokio::spawn(async move {
        signals.ended.notified().await;
        // The close is behind the event that the client has not taken. A client that reads on gets
        // it.
        let is_stalled = signals
            .close
            .get()
            .is_some_and(|(close, _)| *close == Close::SlowConsumer);
        let close_ms = if is_stalled {
            stalled_close_ms
        } else {
            CLOSE_MS
        };
        tokio::time::sleep(Duration::from_millis(close_ms)).await;
        cut.cut();
    });
    let events = Events {
        connection,
        phase: Phase::Opening,
        watchdog: watchdog.abort_handle(),
    };
    Body::from_stream(stream::unfold(events, |mut events| async move {
        let text = next(&mut events).await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), events))
    }))
}

/// The next piece of a stream. The library asks for it when it has sent the one before.
async fn next(events: &mut Events) -> Option<String> {
    match events.phase {
        Phase::Opening => {
            events.phase = Phase::Frames;
            return Some(OPENING.to_owned());
        }
        Phase::Frames => {}
        Phase::End => return None,
    }
    loop {
        if let Some(frame) = events.connection.take_frame() {
            return Some(event(&frame));
        }
        let signals = events.connection.signals();
        if let Some((close, reason)) = signals.close.get() {
            let last = event(&close_record(*close, reason));
            events.phase = Phase::End;
            return Some(last);
        }
        let comment = Duration::from_millis(COMMENT_MS);
        if tokio::time::timeout(comment, signals.wake.notified())
            .await
            .is_err()
        {
            return Some(COMMENT.to_owned());
        }
    }
}
