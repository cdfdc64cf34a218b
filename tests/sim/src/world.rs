//! One history: the time, the network, fate, and what pages do meanwhile.
//!
//! Everything is drawn from the seed, in the order in which it happens, so the same seed gives the same history.

use std::collections::BTreeMap;
use std::io::Write;

use longhaul::config::Config;
use longhaul::ids::{ConnectionId, From, Seq};
use longhaul::{Client, Event, Status, Transport, codes};
use longhaul_hub::core::Event as HubEvent;

use crate::coverage::Coverage;
use crate::line::{Down, FRAMES_DOWN_MAX, Kind, Line, LineId};
use crate::mix::{Mix, Stroke};
use crate::oracle::{Oracle, PageId};
use crate::page::{Do, Page, Watch};
use crate::server::{Sent, Server, lost};

/// When a history begins, ms.
const BEGIN_MS: u64 = 1_000_000;

/// After the faults have stopped everybody is well again within this time, ms. Source: the bounded liveness of the invariants.
const HEAL_MS: u64 = 60_000;

/// A page that nobody waits at asks once a minute at the least, and then for all that it is behind.
const HEAL_PASSIVE_MS: u64 = 180_000;

/// Subscriptions of a page. Chosen: polls take turns, so that many of them would only be slow.
const SUBSCRIPTIONS_MAX: usize = 5;

/// Things that can happen in one history. Chosen: a loop that spins is found in a second.
const STEPS_MAX: u64 = 2_000_000;

/// How a history ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it has met.
    pub coverage: Coverage,
    /// Messages that pages were given.
    pub delivered: u64,
}

/// What is under way.
#[derive(Debug)]
enum Item {
    /// A line reaches the hub.
    Open(LineId),
    /// A frame reaches the hub.
    Up(LineId, String),
    /// The hub notices that a line is gone.
    Gone(LineId),
    /// Something reaches the page.
    Down(LineId, Down),
    /// A frame should have arrived by now.
    Stalled(LineId, usize),
    /// The hub's process comes back.
    HubStarts,
    /// Whether a page has a place among the connections that all tabs share.
    Place(PageId, bool),
    /// A page's line is fast, its timers are exact, its browser is online again.
    Recovers(PageId),
}

/// See the module.
pub struct World<'a> {
    now: u64,
    mix: Mix,
    rng: fastrand::Rng,
    is_stormy: bool,
    items: BTreeMap<(u64, u64), Item>,
    last_item: u64,
    lines: BTreeMap<LineId, Line>,
    last_line: LineId,
    pages: Vec<Page>,
    last_page: PageId,
    server: Server,
    oracle: Oracle,
    coverage: Coverage,
    published: u64,
    frames_sent: usize,
    trace: Option<&'a mut dyn Write>,
}

/// Lives through the history of a seed, and tells it to `trace`, line by line.
///
/// # Panics
/// At the first thing that must not happen.
#[must_use]
pub fn run(seed: u64, trace: Option<&mut dyn Write>) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mix = Mix::draw(&mut rng);
    let topics = (0..mix.topics).map(topic_name).collect();
    let mut world = World {
        now: BEGIN_MS,
        server: Server::new(mix.limits, topics, rng.u64(..)),
        mix,
        rng,
        is_stormy: true,
        items: BTreeMap::new(),
        last_item: 0,
        lines: BTreeMap::new(),
        last_line: 0,
        pages: Vec::new(),
        last_page: 0,
        oracle: Oracle::default(),
        coverage: Coverage::default(),
        published: 0,
        frames_sent: 0,
        trace,
    };
    world.live();
    Outcome {
        coverage: world.coverage,
        delivered: world.oracle.delivered,
    }
}

fn topic_name(number: usize) -> String {
    format!("t/{number}")
}

