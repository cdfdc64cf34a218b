//! Requests of back ends and operators: topics, documents, limits and health.
//!
//! Reads the requests from sockets; `api` checks and answers them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;

use crate::api::documents::{self, DocumentChange};
use crate::api::problem::Problem;
use crate::api::topics::{self, Publication};
use crate::api::{self, Answer};
use crate::body;
use crate::core::Limits;
use crate::runtime::Runtime;

/// `GET /healthz`.
pub(crate) async fn healthy(State(runtime): State<Arc<Runtime>>) -> Result<Response, Problem> {
    Ok(api::well_known::healthy(&*runtime)?.map(Body::from))
}

/// `GET /readyz`.
pub(crate) async fn ready(State(runtime): State<Arc<Runtime>>) -> Result<Response, Problem> {
    Ok(api::well_known::ready(&*runtime)?.map(Body::from))
}

/// `GET /.well-known/longhaul`.
pub(crate) async fn well_known(State(runtime): State<Arc<Runtime>>) -> Response {
    api::well_known::well_known(&*runtime).map(Body::from)
}

/// A topic's name from a path. An unreadable path gives an empty name, which `api` refuses.
pub(crate) struct Topic(String);

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let topic = Path::<String>::from_request_parts(head, state).await;
        Ok(Self(topic.map(|Path(topic)| topic).unwrap_or_default()))
    }
}

/// `POST /v1/topics/{topic}`.
pub(crate) async fn publish(
    State(runtime): State<Arc<Runtime>>,
    Topic(topic): Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let publication = Publication::read(&topic, &head.headers)?;
    let body = payload(body, runtime.limits()).await?;
    Ok(publication.publish(&*runtime, &body)?.map(Body::from))
}

/// `GET /v1/topics/{topic}`.
pub(crate) async fn read(
    State(runtime): State<Arc<Runtime>>,
    Topic(topic): Topic,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    Ok(topics::read(&*runtime, &topic, &query, &headers)?.map(Body::from))
}

/// `PATCH /v1/topics/{topic}`.
pub(crate) async fn change(
    State(runtime): State<Arc<Runtime>>,
    Topic(topic): Topic,
    request: Request,
) -> Response {
    let outcome = apply_change(&runtime, &topic, request).await;
    documents::answered(outcome).map(Body::from)
}

async fn apply_change(runtime: &Runtime, topic: &str, request: Request) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let change = DocumentChange::read(topic, &head.headers)?;
    let body = payload(body, runtime.limits()).await?;
    change.apply(runtime, &body)
}

async fn payload(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    body::read(body, limits.payload_bytes_max, limits, topics::too_large).await
}
