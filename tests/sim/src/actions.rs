//! The actions of pages and back ends, the faults that strike them, and the end of all faults.

use longhaul::config::Config;
use longhaul::ids::{From, Seq};
use longhaul::wire::Kind;
use longhaul::{Client, Event, Transport};
use longhaul_hub::core::Event as HubEvent;

use crate::browser::BrowserId;
use crate::line::{Line, LineId};
use crate::mix::Fault;
use crate::oracle::PageId;
use crate::page::Page;
use crate::server::{WALL_MS, lost};
use crate::world::{Item, World, document_name, topic_name};

/// The most subscriptions of a page. Chosen: polls take turns, so that more would only be slower.
const SUBSCRIPTIONS_MAX: usize = 5;

impl World<'_> {
    /// Draws the browser that stores a page's outbox. None for an outbox in memory.
    pub(crate) fn draw_browser(&mut self) -> Option<BrowserId> {
        let is_stored = !self.browsers.is_empty() && self.rng.u8(0..4) > 0;
        is_stored.then(|| self.rng.usize(..self.browsers.len()))
    }

    pub(crate) fn open_page(&mut self, browser: Option<BrowserId>) {
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
            is_durable: browser.is_some(),
            ..Config::default()
        };
        self.last_page += 1;
        let id = self.last_page;
        let mut page = Page::new(id, Client::new(&config));
        page.browser = browser;
        self.pages.push(page);
        self.say(|| format!("page {id} opens"));
        let at = self.pages.len() - 1;
        for _ in 0..self.rng.usize(0..=2) {
            self.subscribe(at);
        }
        self.handle(at, Event::Start);
    }

    pub(crate) fn subscribe(&mut self, at: usize) {
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

    /// Draws a page and lets it, or a back end, act.
    pub(crate) fn act(&mut self) {
        let at = self.rng.usize(..self.pages.len());
        let now = self.now;
        if self
            .pages
            .get(at)
            .is_none_or(|page| now < page.frozen_until || page.is_worker)
        {
            return;
        }
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
            4 if self.browser_of(at).is_some() => {
                self.with_page(at, |page, watch| page.cancel(now, watch));
            }
            4..=9 => self.back_end(),
            10..=13 if self.mix.documents > 0 => self.write(at),
            _ => {
                for _ in 0..self.rng.usize(1..=5) {
                    self.publish(at);
                }
            }
        }
    }

    /// A page opens or changes a document.
    fn write(&mut self, at: usize) {
        let topic = document_name(self.rng.usize(..self.mix.documents));
        let now = self.now;
        // A document needs its outbox's producer, which storage gives only later.
        if self.browser_of(at).is_some() {
            return;
        }
        let is_opening = self
            .pages
            .get(at)
            .is_some_and(|page| page.documents.len() < 2)
            && self.rng.u8(0..4) == 0;
        if is_opening {
            self.with_page(at, |page, watch| page.follow(now, &topic, watch));
            return;
        }
        let burst = if self.rng.u8(0..30) == 0 {
            120
        } else {
            self.rng.usize(1..=3)
        };
        for _ in 0..burst {
            let (kind, text) = self.edit();
            self.with_page(at, |page, watch| {
                if page.documents.takes(&topic, kind, &text) {
                    page.publish(
                        (now, WALL_MS + now),
                        (&topic, kind, text),
                        None,
                        None,
                        watch,
                    )
                } else {
                    Vec::new()
                }
            });
        }
    }

    fn edit(&mut self) -> (Kind, String) {
        let key = self.rng.u8(0..6);
        self.published += 1;
        let value = self.published;
        let patch = |text: String| (Kind::Patch, text);
        match self.rng.u8(0..8) {
            0 => patch(format!(r#"[{{"op":"remove","path":"/k{key}"}}]"#)),
            1 => patch(format!(
                r#"[{{"op":"replace","path":"/k{key}","value":[{value}]}},{{"op":"add","path":"/k{key}/-","value":1}}]"#
            )),
            2 => patch(format!(
                r#"[{{"op":"move","from":"/k{key}","path":"/moved"}}]"#
            )),
            3 => patch(format!(
                r#"[{{"op":"test","path":"/moved","value":{key}}},{{"op":"add","path":"/k{key}","value":{value}}}]"#
            )),
            4 => (Kind::Merge, format!(r#"{{"k{key}":null,"moved":{key}}}"#)),
            _ => (Kind::Merge, format!(r#"{{"k{key}":{{"by":{value}}}}}"#)),
        }
    }

    pub(crate) fn payload(&mut self) -> String {
        self.published += 1;
        let filler = match self.rng.u8(0..10) {
            0 => self.rng.usize(..500),
            _ => self.rng.usize(..20),
        };
        format!("\"{}{}\"", self.published, "·".repeat(filler))
    }

    pub(crate) fn publish(&mut self, at: usize) {
        let topic = topic_name(self.rng.usize(..self.mix.topics));
        let payload = self.payload();
        let ttl_ms = (self.rng.u8(0..8) == 0).then(|| self.rng.u64(1..10_000));
        let key = (self.rng.u8(0..6) == 0).then_some("k");
        let clocks = (self.now, self.machine_ms(at));
        self.with_page(at, |page, watch| {
            page.publish(clocks, (&topic, Kind::Message, payload), ttl_ms, key, watch)
        });
    }

    pub(crate) fn back_end(&mut self) {
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

    pub(crate) fn strike(&mut self) {
        let Some(fault) = self.mix.fault(&mut self.rng) else {
            return;
        };
        let at = self.rng.usize(..self.pages.len());
        let Some(page) = self.pages.get(at).map(|page| page.id) else {
            return;
        };
        self.say(|| format!("{fault:?} strikes page {page}"));
        let now = self.now;
        match fault {
            Fault::Reset | Fault::ResetPage => {
                let ids = self.lines_of(page);
                let one = ids.get(self.rng.usize(..ids.len().max(1))).copied();
                for id in ids {
                    if fault == Fault::ResetPage || Some(id) == one {
                        self.coverage.met("fault: reset");
                        self.reset(id);
                    }
                }
            }
            Fault::HalfOpen => self.kill_lines(page, true, true, "fault: half-open"),
            Fault::OneWayUp => self.kill_lines(page, true, false, "fault: one-way up"),
            Fault::OneWayDown => self.kill_lines(page, false, true, "fault: one-way down"),
            Fault::Slow => self.change(at, "fault: slow line", |page, rng| {
                page.slow_us = rng.u64(10..5_000)
            }),
            Fault::Throttle => self.change(at, "fault: timers throttled", |page, rng| {
                page.timers_ms = if rng.bool() { 1_000 } else { 60_000 };
            }),
            Fault::Freeze => self.change(at, "fault: page frozen", |page, rng| {
                page.freeze(now + rng.u64(100..20_000));
            }),
            Fault::Sleep => {
                self.coverage.met("fault: machine slept");
                let ms = self.rng.u64(2_000..7_200_000);
                self.set_forward(at, ms);
                self.handle(at, Event::Slept { ms });
            }
            Fault::ClockBack => {
                self.coverage.met("fault: clock set back");
                self.handle(at, Event::Slept { ms: 0 });
            }
            Fault::Suspend => {
                self.coverage.met("fault: page suspended");
                self.handle(at, Event::Suspend);
                self.change(at, "fault: page frozen", |page, rng| {
                    page.freeze(now + rng.u64(1..20_000))
                });
                self.later(now + 20_000, Item::Recovers(page));
            }
            Fault::Kill => {
                self.coverage.met("fault: page killed");
                let struck = self.pages.get(at);
                let (browser, is_worker) =
                    struck.map_or((None, false), |page| (page.browser, page.is_worker));
                self.close_page(at);
                if !is_worker {
                    self.open_page(browser);
                }
            }
            Fault::Evict
            | Fault::FullStorage
            | Fault::LostStorage
            | Fault::SlowStorage
            | Fault::Steal
            | Fault::Jam
            | Fault::Worker
            | Fault::Wipe
            | Fault::LostHandle
            | Fault::Abort
            | Fault::Panic
            | Fault::ClockJump => self.strike_browser(fault, at),
            Fault::Crash => self.crash("fault: hub crashed"),
            Fault::Restart => {
                let sent = self.server.handle(now, HubEvent::Drain, &mut self.oracle);
                self.send_down(sent);
            }
            Fault::Offline => {
                self.coverage.met("fault: network told offline");
                self.handle(at, Event::Online(false));
                let ends = now + self.rng.u64(1..20_000);
                self.later(ends, Item::Recovers(page));
            }
        }
    }

    pub(crate) fn change(
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

    pub(crate) fn recover(&mut self, at: usize) {
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        if self.now < page.frozen_until {
            return;
        }
        page.slow_us = 0;
        page.timers_ms = 0;
        self.handle(at, Event::Online(true));
        self.handle(at, Event::Woke);
    }

    pub(crate) fn lines_of(&self, page: PageId) -> Vec<LineId> {
        let is_its = |(_, line): &(&LineId, &Line)| line.page == page && !line.is_abandoned;
        self.lines
            .iter()
            .filter(is_its)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn kill_lines(&mut self, page: PageId, up: bool, down: bool, met: &'static str) {
        for id in self.lines_of(page) {
            if let Some(line) = self.lines.get_mut(&id) {
                line.is_dead_up |= up;
                line.is_dead_down |= down;
                self.coverage.met(met);
            }
        }
    }

    /// Resets a line. Both sides learn of it, if anything reaches them.
    pub(crate) fn reset(&mut self, id: LineId) {
        let (down, up) = (self.delay(), self.delay());
        self.later(self.now + down, Item::Down(id, lost()));
        self.later(self.now + down.max(up), Item::Removed(id));
    }

    pub(crate) fn crash(&mut self, met: &'static str) {
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

    /// Ends the faults. Dead connections stay dead until a client or the hub detects it.
    pub(crate) fn heal(&mut self) {
        self.say(|| "the faults stop".to_owned());
        self.is_stormy = false;
        if !self.server.is_up() {
            self.server.start();
        }
        self.items
            .retain(|_, item| !matches!(item, Item::HubStarts));
        for at in 0..self.pages.len() {
            let Some(page) = self.pages.get(at) else {
                continue;
            };
            if self.now < page.frozen_until {
                self.later(page.frozen_until, Item::Recovers(page.id));
            } else {
                self.recover(at);
            }
        }
    }
}
