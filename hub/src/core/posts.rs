//! What comes in one post and is answered in one answer: publications, tickets, polls (rules T1 to T3).
//!
//! Owns how a post is read: whole, so that a bad one has taken no effect. What its records do is in `records`.

use longhaul::ids::{From, TopicNo};
use longhaul::wire::{self, ToClient, ToHub, View};

use super::close::{Close, Refusal};
use super::hub::{Effect, Hub, Timer, wake};
use super::limits::Limits;
use super::peer::{ConnId, Mode, Peer};
use super::records::{Row, Terms};
use super::subject::Subject;
use super::time::Now;

/// A sub of a post.
struct Sub<'a> {
    no: TopicNo,
    topic: &'a str,
    from: From,
    view: View<'a>,
}

/// What a hello says that matters to a post.
struct Hello<'a> {
    session: Option<&'a str>,
    hold_ms: Option<u64>,
}

impl Hub {
    /// Publications of a client that shows `token`: their acks and nacks, in order (rule T1).
    ///
    /// # Errors
    /// Why none of them was looked at.
    pub fn post(
        &mut self,
        now: Now,
        token: Option<&str>,
        text: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<String, Refusal> {
        self.check_running()?;
        let rows = read_rows(text, &self.limits)?;
        let subject = token.and_then(Subject::of);
        let mut answer = String::new();
        for row in &rows {
            let outcome = self.settle(now, row, subject.as_ref(), effects);
            row.verdict(&outcome).encode(&mut answer);
        }
        Ok(answer)
    }

    /// Keeps a client's subscriptions for the stream that brings `ticket`; the answer names it (rule T2).
    ///
    /// # Errors
    /// Why there is no ticket.
    pub fn issue(
        &mut self,
        now: Now,
        ticket: &str,
        origin: Option<&str>,
        text: &str,
    ) -> Result<String, Refusal> {
        let (hello, _) = read_subs(text, &self.limits)?;
        self.admit(now, hello.session)?;
        let limits = self.limits;
        if !self.tickets.issue(now.time, ticket, origin, text, &limits) {
            let message = "too many event streams are being opened";
            return Err(self.later(now, message));
        }
        self.set_timer(self.tickets.deadline(), Timer::Tickets);
        let mut answer = String::new();
        let ms = limits.ticket_ms;
        ToClient::Ticket { ticket, ms }.encode(&mut answer);
        Ok(answer)
    }

    /// An event stream has come with a ticket (rule T2), and was admitted with that.
    ///
    /// # Errors
    /// Why it has nothing to wait for.
    pub fn open_stream(
        &mut self,
        now: Now,
        conn: ConnId,
        ticket: &str,
        origin: Option<&str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_room(now)?;
        let Some(text) = self.tickets.take(now.time, ticket, origin) else {
            let message = "the ticket is unknown, used, too old, or another page's";
            return Err(Refusal::new(Close::TicketInvalid, message));
        };
        let (hello, subs) = read_subs(&text, &self.limits)?;
        let mode = Mode::Stream {
            untaken_since: None,
        };
        self.join(now, conn, mode, &hello, &subs, effects);
        Ok(())
    }

    /// A poll has come (rule T3). Its answer is there once it is woken.
    ///
    /// # Errors
    /// Why it gets none.
    pub fn open_poll(
        &mut self,
        now: Now,
        conn: ConnId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (hello, subs) = read_subs(text, &self.limits)?;
        let hold_ms = hello.hold_ms.unwrap_or(u64::MAX).min(self.limits.hold_ms);
        if hold_ms == 0 {
            self.check_draining(now, hello.session)?;
        }
        self.admit(now, hello.session)?;
        let are_plain = self.join(now, conn, Mode::Asking, &hello, &subs, effects);
        let has_cursors = subs.iter().all(|sub| matches!(sub.from, From::After(_)));
        let Some(peer) = self.peers.get_mut(&conn) else {
            return Ok(());
        };
        // A poll has no second turn, so whose is first must not depend on the order that the client always keeps.
        peer.rotate_ready(self.rng.usize(..peer.ready_len().max(1)));
        peer.mode = if are_plain && has_cursors && hold_ms > 0 {
            Mode::Held {
                until: now.time.plus(hold_ms),
            }
        } else {
            Mode::Due
        };
        wake(conn, peer, effects);
        self.set_peer_timer(conn);
        Ok(())
    }

    /// A connection whose first frame is known already. Whether all its subscriptions go on right where they were asked to.
    fn join(
        &mut self,
        now: Now,
        conn: ConnId,
        mode: Mode,
        hello: &Hello<'_>,
        subs: &[Sub<'_>],
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.peers
            .insert(conn, Peer::new(now.time, mode, &self.limits));
        self.enter(now, conn, hello.session, effects);
        let mut are_plain = true;
        for Sub {
            no,
            topic,
            from,
            view,
        } in subs
        {
            are_plain &= self.subscribe(now, conn, *no, (topic, *from, *view), effects);
        }
        are_plain
    }
}

/// The records of a post, all of them read before any has an effect.
fn read<'a>(
    text: &'a str,
    bytes_max: usize,
) -> Result<(Hello<'a>, impl Iterator<Item = Result<ToHub<'a>, Refusal>>), Refusal> {
    if text.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut records = wire::records(text).map(decode);
    match records.next().transpose()? {
        Some(ToHub::Hello {
            version,
            session,
            hold_ms,
            ..
        }) => {
            check_version(version)?;
            Ok((Hello { session, hold_ms }, records))
        }
        _ => Err(bad("the first record is not hello")),
    }
}

fn read_rows<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Row<'a>>, Refusal> {
    let (_, records) = read(text, limits.frame_bytes_max)?;
    let (mut rows, mut terms) = (Vec::new(), Terms::default());
    for record in records {
        match record? {
            ToHub::Until { ms, tag } => terms = Terms::new(ms, tag),
            ToHub::Publish(publish) => rows.push(Row::Publish(publish, std::mem::take(&mut terms))),
            ToHub::Skip(skip) => rows.push(Row::Skip(skip)),
            _ => return Err(bad("only publications may follow the hello here")),
        }
    }
    Ok(rows)
}

