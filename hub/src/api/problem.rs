//! Errors over HTTP: Problem Details (RFC 9457) with a stable `code`.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use crate::core::{Close, NackCode};

/// When a back end may try again after `busy`, s. Chosen: retention frees memory each second.
const BUSY_S: u64 = 5;

/// The stable code of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// The code of a refused client.
    Close(Close),
    /// The code of a refused publication.
    Nack(NackCode),
    /// The body did not end in time.
    BodyTimeout,
    /// The connection ended before the body did.
    BodyUnreadable,
    /// The hub does not understand a condition of the request.
    ConditionInvalid,
    /// The body has another content type.
    ContentTypeUnsupported,
    /// The document is not the one that the request expects.
    DocumentChanged,
    /// The hub is about to stop.
    Draining,
    /// The hub has its maximum of connections.
    Full,
    /// The hub does not serve this host.
    HostRefused,
    /// The idempotency key is invalid.
    IdempotencyKeyInvalid,
    /// The address does not accept this method.
    MethodNotAllowed,
    /// The topic has no document.
    NoDocument,
    /// The address does not exist.
    NotFound,
    /// The query string is invalid.
    QueryInvalid,
    /// The log does not have the requested message.
    ResumeFailed,
    /// The handshake does not offer the subprotocol.
    SubprotocolMissing,
    /// The topic name is invalid.
    TopicInvalid,
    /// The address accepts only WebSocket connections.
    UpgradeRequired,
}

impl ProblemCode {
    /// The code as the answer has it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Close(close) => close.code(),
            Self::Nack(nack) => nack.code(),
            Self::BodyTimeout => "body_timeout",
            Self::BodyUnreadable => "body_unreadable",
            Self::ConditionInvalid => "condition_invalid",
            Self::ContentTypeUnsupported => "content_type_unsupported",
            Self::DocumentChanged => "document_changed",
            Self::Draining => "draining",
            Self::Full => "full",
            Self::HostRefused => "host_refused",
            Self::IdempotencyKeyInvalid => "idempotency_key_invalid",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NoDocument => "no_document",
            Self::NotFound => "not_found",
            Self::QueryInvalid => "query_invalid",
            Self::ResumeFailed => "resume_failed",
            Self::SubprotocolMissing => "subprotocol_missing",
            Self::TopicInvalid => "topic_invalid",
            Self::UpgradeRequired => "upgrade_required",
        }
    }
}

/// An error as an answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: ProblemCode,
    detail: String,
    more: Map<String, Value>,
    retry_s: Option<u64>,
}

impl Problem {
    /// A problem. The detail is for people.
    pub fn new(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            more: Map::new(),
            retry_s: None,
        }
    }

    /// Asks the client to wait before it tries again (Retry-After).
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_s = Some(seconds);
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The address does not exist.
    #[must_use]
    pub fn not_found() -> Self {
        let detail = "there is nothing at this address";
        Self::new(StatusCode::NOT_FOUND, ProblemCode::NotFound, detail)
    }

    /// The address accepts other methods.
    #[must_use]
    pub fn method_not_allowed(methods: &str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let detail = format!("this address accepts {methods}");
        Self::new(status, ProblemCode::MethodNotAllowed, detail)
    }

    /// The address accepts only WebSocket connections.
    #[must_use]
    pub fn upgrade_required(status: StatusCode) -> Self {
        let detail = "this address accepts WebSocket connections";
        Self::new(status, ProblemCode::UpgradeRequired, detail)
    }

    /// The hub has no capacity now.
    #[must_use]
    pub fn busy() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let detail = "the hub has no capacity for this now; try again later";
        Self::new(status, ProblemCode::Nack(NackCode::Busy), detail).retry_after_s(BUSY_S)
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let (status, code) = (problem.status, problem.code.code());
        let mut body = json!({
            "type": format!("urn:longhaul:problem:{code}"),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": problem.detail,
            "code": code,
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
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // The hub has not read the whole body, so the connection can't take another request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
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
