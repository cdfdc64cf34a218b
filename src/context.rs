//! What one event is handled with: the time, chance, the counters, and where effects go.
//!
//! Also what a hello says, because every part that opens something needs one.

use crate::connection::token::Tokens;
use crate::ids::ConnectionId;
use crate::interface::effect::Effect;
use crate::metrics::Metrics;
use crate::subscription::Subscriptions;
use crate::time::Time;
use crate::wire::{ToHub, VERSION};

/// Name and version told in the hello.
const CLIENT: &str = concat!("longhaul/", env!("CARGO_PKG_VERSION"));

/// What every part handles an event with.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) metrics: &'a mut Metrics,
    pub(crate) effects: &'a mut Vec<Effect>,
}

pub(crate) struct Turn<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) metrics: &'a mut Metrics,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) session: Option<&'a str>,
    pub(crate) subscriptions: &'a Subscriptions,
    pub(crate) tokens: &'a mut Tokens,
}

impl Turn<'_> {
    pub(crate) fn context(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            rng: self.rng,
            metrics: self.metrics,
            effects: self.effects,
        }
    }

    /// Hello and all subs in one frame, so that a subscription takes one round trip (rule C2). A post shows its token in a
    /// header.
    pub(crate) fn hello(&self, hold_ms: Option<u64>) -> String {
        self.hello_with(None, hold_ms, true)
    }

    /// The hello of a socket.
    pub(crate) fn hello_of_socket(&self) -> String {
        self.hello_with(self.tokens.shown(), None, true)
    }

    fn hello_with(&self, token: Option<&str>, hold_ms: Option<u64>, is_new: bool) -> String {
        let mut records = String::new();
        hello(self.session, token, hold_ms, &mut records);
        self.subscriptions.ask_all(is_new, &mut records);
        records
    }

    pub(crate) fn poll(&mut self, connection: ConnectionId, hold_ms: u64) {
        let records = self.hello_with(None, Some(hold_ms), false);
        self.effects.push(Effect::Poll {
            connection,
            records,
        });
    }

    pub(crate) fn abandon(&mut self, connection: ConnectionId, code: u16) {
        self.effects.push(Effect::Abandon { connection, code });
    }
}

/// Appends a hello without subs.
pub(crate) fn hello(
    session: Option<&str>,
    token: Option<&str>,
    hold_ms: Option<u64>,
    records: &mut String,
) {
    ToHub::Hello {
        version: VERSION,
        client: Some(CLIENT),
        session,
        token,
        hold_ms,
    }
    .encode(records);
}
