//! HTTP for back ends: publish to a topic, read a stretch of its log, and what operators ask.
//!
//! Owns the routes and their checks. Every error is a Problem Details answer with a stable code.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http_body_util::LengthLimitError;
use longhaul::frame::{Kind, SUBPROTOCOL};
use longhaul::ids::{Seq, is_id, is_topic_name};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::core::{self, PayloadFault, PublishFault, ReadFault, Readiness, Transport};
use crate::documents;
use crate::events;
use crate::origin;
use crate::posts;
use crate::problem::Problem;
use crate::shell::Shell;
use crate::ws;

/// How long a browser may remember what a preflight said, s. Chosen: the most that Chromium takes.
const PREFLIGHT_S: u64 = 7_200;

/// How late the hub may be with what is due and still be called healthy, ms. Chosen: above any load that it should bear.
const LATE_MS_MAX: u64 = 5_000;

/// The answer to a publication.
#[derive(Serialize)]
pub(crate) struct Published<'a> {
    topic: &'a str,
    epoch: String,
    seq: u64,
    duplicate: bool,
}

impl<'a> Published<'a> {
    pub(crate) fn of(topic: &'a str, published: core::Published) -> Self {
        Self {
            topic,
            epoch: format!("{:016x}", published.epoch.0),
            seq: published.seq.0,
            duplicate: published.duplicate,
        }
    }
}

/// A stretch of a topic's log.
#[derive(Serialize)]
struct Page<'a> {
    topic: &'a str,
    epoch: String,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    seq: u64,
    /// `patch` or `merge` for a change of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    data: &'a RawValue,
    published_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

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
                .patch(documents::change)
                .fallback(method_not_allowed),
        )
        .route("/.well-known/longhaul", get(well_known))
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

/// Whether the hub does what is due. One that can't answer here is not healthy either.
async fn healthy(State(shell): State<Arc<Shell>>) -> Result<Json<serde_json::Value>, Problem> {
    let late_ms = shell.with(|hub, now, _| hub.late_ms(now.time));
    if late_ms > LATE_MS_MAX {
        let detail = format!("what was due {late_ms} ms ago is not done");
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "hub_error",
            detail,
        ));
    }
    Ok(Json(json!({ "status": "ok" })))
}

/// Whether it makes sense to send clients here.
async fn ready(State(shell): State<Arc<Shell>>) -> Result<Json<serde_json::Value>, Problem> {
    let (code, detail) = match shell.with(|hub, _, _| hub.readiness()) {
        Readiness::Ready => return Ok(Json(json!({ "status": "ok" }))),
        Readiness::Full => ("full", "all connections are taken"),
        Readiness::Draining => ("draining", "the hub lets its clients go and stops"),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail))
}

async fn well_known(State(shell): State<Arc<Shell>>) -> Json<serde_json::Value> {
    let limits = shell.limits();
    let transports: Vec<&str> = limits.transports.iter().map(Transport::name).collect();
    Json(json!({
        "versions": [SUBPROTOCOL],
        "transports": transports,
        "limits": {
            "frameBytesMax": limits.frame_bytes_max,
            "payloadBytesMax": limits.payload_bytes_max,
            "subscriptionsMax": limits.subscriptions_max,
            "subscriptionsBytesMax": limits.subs_bytes_max,
            "connectionsMax": limits.connections_max,
            "admitPerSecond": limits.admit_per_s,
            "topicsMax": limits.topics_max,
            "retainEntries": limits.retain_entries,
            "retainMs": limits.retain_ms,
            "retainBytes": limits.retain_bytes,
            "topicIdleMs": limits.topic_idle_ms,
            "producersMs": limits.producers_ms,
            "producersMax": limits.producers_max,
            "idempotencyKeysMax": limits.keys_max,
            "pageEntriesMax": limits.page_entries_max,
            "pageBytesMax": limits.page_bytes_max,
            "heartbeatMs": limits.ping_ms,
            "heartbeatWaitMs": limits.wait_ms,
            "holdMs": limits.hold_ms,
        },
    }))
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

async fn publish(
    State(shell): State<Arc<Shell>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    check_topic(&topic)?;
    let key = idempotency_key(request.headers())?.map(str::to_owned);
    if !is_json(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_unsupported",
            "send one JSON value as application/json",
        ));
    }
    let bytes_max = shell.limits().payload_bytes_max;
    let body = to_bytes(request.into_body(), bytes_max)
        .await
        .map_err(|error| body_fault(&error, bytes_max))?;
    let payload = text(&body)?;
    let published = shell
        .with(|hub, now, effects| hub.publish(now, &topic, key.as_deref(), payload, effects))
        .map_err(publish_fault)?;
    Ok(Json(Published::of(&topic, published)).into_response())
}

