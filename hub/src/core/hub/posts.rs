//! Posts of clients without a WebSocket: publications, tickets, event streams and polls (rules T1
//! to T3).
//!
//! The hub reads a post completely before anything takes effect.

use longhaul::ids::From;
use longhaul::wire::ToClient;

use super::reading::{self, Hello, Subscribe};
use super::state::{Hub, wake};
use super::subscribing::Began;
use super::timers::Timer;
use crate::core::close::Close;
use crate::core::connections::connection::{Connection, Mode};
use crate::core::event::Effect;
use crate::core::ids::ConnId;
use crate::core::refusal::Refusal;
use crate::core::time::Now;
use crate::core::topics::subject::Subject;

impl Hub {
    /// Publishes the rows of a client that sends `token`. Returns their acks and nacks, in order
    /// (rule T1).
    ///
    /// # Errors
    /// Why none of them took effect.
    pub fn post(
        &mut self,
        now: Now,
        token: Option<&str>,
        text: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<String, Refusal> {
        self.check_running()?;
        let rows = reading::rows(text, &self.limits)?;
        let subject = token.and_then(Subject::of);
        let mut answer = String::new();
        for row in &rows {
            let outcome = self.settle(now, row, subject.as_ref(), effects);
            row.answer(&outcome, |record| record.encode(&mut answer));
        }
        Ok(answer)
    }

    /// Stores a client's subscriptions for the event stream that brings `ticket`. The answer names
    /// the ticket (rule T2).
    ///
    /// # Errors
    /// Why there is no ticket.
    pub fn issue_ticket(
        &mut self,
        now: Now,
        ticket: &str,
        origin: Option<&str>,
        text: &str,
    ) -> Result<String, Refusal> {
        let (hello, _) = reading::subscriptions(text, &self.limits)?;
        self.admit(now, hello.session)?;
        let limits = self.limits;
        if !self.tickets.issue(now.time, ticket, origin, text, &limits) {
            let message = "too many event streams are opening";
            return Err(self.later(now, message));
        }
        self.timers.set(self.tickets.deadline(), Timer::Tickets);
        let mut answer = String::new();
        let ms = limits.ticket_ms;
        ToClient::Ticket { ticket, ms }.encode(&mut answer);
        Ok(answer)
    }

    /// Opens an event stream for a ticket (rule T2). The ticket has already admitted the client.
    ///
    /// # Errors
    /// Why the stream does not open.
    pub fn open_stream(
        &mut self,
        now: Now,
        conn: ConnId,
        ticket: &str,
        origin: Option<&str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_capacity(now)?;
        let Some(text) = self.tickets.take(now.time, ticket, origin) else {
            let message = "the ticket is unknown, used, too old, or another page's";
            return Err(Refusal::new(Close::TicketInvalid, message));
        };
        let (hello, requests) = reading::subscriptions(&text, &self.limits)?;
        let mode = Mode::Stream {
            untaken_since: None,
        };
        self.join(now, conn, mode, &hello, &requests, effects);
        Ok(())
    }

    /// Opens a poll (rule T3). A `Wake` says when its answer is ready.
    ///
    /// # Errors
    /// Why the poll gets no answer.
    pub fn open_poll(
        &mut self,
        now: Now,
        conn: ConnId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (hello, requests) = reading::subscriptions(text, &self.limits)?;
        let hold_ms = hello.hold_ms.unwrap_or(u64::MAX).min(self.limits.hold_ms);
        if hold_ms == 0 {
            self.check_draining(now, hello.session)?;
        }
        self.admit(now, hello.session)?;
        let began = self.join(now, conn, Mode::Reading, &hello, &requests, effects);
        let mut positions = requests.iter().map(|request| request.from);
        let has_cursors = positions.all(|from| matches!(from, From::After(_)));
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        // Each poll has only one answer, and a client always sends its subscriptions in the same
        // order. So the hub chooses at random which of them comes first.
        connection.rotate_queue(self.rng.usize(..connection.queue_len().max(1)));
        connection.mode = if began == Began::AsAsked && has_cursors && hold_ms > 0 {
            Mode::Waiting {
                until: now.time.plus(hold_ms),
            }
        } else {
            Mode::Ready
        };
        wake(conn, connection, effects);
        self.set_connection_timer(conn);
        Ok(())
    }

    /// Adds a connection whose first frame is known. `AsAsked` if all subscriptions begin where the
    /// client asked for.
    fn join(
        &mut self,
        now: Now,
        conn: ConnId,
        mode: Mode,
        hello: &Hello<'_>,
        requests: &[Subscribe<'_>],
        effects: &mut Vec<Effect>,
    ) -> Began {
        self.connections
            .insert(conn, Connection::new(now.time, mode, &self.limits));
        self.enter(now, conn, hello.session, effects);
        let mut all = Began::AsAsked;
        for request in requests {
            if self.subscribe(now, conn, request, effects) == Began::Otherwise {
                all = Began::Otherwise;
            }
        }
        all
    }
}
