//! The routes of the hub. Each handler is in a file of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware;
use axum::routing::{any, get, post};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api::problem::Problem;
use crate::runtime::Runtime;
use crate::{back_ends, events, guards, origin, posts, websocket};

/// How long a browser may cache a preflight, s. Chosen: the most that Chromium accepts.
const PREFLIGHT_S: u64 = 7_200;

/// All routes without the static files.
pub(crate) fn router(runtime: Arc<Runtime>) -> Router {
    Router::new()
        // A WebSocket over HTTP/2 uses CONNECT, so the handshake accepts any method.
        .route("/v1/connect", any(websocket::connect))
        .route("/healthz", get(back_ends::healthy))
        .route("/readyz", get(back_ends::ready))
        .route("/v1", any(not_found))
        .route("/v1/{*rest}", any(not_found))
        .merge(event_streams())
        .merge(client_posts())
        .merge(back_end_api())
        .with_state(runtime)
}

/// Every page may send these requests, so that a client can read why the hub refuses it.
fn client_posts() -> Router<Arc<Runtime>> {
    Router::new()
        .route("/v1/publish", post(posts::publish).fallback(only_post))
        .route("/v1/session", post(posts::session).fallback(only_post))
        .route("/v1/poll", post(posts::poll).fallback(only_post))
        .layer(middleware::from_fn(guards::check_origin))
        .layer(middleware::from_fn(guards::allow_timing))
        .layer(cors().allow_origin(AllowOrigin::mirror_request()))
}

fn event_streams() -> Router<Arc<Runtime>> {
    Router::new()
        .route("/v1/events", get(events::events).fallback(only_get))
        .layer(middleware::from_fn(guards::allow_timing))
}

fn back_end_api() -> Router<Arc<Runtime>> {
    let topic = get(back_ends::read)
        .post(back_ends::publish)
        .patch(back_ends::change)
        .fallback(only_topic_methods);
    let from_loopback =
        AllowOrigin::predicate(|origin, _| origin.to_str().is_ok_and(origin::is_loopback_origin));
    let cors = cors()
        .allow_origin(from_loopback)
        .allow_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER]);
    Router::new()
        .route("/v1/topics/{*topic}", topic)
        .route("/.well-known/longhaul", get(back_ends::well_known))
        .layer(middleware::from_fn(guards::check_origin))
        .layer(middleware::from_fn(guards::allow_timing))
        .layer(cors)
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(PREFLIGHT_S))
}

pub(crate) async fn not_found() -> Problem {
    Problem::not_found()
}

async fn only_topic_methods() -> Problem {
    Problem::method_not_allowed("GET, POST and PATCH")
}

async fn only_post() -> Problem {
    Problem::method_not_allowed("POST")
}

async fn only_get() -> Problem {
    Problem::method_not_allowed("GET")
}