fn read_subs<'a>(text: &'a str, limits: &Limits) -> Result<(Hello<'a>, Vec<Sub<'a>>), Refusal> {
    let (hello, records) = read(text, limits.subs_bytes_max)?;
    let subs = records.map(|record| match record? {
        ToHub::Subscribe {
            no,
            topic,
            from,
            view,
        } => Ok(Sub {
            no,
            topic,
            from,
            view,
        }),
        _ => Err(bad("only sub may follow the hello here")),
    });
    let subs: Vec<Sub<'_>> = subs.collect::<Result<_, _>>()?;
    if subs.len() > limits.subscriptions_max {
        return Err(too_many_subscriptions(limits));
    }
    Ok((hello, subs))
}

pub(super) fn decode(record: &str) -> Result<ToHub<'_>, Refusal> {
    if record.contains('\r') {
        return Err(bad("a record contains CR"));
    }
    ToHub::decode(record).map_err(|error| bad(error.to_string()))
}

pub(super) fn check_version(version: u64) -> Result<(), Refusal> {
    if version == wire::VERSION {
        return Ok(());
    }
    let message = format!("version {version}, the hub speaks {}", wire::VERSION);
    Err(Refusal::new(Close::VersionUnsupported, message))
}

pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Close::BadFrame, message)
}

pub(super) fn too_large(bytes_max: usize) -> Refusal {
    let message = format!("the limit is {bytes_max} bytes");
    Refusal::new(Close::FrameTooLarge, message)
}

pub(super) fn too_many_subscriptions(limits: &Limits) -> Refusal {
    let message = format!("the limit is {} a connection", limits.subscriptions_max);
    Refusal::new(Close::TooManySubscriptions, message)
}
