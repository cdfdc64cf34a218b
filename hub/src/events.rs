//! `GET /v1/events`: an event stream that takes its next frame when the client has room for it (rule T2).
//!
//! Owns the form of events and what keeps a stream alive. A browser can't read a refused stream, so refusals come in one.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::task::AbortHandle;

use crate::core::{Close, Refusal, Transport};
use crate::listener::Cut;
use crate::origin;
use crate::posts::{PASS_THROUGH, close_record, origin};
use crate::shell::{Connection, Shell};

/// What comes before the first frame: something at once, so that the headers are on their way; and that a browser need not
/// come back by itself, because the client does, with another ticket.
const OPENING: &str = ": longhaul\nretry: 3600000\n\n";

/// What keeps a silent stream open, and how often, ms. Source: rule T2.
const COMMENT: &str = ":\n\n";
const COMMENT_MS: u64 = 15_000;

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
    let opened = if !origin::is_origin_served(&headers) {
        let message = "pages of this origin are not served; add it to the allowed origins";
        Err(Refusal::new(Close::OriginRefused, message))
    } else if !shell.limits().transports.has(Transport::EventSource) {
        let message = format!("the hub serves {}", shell.limits().transports);
        Err(Refusal::new(Close::TransportDisabled, message))
    } else {
        let query = query.unwrap_or_default();
        let ticket = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("ticket="))
            .unwrap_or_default();
        let origin = origin(&headers);
        shell.connect(|hub, now, conn, effects| {
            hub.open_stream(now, conn, ticket, origin.as_deref(), effects)
        })
    };
    let body = match opened {
        Ok(connection) => body(connection, cut),
        Err(refusal) => {
            let reason = refusal.reason();
            tracing::info!(%reason, "refused an event stream");
            let close = close_record(refusal.close, &reason);
            Body::from(format!("{OPENING}{}", event(&close)))
        }
    };
    let content_type = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")];
    let mut response = (content_type, PASS_THROUGH, body).into_response();
    // Every page may read why it is refused; only those that are served get more than that.
    let readers = headers.get(header::ORIGIN).cloned();
    let response_headers = response.headers_mut();
    response_headers.insert(header::VARY, header::HeaderValue::from_static("origin"));
    response_headers.extend(readers.map(|origin| (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)));
    response
}

fn body(connection: Connection, cut: Cut) -> Body {
    let link = Arc::clone(connection.link());
    // A client that takes nothing does not take the close either.
    let watchdog = tokio::spawn(async move {
        link.ended.notified().await;
        tokio::time::sleep(Duration::from_millis(CLOSE_MS)).await;
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

/// A frame as an event. A frame has no CR (rule W2), so the client gets it back as it was.
fn event(frame: &str) -> String {
    let mut event = String::with_capacity(frame.len() + 64);
    for record in frame.split('\n') {
        event.push_str("data: ");
        event.push_str(record);
        event.push('\n');
    }
    event.push('\n');
    event
}
