//! Topics over HTTP for back ends (rules P1 to P3): publishing a message, and reading a range of a
//! log.
//!
//! Every error is a problem with a stable code.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use longhaul::ids::Seq;
use longhaul::wire::Kind;
use longhaul::wire::parse_number;
use serde::Serialize;
use serde_json::value::RawValue;

use super::access::Access;
use super::answer::{Answer, essence, json};
use super::documents;
use super::problem::{Problem, ProblemCode};
use super::publication::{Published, check_topic, idempotency_key, publish_fault, text};
use crate::core::{NackCode, ReadFault};

/// A publication with a valid head. Its body follows.
#[derive(Debug)]
pub struct Publication<'a> {
    topic: &'a str,
    key: Option<&'a str>,
}

impl<'a> Publication<'a> {
    /// `POST /v1/topics/{topic}`.
    ///
    /// # Errors
    /// Why the head is invalid.
    pub fn read(topic: &'a str, headers: &'a HeaderMap) -> Result<Self, Problem> {
        check_topic(topic)?;
        let key = idempotency_key(headers)?;
        if !essence(headers).eq_ignore_ascii_case("application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "send one JSON value as application/json";
            return Err(Problem::new(
                status,
                ProblemCode::ContentTypeUnsupported,
                detail,
            ));
        }
        Ok(Self { topic, key })
    }

    /// Publishes the body.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn publish(&self, hub: &impl Access, body: &[u8]) -> Result<Answer, Problem> {
        let Self { topic, key } = self;
        let payload = text(body)?;
        let published = hub
            .with(|hub, now, effects| hub.publish(now, topic, *key, payload, effects))
            .map_err(publish_fault)?;
        Ok(json(&Published::of(topic, published)))
    }
}

/// `GET /v1/topics/{topic}`: messages from a seq on, or the document.
///
/// # Errors
/// Why the hub does not have them.
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
            // The hub appends only valid JSON.
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
    let mut answer = json(&answer);
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(answer)
}

/// The body is over the limit.
#[must_use]
pub fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the payload is over the limit of {bytes_max} bytes");
    let code = ProblemCode::Nack(NackCode::PayloadTooLarge);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
}

/// A range of a topic's log.
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
            ProblemCode::QueryInvalid,
            format!("{name} is a whole number from 1 to 2^53 - 1, without leading zeros"),
        )
    })
}

fn read_fault(fault: ReadFault) -> Problem {
    let ReadFault::Gone {
        reason,
        epoch,
        first,
        head,
    } = fault;
    let detail = format!("the log reaches from {} to {}", first.0, head.0);
    Problem::new(StatusCode::GONE, ProblemCode::ResumeFailed, detail)
        .with("reason", reason.as_str())
        .with("epoch", format!("{:016x}", epoch.0))
        .with("firstSeq", first.0)
        .with("headSeq", head.0)
}
