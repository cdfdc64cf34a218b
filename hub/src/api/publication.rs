//! What publications of messages and of changes have in common: checks, answers and errors.

use http::StatusCode;
use http::header::HeaderMap;
use longhaul::document::patch::Why;
use longhaul::ids::{is_id, is_topic_name};
use longhaul::wire::public_id::is_outbox_id;
use serde::Serialize;

use super::etag::tag;
use super::problem::{Problem, ProblemCode};
use crate::core::{self, ChangeFault, NackCode, PayloadFault, PublishFault};

/// The answer to a publication.
#[derive(Serialize)]
pub(super) struct Published<'a> {
    topic: &'a str,
    epoch: String,
    seq: u64,
    duplicate: bool,
}

impl<'a> Published<'a> {
    pub(super) fn of(topic: &'a str, published: core::Published) -> Self {
        Self {
            topic,
            epoch: format!("{:016x}", published.epoch.0),
            seq: published.seq.0,
            duplicate: published.duplicate,
        }
    }
}

pub(super) fn check_topic(topic: &str) -> Result<(), Problem> {
    if is_topic_name(topic) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        ProblemCode::TopicInvalid,
        "a topic name is 1 to 255 bytes: segments of letters, digits, - _ . ~ separated by /",
    ))
}

pub(super) fn text(body: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(body).map_err(|_| {
        let code = ProblemCode::Nack(NackCode::PayloadInvalid);
        Problem::new(StatusCode::BAD_REQUEST, code, "the body is not UTF-8")
    })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match key.to_str() {
            Ok(key) if is_id(key) && !is_outbox_id(key) => Ok(Some(key)),
            _ => Err(bad_key()),
        },
        _ => Err(bad_key()),
    }
}

fn bad_key() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        ProblemCode::IdempotencyKeyInvalid,
        "an Idempotency-Key is 1 to 128 characters of A-Z a-z 0-9 - _ . ~ : + / =, but neither a \
         single - nor 22 characters, a colon and digits, which is the form of a client's ids",
    )
}

pub(super) fn publish_fault(fault: PublishFault) -> Problem {
    match fault {
        PublishFault::Change(fault) => change_fault(&fault),
        PublishFault::Unexpected(epoch, seq) => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            ProblemCode::DocumentChanged,
            "the document is not what If-Match or If-None-Match asks for: read it again",
        )
        .with("etag", tag(epoch, seq)),
        PublishFault::Payload(fault) => {
            let status = match fault {
                PayloadFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                PayloadFault::NotJson | PayloadFault::TooDeep => StatusCode::BAD_REQUEST,
            };
            let code = ProblemCode::Nack(NackCode::of_payload(fault));
            Problem::new(status, code, fault.to_string())
        }
        PublishFault::IdConflict => Problem::new(
            StatusCode::CONFLICT,
            ProblemCode::Nack(NackCode::IdConflict),
            "another body was published to this topic with this Idempotency-Key",
        ),
        PublishFault::Busy => Problem::busy(),
    }
}

/// A change that the document does not accept (rule P9).
fn change_fault(fault: &ChangeFault) -> Problem {
    let status = match fault {
        ChangeFault::IsDocument | ChangeFault::NotADocument => StatusCode::CONFLICT,
        ChangeFault::Patch(fault) => match fault.why {
            Why::NotAPatch | Why::MemberMissing | Why::NotAPointer => StatusCode::BAD_REQUEST,
            Why::Missing | Why::NoIndex | Why::TestFailed | Why::IntoItself => StatusCode::CONFLICT,
            // The body was valid JSON (rule W6), so documents do not accept this kind of JSON (rule
            // D5).
            Why::NotJson
            | Why::KeyForbidden
            | Why::TooDeep
            | Why::TooLarge
            | Why::TooManyOperations
            | Why::CopiesTooMuch => StatusCode::UNPROCESSABLE_ENTITY,
        },
    };
    let code = ProblemCode::Nack(NackCode::of_change(fault));
    let problem = Problem::new(status, code, fault.message());
    let ChangeFault::Patch(fault) = fault else {
        return problem;
    };
    match fault.operation {
        Some(operation) => problem
            .with("operation", operation)
            .with("pointer", &*fault.pointer),
        None => problem,
    }
}
