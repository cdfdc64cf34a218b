//! The interface for tests: a small HTTP server on loopback.
//!
//! | request | does |
//! |---|---|
//! | `PUT /faults`, JSON | replaces the faults; 204, or 400 with the mistake as text |
//! | `GET /faults` | returns the faults |
//! | `GET /stats` | returns [`crate::proxy::Stats`] |
//! | `POST /cut` | resets the open connections; `{"connections":n}` when they have ended |
//! | `POST /strand` | leaves the open connections half-open for good; `{"connections":n}` |
//! | `POST /freeze`, `POST /thaw` | stops all bytes, and continues |

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::faults::Faults;
use crate::proxy::{Proxy, check_loopback};

/// Listens for tests. The future serves until its drop.
///
/// # Errors
/// The address is in use, or is not loopback.
pub async fn serve(
    listen: SocketAddr,
    proxy: Arc<Proxy>,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>>)> {
    check_loopback(listen)?;
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/faults", get(read).put(replace))
        .route("/stats", get(stats))
        .route("/cut", post(cut))
        .route("/strand", post(strand))
        .route("/freeze", post(freeze))
        .route("/thaw", post(thaw))
        .with_state(proxy);
    Ok((address, async { axum::serve(listener, router).await }))
}

async fn replace(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Response {
    match Faults::from_json(&body) {
        Ok(faults) => {
            proxy.set(faults);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(mistake) => (StatusCode::BAD_REQUEST, format!("{mistake}\n")).into_response(),
    }
}

async fn read(State(proxy): State<Arc<Proxy>>) -> Response {
    axum::Json(proxy.faults()).into_response()
}

async fn stats(State(proxy): State<Arc<Proxy>>) -> Response {
    axum::Json(proxy.stats()).into_response()
}

async fn cut(State(proxy): State<Arc<Proxy>>) -> Response {
    count(proxy.cut().await)
}

async fn strand(State(proxy): State<Arc<Proxy>>) -> Response {
    count(proxy.strand())
}

async fn freeze(State(proxy): State<Arc<Proxy>>) -> StatusCode {
    proxy.freeze();
    StatusCode::NO_CONTENT
}

async fn thaw(State(proxy): State<Arc<Proxy>>) -> StatusCode {
    proxy.thaw();
    StatusCode::NO_CONTENT
}

fn count(connections: usize) -> Response {
    axum::Json(serde_json::json!({ "connections": connections })).into_response()
}
