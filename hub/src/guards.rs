//! Middleware: which hosts and origins the hub serves, and what pages may see of their requests.

use axum::extract::Request;
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::origin::PageOrigin;
use crate::api::problem::{Problem, ProblemCode};
use crate::origin::{is_host_served, page_origin};

/// Serves only requests to a loopback host by name, whatever address the name resolves to.
pub(crate) async fn check_host(request: Request, next: Next) -> Response {
    if is_host_served(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        ProblemCode::HostRefused,
        "a hub without a key answers to loopback hosts only, such as localhost or 127.0.0.1",
    )
    .into_response()
}

/// Refuses pages of other origins. CORS alone would execute simple requests and only hide the
/// answer.
pub(crate) async fn check_origin(request: Request, next: Next) -> Response {
    match page_origin(request.headers()).check() {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Shows served pages the timing of their requests, such as the HTTP version. Browsers hide it from
/// other origins.
pub(crate) async fn allow_timing(request: Request, next: Next) -> Response {
    let page = page_origin(request.headers());
    let reader = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    let allowed = reader
        .filter(|_| page == PageOrigin::Served)
        .map(|origin| (HeaderName::from_static("timing-allow-origin"), origin));
    response.headers_mut().extend(allowed);
    response
}
