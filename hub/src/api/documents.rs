//! Documents over HTTP (rules P8 and P9): reading one, and changing it by PATCH (RFC 5789).
//!
//! Owns the media types, the entity tags and what each refusal is as a status.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use longhaul::document::patch::Why;
use longhaul::ids::{Epoch, Seq};
use longhaul::wire::Kind;

use super::problem::Problem;
use super::topics::{Published, check_topic, idempotency_key, publish_fault, text};
use super::{Access, Answer, essence};
use crate::core::{ChangeFault, Expected, Offer};

/// The media types of a PATCH, as RFC 5789 tells them.
const ACCEPT_PATCH: &str = "application/json-patch+json, application/merge-patch+json";

/// Longest entity tags in a condition, as a count. Chosen: a client compares with what it has read, not with a history.
const TAGS_MAX: usize = 64;

/// Rule P8: the document with its tag.
///
/// # Errors
/// There is none.
pub fn read(hub: &impl Access, topic: &str, headers: &HeaderMap) -> Result<Answer, Problem> {
    let Some(state) = hub.with(|hub, now, _| hub.document(now, topic)) else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_document",
            "the topic has no document; read its messages with ?from=1",
        ));
    };
    let tag = tag(state.epoch, state.seq);
    // A tag that is weak names the same document too (RFC 9110, section 13.1.2).
    let is_known = list(headers, &IF_NONE_MATCH)?
        .is_some_and(|tags| tags.iter().any(|one| one.trim_start_matches("W/") == tag));
    let mut answer = Answer::default();
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        // The value is a copy of its own by now, so the hub goes on while it is written.
        *answer.body_mut() = state.value.to_json();
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
    }
    let no_cache = HeaderValue::from_static("no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, no_cache);
    Ok(tagged(answer, &tag))
}

/// A change whose head is as it must be; its body is still to come.
#[derive(Debug)]
pub struct Alteration<'a> {
    topic: &'a str,
    kind: Kind,
    key: Option<&'a str>,
    expected: Expected,
}

impl<'a> Alteration<'a> {
    /// Rule P9: a patch or merge, `PATCH /v1/topics/{topic}`.
    ///
    /// # Errors
    /// What is wrong with its head.
    pub fn read(topic: &'a str, headers: &'a HeaderMap) -> Result<Self, Problem> {
        check_topic(topic)?;
        Ok(Self {
            topic,
            key: idempotency_key(headers)?,
            kind: kind(headers)?,
            expected: expected(headers)?,
        })
    }

    /// Changes the document as its body says.
    ///
    /// # Errors
    /// Why it has taken no effect.
    pub fn make(&self, hub: &impl Access, body: &[u8]) -> Result<Answer, Problem> {
        let offer = Offer {
            kind: self.kind,
            key: self.key,
            payload: text(body)?,
            expected: &self.expected,
        };
        let published = hub
            .with(|hub, now, effects| hub.offer(now, self.topic, &offer, effects))
            .map_err(publish_fault)?;
        let tag = tag(published.epoch, published.seq);
        Ok(tagged(
            super::json(&Published::of(self.topic, published)),
            &tag,
        ))
    }
}

/// Whatever is answered to a PATCH: where the type was wrong, it names those that are right.
#[must_use]
pub fn answered(outcome: Result<Answer, Problem>) -> Answer {
    let mut answer = outcome.unwrap_or_else(Into::into);
    if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let name = HeaderName::from_static("accept-patch");
        let types = HeaderValue::from_static(ACCEPT_PATCH);
        answer.headers_mut().insert(name, types);
    }
    answer
}

/// What a refused change is over HTTP (rule P9).
pub(super) fn change_fault(fault: &ChangeFault) -> Problem {
    let status = match fault {
        ChangeFault::IsDocument | ChangeFault::NotADocument => StatusCode::CONFLICT,
        ChangeFault::Patch(fault) => match fault.why {
            Why::NotAPatch | Why::MemberMissing | Why::NotAPointer => StatusCode::BAD_REQUEST,
            Why::Missing | Why::NoIndex | Why::TestFailed | Why::IntoItself => StatusCode::CONFLICT,
            // It is JSON by now (rule W6), so it is the kind that no document is made of (rule D5).
            Why::NotJson
            | Why::KeyForbidden
            | Why::TooDeep
            | Why::TooLarge
            | Why::TooManyOperations
            | Why::CopiesTooMuch => StatusCode::UNPROCESSABLE_ENTITY,
        },
    };
    let problem = Problem::new(status, fault.code(), fault.message());
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

/// Another state than a condition asks for (rule P9).
pub(super) fn unexpected(epoch: Epoch, seq: Seq) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "document_changed",
        "the document is not what If-Match or If-None-Match asks for: read it again",
    )
    .with("etag", tag(epoch, seq))
}

fn tagged(mut answer: Answer, tag: &str) -> Answer {
    // Hex digits, a number and quotes.
    let tag = HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag));
    answer.headers_mut().extend(tag);
    answer
}

fn tag(epoch: Epoch, seq: Seq) -> String {
    format!("\"{:016x}-{}\"", epoch.0, seq.0)
}

fn place(tag: &str) -> Option<(Epoch, Seq)> {
    let (epoch, seq) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    let place = (
        Epoch(u64::from_str_radix(epoch, 16).ok()?),
        Seq(seq.parse().ok()?),
    );
    // Only what we have written, to the letter.
    (self::tag(place.0, place.1) == tag).then_some(place)
}

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    match &*essence(headers).to_ascii_lowercase() {
        "application/json-patch+json" => Ok(Kind::Patch),
        "application/merge-patch+json" => Ok(Kind::Merge),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_unsupported",
            format!("send one of {ACCEPT_PATCH}"),
        )),
    }
}

fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let wanted = list(headers, &IF_MATCH)?;
    let unwanted = list(headers, &IF_NONE_MATCH)?;
    match (wanted, unwanted) {
        (None, None) => Ok(Expected::Anything),
        (Some(tags), None) if tags == ["*"] => Ok(Expected::Written),
        // A weak tag never matches here, nor does what we have not written (RFC 9110, section 13.1.1).
        (Some(tags), None) => Ok(Expected::After(
            tags.into_iter().filter_map(place).collect(),
        )),
        (None, Some(tags)) if tags == ["*"] => Ok(Expected::Unwritten),
        _ => Err(bad_condition()),
    }
}

/// The members of a condition, if it is there.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Vec<&'a str>>, Problem> {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| bad_condition())?;
        tags.extend(
            value
                .split(',')
                .map(str::trim)
                .filter(|tag| !tag.is_empty()),
        );
    }
    if tags.len() > TAGS_MAX {
        return Err(bad_condition());
    }
    Ok(headers.contains_key(name).then_some(tags))
}

fn bad_condition() -> Problem {
    let detail = "a condition is If-Match with * or tags of this document, or If-None-Match with *";
    Problem::new(StatusCode::BAD_REQUEST, "condition_invalid", detail)
}
