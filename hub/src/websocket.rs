//! One WebSocket: a reader passes frames to the core, and a writer takes frames from it.
//!
//! Owns the handshake (rule W1), the time limit of a write (rule H10), and a close that reaches the
//! client.

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
use crate::api::problem::{Problem, ProblemCode};
use crate::core::{Close, ConnId, Event, Refusal};
use crate::listener::SocketPermit;
use crate::origin;
use crate::runtime::{ConnectionHandle, Runtime};

/// How long a client may take to answer a close, ms. Chosen: a round trip and a slow page; the hub
/// stops within 2 s.
const CLOSE_MS: u64 = 1_000;

/// The read buffer of a connection, bytes, allocated at once. Chosen: small, because there are
/// thousands of connections; the library's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 4_096;

/// Bytes that the library gathers before it writes to the socket. Chosen: small, because the hub
/// already batches.
const WRITE_BUFFER_BYTES: usize = 4_096;

/// The most bytes that wait for the socket: the largest frame, and a close or an answer to a ping
/// behind it.
const UNWRITTEN_BYTES_MAX: usize = WRITE_BUFFER_BYTES + FRAME_BYTES_MAX + 1_024;

/// The hub reads a frame up to this many times the limit to its end. So the close reaches a client
/// that is still sending.
const OVERSIZE: usize = 2;

/// `/v1/connect`.
pub(crate) async fn connect(
    State(runtime): State<Arc<Runtime>>,
    Extension(permit): Extension<SocketPermit>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return not_a_websocket(&rejection),
    };
    let Some(offered) = handshake::chosen(handshake::offers(&headers)) else {
        let detail = format!("offer the WebSocket subprotocol {SUBPROTOCOL}");
        let code = ProblemCode::SubprotocolMissing;
        return Problem::new(StatusCode::BAD_REQUEST, code, detail).into_response();
    };
    let page = origin::page_origin(&headers);
    let refusal = handshake::refusal(offered, page, runtime.limits());
    let frame_bytes_max = runtime.limits().frame_bytes_max;
    upgrade
        .protocols([offered.to_owned()])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(UNWRITTEN_BYTES_MAX)
        .max_frame_size(OVERSIZE * frame_bytes_max)
        .max_message_size(OVERSIZE * frame_bytes_max)
        .on_upgrade(move |socket| async move {
            let _permit = permit;
            match refusal {
                Some(refusal) => refuse(socket, &refusal).await,
                None => serve(socket, &runtime).await,
            }
        })
}

fn not_a_websocket(rejection: &WebSocketUpgradeRejection) -> Response {
    let status = match rejection.status() {
        StatusCode::METHOD_NOT_ALLOWED => StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::BAD_REQUEST => StatusCode::BAD_REQUEST,
        _ => StatusCode::UPGRADE_REQUIRED,
    };
    Problem::upgrade_required(status).into_response()
}

async fn refuse(socket: WebSocket, refusal: &Refusal) {
    tracing::info!(code = refusal.close.code(), "the hub refuses a connection");
    let (mut sink, mut stream) = socket.split();
    send_close(&mut sink, refusal.close, refusal.reason()).await;
    drain(&mut stream).await;
}

async fn serve(socket: WebSocket, runtime: &Arc<Runtime>) {
    let opened = runtime.connect(|hub, now, conn, effects| {
        hub.handle(now, Event::Opened(conn), effects);
        Ok(())
    });
    let Ok(connection) = opened else {
        return;
    };
    let (mut sink, mut stream) = socket.split();
    tokio::select! {
        // The writer ends after a close. The hub reads and drops what the client still sends.
        () = write(&mut sink, &connection, runtime) => drain(&mut stream).await,
        has_close = read(&mut stream, connection.id(), runtime) => {
            // The client has closed, or the transport has ended, so there is nothing to send.
            if has_close {
                let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), sink.close()).await;
            }
        }
    }
}

/// Reads until the connection ends, or until the core closes it. True if the client closed it.
async fn read(stream: &mut SplitStream<WebSocket>, conn: ConnId, runtime: &Runtime) -> bool {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                runtime.handle(Event::Frame(conn, text.as_str()));
                // A connection may have hundreds of frames in its buffer. Others have their turn
                // between them.
                tokio::task::yield_now().await;
            }
            Some(Ok(Message::Binary(_))) => runtime.handle(Event::NotText(conn)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) => return true,
            Some(Err(error)) => {
                match fault(&error) {
                    Some(Fault::TooLarge) => runtime.handle(Event::TooLarge(conn)),
                    Some(Fault::Malformed(what)) => runtime.handle(Event::Malformed(conn, &what)),
                    None => return false,
                }
                // Reading on would buffer too much, so only `drain` reads on, for a short time.
                std::future::pending::<()>().await;
            }
            None => return false,
        }
    }
}

/// What is wrong with a frame.
enum Fault {
    TooLarge,
    Malformed(String),
}

/// What an error of the transport means. `None` if the transport has ended.
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

/// Writes frames when they are ready, until the core closes the connection.
async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    connection: &ConnectionHandle,
    runtime: &Runtime,
) {
    let signals = connection.signals();
    loop {
        signals.wake.notified().await;
        while signals.close.get().is_none()
            && let Some(frame) = connection.take_frame()
        {
            match send(sink, frame, connection.id(), runtime).await {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) if is_of_transport(&error) => return,
                Err(error) => {
                    tracing::error!(%error, "the hub could not write a frame");
                    runtime.handle(Event::Unwritten(connection.id()));
                }
            }
        }
        if let Some((close, reason)) = signals.close.get() {
            send_close(sink, *close, reason.clone()).await;
            return;
        }
    }
}

/// Sends a frame. If the client does not take it in time, the connection ends. But the frame still
/// goes out completely, because a close can only follow a complete frame.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    frame: String,
    conn: ConnId,
    runtime: &Runtime,
) -> Result<(), axum::Error> {
    let mut sent = pin!(sink.send(Message::Text(frame.into())));
    let write_time = Duration::from_millis(runtime.limits().write_ms);
    if let Ok(outcome) = tokio::time::timeout(write_time, sent.as_mut()).await {
        return outcome;
    }
    runtime.handle(Event::Stalled(conn));
    let rest_time = Duration::from_millis(runtime.limits().stalled_close_ms);
    tokio::time::timeout(rest_time, sent)
        .await
        .unwrap_or(Ok(()))
}

/// Whether the transport has ended. The reader sees that too, and sends the event to the core.
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

/// Reads until the client has answered the close. If the hub closed a socket with unread bytes, the
/// close frame would be lost.
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
