//! One WebSocket: a reader that hands frames to the core, and a writer that takes frames from it.
//!
//! Owns the handshake's rules (W1), the time a write may take (H10) and a close that really reaches the client.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use longhaul::wire::{FRAME_BYTES_MAX, SUBPROTOCOL};
use tungstenite::Error;
use tungstenite::error::ProtocolError;

use crate::api::handshake;
use crate::api::problem::Problem;
use crate::core::{Close, ConnId, Event, Refusal};
use crate::listener::Place;
use crate::origin;
use crate::shell::{Connection, Shell};

/// How long a client may take to answer our close, ms. Chosen: a round trip and its sleepy page; the hub stops within 2 s.
const CLOSE_MS: u64 = 1_000;

/// Read buffer of a connection, bytes, allocated at once. Chosen: small frames come by the thousand; the library's own is 128 KiB.
const READ_BUFFER_BYTES: usize = 4_096;

/// Written bytes gathered before they go to the socket. Chosen: the hub batches already.
const WRITE_BUFFER_BYTES: usize = 4_096;

/// Most bytes that wait to be written: a frame of the largest, and what a close or an answer to a ping takes behind it.
const UNWRITTEN_BYTES_MAX: usize = WRITE_BUFFER_BYTES + FRAME_BYTES_MAX + 1_024;

/// A frame up to so many times the limit is read to its end, so that the close reaches a client that is busy sending it.
const OVERSIZE: usize = 2;

/// `/v1/connect`.
pub(crate) async fn connect(
    State(shell): State<Arc<Shell>>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return not_a_websocket(&rejection),
    };
    let Some(offered) = handshake::chosen(handshake::offers(&headers)) else {
        let detail = format!("offer the WebSocket subprotocol {SUBPROTOCOL}");
        return Problem::new(StatusCode::BAD_REQUEST, "subprotocol_missing", detail)
            .into_response();
    };
    let is_served = origin::is_origin_served(&headers);
    let refusal = handshake::refusal(offered, is_served, shell.limits());
    let frame_bytes_max = shell.limits().frame_bytes_max;
    upgrade
        .protocols([offered.to_owned()])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(UNWRITTEN_BYTES_MAX)
        .max_frame_size(OVERSIZE * frame_bytes_max)
        .max_message_size(OVERSIZE * frame_bytes_max)
        .on_upgrade(move |socket| async move {
            let _place = place;
            match refusal {
                Some(refusal) => refuse(socket, &refusal).await,
                None => serve(socket, &shell).await,
            }
        })
}

fn not_a_websocket(rejection: &WebSocketUpgradeRejection) -> Response {
    let status = match rejection.status() {
        StatusCode::METHOD_NOT_ALLOWED => StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::BAD_REQUEST => StatusCode::BAD_REQUEST,
        _ => StatusCode::UPGRADE_REQUIRED,
    };
    Problem::new(
        status,
        "upgrade_required",
        "this address takes WebSocket connections",
    )
    .into_response()
}

async fn refuse(socket: WebSocket, refusal: &Refusal) {
    tracing::info!(code = refusal.close.word(), "refused a connection");
    let (mut sink, mut stream) = socket.split();
    send_close(&mut sink, refusal.close, refusal.reason()).await;
    drain(&mut stream).await;
}

async fn serve(socket: WebSocket, shell: &Arc<Shell>) {
    let opened = shell.connect(|hub, now, conn, effects| {
        hub.handle(now, Event::Opened(conn), effects);
        Ok(())
    });
    let Ok(connection) = opened else {
        return;
    };
    let (mut sink, mut stream) = socket.split();
    tokio::select! {
        // The writer ends once it has sent a close; what the client still sends is read and dropped.
        () = write(&mut sink, &connection, shell) => drain(&mut stream).await,
        has_close = read(&mut stream, connection.id(), shell) => {
            // The client said goodbye, or the transport is gone: nothing is left to tell.
            if has_close {
                let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), sink.close()).await;
            }
        }
    }
}

/// Reads until the connection ends or the core has closed it. True if the client closed it.
async fn read(stream: &mut SplitStream<WebSocket>, conn: ConnId, shell: &Shell) -> bool {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => shell.handle(Event::Frame(conn, text.as_str())),
            Some(Ok(Message::Binary(_))) => shell.handle(Event::NotText(conn)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) => return true,
            Some(Err(error)) => {
                match fault(&error) {
                    Some(Fault::TooLarge) => shell.handle(Event::TooLarge(conn)),
                    Some(Fault::Malformed(what)) => shell.handle(Event::Malformed(conn, &what)),
                    None => return false,
                }
                // Reading on gathers what is too large, so only `drain` does, and not for long.
                std::future::pending::<()>().await;
            }
            None => return false,
        }
    }
}

/// What is wrong with what came.
enum Fault {
    TooLarge,
    Malformed(String),
}

/// What an error of the transport means. `None` if it has just ended.
fn fault(error: &axum::Error) -> Option<Fault> {
    Some(match library_error(error)? {
        Error::Capacity(_) => Fault::TooLarge,
        Error::Utf8(_) => Fault::Malformed("a text frame is not UTF-8".to_owned()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(error) => Fault::Malformed(error.to_string()),
        _ => return None,
    })
}

fn library_error(error: &axum::Error) -> Option<&Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

/// Writes what is ready, whenever something is, until the core closes the connection.
async fn write(sink: &mut SplitSink<WebSocket, Message>, connection: &Connection, shell: &Shell) {
    let link = connection.link();
    loop {
        link.wake.notified().await;
        while link.close.get().is_none()
            && let Some(frame) = connection.take_frame()
        {
            match send(sink, frame, connection.id(), shell).await {
                Ok(()) => {}
                Err(error) if is_of_transport(&error) => return,
                Err(error) => {
                    tracing::error!(%error, "a frame could not be written");
                    shell.handle(Event::Unwritten(connection.id()));
                }
            }
        }
        if let Some((close, reason)) = link.close.get() {
            send_close(sink, *close, reason.clone()).await;
            return;
        }
    }
}

/// Sends a frame. One that is not taken in time is the connection's end, but still goes out whole: only then can a close follow.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    frame: String,
    conn: ConnId,
    shell: &Shell,
) -> Result<(), axum::Error> {
    let mut sent = pin!(sink.send(Message::Text(frame.into())));
    let write_time = Duration::from_millis(shell.limits().write_ms);
    if let Ok(outcome) = tokio::time::timeout(write_time, sent.as_mut()).await {
        return outcome;
    }
    shell.handle(Event::Stalled(conn));
    let rest_time = Duration::from_millis(shell.limits().stalled_close_ms);
    tokio::time::timeout(rest_time, sent)
        .await
        .unwrap_or(Ok(()))
}

/// Whether the transport has ended: then the reader sees it too, and tells the core.
fn is_of_transport(error: &axum::Error) -> bool {
    matches!(
        library_error(error),
        Some(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_))
    )
}

async fn send_close(sink: &mut SplitSink<WebSocket, Message>, close: Close, reason: String) {
    let frame = CloseFrame {
        code: close.number(),
        reason: reason.into(),
    };
    let sent = sink.send(Message::Close(Some(frame)));
    let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), sent).await;
}

/// Reads on until the client has answered the close. A socket closed with unread bytes would take the close frame with it.
async fn drain(stream: &mut SplitStream<WebSocket>) {
    let until_end = async {
        while let Some(message) = stream.next().await {
            if message.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), until_end).await;
}
