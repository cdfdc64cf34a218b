//! Moves data from the hub to pages, with the faults on the way.

use longhaul::Event;
use longhaul::codes;
use longhaul::ids::ConnectionId;
use longhaul::wire::records;
use longhaul_hub::core::{ConnId, Event as HubEvent};

use crate::line::{Down, FRAMES_DOWN_MAX, Kind, LineId};
use crate::server::{Sent, lost};
use crate::world::{Item, World};

impl World<'_> {
    pub(crate) fn hub_loses(&mut self, conn: Option<ConnId>) {
        if let Some(conn) = conn {
            self.server.forget(conn);
            let event = HubEvent::Closed(conn);
            let sent = self.server.handle(self.now, event, &mut self.oracle);
            self.send_down(sent);
        }
    }

    pub(crate) fn reach_hub(&mut self, id: LineId) {
        let Some(mut line) = self.lines.remove(&id) else {
            return;
        };
        let sent = self.server.open(self.now, id, &mut line, &mut self.oracle);
        self.lines.insert(id, line);
        self.send_down(sent);
    }

    pub(crate) fn send_down(&mut self, sent: Vec<Sent>) {
        for (id, down) in sent {
            match down {
                Down::Frame(frame) if frame.is_empty() => self.fill(id),
                Down::End { code, reason } => self.close_down(id, code, reason),
                down => self.push_down(id, down),
            }
        }
    }

    /// The hub closes a line in the way of its transport.
    pub(crate) fn close_down(&mut self, id: LineId, code: u16, reason: String) {
        let Some(line) = self.lines.get(&id) else {
            return;
        };
        let record = format!("close {code} {reason}");
        match line.kind {
            Kind::Poll(_) => self.push_down(id, Down::Answer(record)),
            Kind::Stream(_) => {
                self.push_down(id, Down::Frame(record));
                self.push_down(id, lost());
            }
            _ => self.push_down(id, Down::End { code, reason }),
        }
    }

    /// Takes the hub's frames for a line until the line is full.
    pub(crate) fn fill(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else {
            return;
        };
        let Some(conn) = line.conn else { return };
        if let Kind::Poll(_) = line.kind {
            if let Some(answer) = self.server.take_answer(self.now, conn) {
                self.push_down(id, Down::Answer(answer));
                if let Some(line) = self.lines.get_mut(&id) {
                    line.conn = None;
                }
                self.hub_loses(Some(conn));
            }
            return;
        }
        while self
            .lines
            .get(&id)
            .is_some_and(|line| line.frames_down < FRAMES_DOWN_MAX)
        {
            let Some(frame) = self.server.take(self.now, conn) else {
                break;
            };
            if let Some(line) = self.lines.get_mut(&id) {
                line.frames_down += 1;
            }
            self.frames_sent += 1;
            let write_ms = self.mix.limits.write_ms;
            let frames = self.lines.get(&id).map_or(0, |line| line.frames_down);
            self.later(self.now + write_ms, Item::Stalled(id, frames));
            self.push_down(id, Down::Frame(frame));
        }
    }

    pub(crate) fn delay(&mut self) -> u64 {
        self.mix.latency_ms + self.rng.u64(0..=self.mix.jitter_ms)
    }

    /// Sends data to a page. A fault may strike it on the way.
    pub(crate) fn push_down(&mut self, id: LineId, down: Down) {
        let delay = self.delay();
        let Some(line) = self.lines.get(&id) else {
            return;
        };
        if line.is_dead_down || line.is_abandoned {
            return;
        }
        let page = self.pages.iter().find(|page| page.id == line.page);
        let slow_us = page.map_or(0, |page| page.slow_us);
        let bytes = match &down {
            Down::Frame(text) | Down::Answer(text) => text.len() as u64,
            _ => 0,
        };
        let at = (self.now + delay).max(line.down_ms) + bytes * slow_us / 1_000;
        let is_frame = matches!(
            (&down, &line.kind),
            (Down::Frame(_), Kind::Socket | Kind::Stream(_))
        );
        if is_frame && self.is_stormy && self.mishap(id, &down, at) {
            return;
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.down_ms = at;
        }
        self.later(at, Item::Down(id, down));
    }

    /// Draws a fault for a frame to a page. Returns true if the frame does not arrive unchanged.
    pub(crate) fn mishap(&mut self, id: LineId, down: &Down, at: u64) -> bool {
        let Down::Frame(text) = down else {
            return false;
        };
        let odds = self.mix.frame;
        if self.chance(odds.truncated) {
            self.coverage.met("fault: frame truncated");
            let mut end = self.rng.usize(..=text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let half = text.get(..end).unwrap_or_default().to_owned();
            self.later(at, Item::Down(id, Down::Frame(half)));
            self.later(at, Item::Down(id, lost()));
            return true;
        }
        if self.chance(odds.corrupted) {
            self.coverage.met("fault: frame corrupted");
            let bad = [
                "<html>",
                "m 1 x",
                "b 1 1 2 0 0 [1,0,0]",
                "welcome",
                "m 1 1 0 0 - {",
            ];
            let bad = bad
                .get(self.rng.usize(..bad.len()))
                .copied()
                .unwrap_or_default();
            self.later(at, Item::Down(id, Down::Frame(format!("{bad}\n{text}"))));
            return true;
        }
        if self.chance(odds.duplicated) {
            self.coverage.met("fault: frame duplicated");
            let again = at + self.rng.u64(0..500);
            if let Some(line) = self.lines.get_mut(&id) {
                line.frames_down += 1;
            }
            self.later(again, Item::Down(id, down.clone()));
        }
        // Only messages change their order. No transport lets messages overtake an answer, and the
        // client could not detect a loss at the end.
        let is_messages = |record: &str| {
            ["m ", "b ", "patch ", "merge "]
                .iter()
                .any(|verb| record.starts_with(verb))
        };
        if records(text).all(is_messages) && self.chance(odds.reordered) {
            self.coverage.met("fault: frame reordered");
            let late = at + self.rng.u64(1..1_000);
            self.later(late, Item::Down(id, down.clone()));
            return true;
        }
        false
    }

    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.is_stormy && self.rng.u32(0..1_000) < per_mille
    }

    pub(crate) fn reach_page(&mut self, number: u64, id: LineId, down: Down) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let page = self.pages.iter().find(|page| page.id == line.page);
        let frozen_until = page.map_or(0, |page| page.frozen_until);
        if self.now < frozen_until {
            // The item keeps its number, so that later data does not overtake it.
            self.items
                .insert((frozen_until, number), Item::Down(id, down));
            return;
        }
        if let Down::Frame(_) = down {
            line.frames_down = line.frames_down.saturating_sub(1);
        }
        if line.is_dead_down {
            return;
        }
        let (page_id, connection, is_abandoned) = (line.page, line.connection, line.is_abandoned);
        let Some(at) = self.pages.iter().position(|page| page.id == page_id) else {
            return;
        };
        if let Some(buffer) = self
            .lines
            .get_mut(&id)
            .and_then(|line| line.buffer.as_mut())
            && !matches!(down, Down::End { .. })
        {
            buffer.push(down);
            return;
        }
        if !is_abandoned {
            self.hear(at, id, connection, down);
        }
        // The line has room again.
        if self.lines.get(&id).is_some_and(|line| line.conn.is_some()) {
            self.fill(id);
        }
    }

    /// A page receives data of a line that it has not abandoned.
    pub(crate) fn hear(&mut self, at: usize, id: LineId, connection: ConnectionId, down: Down) {
        let kind = self.lines.get(&id).map(|line| line.kind.clone());
        match (kind, down) {
            (Some(Kind::Socket), Down::Opened) => {
                if self.chance(self.mix.opening.stripped) {
                    self.coverage.met("fault: handshake stripped");
                    self.ended(at, id, connection, (codes::SUBPROTOCOL_MISSING, ""), 0);
                } else {
                    self.handle(at, Event::Opened { connection });
                }
            }
            (Some(Kind::Socket | Kind::Stream(_)), Down::Frame(frame)) => {
                self.receive(at, connection, &frame);
            }
            (Some(Kind::Session(_)), Down::Answer(frame)) => {
                self.lines.remove(&id);
                let ticket = frame
                    .strip_prefix("ticket ")
                    .and_then(|rest| rest.split(' ').next());
                match ticket {
                    Some(ticket) => {
                        self.handle(at, Event::Opened { connection });
                        let kind = Kind::Stream(ticket.to_owned());
                        self.open_line(at, connection, kind);
                    }
                    None => self.ended(at, id, connection, (codes::NOT_A_HUB, ""), 0),
                }
            }
            (Some(Kind::Poll(_)), Down::Answer(frame)) => {
                self.lines.remove(&id);
                self.receive(at, connection, &frame);
                self.handle(at, Event::Answered { connection });
            }
            (Some(Kind::Post(_)), Down::Answer(frame)) => {
                self.lines.remove(&id);
                self.posted(at, connection, Ok(&frame));
            }
            (Some(Kind::Post(_)), Down::Failure { retry_after_ms, .. }) => {
                self.lines.remove(&id);
                self.posted(at, connection, Err(retry_after_ms));
            }
            (Some(Kind::Post(_)), Down::End { .. }) => {
                self.lines.remove(&id);
                self.posted(at, connection, Err(0));
            }
            (
                Some(_),
                Down::Failure {
                    code,
                    retry_after_ms,
                },
            ) => {
                self.ended(at, id, connection, (code, ""), retry_after_ms);
            }
            (Some(kind), Down::End { code, reason }) => {
                let (code, reason) = match kind {
                    Kind::Socket => (code, reason),
                    _ => (codes::CONNECTION_LOST, String::new()),
                };
                self.ended(at, id, connection, (code, &reason), 0);
            }
            _ => {}
        }
    }

    /// The browser reports the end of a connection.
    pub(crate) fn ended(
        &mut self,
        at: usize,
        id: LineId,
        connection: ConnectionId,
        (code, reason): (u16, &str),
        retry_after_ms: u64,
    ) {
        if let Some(line) = self.lines.remove(&id) {
            self.hub_loses(line.conn);
        }
        if let Some(page) = self.pages.get_mut(at) {
            page.forget_connection(connection);
        }
        self.abandon(at, connection);
        self.say(|| format!("  connection {} ended with {code} {reason}", connection.0));
        self.handle(
            at,
            Event::Ended {
                connection,
                code,
                reason,
                retry_after_ms,
            },
        );
    }
}
