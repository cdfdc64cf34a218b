//! Clients that are here without a socket, by their sessions: those of polls and event streams.
//!
//! A poll that is asked again, and a stream that is opened for other subscriptions, are no new clients. Owns how long one
//! is expected to be between two requests. A hub that was restarted knows none, so then all are new.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::time::Time;

/// How long after a request a client may come with the next one, ms. Chosen: the longest rest between polls (rule T8), a bad line
/// and a page that is busy.
const AGAIN_MS: u64 = 90_000;

#[derive(Debug)]
struct Client {
    /// Requests and streams that are open.
    open: usize,
    /// When it is forgotten, if none is.
    end: Time,
    /// The spread it was told last, ms.
    told_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    clients: HashMap<Arc<str>, Client>,
    ends: BTreeSet<(Time, Arc<str>)>,
}

impl Sessions {
    /// What a client was told of the herd, if it is here.
    pub(crate) fn told_ms(&self, session: &str) -> Option<u64> {
        self.clients.get(session).map(|client| client.told_ms)
    }

    /// Clients between two requests.
    pub(crate) fn between(&self) -> usize {
        self.ends.len()
    }

    /// It has a request or a stream open. At most `clients_max` are known; the others count as new each time.
    pub(crate) fn enter(&mut self, session: &Arc<str>, clients_max: usize) {
        if let Some(client) = self.clients.get_mut(session) {
            client.open += 1;
            self.ends.remove(&(client.end, Arc::clone(session)));
        } else if self.clients.len() < clients_max {
            let client = Client {
                open: 1,
                end: Time::default(),
                told_ms: 0,
            };
            self.clients.insert(Arc::clone(session), client);
        }
    }

    /// It has one less, and was told this of the herd.
    pub(crate) fn leave(&mut self, now: Time, session: &Arc<str>, told_ms: u64) {
        let Some(client) = self.clients.get_mut(session) else {
            return;
        };
        client.told_ms = told_ms;
        client.open = client.open.saturating_sub(1);
        if client.open == 0 {
            self.ends.remove(&(client.end, Arc::clone(session)));
            client.end = now.plus(AGAIN_MS);
            self.ends.insert((client.end, Arc::clone(session)));
        }
    }

    /// It was sent away: if it comes again, it is new.
    pub(crate) fn forget(&mut self, session: &Arc<str>) {
        if let Some(client) = self.clients.remove(session) {
            self.ends.remove(&(client.end, Arc::clone(session)));
        }
    }

    /// Forgets those who did not come again.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((end, session)) = self.ends.first().cloned()
            && end <= now
        {
            self.ends.pop_first();
            self.clients.remove(&session);
        }
    }

    /// When `expire` has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.ends.first().map(|(end, _)| *end)
    }
}
