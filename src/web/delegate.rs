//! The delegate of transport handles and of the page's life cycle: the events that they report to
//! it, and the questions that they ask it. The driver is the delegate.

use js_sys::{JsString, Promise};
use web_sys::Response;

use crate::ids::ConnectionId;

/// An answer that is no frame.
pub(super) struct Failure {
    /// The close code that a socket would have given.
    pub(super) code: u16,
    /// The reason in words.
    pub(super) detail: String,
    /// The minimum retry delay, from Retry-After, ms.
    pub(super) retry_after_ms: u64,
}

impl Failure {
    pub(super) fn of(code: u16, detail: &str) -> Self {
        Self {
            code,
            detail: detail.to_owned(),
            retry_after_ms: 0,
        }
    }
}

/// Receives the events of connections and of the page.
pub(super) trait Delegate {
    /// A socket is open, or a stream waits for its welcome.
    fn opened(&self, connection: ConnectionId);

    /// A connection has ended with a close code.
    fn ended(&self, connection: ConnectionId, code: u16, reason: &str);

    /// A request failed: its answer is no frame.
    fn failed(&self, connection: ConnectionId, failure: &Failure);

    /// A post of publications failed. If the hub rejected the token, the connection ends, because
    /// it uses the same token.
    fn post_failed(&self, connection: ConnectionId, failure: &Failure);

    /// Reads the text of an answer. `polling` is the connection of the poll.
    fn text(&self, response: &Response, polling: Option<ConnectionId>) -> Promise;

    /// Passes on the records of an answer.
    fn received(&self, connection: ConnectionId, frame: &JsString);

    /// Passes on the records of a poll's answer.
    fn answered(&self, connection: ConnectionId, frame: &JsString);

    /// The browser has a network again, or none.
    fn online(&self, is_online: bool);

    /// The page may have slept, or the network may have changed.
    fn woke(&self);

    /// The page was hidden or shown.
    fn hidden(&self, is_hidden: bool);

    /// The page may be frozen from now on.
    fn suspend(&self);

    /// Returns the hello record that begins a post.
    fn hello(&self) -> String;

    /// Returns the token for a post.
    fn token(&self) -> Option<String>;
}
