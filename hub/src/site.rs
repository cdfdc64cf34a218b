//! The files of a single-page app, for demos and tests.
//!
//! Owns their headers. A file under `/assets/` has a hash in its name and never changes. Browsers
//! revalidate all other files.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use crate::api::problem::Problem;

/// A page of this app may load its own files and wasm, and may connect to hubs on this machine.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self' ws: wss: http://127.0.0.1:* http://localhost:*; \
    object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'";

/// A fallback for the hub's router. It serves the files of `dir`.
pub(crate) fn router(dir: &Path) -> Router {
    let files = ServeDir::new(dir);
    let serve = move |request: Request| {
        let files = files.clone();
        async move { file(files, request).await }
    };
    Router::new()
        .fallback(serve)
        .layer(middleware::from_fn(add_headers))
}

async fn file(files: ServeDir, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Problem::not_found().into_response();
    }
    match files.oneshot(request).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => {
            Problem::not_found().into_response()
        }
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    }
}

async fn add_headers(request: Request, next: Next) -> Response {
    let is_hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let cache = if is_hashed && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    for (name, value) in [
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
