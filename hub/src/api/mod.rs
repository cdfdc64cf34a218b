//! HTTP without sockets: what a request must be, and how the hub answers it.
//!
//! Owns the checks, the status codes and the forms of answers. Names no runtime: `http`, `posts`
//! and `events` read requests from sockets, `longhaul-testing` takes them from a page.

pub mod documents;
pub mod events;
pub mod handshake;
pub mod posts;
pub mod problem;
pub mod topics;
pub mod well_known;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;

use crate::core::{Effect, Hub, Limits, Now};

/// An answer that is complete.
pub type Answer = http::Response<String>;

/// A way to a hub, which is held only as long as `with` takes.
pub trait Access {
    /// Does something with the hub, and what follows from it.
    fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T;

    /// Those of the hub.
    fn limits(&self) -> &Limits;
}

/// What a content type says before its parameters.
fn essence(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// JSON with status 200.
fn json(body: &impl Serialize) -> Answer {
    // Nothing that is answered here can fail to be written.
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut answer = Answer::new(body);
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
