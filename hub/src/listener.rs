//! The accept loop: one task a TCP connection, each with bounds on what it buffers and how long it may be silent.
//!
//! Owns the ends of connections: by themselves, gracefully at a stop, or cut, because nothing else frees what a client
//! does not read.

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

use crate::api::problem::Problem;
use crate::core::Close;

/// Bytes that wait for a client in one connection, but for the frame that goes over it; request heads, too. Chosen: one frame.
const BUFFER_BYTES: usize = 65_536;

/// How long a connection may be without a request, and a request head without its end, ms. Chosen: longer than the 60 s for
/// which common proxies keep a connection, so that it is they who close it.
const HEAD_MS: u64 = 75_000;

/// How long a connection may be without its first request, ms. Chosen: as long as a hello (rule C1).
const FIRST_MS: u64 = 10_000;

/// TCP connections at a time that are only told that there are too many. Chosen: some for probes among them.
const REFUSALS_MAX: usize = 16;

/// How long such a one may take, ms. Chosen: a bad line's round trips.
const REFUSAL_MS: u64 = 2_000;

/// When it may come again, s. Chosen: what is silent has gone by then, or is half way there.
const RETRY_S: u64 = 5;

/// How long what was written may stay unacknowledged, ms. Chosen: as long as a silent socket (rule B3).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS: u64 = 35_000;

/// What was written and is not sent yet waits in the system up to this, bytes: a pong overtakes only what is still in the hub.
/// Chosen: two frames.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32_768;

/// How long to wait when the system has no more sockets, ms.
const PAUSE_MS: u64 = 100;

/// Ends the TCP connection that a request came over, whatever it is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<Notify>);

impl Cut {
    pub(crate) fn cut(&self) {
        self.0.notify_one();
    }
}

/// What a TCP connection takes of those that there may be, until the last copy is dropped: a WebSocket outlives the request
/// that it came by.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves until `stop` says so, and then until the last connection has ended. Beyond `sockets_max` TCP connections it tells
/// clients to come later; beyond some more, they wait in the system's queue.
pub(crate) async fn run(
    listener: TcpListener,
    app: Router,
    sockets_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let stopped = stop.clone();
    let places = Arc::new(Semaphore::new(sockets_max.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = async {
            let refusal = Arc::clone(&refusals).acquire_owned().await;
            (listener.accept().await, refusal)
        };
        tokio::select! {
            (accepted, refusal) = accepted => match (accepted, refusal) {
                (Ok((socket, _)), Ok(refusal)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(permit) => {
                        let place = Place { _permit: Arc::new(permit) };
                        tasks.spawn(serve(socket, app.clone(), place, stopped.clone()));
                    }
                    Err(_) => {
                        tasks.spawn(refuse(socket, app.clone(), refusal));
                    }
                },
                (Err(error), _) => {
                    tracing::warn!(%error, "can't accept");
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                }
                // Nobody closes the semaphore.
                (_, Err(_)) => break,
            },
            Some(_) = tasks.join_next() => {}
            () = stopping(&mut stop) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Answers one request of a TCP connection for which there is no place: probes as ever, all others with 503.
async fn refuse(socket: TcpStream, app: Router, _refusal: OwnedSemaphorePermit) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            if matches!(request.uri().path(), "/healthz" | "/readyz") {
                return app.oneshot(request.map(Body::new)).await;
            }
            let detail = "too many TCP connections";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let problem = Problem::new(status, Close::TryAgainLater.word(), detail);
            Ok(problem.retry_after_s(RETRY_S).into_response())
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let _ = tokio::time::timeout(Duration::from_millis(REFUSAL_MS), connection).await;
}

async fn serve(socket: TcpStream, app: Router, place: Place, mut stop: watch::Receiver<bool>) {
    // Small frames should not wait for one another.
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
        request.extensions_mut().insert(place.clone());
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