impl World<'_> {
    fn live(&mut self) {
        for _ in 0..self.mix.pages {
            self.open_page();
        }
        let stormy_until = BEGIN_MS + self.mix.stormy_ms;
        let mut action_at = self.soon(self.mix.action_ms);
        let mut stroke_at = self.soon(self.mix.stroke_ms);
        let mut steps = 0;
        while self.now < stormy_until {
            self.step(stormy_until.min(action_at).min(stroke_at));
            if self.now >= action_at {
                self.act();
                action_at = self.soon(self.mix.action_ms);
            }
            if self.now >= stroke_at {
                self.strike();
                stroke_at = self.soon(self.mix.stroke_ms);
            }
            steps += 1;
            assert!(steps < STEPS_MAX, "liveness: it spins");
        }
        self.heal();
        let is_live = self.mix.passive == 0 && self.mix.crowded == 0;
        let well_by = self.now + if is_live { HEAL_MS } else { HEAL_PASSIVE_MS };
        while self.now < well_by && !self.is_well() {
            self.step(well_by);
            steps += 1;
            assert!(steps < STEPS_MAX, "liveness: it spins");
        }
        self.check_end();
    }

    fn check_end(&mut self) {
        for page in &self.pages {
            let status = page.client.status();
            assert!(
                matches!(status, Status::Connected { .. }),
                "liveness: page {} is {status:?}",
                page.id
            );
            let metrics = page.client.metrics(longhaul::Time(self.now));
            self.coverage
                .add("state: missed heartbeat", metrics.missed_heartbeats);
            self.coverage
                .add("state: duplicate dropped", metrics.duplicates_dropped);
        }
        let live: Vec<PageId> = self.pages.iter().map(|page| page.id).collect();
        self.oracle.check_end(&live);
    }

    fn is_well(&self) -> bool {
        self.pages.iter().all(|page| {
            matches!(page.client.status(), Status::Connected { .. })
                && page.client.outbox_rows() == 0
        }) && self.oracle.is_caught_up()
    }

    /// A time that is `ms` away on average.
    fn soon(&mut self, ms: u64) -> u64 {
        self.now + 1 + self.rng.u64(0..=2 * ms)
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            // Whoever reads us may have closed our output; the history goes on.
            let _ = writeln!(trace, "{:>9} {}", self.now - BEGIN_MS, what());
        }
    }

    fn later(&mut self, at: u64, item: Item) {
        self.last_item += 1;
        self.items.insert((at, self.last_item), item);
    }

    /// The next thing that happens, but nothing after `until`.
    fn step(&mut self, until: u64) {
        let item = self.items.first_key_value().map(|((at, _), _)| *at);
        let hub = self.server.deadline();
        let page = self
            .pages
            .iter()
            .enumerate()
            .filter_map(|(at, page)| Some((page.deadline()?, at)))
            .min();
        let next = [item, hub, page.map(|(at, _)| at)]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = until;
            return;
        };
        self.now = self.now.max(next);
        if item == Some(next) {
            if let Some((_, item)) = self.items.pop_first() {
                self.happen(item);
            }
        } else if hub == Some(next) {
            self.say(|| "the hub's deadline".to_owned());
            let sent = self
                .server
                .handle(self.now, HubEvent::Tick, &mut self.oracle);
            self.send_down(sent);
        } else if let Some((_, at)) = page {
            let id = self.pages.get(at).map_or(0, |page| page.id);
            self.say(|| format!("page {id}'s deadline"));
            self.handle(at, Event::Deadline);
        }
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Open(id) => self.reach_hub(id),
            Item::Up(id, frame) => {
                if let Some(conn) = self.lines.get(&id).and_then(|line| line.conn) {
                    let event = HubEvent::Frame(conn, &frame);
                    let sent = self.server.handle(self.now, event, &mut self.oracle);
                    self.send_down(sent);
                }
            }
            Item::Gone(id) => {
                if let Some(line) = self.lines.remove(&id) {
                    self.hub_loses(line.conn);
                }
            }
            Item::Down(id, down) => self.reach_page(id, down),
            Item::Stalled(id, number) => {
                let line = self
                    .lines
                    .get(&id)
                    .filter(|line| line.frames_down >= number && line.is_dead_down);
                if let Some(conn) = line.and_then(|line| line.conn) {
                    let event = HubEvent::Stalled(conn);
                    let sent = self.server.handle(self.now, event, &mut self.oracle);
                    self.send_down(sent);
                }
            }
            Item::HubStarts => {
                self.say(|| "the hub starts".to_owned());
                self.server.start();
            }
            Item::Place(id, is_granted) => {
                if let Some(at) = self.pages.iter().position(|page| page.id == id) {
                    self.handle(at, Event::Place { is_granted });
                }
            }
            Item::Recovers(id) => {
                if let Some(at) = self.pages.iter().position(|page| page.id == id) {
                    self.recover(at);
                }
            }
        }
    }

    fn hub_loses(&mut self, conn: Option<longhaul_hub::core::ConnId>) {
        if let Some(conn) = conn {
            self.server.forget(conn);
            let event = HubEvent::Closed(conn);
            let sent = self.server.handle(self.now, event, &mut self.oracle);
            self.send_down(sent);
        }
    }

    fn reach_hub(&mut self, id: LineId) {
        let Some(mut line) = self.lines.remove(&id) else {
            return;
        };
        let sent = self.server.open(self.now, id, &mut line, &mut self.oracle);
        self.lines.insert(id, line);
        self.send_down(sent);
    }

    fn send_down(&mut self, sent: Vec<Sent>) {
        for (id, down) in sent {
            match down {
                Down::Frame(frame) if frame.is_empty() => self.fill(id),
                Down::End { code, reason } => self.close_down(id, code, reason),
                down => self.push_down(id, down),
            }
        }
    }

    /// The hub closes a line, each kind in its own way.
    fn close_down(&mut self, id: LineId, code: u16, reason: String) {
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

    /// Takes what the hub has for a line, as far as the line has room.
    fn fill(&mut self, id: LineId) {
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

    fn delay(&mut self) -> u64 {
        self.mix.latency_ms + self.rng.u64(0..=self.mix.jitter_ms)
    }

    /// Puts something on its way to the page, and what may happen to it there.
    fn push_down(&mut self, id: LineId, down: Down) {
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

    /// What can happen to a frame on its way down. True if it does not go on as it was.
    fn mishap(&mut self, id: LineId, down: &Down, at: u64) -> bool {
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
        if self.chance(odds.reordered) {
            self.coverage.met("fault: frame reordered");
            let late = at + self.rng.u64(1..1_000);
            self.later(late, Item::Down(id, down.clone()));
            return true;
        }
        false
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.is_stormy && self.rng.u32(0..1_000) < per_mille
    }

    fn reach_page(&mut self, id: LineId, down: Down) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
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
        let frozen_until = self.pages.get(at).map_or(0, |page| page.frozen_until);
        if self.now < frozen_until {
            self.later(frozen_until, Item::Down(id, down));
            return;
        }
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
        // There is room again.
        if self.lines.get(&id).is_some_and(|line| line.conn.is_some()) {
            self.fill(id);
        }
    }

    /// A page hears something of a line that it has not let go.
    fn hear(&mut self, at: usize, id: LineId, connection: ConnectionId, down: Down) {
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
            (Some(Kind::Post(_)), Down::Failure { floor_ms, .. }) => {
                self.lines.remove(&id);
                self.posted(at, connection, Err(floor_ms));
            }
            (Some(Kind::Post(_)), Down::End { .. }) => {
                self.lines.remove(&id);
                self.posted(at, connection, Err(0));
            }
            (Some(_), Down::Failure { code, floor_ms }) => {
                self.ended(at, id, connection, (code, ""), floor_ms);
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

    /// The browser tells that a connection is over.
    fn ended(
        &mut self,
        at: usize,
        id: LineId,
        connection: ConnectionId,
        (code, reason): (u16, &str),
        floor_ms: u64,
    ) {
        if let Some(line) = self.lines.remove(&id) {
            self.hub_loses(line.conn);
        }
        if let Some(page) = self.pages.get_mut(at) {
            page.let_go(connection);
        }
        self.abandon(at, connection);
        self.say(|| format!("  connection {} ended with {code} {reason}", connection.0));
        self.handle(
            at,
            Event::Ended {
                connection,
                code,
                reason,
                floor_ms,
            },
        );
    }

    fn handle(&mut self, at: usize, event: Event<'_>) {
        let now = self.now;
        self.with_page(at, |page, watch| page.handle(now, event, watch));
    }

    fn receive(&mut self, at: usize, connection: ConnectionId, frame: &str) {
        let now = self.now;
        let id = self.pages.get(at).map_or(0, |page| page.id);
        self.say(|| format!("  page {id} < {} {frame:?}", connection.0));
        self.with_page(at, |page, watch| {
            page.receive(now, connection, frame, watch)
        });
    }

    fn posted(&mut self, at: usize, connection: ConnectionId, answer: Result<&str, u64>) {
        let now = self.now;
        self.with_page(at, |page, watch| {
            page.posted(now, connection, answer, watch)
        });
    }

    fn with_page(&mut self, at: usize, act: impl FnOnce(&mut Page, &mut Watch<'_>) -> Vec<Do>) {
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        let mut watch = Watch {
            oracle: &mut self.oracle,
            coverage: &mut self.coverage,
        };
        let wants = act(page, &mut watch);
        for want in wants {
            self.perform(at, want);
        }
        let page_id = self.pages.get(at).map(|page| page.id);
        let downlinks =
            |line: &&Line| Some(line.page) == page_id && !line.is_abandoned && line.is_downlink();
        let count = self.lines.values().filter(downlinks).count();
        if count == 2 {
            self.coverage.met("state: two downlinks at once");
        }
    }

    fn perform(&mut self, at: usize, want: Do) {
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
            Do::Place { is_wanted } => {
                if is_wanted && self.rng.u32(0..1_000) < self.mix.crowded {
                    self.coverage.met("state: no place for what is held");
                    self.later(self.now + 2, Item::Place(id, false));
                    let granted_at = self.soon(20_000);
                    self.later(granted_at, Item::Place(id, true));
                }
            }
            Do::Abandon { connection } => self.abandon(at, connection),
        }
    }

    fn abandon(&mut self, at: usize, connection: ConnectionId) {
        self.abandon_lines(at, connection, |_| true);
    }

    fn abandon_lines(
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

    /// The page lets go of a line; the hub hears of it if it can.
    fn abandon_line(&mut self, id: LineId) {
        let delay = self.delay();
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut line.is_abandoned, true) || line.is_dead_up {
            return;
        }
        let at = (self.now + delay).max(line.up_ms);
        self.later(at, Item::Gone(id));
    }

    fn send_up(&mut self, at: usize, connection: ConnectionId, frame: String) {
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

    fn open_line(&mut self, at: usize, connection: ConnectionId, kind: Kind) {
        let Some(page) = self.pages.get(at) else {
            return;
        };
        let mut line = Line::new(page.id, connection, kind);
        self.last_line += 1;
        let id = self.last_line;
        let delay = self.delay();
        let odds = self.mix.opening;
        let is_socket = line.kind == Kind::Socket;
        let failure = |code, floor_ms| Down::Failure { code, floor_ms };
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
            let floor_ms = self.rng.u64(0..=7) * 1_000;
            fails = Some(failure(codes::TRY_AGAIN_LATER, floor_ms));
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
        // A stream that has failed is not the kind that fails by an answer.
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

    fn open_page(&mut self) {
        let transports = match self.rng.u8(0..6) {
            0 => vec![Transport::WebSocket],
            1 => vec![Transport::EventSource],
            2 => vec![Transport::LongPoll],
            3 => vec![Transport::LongPoll, Transport::WebSocket],
            _ => Transport::ALL.to_vec(),
        };
        let config = Config {
            seed: self.rng.u64(..),
            transports,
            ..Config::default()
        };
        self.last_page += 1;
        let id = self.last_page;
        let page = Page::new(id, Client::new(&config));
        self.oracle.page(id, page.client.producer());
        self.pages.push(page);
        self.say(|| format!("page {id} opens"));
        let at = self.pages.len() - 1;
        for _ in 0..self.rng.usize(0..=2) {
            self.subscribe(at);
        }
        self.handle(at, Event::Start);
    }

    fn subscribe(&mut self, at: usize) {
        let page = self.pages.get(at);
        if page.is_none_or(|page| page.subscriptions.len() >= SUBSCRIPTIONS_MAX) {
            return;
        }
        let topic = topic_name(self.rng.usize(..self.mix.topics));
        let from = match self.rng.u8(0..3) {
            0 => From::Live,
            1 => From::Start,
            _ => From::Seq(Seq(self.rng.u64(1..30))),
        };
        let is_passive = self.rng.u32(0..1_000) < self.mix.passive;
        let now = self.now;
        self.with_page(at, |page, watch| {
            page.subscribe(now, &topic, from, is_passive, watch)
        });
    }

    /// Somebody does something.
    fn act(&mut self) {
        let at = self.rng.usize(..self.pages.len());
        let now = self.now;
        match self.rng.u8(0..20) {
            0..=1 => self.subscribe(at),
            2 => {
                let page = self.pages.get(at);
                let numbers: Vec<_> = page
                    .into_iter()
                    .flat_map(|page| page.subscriptions.keys().copied())
                    .collect();
                if !numbers.is_empty() {
                    let no = numbers
                        .get(self.rng.usize(..numbers.len()))
                        .copied()
                        .unwrap_or_default();
                    self.with_page(at, |page, watch| page.unsubscribe(now, no, watch));
                }
            }
            3 => self.handle(at, Event::Reconnect),
            4..=9 => self.back_end(),
            _ => {
                for _ in 0..self.rng.usize(1..=5) {
                    self.publish(at);
                }
            }
        }
    }

    fn payload(&mut self) -> String {
        self.published += 1;
        let filler = match self.rng.u8(0..10) {
            0 => self.rng.usize(..3_000),
            _ => self.rng.usize(..20),
        };
        format!("\"{}{}\"", self.published, "·".repeat(filler))
    }

    fn publish(&mut self, at: usize) {
        let topic = topic_name(self.rng.usize(..self.mix.topics));
        let payload = self.payload();
        let ttl_ms = (self.rng.u8(0..8) == 0).then(|| self.rng.u64(1..10_000));
        let key = (self.rng.u8(0..6) == 0).then_some("k");
        let now = self.now;
        self.with_page(at, |page, watch| {
            page.publish(now, (&topic, payload), ttl_ms, key, watch)
        });
    }

    fn back_end(&mut self) {
        let topic = topic_name(self.rng.usize(..self.mix.topics));
        let burst = if self.rng.u8(0..50) == 0 {
            400
        } else {
            self.rng.usize(1..=10)
        };
        for _ in 0..burst {
            let payload = self.payload();
            let sent = self
                .server
                .publish(self.now, (&topic, &payload), None, &mut self.oracle);
            self.send_down(sent);
        }
    }

    fn strike(&mut self) {
        let Some(stroke) = self.mix.stroke(&mut self.rng) else {
            return;
        };
        let at = self.rng.usize(..self.pages.len());
        let Some(page) = self.pages.get(at).map(|page| page.id) else {
            return;
        };
        self.say(|| format!("{stroke:?} strikes page {page}"));
        let now = self.now;
        match stroke {
            Stroke::Reset | Stroke::ResetPage => {
                let ids = self.lines_of(page);
                let one = ids.get(self.rng.usize(..ids.len().max(1))).copied();
                for id in ids {
                    if stroke == Stroke::ResetPage || Some(id) == one {
                        self.coverage.met("fault: reset");
                        self.reset(id);
                    }
                }
            }
            Stroke::HalfOpen => self.kill_lines(page, true, true, "fault: half-open"),
            Stroke::OneWayUp => self.kill_lines(page, true, false, "fault: one-way up"),
            Stroke::OneWayDown => self.kill_lines(page, false, true, "fault: one-way down"),
            Stroke::Slow => self.change(at, "fault: slow line", |page, rng| {
                page.slow_us = rng.u64(10..5_000)
            }),
            Stroke::Throttle => self.change(at, "fault: timers throttled", |page, rng| {
                page.timers_ms = if rng.bool() { 1_000 } else { 60_000 };
            }),
            Stroke::Freeze => self.change(at, "fault: page frozen", |page, rng| {
                page.frozen_until = now + rng.u64(100..20_000);
            }),
            Stroke::Sleep => {
                self.coverage.met("fault: machine slept");
                let ms = self.rng.u64(2_000..7_200_000);
                self.handle(at, Event::Slept { ms });
            }
            Stroke::ClockBack => {
                self.coverage.met("fault: clock set back");
                self.handle(at, Event::Slept { ms: 0 });
            }
            Stroke::Suspend => {
                self.coverage.met("fault: page suspended");
                self.handle(at, Event::Suspend);
                self.change(at, "fault: page frozen", |page, rng| {
                    page.frozen_until = now + rng.u64(1..20_000)
                });
                self.later(now + 20_000, Item::Recovers(page));
            }
            Stroke::Kill => {
                self.coverage.met("fault: page killed");
                for id in self.lines_of(page) {
                    self.abandon_line(id);
                }
                self.pages.remove(at);
                self.oracle.page_gone(page);
                self.open_page();
            }
            Stroke::Crash => self.crash("fault: hub crashed"),
            Stroke::Restart => {
                let sent = self.server.handle(now, HubEvent::Stop, &mut self.oracle);
                self.send_down(sent);
                self.crash("fault: hub stopped");
            }
            Stroke::Offline => {
                self.coverage.met("fault: network told offline");
                self.handle(at, Event::Online(false));
                let ends = now + self.rng.u64(1..20_000);
                self.later(ends, Item::Recovers(page));
            }
        }
    }

    fn change(
        &mut self,
        at: usize,
        met: &'static str,
        act: impl FnOnce(&mut Page, &mut fastrand::Rng),
    ) {
        self.coverage.met(met);
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        act(page, &mut self.rng);
        let id = page.id;
        let ends = self.soon(10_000);
        self.later(ends, Item::Recovers(id));
    }

    fn recover(&mut self, at: usize) {
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        page.slow_us = 0;
        page.timers_ms = 0;
        self.handle(at, Event::Online(true));
        self.handle(at, Event::Woke);
    }

    fn lines_of(&self, page: PageId) -> Vec<LineId> {
        let is_its = |(_, line): &(&LineId, &Line)| line.page == page && !line.is_abandoned;
        self.lines
            .iter()
            .filter(is_its)
            .map(|(id, _)| *id)
            .collect()
    }

    fn kill_lines(&mut self, page: PageId, up: bool, down: bool, met: &'static str) {
        for id in self.lines_of(page) {
            if let Some(line) = self.lines.get_mut(&id) {
                line.is_dead_up |= up;
                line.is_dead_down |= down;
                self.coverage.met(met);
            }
        }
    }

    /// Both sides hear of the end, if they can hear anything.
    fn reset(&mut self, id: LineId) {
        let (down, up) = (self.delay(), self.delay());
        self.later(self.now + down, Item::Down(id, lost()));
        self.later(self.now + down.max(up), Item::Gone(id));
    }

    fn crash(&mut self, met: &'static str) {
        if !self.server.is_up() {
            return;
        }
        self.coverage.met(met);
        for id in self.server.crash(&mut self.oracle) {
            if let Some(line) = self.lines.get_mut(&id) {
                line.conn = None;
            }
        }
        let ids: Vec<LineId> = self.lines.keys().copied().collect();
        for id in ids {
            self.push_down(id, lost());
        }
        let down_ms = self.rng.u64(0..20_000);
        self.later(self.now + down_ms, Item::HubStarts);
    }

    /// Nothing goes wrong any more; what is dead stays dead until somebody notices.
    fn heal(&mut self) {
        self.say(|| "the faults stop".to_owned());
        self.is_stormy = false;
        if !self.server.is_up() {
            self.server.start();
        }
        self.items
            .retain(|_, item| !matches!(item, Item::HubStarts));
        for at in 0..self.pages.len() {
            if let Some(page) = self.pages.get_mut(at) {
                page.frozen_until = 0;
            }
            self.recover(at);
        }
    }
}
