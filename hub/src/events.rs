//! `GET /v1/events`: an event stream that takes its next frame when the client has room for it (rule T2).
//!
//! Owns what keeps a stream alive; `api::events` has its form.

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
    COMMENT, COMMENT_MS, OPENING, event, headers as stream_headers, origin, refusal, refused,
    ticket,
};
use crate::api::posts::close_record;
use crate::core::Close;
use crate::listener::Cut;
use crate::origin;
use crate::shell::{Connection, Shell};

/// How long a close may take to go out, ms. Chosen: as for a socket.
const CLOSE_MS: u64 = 1_000;

/// An open stream.
struct Events {
    connection: Connection,
    is_open: bool,
    is_closed: bool,
    watchdog: AbortHandle,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

/// `GET /v1/events`.
pub(crate) async fn events(
    State(shell): State<Arc<Shell>>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let opened = match refusal(origin::is_origin_served(&headers), shell.limits()) {
        Some(refusal) => Err(refusal),
        None => shell.connect(|hub, now, conn, effects| {
            let query = query.unwrap_or_default();
            let origin = origin(&headers);
            hub.open_stream(now, conn, ticket(&query), origin.as_deref(), effects)
        }),
    };
    let body = match opened {
        Ok(connection) => body(connection, cut, shell.limits().stalled_close_ms),
        Err(refusal) => {
            tracing::info!(reason = %refusal.reason(), "refused an event stream");
            Body::from(refused(&refusal))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().extend(stream_headers());
    // Every page may read why it is refused; only those that are served get more than that.
    let readers = headers.get(header::ORIGIN).cloned();
    let response_headers = response.headers_mut();
    response_headers.insert(header::VARY, header::HeaderValue::from_static("origin"));
    response_headers.extend(readers.map(|origin| (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)));
    response
}

fn body(connection: Connection, cut: Cut, stalled_close_ms: u64) -> Body {
    let link = Arc::clone(connection.link());
    // A client that takes nothing does not take the close either.
    let watchdog = tokio::spawn(async move {
        link.ended.notified().await;
        // It may read on, and then finds out why: the close is behind the event that it has not taken.
        let is_stalled = link
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
        is_open: false,
        is_closed: false,
        watchdog: watchdog.abort_handle(),
    };
    Body::from_stream(stream::unfold(events, |mut events| async move {
        let text = next(&mut events).await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), events))
    }))
}

/// The next piece of a stream, asked for when the one before it has left for the client.
async fn next(events: &mut Events) -> Option<String> {
    if !events.is_open {
        events.is_open = true;
        return Some(OPENING.to_owned());
    }
    if events.is_closed {
        return None;
    }
    loop {
        if let Some(frame) = events.connection.take_frame() {
            return Some(event(&frame));
        }
        let link = events.connection.link();
        if let Some((close, reason)) = link.close.get() {
            events.is_closed = true;
            return Some(event(&close_record(*close, reason)));
        }
        let comment = Duration::from_millis(COMMENT_MS);
        if tokio::time::timeout(comment, link.wake.notified())
            .await
            .is_err()
        {
            return Some(COMMENT.to_owned());
        }
    }
}
