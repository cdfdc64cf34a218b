//! Topics over HTTP for back ends (rules P1 to P3): publishing a message, and reading a stretch of a log.
//!
//! Every refusal is a problem with a stable code.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use longhaul::ids::{Seq, is_id, is_topic_name};
use longhaul::wire::Kind;
use longhaul::wire::parse_number;
use longhaul::wire::public_id::is_outbox_id;
use serde::Serialize;
use serde_json::value::RawValue;

use super::problem::Problem;
use super::{Access, Answer, documents, essence};
use crate::core::{self, PayloadFault, PublishFault, ReadFault};

/// A publication whose head is as it must be; its body is still to come.
#[derive(Debug)]
pub struct Publication<'a> {
    topic: &'a str,
    key: Option<&'a str>,
}

impl<'a> Publication<'a> {
    /// `POST /v1/topics/{topic}`.
    ///
    /// # Errors
    /// What is wrong with its head.
    pub fn read(topic: &'a str, headers: &'a HeaderMap) -> Result<Self, Problem> {
        check_topic(topic)?;
        let key = idempotency_key(headers)?;
        if !essence(headers).eq_ignore_ascii_case("application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "send one JSON value as application/json";
            return Err(Problem::new(status, "content_type_unsupported", detail));
        }
        Ok(Self { topic, key })
    }

    /// Publishes its body.
    ///
    /// # Errors
    /// Why it has taken no effect.
    pub fn publish(&self, hub: &impl Access, body: &[u8]) -> Result<Answer, Problem> {
        let Self { topic, key } = self;
        let payload = text(body)?;
        let published = hub
            .with(|hub, now, effects| hub.publish(now, topic, *key, payload, effects))
            .map_err(publish_fault)?;
        Ok(super::json(&Published::of(topic, published)))
    }
}

/// `GET /v1/topics/{topic}`: messages from a seq on, or the document.
///
/// # Errors
/// Why they can't be had.
pub fn read(
    hub: &impl Access,
    topic: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Answer, Problem> {
    check_topic(topic)?;
    let entries_max = hub.limits().page_entries_max;
    let Some(first) = number(query, "from")? else {
        return documents::read(hub, topic, headers);
    };
    let count = number(query, "limit")?
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(entries_max);
    let page = hub
        .with(|hub, now, _| hub.read(now, topic, Seq(first), count))
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
        topic,
        epoch: format!("{:016x}", page.epoch.0),
        entries: entries.collect(),
    };
    let mut answer = super::json(&answer);
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(answer)
}

/// A body over the limit.
#[must_use]
pub fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the payload is over the limit of {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

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

pub(super) fn check_topic(topic: &str) -> Result<(), Problem> {
    if is_topic_name(topic) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "topic_invalid",
        "a topic name is 1 to 255 bytes: segments of letters, digits, - _ . ~ separated by /",
    ))
}

pub(super) fn text(body: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(body).map_err(|_| {
        let detail = "the body is not UTF-8";
        Problem::new(StatusCode::BAD_REQUEST, "payload_invalid", detail)
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
        "idempotency_key_invalid",
        "an Idempotency-Key is 1 to 128 characters of A-Z a-z 0-9 - _ . ~ : + / =",
    )
}

/// A number of the query string, at least 1.
fn number(query: &str, name: &'static str) -> Result<Option<u64>, Problem> {
    let Some(text) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    else {
        return Ok(None);
    };
    let number = parse_number(text).filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "query_invalid",
            format!("{name} is a whole number from 1 to 2^53 - 1, without leading zeros"),
        )
    })
}

pub(super) fn publish_fault(fault: PublishFault) -> Problem {
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
