//! Models a browser that pages share: the outbox's storage, the lock of the leader, and tab
//! messages.
//!
//! Stands for js/src/tabs.ts. The lock is stolen, jammed or missing. Tab messages are late, lost or
//! repeated. `transactions` stands for src/web/store.

mod transactions;

use std::collections::VecDeque;

use longhaul::ids::RowNo;
use longhaul::{Event, TabMessage};

use crate::oracle::PageId;
use crate::page::Page;
use crate::server::WALL_MS;
use crate::storage::Storage;
use crate::world::{Item, World};
pub use transactions::Transaction;

/// A browser's index in the world.
pub type BrowserId = usize;

/// How long a page waits for storage to open, ms. Source: src/web/store.
const OPEN_MS_MAX: u64 = 3_000;

/// A browser's state.
pub(crate) struct Browser {
    pub(crate) storage: Storage,
    /// How often storage was removed.
    pub(crate) incarnation: u32,
    /// How many more transactions abort.
    pub(crate) aborts: u32,
    /// The disk is full until then.
    pub(crate) full_until: u64,
    /// Storage can't be reached until then.
    pub(crate) lost_until: u64,
    /// Storage is slow until then.
    pub(crate) slow_until: u64,
    /// The machine's clock at time 0.
    pub(crate) clock_ms: u64,
    has_locks: bool,
    holder: Option<PageId>,
    queue: VecDeque<PageId>,
    /// A page that does not send holds the lock until then.
    pub(crate) jammed_until: u64,
}

/// A message between the pages of a browser.
#[derive(Clone, Debug)]
pub enum PageMessage {
    /// A message about a producer's rows.
    Told(String, TabMessage),
    /// A wipe has begun.
    Wiping,
    /// A wipe is complete.
    Wiped {
        /// The highest number of a removed row.
        last: RowNo,
        /// The time by the machine's clock.
        at_ms: u64,
    },
}

impl Browser {
    pub(crate) fn new(has_locks: bool) -> Self {
        Self {
            storage: Storage::default(),
            incarnation: 0,
            aborts: 0,
            full_until: 0,
            lost_until: 0,
            slow_until: 0,
            clock_ms: WALL_MS,
            has_locks,
            holder: None,
            queue: VecDeque::new(),
            jammed_until: 0,
        }
    }

    /// The producer that a new partition gets.
    pub(crate) fn producer(&self, id: BrowserId) -> String {
        format!("b{id}.{}", self.incarnation)
    }
}

