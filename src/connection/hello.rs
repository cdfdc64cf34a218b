//! The hello that begins a connection, a poll or a post.
//!
//! Owns the session and the tokens. A hello is followed by every subscription, so that subscribing
//! takes one round trip (rule C2). So each function that may make a request takes
//! `&Subscriptions`, and its signature shows that it may.

use crate::connection::token::Tokens;
use crate::subscription::Subscriptions;
use crate::wire::{ToHub, VERSION};

/// The client's name and version, for the hub's logs.
const CLIENT: &str = concat!("longhaul/", env!("CARGO_PKG_VERSION"));

/// By what the hub knows the client.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(super) session: Option<String>,
    pub(super) tokens: Tokens,
}

impl Credentials {
    pub(super) fn hello<'a>(&'a self, subscriptions: &'a Subscriptions) -> Hello<'a> {
        Hello {
            credentials: self,
            subscriptions,
        }
    }

    /// The hello of a post of publications (rule T1). A post has its token in a header.
    pub(super) fn of_post(&self) -> String {
        self.record(None, None)
    }

    fn record(&self, token: Option<&str>, hold_ms: Option<u64>) -> String {
        let mut records = String::new();
        ToHub::Hello {
            version: VERSION,
            client: Some(CLIENT),
            session: self.session.as_deref(),
            token,
            hold_ms,
        }
        .encode(&mut records);
        records
    }
}

/// Makes the first records of a request.
pub(super) struct Hello<'a> {
    credentials: &'a Credentials,
    pub(super) subscriptions: &'a Subscriptions,
}

impl Hello<'_> {
    pub(super) fn of_socket(&self) -> String {
        let token = self.credentials.tokens.current();
        self.with_all(self.credentials.record(token, None))
    }

    /// An event stream has its token in a header.
    pub(super) fn of_stream(&self) -> String {
        self.with_all(self.credentials.record(None, None))
    }

    /// The first poll of a connection, which the hub answers at once.
    pub(super) fn of_first_poll(&self) -> String {
        self.with_all(self.credentials.record(None, Some(0)))
    }

    /// A later poll. The hub holds it for at most `hold_ms`.
    pub(super) fn of_poll(&self, hold_ms: u64) -> String {
        let mut records = self.credentials.record(None, Some(hold_ms));
        self.subscriptions.ask_unrefused(&mut records);
        records
    }

    fn with_all(&self, mut records: String) -> String {
        self.subscriptions.ask_all(&mut records);
        records
    }
}
