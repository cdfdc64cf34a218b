//! The accept loop: one task a TCP connection, each with bounds on what it buffers and how long it may be silent.
//!
//! Owns the ends of connections: by themselves, gracefully at a stop, or cut, because nothing else frees what a client
//! does not read.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Bytes that wait for a client in one connection, but for the frame that goes over it; request heads, too. Chosen: one frame.
const BUFFER_BYTES: usize = 65_536;

/// How long a connection may be without a request, and a request head without its end, ms. Chosen: longer than the 60 s for
/// which common proxies keep a connection, so that it is they who close it.
const HEAD_MS: u64 = 75_000;

/// How long what was written may stay unacknowledged, ms. Chosen: as long as a silent socket (rule B3).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS: u64 = 35_000;

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

/// Serves until `stop` says so, and then until the last connection has ended.
pub(crate) async fn run(listener: TcpListener, app: Router, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let stopped = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    tasks.spawn(serve(socket, app.clone(), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept");
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                }
            },
            Some(_) = tasks.join_next() => {}
            () = stopping(&mut stop) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn serve(socket: TcpStream, app: Router, mut stop: watch::Receiver<bool>) {
    // Small frames should not wait for one another.
    let _ = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&socket)
        .set_tcp_user_timeout(Some(Duration::from_millis(UNACKNOWLEDGED_MS)));
    let cut = Cut::default();
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(cut.clone());
        app.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS))
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = cut.0.notified() => return,
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
