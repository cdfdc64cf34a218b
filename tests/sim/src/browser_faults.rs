//! Strikes browsers with faults of storage, lock and clock, and ends these faults.

use longhaul::config::Config;
use longhaul::ids::ConnectionId;
use longhaul::{Client, Event};

use crate::browser::BrowserId;
use crate::mix::Fault;
use crate::oracle::PageId;
use crate::page::Page;
use crate::world::{Item, World};

/// When pages load again after all faults, ms, because a user returns to them. Longer than slow
/// storage takes.
const RETURN_MS: u64 = 8_000;

impl World<'_> {
    /// A service worker starts, flushes the outbox, and ends.
    fn open_worker(&mut self, browser: BrowserId) {
        let config = Config {
            seed: self.rng.u64(..),
            is_durable: true,
            ..Config::default()
        };
        self.last_page += 1;
        let id = self.last_page;
        let mut page = Page::new(id, Client::new(&config));
        page.browser = Some(browser);
        page.is_worker = true;
        self.pages.push(page);
        self.coverage.met("state: service worker");
        self.say(|| format!("service worker {id} of browser {browser} starts"));
        self.handle(self.pages.len() - 1, Event::Start);
        let ends = self.soon(3_000);
        self.later(ends, Item::Leaves(id));
    }

    /// Sets a machine's clock forward.
    pub(crate) fn set_forward(&mut self, at: usize, ms: u64) {
        let browser = self.browser_of(at).and_then(|id| self.browsers.get_mut(id));
        if let Some(browser) = browser {
            browser.clock_ms += ms;
        }
    }

    /// A fault strikes the browser of a page.
    pub(crate) fn strike_browser(&mut self, fault: Fault, at: usize) {
        let Some(id) = self.browser_of(at) else {
            return;
        };
        let ends = self.soon(5_000);
        match fault {
            Fault::Evict => self.evict(id),
            Fault::Steal => self.steal(id),
            Fault::Panic => self.panic(at),
            Fault::LostHandle => self.lose_handles(id),
            Fault::Abort => {
                if let Some(browser) = self.browsers.get_mut(id) {
                    browser.aborts += self.rng.u32(1..=3);
                }
            }
            Fault::Worker => self.open_worker(id),
            Fault::Wipe => {
                let page = self.pages.get(at);
                if page.is_some_and(|page| page.frozen_until <= self.now) {
                    self.wipe(at);
                }
            }
            Fault::ClockJump => {
                self.coverage.met("fault: machine's clock jumped");
                let hours = self.rng.u64(1..48) * 3_600_000;
                if self.rng.bool() {
                    self.set_forward(at, hours);
                } else if let Some(browser) = self.browsers.get_mut(id) {
                    browser.clock_ms -= hours;
                }
            }
            fault => self.impair(fault, id, ends),
        }
    }

    /// Crashes a page's instance of the wasm. JavaScript's data survives, and the next instance
    /// continues with it: js/src/engine.ts.
    fn panic(&mut self, at: usize) {
        let now = self.now;
        let is_running = |page: &&Page| !page.is_worker && page.frozen_until <= now;
        let Some(page) = self.pages.get(at).filter(is_running) else {
            return;
        };
        let (id, browser) = (page.id, page.browser);
        // The crash cuts these saves off.
        for _ in 0..self.rng.usize(0..=4) {
            self.publish(at);
        }
        self.coverage.met("fault: instance crashed");
        self.say(|| format!("the instance of page {id} crashes"));
        self.cut_off(id);
        for line in self.lines_of(id) {
            self.abandon_line(line);
        }
        for line in self.lines.values_mut().filter(|line| line.page == id) {
            // The next instance numbers its connections from 1 again.
            line.connection = ConnectionId(u64::MAX);
        }
        if let Some(browser) = browser {
            self.leave_lock(browser, id);
        }
        self.oracle.page_gone(id);
        let config = Config {
            seed: self.rng.u64(..),
            is_durable: true,
            ..Config::default()
        };
        let clocks = (self.now, self.machine_ms(at));
        self.with_page(at, |page, watch| page.crash(clocks, config, watch));
        let begins = self.now + self.rng.u64(0..3_000);
        if let Some(page) = self.pages.get_mut(at) {
            // The next instance receives everything that arrives meanwhile.
            page.freeze(begins + 1);
            let instance = page.instance;
            self.later(begins, Item::GoesOn(id, instance));
        }
    }

    pub(crate) fn go_on(&mut self, id: PageId, instance: u32) {
        let at = self.pages.iter().position(|page| page.id == id);
        let Some(at) =
            at.filter(|at| self.pages.get(*at).map(|page| page.instance) == Some(instance))
        else {
            return;
        };
        let clocks = (self.now, self.machine_ms(at));
        self.with_page(at, |page, watch| page.go_on(clocks, watch));
    }

    /// Handles die. Pages learn of it at once, or with the next request.
    fn lose_handles(&mut self, id: BrowserId) {
        self.coverage.met("fault: handle lost");
        let is_told = self.rng.bool();
        for page in self.pages_of(id) {
            let Some(at) = self.pages.iter().position(|it| it.id == page) else {
                continue;
            };
            if let Some(page) = self.pages.get_mut(at) {
                page.opened = None;
            }
            if is_told {
                self.later(self.now, Item::Ends(page));
            }
        }
    }

    /// Impairs a part of a browser for a while.
    fn impair(&mut self, fault: Fault, id: BrowserId, ends: u64) {
        let Some(browser) = self.browsers.get_mut(id) else {
            return;
        };
        match fault {
            Fault::FullStorage => browser.full_until = ends,
            Fault::SlowStorage => {
                self.coverage.met("fault: storage slow");
                browser.slow_until = ends;
            }
            Fault::Jam => {
                self.coverage.met("fault: lock jammed");
                browser.jammed_until = ends;
                self.later(ends, Item::Unjams(id));
            }
            _ => {
                browser.lost_until = ends;
                for page in self.pages_of(id) {
                    self.later(ends, Item::Recovers(page));
                }
            }
        }
    }

    fn pages_of(&self, id: BrowserId) -> Vec<PageId> {
        let its = self.pages.iter().filter(|page| page.browser == Some(id));
        its.map(|page| page.id).collect()
    }

    /// Ends all faults of browsers. Pages publish some more, and pages that lost storage try it
    /// again.
    pub(crate) fn heal_browsers(&mut self) {
        for id in 0..self.browsers.len() {
            if let Some(browser) = self.browsers.get_mut(id) {
                browser.full_until = 0;
                browser.lost_until = 0;
                browser.slow_until = 0;
                browser.jammed_until = 0;
                browser.aborts = 0;
            }
            self.pass_lock(id);
        }
        let stored = self.pages.iter().filter(|page| page.browser.is_some());
        let stored: Vec<(PageId, u64, bool)> = stored
            .map(|page| (page.id, page.frozen_until, page.is_worker))
            .collect();
        for (page, frozen_until, is_worker) in stored {
            let from = self.now.max(frozen_until);
            if is_worker {
                self.later(from, Item::Leaves(page));
                continue;
            }
            self.later(from + RETURN_MS, Item::Recovers(page));
            for _ in 0..self.rng.usize(0..=2) {
                let speaks = from + RETURN_MS + self.rng.u64(0..RETURN_MS);
                self.later(speaks, Item::LastWords(page));
            }
        }
    }
}
