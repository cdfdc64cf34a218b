//! Errors over HTTP: Problem Details (RFC 9457) with a stable `code`.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::Answer;

/// When a back end may try again for which there is no memory, s. Chosen: retention makes room each second.
const BUSY_S: u64 = 5;

/// An error as an answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_s: Option<u64>,
}

impl Problem {
    /// What happened: a stable code, and words for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            more: Map::new(),
            retry_s: None,
        }
    }

    /// Waiting helps (Retry-After).
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_s = Some(seconds);
        self
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Nothing is here.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this address",
        )
    }

    /// No room, for now.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the hub has no room for this now; try again later",
        )
        .retry_after_s(BUSY_S)
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let status = problem.status;
        let mut body = json!({
            "type": format!("urn:longhaul:problem:{}", problem.code),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": problem.detail,
            "code": problem.code,
        });
        if let Value::Object(body) = &mut body {
            body.extend(problem.more);
        }
        let mut answer = Self::new(body.to_string());
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        let retry_after = problem
            .retry_s
            .map(|seconds| (header::RETRY_AFTER, seconds.into()));
        headers.extend(retry_after);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl axum::response::IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        Answer::from(self).map(Into::into)
    }
}
