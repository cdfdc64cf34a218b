//! Makes one post to the hub, and turns its answer into a frame or a close code.
//!
//! Knows the status codes of docs/protocol.md, rule T5. The core aborts slow posts, so no timeout
//! is here.

use std::rc::Weak;

use js_sys::{JsString, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCache, RequestInit, RequestRedirect, Response};

use super::delegate::{Delegate, Failure};
use crate::codes;
use crate::ids::ConnectionId;

/// The content type of frames over HTTP (rule T1).
const CONTENT_TYPE: &str = "application/vnd.longhaul.v1";

#[wasm_bindgen]
extern "C" {
    /// The global function of pages and workers. Throws if there is none.
    #[wasm_bindgen(catch, js_name = fetch)]
    fn global_fetch(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// Posts a frame and returns the frame that answers it. Received bytes of a poll's answer count as
/// a sign of life of `polling`.
pub(super) async fn post(
    delegate: &Weak<dyn Delegate>,
    url: &str,
    frame: &JsValue,
    signal: &AbortSignal,
    polling: Option<ConnectionId>,
) -> Result<JsString, Failure> {
    let lost = |_| Failure::of(codes::CONNECTION_LOST, "");
    let token = delegate.upgrade().and_then(|delegate| delegate.token());
    let response = send(url, token.as_deref(), frame, signal)
        .await
        .map_err(lost)?;
    let headers = response.headers();
    let content_type = headers
        .get("content-type")
        .ok()
        .flatten()
        .unwrap_or_default();
    let text = match delegate.upgrade() {
        Some(delegate) => delegate.text(&response, polling),
        None => return Err(lost(JsValue::UNDEFINED)),
    };
    let text = JsFuture::from(text).await.map_err(lost)?;
    let Ok(text) = text.dyn_into::<JsString>() else {
        return Err(Failure::of(codes::BAD_FRAME, "an answer over the limit"));
    };
    if response.ok() && content_type.starts_with(CONTENT_TYPE) {
        return Ok(text);
    }
    let is_problem = content_type.starts_with("application/problem+json");
    let mut failure = meaning(response.status(), is_problem, &text);
    let seconds = headers.get("retry-after").ok().flatten();
    failure.retry_after_ms = seconds
        .and_then(|seconds| seconds.parse::<u64>().ok())
        .unwrap_or(0)
        .saturating_mul(1_000);
    Err(failure)
}

async fn send(
    url: &str,
    token: Option<&str>,
    frame: &JsValue,
    signal: &AbortSignal,
) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("content-type", CONTENT_TYPE)?;
    if let Some(token) = token {
        let mut bearer = String::from("Bearer ");
        bearer.push_str(token);
        headers.set("authorization", &bearer)?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(frame);
    init.set_cache(RequestCache::NoStore);
    // A redirect would replay publications and the token at another address.
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(signal));
    JsFuture::from(global_fetch(url, &init)?)
        .await
        .map(JsCast::unchecked_into)
}

fn meaning(status: u16, is_problem: bool, text: &JsString) -> Failure {
    if !is_problem {
        // The answer is from a proxy or a captive portal. Only 401, 429 and 503 keep their meaning
        // then.
        return match status {
            401 => Failure::of(codes::UNAUTHORIZED, &status_words(status)),
            429 | 503 => Failure::of(codes::TRY_AGAIN_LATER, ""),
            _ => Failure::of(codes::NOT_A_HUB, &status_words(status)),
        };
    }
    let code = match status {
        400 if text.includes("\"version_unsupported\"", 0) => codes::VERSION_UNSUPPORTED,
        401 => codes::UNAUTHORIZED,
        403 => codes::ORIGIN_REFUSED,
        404 => codes::TRANSPORT_DISABLED,
        413 => codes::FRAME_TOO_LARGE,
        429 => codes::TOO_MANY_CONNECTIONS,
        503 => codes::TRY_AGAIN_LATER,
        500.. => codes::HUB_ERROR,
        _ => codes::BAD_FRAME,
    };
    Failure::of(code, "")
}

fn status_words(status: u16) -> String {
    let mut words = String::from("HTTP ");
    words.push_str(itoa::Buffer::new().format(status));
    words
}
