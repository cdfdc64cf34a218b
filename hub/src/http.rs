//! HTTP for back ends: publish to a topic, read a stretch of its log, and what operators ask.
//!
//! Owns the routes, who may ask and how a body is read; `api` has what is asked and answered. Every error is a Problem Details answer
//! with a stable code.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api::documents::{self, Alteration};
use crate::api::problem::Problem;
use crate::api::topics::{self, Publication};
use crate::api::{Answer, well_known};
use crate::body;
use crate::core::Limits;
use crate::events;
use crate::origin;
use crate::posts;
use crate::shell::Shell;
use crate::ws;

/// How long a browser may remember what a preflight said, s. Chosen: the most that Chromium takes.
const PREFLIGHT_S: u64 = 7_200;

/// All routes but the static files.
pub(crate) fn router(shell: Arc<Shell>) -> Router {
    let from_loopback =
        AllowOrigin::predicate(|origin, _| origin.to_str().is_ok_and(origin::is_loopback_origin));
    let cors = CorsLayer::new()
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(PREFLIGHT_S));
    // A client must be able to read why it is refused, so every page may ask here; `serve_origin` answers the others.
    let clients = Router::new()
        .route("/v1/publish", post(posts::publish).fallback(only_post))
        .route("/v1/session", post(posts::session).fallback(only_post))
        .route("/v1/poll", post(posts::poll).fallback(only_post))
        .layer(middleware::from_fn(serve_origin))
        .layer(middleware::from_fn(allow_timing))
        .layer(cors.clone().allow_origin(AllowOrigin::mirror_request()));
    let api = Router::new()
        .route(
            "/v1/topics/{*topic}",
            get(read)
                .post(publish)
                .patch(change)
                .fallback(method_not_allowed),
        )
        .route("/.well-known/longhaul", get(tell))
        .layer(middleware::from_fn(serve_origin))
        .layer(middleware::from_fn(allow_timing))
        .layer(
            cors.allow_origin(from_loopback)
                .allow_methods([Method::GET, Method::POST, Method::PATCH])
                .allow_headers([
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    header::IF_MATCH,
                    header::IF_NONE_MATCH,
                    HeaderName::from_static("idempotency-key"),
                ])
                .expose_headers([header::ETAG, header::RETRY_AFTER]),
        );
    let streams = Router::new()
        .route("/v1/events", get(events::events).fallback(only_get))
        .layer(middleware::from_fn(allow_timing));
    Router::new()
        // WebSockets over HTTP/2 come by CONNECT, so any method is let through to the handshake.
        .route("/v1/connect", any(ws::connect))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/v1", any(not_found))
        .route("/v1/{*rest}", any(not_found))
        .merge(streams)
        .merge(clients)
        .merge(api)
        .with_state(shell)
}

pub(crate) async fn not_found() -> Problem {
    Problem::not_found()
}

async fn method_not_allowed() -> Problem {
    let detail = "this address takes GET, POST and PATCH";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn only_post() -> Problem {
    let detail = "this address takes POST";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn only_get() -> Problem {
    let detail = "this address takes GET";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn healthy(State(shell): State<Arc<Shell>>) -> Result<Response, Problem> {
    Ok(well_known::healthy(&*shell)?.map(Body::from))
}

async fn ready(State(shell): State<Arc<Shell>>) -> Result<Response, Problem> {
    Ok(well_known::ready(&*shell)?.map(Body::from))
}

async fn tell(State(shell): State<Arc<Shell>>) -> Response {
    well_known::well_known(&*shell).map(Body::from)
}

/// Every request was sent to a loopback host by name, whatever that name resolves to.
pub(crate) async fn serve_host(request: Request, next: Next) -> Response {
    if origin::is_host_served(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host_refused",
        "a hub without a key answers to loopback hosts only, such as localhost or 127.0.0.1",
    )
    .into_response()
}

/// A page of another origin may not even try: CORS alone would let a simple request through and hide the answer.
async fn serve_origin(request: Request, next: Next) -> Response {
    if origin::is_origin_served(request.headers()) {
        return next.run(request).await;
    }
    let detail = "pages of this origin are not served; add it to the allowed origins";
    Problem::new(StatusCode::FORBIDDEN, "origin_refused", detail).into_response()
}

/// A page that is served may see how its requests went, the HTTP version among it: browsers hide that of other origins.
async fn allow_timing(request: Request, next: Next) -> Response {
    let is_served = origin::is_origin_served(request.headers());
    let reader = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    let allowed = reader
        .filter(|_| is_served)
        .map(|origin| (HeaderName::from_static("timing-allow-origin"), origin));
    response.headers_mut().extend(allowed);
    response
}

/// A topic's name from a path. What can't be read is none, which is refused as such.
struct Topic(String);

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let topic = Path::<String>::from_request_parts(head, state).await;
        Ok(Self(topic.map(|Path(topic)| topic).unwrap_or_default()))
    }
}

async fn publish(
    State(shell): State<Arc<Shell>>,
    Topic(topic): Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let publication = Publication::read(&topic, &head.headers)?;
    let body = payload(body, shell.limits()).await?;
    Ok(publication.publish(&*shell, &body)?.map(Body::from))
}

async fn read(
    State(shell): State<Arc<Shell>>,
    Topic(topic): Topic,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    Ok(topics::read(&*shell, &topic, &query, &headers)?.map(Body::from))
}

async fn change(
    State(shell): State<Arc<Shell>>,
    Topic(topic): Topic,
    request: Request,
) -> Response {
    documents::answered(change_by(&shell, &topic, request).await).map(Body::from)
}

async fn change_by(shell: &Shell, topic: &str, request: Request) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let alteration = Alteration::read(topic, &head.headers)?;
    let body = payload(body, shell.limits()).await?;
    alteration.make(shell, &body)
}

async fn payload(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    body::read(body, limits.payload_bytes_max, limits, topics::too_large).await
}
