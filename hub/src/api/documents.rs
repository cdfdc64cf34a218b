//! Documents over HTTP (rules P8 and P9): reading one, and changing it by PATCH (RFC 5789).
//!
//! Owns the media types and the conditions of a request.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use longhaul::wire::Kind;

use super::access::Access;
use super::answer::{Answer, essence, json};
use super::etag;
use super::problem::{Problem, ProblemCode};
use super::publication::{Published, check_topic, idempotency_key, publish_fault, text};
use crate::core::{Expected, Offer};

/// The media types of a PATCH, in the form of RFC 5789.
const ACCEPT_PATCH: &str = "application/json-patch+json, application/merge-patch+json";

/// The most entity tags in a condition. Chosen: a client compares with what it has read, not with a
/// history.
const TAGS_MAX: usize = 64;

/// Rule P8: the document with its tag.
///
/// # Errors
/// The topic has no document.
pub fn read(hub: &impl Access, topic: &str, headers: &HeaderMap) -> Result<Answer, Problem> {
    let Some(state) = hub.with(|hub, now, _| hub.document(now, topic)) else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            ProblemCode::NoDocument,
            "the topic has no document; read its messages with ?from=1",
        ));
    };
    let tag = etag::tag(state.epoch, state.seq);
    // A weak tag names the same document too (RFC 9110, section 13.1.2).
    let is_known = list(headers, &IF_NONE_MATCH)?
        .is_some_and(|tags| tags.iter().any(|one| one.trim_start_matches("W/") == tag));
    let mut answer = Answer::default();
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        // The value is a copy, so the hub continues while this thread writes it.
        *answer.body_mut() = state.value.to_json();
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
    }
    let no_cache = HeaderValue::from_static("no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, no_cache);
    Ok(etag::tagged(answer, &tag))
}

/// A change of a document with a valid head. Its body follows.
#[derive(Debug)]
pub struct DocumentChange<'a> {
    topic: &'a str,
    kind: Kind,
    key: Option<&'a str>,
    expected: Expected,
}

impl<'a> DocumentChange<'a> {
    /// Rule P9: a patch or merge, `PATCH /v1/topics/{topic}`.
    ///
    /// # Errors
    /// Why the head is invalid.
    pub fn read(topic: &'a str, headers: &'a HeaderMap) -> Result<Self, Problem> {
        check_topic(topic)?;
        Ok(Self {
            topic,
            key: idempotency_key(headers)?,
            kind: kind(headers)?,
            expected: expected(headers)?,
        })
    }

    /// Applies the body to the document.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn apply(&self, hub: &impl Access, body: &[u8]) -> Result<Answer, Problem> {
        let offer = Offer {
            kind: self.kind,
            key: self.key,
            payload: text(body)?,
            expected: &self.expected,
        };
        let published = hub
            .with(|hub, now, effects| hub.offer(now, self.topic, &offer, effects))
            .map_err(publish_fault)?;
        let tag = etag::tag(published.epoch, published.seq);
        let answer = json(&Published::of(self.topic, published));
        Ok(etag::tagged(answer, &tag))
    }
}

/// The answer to a PATCH. If the media type is wrong, it names the right ones.
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

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    match &*essence(headers).to_ascii_lowercase() {
        "application/json-patch+json" => Ok(Kind::Patch),
        "application/merge-patch+json" => Ok(Kind::Merge),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ProblemCode::ContentTypeUnsupported,
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
        // A weak tag never matches here, and neither does another server's tag (RFC 9110, section
        // 13.1.1).
        (Some(tags), None) => Ok(Expected::After(
            tags.into_iter().filter_map(etag::parse).collect(),
        )),
        (None, Some(tags)) if tags == ["*"] => Ok(Expected::Unwritten),
        _ => Err(bad_condition()),
    }
}

/// The members of a condition, if the request has it.
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
    Problem::new(
        StatusCode::BAD_REQUEST,
        ProblemCode::ConditionInvalid,
        detail,
    )
}
