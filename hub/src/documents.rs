//! Documents over HTTP (rules P8 and P9): reading one, and changing it by PATCH (RFC 5789).
//!
//! Owns the media types, the entity tags and what each refusal is as a status.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longhaul::frame::Kind;
use longhaul::ids::{Epoch, Seq};
use longhaul::patch::Why;

use crate::core::{ChangeFault, Expected, Offer};
use crate::http::{Published, body_fault, check_topic, idempotency_key, publish_fault, text};
use crate::problem::Problem;
use crate::shell::Shell;

/// The media types of a PATCH, as RFC 5789 tells them.
const ACCEPT_PATCH: &str = "application/json-patch+json, application/merge-patch+json";

/// Longest entity tags in a condition, as a count. Chosen: a client compares with what it has read, not with a history.
const TAGS_MAX: usize = 64;

/// Rule P8: the document with its tag.
pub(crate) fn read(shell: &Shell, topic: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(state) = shell.with(|hub, now, _| hub.document(now, topic)) else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_document",
            "the topic has no document; read its messages with ?from=1",
        ));
    };
    let tag = tag(state.epoch, state.seq);
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // A tag that is weak names the same document too (RFC 9110, section 13.1.2).
    let is_known = list(headers, &header::IF_NONE_MATCH)?
        .is_some_and(|tags| tags.iter().any(|one| one.trim_start_matches("W/") == tag));
    let tag = [(header::ETAG, tag)];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, [cache], tag).into_response());
    }
    let json = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // The value is a copy of its own by now, so the hub goes on while it is written.
    Ok(([cache, json], tag, state.value.to_json()).into_response())
}

/// Rule P9: a patch or merge.
pub(crate) async fn change(
    State(shell): State<Arc<Shell>>,
    Path(topic): Path<String>,
    request: Request,
) -> Response {
    let mut response = change_by(&shell, &topic, request).await.into_response();
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let name = HeaderName::from_static("accept-patch");
        let types = HeaderValue::from_static(ACCEPT_PATCH);
        response.headers_mut().insert(name, types);
    }
    response
}

async fn change_by(shell: &Shell, topic: &str, request: Request) -> Result<Response, Problem> {
    check_topic(topic)?;
    let headers = request.headers();
    let key = idempotency_key(headers)?.map(str::to_owned);
    let kind = kind(headers)?;
    let expected = expected(headers)?;
    let bytes_max = shell.limits().payload_bytes_max;
    let body = to_bytes(request.into_body(), bytes_max)
        .await
        .map_err(|error| body_fault(&error, bytes_max))?;
    let offer = Offer {
        kind,
        key: key.as_deref(),
        payload: text(&body)?,
        expected: &expected,
    };
    let published = shell
        .with(|hub, now, effects| hub.offer(now, topic, &offer, effects))
        .map_err(publish_fault)?;
    let tag = [(header::ETAG, tag(published.epoch, published.seq))];
    Ok((tag, Json(Published::of(topic, published))).into_response())
}

/// What a refused change is over HTTP (rule P9).
pub(crate) fn change_fault(fault: &ChangeFault) -> Problem {
    let status = match fault {
        ChangeFault::IsDocument | ChangeFault::NotADocument => StatusCode::CONFLICT,
        ChangeFault::Patch(fault) => match fault.why {
            Why::NotJson | Why::NotAPatch | Why::MemberMissing | Why::NotAPointer => {
                StatusCode::BAD_REQUEST
            }
            Why::Missing | Why::NoIndex | Why::TestFailed | Why::IntoItself => StatusCode::CONFLICT,
            Why::KeyForbidden
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
pub(crate) fn unexpected(epoch: Epoch, seq: Seq) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "document_changed",
        "the document is not what If-Match or If-None-Match asks for: read it again",
    )
    .with("etag", tag(epoch, seq))
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
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match &*essence {
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
    let wanted = list(headers, &header::IF_MATCH)?;
    let unwanted = list(headers, &header::IF_NONE_MATCH)?;
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
