//! Runs one history: the time, the network, the faults, and the actions of pages.
//!
//! The seed determines everything, in the order of events, so that the same seed gives the same
//! history.

use std::collections::BTreeMap;
use std::io::Write;

use longhaul::ids::ConnectionId;
use longhaul::{Event, Status, StoreAnswer};
use longhaul_hub::core::Event as HubEvent;

use crate::browser::{Browser, BrowserId, PageMessage, Transaction};
use crate::coverage::Coverage;
use crate::line::{Down, Line, LineId};
use crate::mix::Mix;
use crate::oracle::{Oracle, PageId};
use crate::page::{Do, Page, Watch};
use crate::server::Server;

/// The time at which a history begins, ms.
pub(crate) const BEGIN_MS: u64 = 1_000_000;

/// The time in which all pages recover after the faults, ms. Source: the bounded liveness of the
/// invariants.
const HEAL_MS: u64 = 60_000;

/// The same for pages with passive subscriptions only. They poll at least once a minute, and then
/// for all missing messages.
const HEAL_PASSIVE_MS: u64 = 180_000;

/// The most events of one history. Chosen: an endless loop is found in a second.
const STEPS_MAX: u64 = 2_000_000;

/// How a history ended.
#[derive(Debug)]
pub struct Outcome {
    /// The situations that it met.
    pub coverage: Coverage,
    /// The number of messages that pages received.
    pub delivered: u64,
}

/// An event that is due later.
#[derive(Debug)]
pub(crate) enum Item {
    /// A line reaches the hub.
    Open(LineId),
    /// A frame reaches the hub.
    Up(LineId, String),
    /// The hub notices the end of a line.
    Removed(LineId),
    /// Data reaches the page.
    Down(LineId, Down),
    /// The hub's limit for the delivery of a frame is over.
    Stalled(LineId, usize),
    /// The hub's process restarts.
    HubStarts,
    /// A page gets or loses its slot.
    Slot(PageId, bool),
    /// A page recovers: its network is fast, its timers are exact, its browser is online.
    Recovers(PageId),
    /// A request reaches storage.
    Transacts(BrowserId, PageId, Box<Transaction>),
    /// Storage's answer reaches an instance of a page.
    Stored(PageId, u32, Box<StoreAnswer>),
    /// The next instance of a crashed page starts.
    GoesOn(PageId, u32),
    /// A page learns that its database has ended.
    Ends(PageId),
    /// A page learns whether it leads, in answer to the request with this number.
    Leader(PageId, u64, bool),
    /// A page receives a message of another one.
    Told(PageId, Box<PageMessage>),
    /// A wipe of a page reaches storage.
    Wipes(BrowserId, PageId),
    /// A service worker may have finished.
    Leaves(PageId),
    /// A jammed lock becomes free.
    Unjams(BrowserId),
    /// A page publishes once more, after all faults.
    LastWords(PageId),
}

/// A history in progress.
pub struct World<'a> {
    pub(crate) now: u64,
    pub(crate) mix: Mix,
    pub(crate) rng: fastrand::Rng,
    pub(crate) is_stormy: bool,
    pub(crate) items: BTreeMap<(u64, u64), Item>,
    pub(crate) last_item: u64,
    pub(crate) lines: BTreeMap<LineId, Line>,
    pub(crate) last_line: LineId,
    pub(crate) pages: Vec<Page>,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) last_page: PageId,
    pub(crate) server: Server,
    pub(crate) oracle: Oracle,
    pub(crate) coverage: Coverage,
    pub(crate) published: u64,
    pub(crate) frames_sent: usize,
    pub(crate) trace: Option<&'a mut dyn Write>,
}

/// Runs the history of a seed, and writes it to `trace` line by line.
///
/// # Panics
/// If an invariant is violated.
#[must_use]
pub fn run(seed: u64, trace: Option<&mut dyn Write>) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mix = Mix::draw(&mut rng);
    let documents = (0..mix.documents).map(document_name);
    let topics = (0..mix.topics).map(topic_name).chain(documents).collect();
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
        browsers: Vec::new(),
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

pub(crate) fn document_name(number: usize) -> String {
    format!("d/{number}")
}

pub(crate) fn topic_name(number: usize) -> String {
    format!("t/{number}")
}

