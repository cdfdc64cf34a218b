//! Tickets: what opens one event stream, and the subscriptions that wait with it (rule T2).
//!
//! Owns that a ticket is good once, for a while, and for the page that asked. Makes none: whoever drives the hub has the
//! system's randomness.

use std::collections::{BTreeSet, HashMap};

use super::limits::Limits;
use super::time::Time;

/// What a ticket costs beside its subscriptions, bytes. Chosen: two copies of it and the numbers, rounded up.
const TICKET_BYTES: usize = 256;

#[derive(Debug)]
struct Issued {
    end: Time,
    /// Of the page that asked. Programs have none.
    origin: Option<Box<str>>,
    frame: Box<str>,
}

impl Issued {
    fn bytes(&self) -> usize {
        TICKET_BYTES + self.frame.len() + self.origin.as_ref().map_or(0, |origin| origin.len())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tickets {
    issued: HashMap<Box<str>, Issued>,
    ends: BTreeSet<(Time, Box<str>)>,
    bytes: usize,
}

impl Tickets {
    /// Keeps a frame for whoever brings the ticket. False if there is no room.
    pub(crate) fn issue(
        &mut self,
        now: Time,
        ticket: &str,
        origin: Option<&str>,
        frame: &str,
        limits: &Limits,
    ) -> bool {
        self.expire(now);
        let end = now.plus(limits.ticket_ms);
        let issued = Issued {
            end,
            origin: origin.map(Into::into),
            frame: frame.into(),
        };
        let bytes = self.bytes + issued.bytes();
        if self.issued.len() >= limits.tickets_max || bytes > limits.tickets_bytes_max {
            return false;
        }
        self.bytes = bytes;
        self.ends.insert((end, ticket.into()));
        self.issued.insert(ticket.into(), issued);
        true
    }

    /// The frame that waited. The ticket is used by that, whoever brought it. A browser names no origin to the page's own
    /// server, so none passes; another one does not.
    pub(crate) fn take(
        &mut self,
        now: Time,
        ticket: &str,
        origin: Option<&str>,
    ) -> Option<Box<str>> {
        self.expire(now);
        let issued = self.remove(ticket)?;
        let is_same = origin.is_none() || origin == issued.origin.as_deref();
        is_same.then_some(issued.frame)
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((end, ticket)) = self.ends.first().cloned()
            && end <= now
        {
            self.remove(&ticket);
        }
    }

    /// When `expire` has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.ends.first().map(|(end, _)| *end)
    }

    fn remove(&mut self, ticket: &str) -> Option<Issued> {
        let (ticket, issued) = self.issued.remove_entry(ticket)?;
        self.bytes = self.bytes.saturating_sub(issued.bytes());
        self.ends.remove(&(issued.end, ticket));
        Some(issued)
    }
}
