//! Clients of polls and event streams, by their sessions. They may have no open request at times.
//!
//! The next poll of a client, and its next event stream, are not a new client. Owns how long a
//! client may stay away between two requests. A restarted hub knows no sessions, so all clients are
//! new.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::core::time::Time;

/// A client may send its next request this long after the last one, ms. Chosen: the longest poll
/// interval (rule T8), a bad network and a busy page.
const AGAIN_MS: u64 = 90_000;

#[derive(Debug)]
struct Client {
    /// Open requests and streams.
    open: usize,
    /// When the hub forgets the client, if nothing is open.
    end: Time,
    /// The reconnect window that the client got last, ms.
    sent_spread_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    clients: HashMap<Arc<str>, Client>,
    ends: BTreeSet<(Time, Arc<str>)>,
}

impl Sessions {
    /// The reconnect window that a known client got last, ms.
    pub(crate) fn sent_spread_ms(&self, session: &str) -> Option<u64> {
        let client = self.clients.get(session)?;
        Some(client.sent_spread_ms)
    }

    /// The number of clients between two requests.
    pub(crate) fn between(&self) -> usize {
        self.ends.len()
    }

    /// A client opens a request or a stream. The hub knows at most `clients_max` clients; all
    /// others are new each time.
    pub(crate) fn enter(&mut self, session: &Arc<str>, clients_max: usize) {
        if let Some(client) = self.clients.get_mut(session) {
            client.open += 1;
            self.ends.remove(&(client.end, Arc::clone(session)));
        } else if self.clients.len() < clients_max {
            let client = Client {
                open: 1,
                end: Time::default(),
                sent_spread_ms: 0,
            };
            self.clients.insert(Arc::clone(session), client);
        }
    }

    /// A request or a stream has ended. The client got this reconnect window last.
    pub(crate) fn leave(&mut self, now: Time, session: &Arc<str>, sent_spread_ms: u64) {
        let Some(client) = self.clients.get_mut(session) else {
            return;
        };
        client.sent_spread_ms = sent_spread_ms;
        client.open = client.open.saturating_sub(1);
        if client.open == 0 {
            self.ends.remove(&(client.end, Arc::clone(session)));
            client.end = now.plus(AGAIN_MS);
            self.ends.insert((client.end, Arc::clone(session)));
        }
    }

    /// Forgets a client that the hub has refused. If it comes back, it is new.
    pub(crate) fn forget(&mut self, session: &Arc<str>) {
        if let Some(client) = self.clients.remove(session) {
            self.ends.remove(&(client.end, Arc::clone(session)));
        }
    }

    /// Forgets clients that did not come back in time.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((end, session)) = self.ends.first().cloned()
            && end <= now
        {
            self.ends.pop_first();
            self.clients.remove(&session);
        }
    }

    /// The time at which `expire` has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.ends.first().map(|(end, _)| *end)
    }
}
