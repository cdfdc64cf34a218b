//! Executes the demands of pages, and moves data from pages to the hub.

use longhaul::Transport;
use longhaul::codes;
use longhaul::ids::ConnectionId;

use crate::browser::PageMessage;
use crate::line::{Down, Kind, Line, LineId};
use crate::page::Do;
use crate::server::lost;
use crate::world::{Item, World};

impl World<'_> {
    pub(crate) fn perform(&mut self, at: usize, want: Do) {
        let id = self.pages.get(at).map_or(0, |page| page.id);
        self.say(|| format!("  page {id} > {want:?}"));
        match want {
            Do::Open {
                connection,
                transport,
                records,
            } => {
                let kind = match transport {
                    Transport::WebSocket => Kind::Socket,
                    Transport::EventSource => Kind::Session(records),
                    Transport::LongPoll => Kind::Poll(records),
                };
                self.open_line(at, connection, kind);
            }
            Do::Poll {
                connection,
                records,
            } => {
                self.abandon_lines(at, connection, |kind| matches!(kind, Kind::Poll(_)));
                self.open_line(at, connection, Kind::Poll(records));
            }
            Do::Post { connection, frame } => self.open_line(at, connection, Kind::Post(frame)),
            Do::Frame { connection, frame } => self.send_up(at, connection, frame),
            Do::AbandonPosts { connection } => {
                self.abandon_lines(at, connection, |kind| matches!(kind, Kind::Post(_)));
            }
            Do::Store(transaction) => self.ask_storage(at, transaction),
            Do::Leader { is_wanted } => self.seek(at, is_wanted),
            Do::Tell(producer, tab_message) => {
                self.tell(at, &PageMessage::Told(producer, tab_message))
            }
            Do::Slot { is_wanted } => {
                if is_wanted && self.rng.u32(0..1_000) < self.mix.crowded {
                    self.coverage.met("state: no place for what is held");
                    self.later(self.now + 2, Item::Slot(id, false));
                    let granted_at = self.soon(20_000);
                    self.later(granted_at, Item::Slot(id, true));
                }
            }
            Do::Abandon { connection } => self.abandon(at, connection),
        }
    }

    pub(crate) fn abandon(&mut self, at: usize, connection: ConnectionId) {
        self.abandon_lines(at, connection, |_| true);
    }

    pub(crate) fn abandon_lines(
        &mut self,
        at: usize,
        connection: ConnectionId,
        which: impl Fn(&Kind) -> bool,
    ) {
        let page = self.pages.get(at).map(|page| page.id);
        let ids: Vec<LineId> = self
            .lines
            .iter()
            .filter(|(_, line)| {
                Some(line.page) == page && line.connection == connection && which(&line.kind)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.abandon_line(id);
        }
    }

    /// The page abandons a line. The hub learns of it if the line still carries data.
    pub(crate) fn abandon_line(&mut self, id: LineId) {
        let delay = self.delay();
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut line.is_abandoned, true) || line.is_dead_up {
            return;
        }
        let at = (self.now + delay).max(line.up_ms);
        self.later(at, Item::Removed(id));
    }

    pub(crate) fn send_up(&mut self, at: usize, connection: ConnectionId, frame: String) {
        let delay = self.delay();
        let Some(page) = self.pages.get(at) else {
            return;
        };
        let (id, slow_us) = (page.id, page.slow_us);
        let found = self.lines.iter_mut().find(|(_, line)| {
            line.page == id && line.connection == connection && line.kind == Kind::Socket
        });
        let Some((id, line)) = found else { return };
        if line.is_dead_up {
            return;
        }
        let id = *id;
        let arrives = (self.now + delay).max(line.up_ms) + frame.len() as u64 * slow_us / 1_000;
        line.up_ms = arrives;
        if frame.starts_with("pub ") && self.chance(self.mix.frame.duplicated) {
            self.coverage.met("fault: publication duplicated");
            self.later(arrives, Item::Up(id, frame.clone()));
        }
        self.later(arrives, Item::Up(id, frame));
    }

    pub(crate) fn open_line(&mut self, at: usize, connection: ConnectionId, kind: Kind) {
        let Some(page) = self.pages.get(at) else {
            return;
        };
        let mut line = Line::new(page.id, connection, kind);
        self.last_line += 1;
        let id = self.last_line;
        let delay = self.delay();
        let odds = self.mix.opening;
        let is_socket = line.kind == Kind::Socket;
        let failure = |code, retry_after_ms| Down::Failure {
            code,
            retry_after_ms,
        };
        let mut fails = None;
        if !self.server.is_up() {
            fails = Some(lost());
        } else if self.chance(odds.refused) {
            self.coverage.met("fault: connection refused");
            fails = Some(lost());
        } else if self.chance(odds.black_holed) {
            self.coverage.met("fault: connection black-holed");
            line.is_dead_up = true;
            line.is_dead_down = true;
        } else if self.chance(odds.bad_gateway) {
            self.coverage.met("fault: handshake 5xx");
            fails = Some(if is_socket {
                lost()
            } else {
                failure(codes::NOT_A_HUB, 0)
            });
        } else if self.chance(odds.portal) && !is_socket {
            self.coverage.met("fault: HTTP 200 from a captive portal");
            fails = Some(failure(codes::NOT_A_HUB, 0));
        } else if self.chance(odds.busy) && !is_socket {
            self.coverage.met("fault: HTTP 503 with Retry-After");
            let retry_after_ms = self.rng.u64(0..=7) * 1_000;
            fails = Some(failure(codes::TRY_AGAIN_LATER, retry_after_ms));
        } else if self.chance(odds.buffered) && matches!(line.kind, Kind::Stream(_)) {
            self.coverage.met("fault: stream buffered");
            line.buffer = Some(Vec::new());
        }
        let slow_ms = if self.chance(odds.slow) {
            self.rng.u64(0..5_000)
        } else {
            0
        };
        let is_dead = line.is_dead_up;
        line.up_ms = self.now + delay + slow_ms;
        let arrives = line.up_ms;
        // A failed stream ends like a lost connection, because an EventSource shows no answer.
        if let (Kind::Stream(_), Some(Down::Failure { .. })) = (&line.kind, &fails) {
            fails = Some(lost());
        }
        self.lines.insert(id, line);
        match fails {
            Some(down) => self.later(arrives + delay, Item::Down(id, down)),
            None if is_dead => {}
            None => self.later(arrives, Item::Open(id)),
        }
    }
}