impl World<'_> {
    pub(crate) fn live(&mut self) {
        for _ in 0..self.mix.browsers {
            let has_locks = self.rng.u8(0..4) > 0;
            self.browsers.push(Browser::new(has_locks));
        }
        for _ in 0..self.mix.pages {
            let browser = self.draw_browser();
            self.open_page(browser);
        }
        let faults_until = BEGIN_MS + self.mix.stormy_ms;
        let mut action_at = self.soon(self.mix.action_ms);
        let mut fault_at = self.soon(self.mix.fault_ms);
        let mut steps = 0;
        while self.now < faults_until {
            self.step(faults_until.min(action_at).min(fault_at));
            if self.now >= action_at {
                self.act();
                action_at = self.soon(self.mix.action_ms);
            }
            if self.now >= fault_at {
                self.strike();
                fault_at = self.soon(self.mix.fault_ms);
            }
            steps += 1;
            assert!(steps < STEPS_MAX, "liveness: it spins");
        }
        self.heal();
        let is_live = self.mix.passive == 0 && self.mix.crowded == 0;
        self.heal_browsers();
        let thawed = self.pages.iter().map(|page| page.frozen_until).max();
        let well_by =
            self.now.max(thawed.unwrap_or(0)) + if is_live { HEAL_MS } else { HEAL_PASSIVE_MS };
        while self.now < well_by && !self.is_well() {
            self.step(well_by);
            steps += 1;
            assert!(steps < STEPS_MAX, "liveness: it spins");
        }
        self.check_end();
    }

    pub(crate) fn check_end(&mut self) {
        for page in &mut self.pages {
            assert!(
                page.documents.is_settled(),
                "liveness: page {} shows what nobody has confirmed",
                page.id
            );
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

    pub(crate) fn is_well(&mut self) -> bool {
        self.pages.iter_mut().all(|page| {
            matches!(page.client.status(), Status::Connected { .. })
                && page.client.outbox_rows() == 0
                && (page.browser.is_none() || page.client.is_flushed())
                && page.documents.is_settled()
        }) && self.oracle.is_caught_up()
            && !self.items.values().any(|item| {
                matches!(
                    item,
                    Item::LastWords(_)
                        | Item::GoesOn(..)
                        | Item::Recovers(_)
                        | Item::Transacts(..)
                        | Item::Stored(..)
                        | Item::Told(..)
                )
            })
    }

    /// Draws a time that is `ms` away on average.
    pub(crate) fn soon(&mut self, ms: u64) -> u64 {
        self.now + 1 + self.rng.u64(0..=2 * ms)
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            // The reader may have closed our output, and the history continues.
            let _ = writeln!(trace, "{:>9} {}", self.now - BEGIN_MS, what());
        }
    }

    pub(crate) fn later(&mut self, at: u64, item: Item) {
        self.last_item += 1;
        self.items.insert((at, self.last_item), item);
    }

    /// Executes the next event, if it is not after `until`.
    pub(crate) fn step(&mut self, until: u64) {
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
        self.stop_if_drained();
        if item == Some(next) {
            if let Some(((_, number), item)) = self.items.pop_first() {
                self.happen(number, item);
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

    /// Stops a draining hub once it has closed all its clients.
    pub(crate) fn stop_if_drained(&mut self) {
        if self.server.is_drained() {
            self.crash("fault: hub stopped");
        }
    }

    pub(crate) fn happen(&mut self, number: u64, item: Item) {
        match item {
            Item::Open(id) => self.reach_hub(id),
            Item::Up(id, frame) => {
                if let Some(conn) = self.lines.get(&id).and_then(|line| line.conn) {
                    let event = HubEvent::Frame(conn, &frame);
                    let sent = self.server.handle(self.now, event, &mut self.oracle);
                    self.send_down(sent);
                }
            }
            Item::Removed(id) => {
                if let Some(line) = self.lines.remove(&id) {
                    self.hub_loses(line.conn);
                }
            }
            Item::Down(id, down) => self.reach_page(number, id, down),
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
            Item::Slot(id, is_granted) => {
                if let Some(at) = self.pages.iter().position(|page| page.id == id) {
                    self.handle(at, Event::Slot { is_granted });
                }
            }
            Item::Recovers(id) => {
                if let Some(at) = self.pages.iter().position(|page| page.id == id) {
                    self.recover(at);
                }
            }
            Item::Transacts(id, page, transaction) => self.transact(id, page, &transaction),
            Item::Stored(id, instance, answer) => self.stored(number, (id, instance), answer),
            Item::GoesOn(id, instance) => self.go_on(id, instance),
            Item::Ends(id) => {
                if let Some((at, _)) = self.hears(id, number, Item::Ends(id)) {
                    self.handle(at, Event::StorageEnded);
                }
            }
            Item::Leader(id, wish, is_granted) => self.leader(number, id, wish, is_granted),
            Item::Told(id, message) => self.told(number, id, message),
            Item::Wipes(id, page) => self.wiped(id, page),
            Item::Leaves(id) => self.worker_ends(id),
            Item::Unjams(id) => self.pass_lock(id),
            Item::LastWords(id) => {
                if let Some(at) = self.pages.iter().position(|page| page.id == id) {
                    self.publish(at);
                }
            }
        }
    }

    pub(crate) fn handle(&mut self, at: usize, event: Event<'_>) {
        let now = self.now;
        self.with_page(at, |page, watch| page.handle(now, event, watch));
    }

    pub(crate) fn receive(&mut self, at: usize, connection: ConnectionId, frame: &str) {
        let now = self.now;
        let id = self.pages.get(at).map_or(0, |page| page.id);
        self.say(|| format!("  page {id} < {} {frame:?}", connection.0));
        self.with_page(at, |page, watch| {
            page.receive(now, connection, frame, watch)
        });
    }

    pub(crate) fn posted(
        &mut self,
        at: usize,
        connection: ConnectionId,
        answer: Result<&str, u64>,
    ) {
        let now = self.now;
        self.with_page(at, |page, watch| {
            page.posted(now, connection, answer, watch)
        });
    }

    pub(crate) fn with_page(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Page, &mut Watch<'_>) -> Vec<Do>,
    ) {
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
}
