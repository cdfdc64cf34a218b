//! Tickets, each of which opens one event stream, with their subscriptions (rule T2).
//!
//! A ticket is valid once, for a short time, and for the page that asked for it. The driver makes
//! the tickets, because it has the system's randomness.

use std::collections::{BTreeSet, HashMap};

use crate::core::limits::Limits;
use crate::core::time::Time;

/// Memory of a ticket without its subscriptions, bytes. Chosen: two copies of it and the numbers,
/// rounded up.
const TICKET_BYTES: usize = 256;

#[derive(Debug)]
struct Issued {
    end: Time,
    /// The origin of the page that asked for the ticket. Programs have none.
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
    /// Stores a frame for the client that brings the ticket. False if there is no capacity.
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

    /// Takes the frame of a ticket, which is invalid from now on. A browser sends no origin to the
    /// page's own server, so a request without one is valid; another origin is not.
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

    /// Forgets tickets that are too old.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((end, ticket)) = self.ends.first().cloned()
            && end <= now
        {
            self.remove(&ticket);
        }
    }

    /// The time at which `expire` has something to do.
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