impl World<'_> {
    pub(crate) fn browser_of(&self, at: usize) -> Option<BrowserId> {
        self.pages.get(at)?.browser
    }

    /// The machine's clock of a page, ms.
    pub(crate) fn machine_ms(&self, at: usize) -> u64 {
        let browser = self.browser_of(at).and_then(|id| self.browsers.get(id));
        self.now + browser.map_or(WALL_MS, |browser| browser.clock_ms)
    }

    fn index_of(&self, id: PageId) -> Option<usize> {
        self.pages.iter().position(|page| page.id == id)
    }

    /// Returns the item if its page can receive it now. A frozen page receives it later, in the
    /// same order.
    pub(crate) fn hears(&mut self, id: PageId, number: u64, item: Item) -> Option<(usize, Item)> {
        let at = self.index_of(id)?;
        let frozen_until = self.pages.get(at).map_or(0, |page| page.frozen_until);
        if self.now < frozen_until {
            self.items.insert((frozen_until, number), item);
            return None;
        }
        Some((at, item))
    }

    /// A page requests leadership, or resigns.
    pub(crate) fn seek(&mut self, at: usize, is_wanted: bool) {
        let Some(browser) = self.browser_of(at) else {
            return;
        };
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        page.wish += 1;
        let id = page.id;
        self.leave_lock(browser, id);
        let Some(it) = self.browsers.get_mut(browser).filter(|_| is_wanted) else {
            return;
        };
        if it.has_locks {
            it.queue.push_back(id);
            self.pass_lock(browser);
        } else {
            self.coverage.met("fault: no locks");
            self.grant_leadership(id, true);
        }
    }

    /// A page releases the lock and stops waiting for it.
    pub(crate) fn leave_lock(&mut self, browser: BrowserId, id: PageId) {
        if let Some(browser) = self.browsers.get_mut(browser) {
            browser.queue.retain(|of| *of != id);
            browser.holder = browser.holder.filter(|of| *of != id);
        }
        self.pass_lock(browser);
    }

    pub(crate) fn pass_lock(&mut self, id: BrowserId) {
        let now = self.now;
        let Some(browser) = self.browsers.get_mut(id) else {
            return;
        };
        if browser.holder.is_some() || now < browser.jammed_until {
            return;
        }
        browser.holder = browser.queue.pop_front();
        if let Some(next) = browser.holder {
            self.grant_leadership(next, true);
        }
    }

    /// A waiting page steals the lock.
    pub(crate) fn steal(&mut self, id: BrowserId) {
        let Some(browser) = self.browsers.get_mut(id) else {
            return;
        };
        let Some(thief) = browser.queue.pop_front() else {
            return;
        };
        self.coverage.met("fault: lock stolen");
        if let Some(robbed) = browser.holder.replace(thief) {
            browser.queue.push_back(robbed);
            self.grant_leadership(robbed, false);
        }
        self.grant_leadership(thief, true);
    }

    fn grant_leadership(&mut self, id: PageId, is_granted: bool) {
        let wish = self.index_of(id).and_then(|at| self.pages.get(at));
        let wish = wish.map_or(0, |page| page.wish);
        let heard = self.now + self.rng.u64(0..=3);
        self.later(heard, Item::Leader(id, wish, is_granted));
    }

    /// A page learns whether it leads.
    pub(crate) fn leader(&mut self, number: u64, id: PageId, wish: u64, is_granted: bool) {
        let item = Item::Leader(id, wish, is_granted);
        let Some((at, _)) = self.hears(id, number, item) else {
            return;
        };
        if self.pages.get(at).is_some_and(|page| page.wish == wish) {
            self.say(|| format!("page {id} sends: {is_granted}"));
            self.handle(at, Event::Leader { is_granted });
        }
    }

    /// A page sends a message to the other pages of its browser.
    pub(crate) fn tell(&mut self, at: usize, message: &PageMessage) {
        let Some(from) = self.pages.get(at).filter(|page| page.browser.is_some()) else {
            return;
        };
        let is_other = |page: &&Page| page.browser == from.browser && page.id != from.id;
        let others: Vec<PageId> = self
            .pages
            .iter()
            .filter(is_other)
            .map(|page| page.id)
            .collect();
        let odds = self.mix.tab_message;
        for id in others {
            if self.chance(odds.lost) {
                self.coverage.met("fault: notice lost");
                continue;
            }
            let mut heard = self.now + self.rng.u64(0..=2);
            if self.chance(odds.late) {
                self.coverage.met("fault: notice late");
                heard += self.rng.u64(0..3_000);
            }
            if self.chance(odds.twice) {
                self.coverage.met("fault: notice heard twice");
                let again = heard + self.rng.u64(0..500);
                self.later(again, Item::Told(id, Box::new(message.clone())));
            }
            self.later(heard, Item::Told(id, Box::new(message.clone())));
        }
    }

    /// A page receives a message of another one.
    pub(crate) fn told(&mut self, number: u64, id: PageId, message: Box<PageMessage>) {
        let Some((at, Item::Told(_, message))) = self.hears(id, number, Item::Told(id, message))
        else {
            return;
        };
        self.say(|| format!("page {id} is told {message:?}"));
        match *message {
            PageMessage::Wiping => self.hear_of_wipe(at, false, RowNo(0), 0),
            PageMessage::Wiped { last, at_ms } => self.hear_of_wipe(at, true, last, at_ms),
            PageMessage::Told(producer, tab_message) => {
                let own = self.pages.get(at).map(|page| page.client.producer());
                if own != Some(&*producer) {
                    self.coverage.met("fault: notice about other storage");
                }
                let producer = &*producer;
                self.handle(
                    at,
                    Event::TabMessage {
                        producer,
                        tab_message,
                    },
                );
            }
        }
    }

    /// A page wipes the outbox, as for a log-out: js/src/storage.ts.
    pub(crate) fn wipe(&mut self, at: usize) {
        let Some(page) = self.pages.get(at) else {
            return;
        };
        let (Some(browser), id) = (page.browser, page.id) else {
            return;
        };
        self.say(|| format!("page {id} wipes the outbox"));
        self.oracle.archive.wiping(id);
        self.hear_of_wipe(at, false, RowNo(u64::MAX), u64::MAX);
        self.tell(at, &PageMessage::Wiping);
        let done = self.now + self.rng.u64(0..=3);
        self.later(done, Item::Wipes(browser, id));
    }

    pub(crate) fn wiped(&mut self, id: BrowserId, page: PageId) {
        let now = self.now;
        let Some(browser) = self.browsers.get_mut(id) else {
            return;
        };
        let can_wipe = browser.lost_until <= now;
        let mut last = RowNo(0);
        if can_wipe {
            self.coverage.met("state: outbox wiped");
            last = browser.storage.wipe();
            self.oracle.archive.wiped(&browser.producer(id));
        }
        let Some(at) = self.index_of(page) else {
            return;
        };
        if can_wipe {
            self.hear_of_wipe(at, true, RowNo(u64::MAX), u64::MAX);
        }
        let at_ms = self.machine_ms(at);
        self.tell(at, &PageMessage::Wiped { last, at_ms });
    }

    fn hear_of_wipe(&mut self, at: usize, is_done: bool, last: RowNo, at_ms: u64) {
        let machine_ms = self.machine_ms(at);
        let event = Event::Wiped {
            is_done,
            last,
            at_ms,
            machine_ms,
        };
        self.handle(at, event);
    }

    /// The browser or its user removes storage.
    pub(crate) fn evict(&mut self, id: BrowserId) {
        let Some(browser) = self.browsers.get_mut(id) else {
            return;
        };
        self.coverage.met("fault: storage removed");
        self.oracle.archive.evicted(&browser.producer(id));
        browser.storage = Storage::default();
        browser.incarnation += 1;
    }

    /// Removes a page for any reason.
    pub(crate) fn close_page(&mut self, at: usize) {
        let page = self.pages.remove(at);
        for id in self.lines_of(page.id) {
            self.abandon_line(id);
        }
        self.oracle.page_gone(page.id);
        if let Some(browser) = page.browser {
            self.leave_lock(browser, page.id);
        }
    }

    /// Ends a service worker: it has flushed the outbox, or the browser kills it.
    pub(crate) fn worker_ends(&mut self, id: PageId) {
        let Some(at) = self.index_of(id) else { return };
        let is_idle = self
            .pages
            .get(at)
            .is_some_and(|page| page.client.is_flushed());
        if is_idle {
            self.coverage.met("state: service worker has flushed");
        } else if self.is_stormy && self.rng.bool() {
            let again = self.soon(OPEN_MS_MAX);
            self.later(again, Item::Leaves(id));
            return;
        } else {
            self.coverage.met("fault: service worker killed");
        }
        self.close_page(at);
    }
}
