//! The accept loop: one task for each TCP connection, with limits on its buffers and its silence.
//!
//! Owns how TCP connections end: by themselves, gracefully at a stop, or cut. Only a cut frees the
//! bytes that a client does not read.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::api::problem::{Problem, ProblemCode};
use crate::core::Close;

/// Bytes that a connection buffers for a client, except for the frame that is on its way. Also the
/// limit of a request head. Chosen: one frame.
const BUFFER_BYTES: usize = 65_536;

/// How long a connection may have no request, and a request head no end, ms. Chosen: longer than
/// the 60 s of common proxies, so that the proxy closes the connection.
const HEAD_MS: u64 = 75_000;

/// How long a connection may take to send its first request, ms. Chosen: as long as a hello (rule
/// C1).
const FIRST_MS: u64 = 10_000;

/// The most TCP connections beyond the limit, which get a refusal. Chosen: enough for some probes.
const REFUSALS_MAX: usize = 16;

/// How long a refusal may take, ms. Chosen: the round trips of a bad network.
const REFUSAL_MS: u64 = 2_000;

/// The minimum retry delay of a refusal, s. Chosen: half of the time after which a silent
/// connection ends.
const RETRY_S: u64 = 5;

/// How long written bytes may stay unacknowledged, ms. Chosen: as long as a silent socket (rule
/// B3).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS: u64 = 35_000;

/// Written bytes that the system has not sent yet. A pong overtakes only what is still in the hub,
/// so this is small. Chosen: two frames.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32_768;

/// The pause when the system has no more sockets, ms.
const PAUSE_MS: u64 = 100;

/// Ends the TCP connection of a request, whatever the connection is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<Notify>);

impl Cut {
    pub(crate) fn cut(&self) {
        self.0.notify_one();
    }
}

/// The permit of a TCP connection. The drop of the last copy releases it. A WebSocket keeps a copy,
/// because it outlives its request.
#[derive(Clone, Debug)]
pub(crate) struct SocketPermit {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves until `stop`, and then until the last connection has ended. Beyond `sockets_max` TCP
/// connections, clients get a refusal; beyond `REFUSALS_MAX` more, they wait in the system's queue.
pub(crate) async fn run(
    listener: TcpListener,
    app: Router,
    sockets_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let stopped = stop.clone();
    let permits = Arc::new(Semaphore::new(sockets_max.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = async {
            let refusal = Arc::clone(&refusals).acquire_owned().await;
            (listener.accept().await, refusal)
        };
        tokio::select! {
            (accepted, refusal) = accepted => match (accepted, refusal) {
                (Ok((socket, _)), Ok(refusal)) => match Arc::clone(&permits).try_acquire_owned() {
                    Ok(permit) => {
                        let permit = SocketPermit { _permit: Arc::new(permit) };
                        tasks.spawn(serve(socket, app.clone(), permit, stopped.clone()));
                    }
                    Err(_) => {
                        tasks.spawn(refuse(socket, app.clone(), refusal));
                    }
                },
                (Err(error), _) => {
                    tracing::warn!(%error, "the hub can't accept a TCP connection");
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                }
                // Never: the hub does not close the semaphore.
                (_, Err(_)) => break,
            },
            Some(_) = tasks.join_next() => {}
            () = stopping(&mut stop) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Answers one request of a TCP connection beyond the limit. Probes get their normal answer, all
/// other requests get 503.
async fn refuse(socket: TcpStream, app: Router, _refusal: OwnedSemaphorePermit) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            if matches!(request.uri().path(), "/healthz" | "/readyz") {
                return app.oneshot(request.map(Body::new)).await;
            }
            let detail = "too many TCP connections";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let problem = Problem::new(status, ProblemCode::Close(Close::TryAgainLater), detail);
            Ok(problem.retry_after_s(RETRY_S).into_response())
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let _ = tokio::time::timeout(Duration::from_millis(REFUSAL_MS), connection).await;
}

async fn serve(
    socket: TcpStream,
    app: Router,
    permit: SocketPermit,
    mut stop: watch::Receiver<bool>,
) {
    // Small frames shall not wait for each other.
    let _ = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let options = socket2::SockRef::from(&socket);
        let _ = options.set_tcp_user_timeout(Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
        let _ = options.set_tcp_notsent_lowat(UNSENT_BYTES);
    }
    let cut = Cut::default();
    let begun = Notify::new();
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        begun.notify_one();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(cut.clone());
        request.extensions_mut().insert(permit.clone());
        app.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS))
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let silent = async {
        let first = Duration::from_millis(FIRST_MS);
        if tokio::time::timeout(first, begun.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = cut.0.notified() => return,
        () = silent => return,
        () = stopping(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = cut.0.notified() => {}
    }
}

async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