async fn read(
    State(shell): State<Arc<Shell>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    check_topic(&topic)?;
    let query = query.unwrap_or_default();
    let entries_max = shell.limits().page_entries_max;
    let Some(first) = number(&query, "from")? else {
        return documents::read(&shell, &topic, &headers);
    };
    let count = number(&query, "limit")?
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(entries_max);
    let page = shell
        .with(|hub, now, _| hub.read(now, &topic, Seq(first), count))
        .map_err(read_fault)?;
    let entries = page.entries.iter().filter_map(|(seq, entry)| {
        Some(Entry {
            seq: seq.0,
            change: (entry.kind != Kind::Message).then(|| entry.kind.verb()),
            // It was JSON when it was appended.
            data: serde_json::from_str(&entry.payload).ok()?,
            published_at_ms: entry.at_ms,
            id: entry.id.as_deref(),
        })
    });
    let answer = Page {
        topic: &topic,
        epoch: format!("{:016x}", page.epoch.0),
        entries: entries.collect(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

pub(crate) fn check_topic(topic: &str) -> Result<(), Problem> {
    if is_topic_name(topic) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "topic_invalid",
        "a topic name is 1 to 255 bytes: segments of letters, digits, - _ . ~ separated by /",
    ))
}

pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(body).map_err(|_| {
        let detail = "the body is not UTF-8";
        Problem::new(StatusCode::BAD_REQUEST, "payload_invalid", detail)
    })
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match key.to_str() {
            Ok(key) if is_id(key) => Ok(Some(key)),
            _ => Err(bad_key()),
        },
        _ => Err(bad_key()),
    }
}

fn bad_key() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "idempotency_key_invalid",
        "an Idempotency-Key is 1 to 128 characters of A-Z a-z 0-9 - _ . ~ : + / =",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// A number of the query string, at least 1.
fn number(query: &str, name: &'static str) -> Result<Option<u64>, Problem> {
    let Some(text) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number @ 1..=longhaul::ids::NUMBER_MAX) => Ok(Some(number)),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "query_invalid",
            format!("{name} is a whole number from 1 to 2^53 - 1"),
        )),
    }
}

pub(crate) fn body_fault(error: &axum::Error, bytes_max: usize) -> Problem {
    if std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>()) {
        let detail = format!("the payload is over the limit of {bytes_max} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail);
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_unreadable",
        "the body ended before its time",
    )
}

pub(crate) fn publish_fault(fault: PublishFault) -> Problem {
    match fault {
        PublishFault::Change(fault) => documents::change_fault(&fault),
        PublishFault::Unexpected(epoch, seq) => documents::unexpected(epoch, seq),
        PublishFault::Payload(fault) => {
            let status = match fault {
                PayloadFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                PayloadFault::NotJson | PayloadFault::TooDeep => StatusCode::BAD_REQUEST,
            };
            Problem::new(status, fault.code(), fault.to_string())
        }
        PublishFault::IdConflict => Problem::new(
            StatusCode::CONFLICT,
            "id_conflict",
            "another body was published to this topic with this Idempotency-Key",
        ),
        PublishFault::Busy => Problem::busy(),
    }
}

fn read_fault(fault: ReadFault) -> Problem {
    let ReadFault::Gone {
        reason,
        epoch,
        first,
        head,
    } = fault;
    let detail = format!("the log reaches from {} to {}", first.0, head.0);
    Problem::new(StatusCode::GONE, "resume_failed", detail)
        .with("reason", reason.as_str())
        .with("epoch", format!("{:016x}", epoch.0))
        .with("firstSeq", first.0)
        .with("headSeq", head.0)
}
