//! Models the transactions of src/web/store: requests are slow, fail or lose their answers.

use std::collections::HashMap;

use longhaul::{Event, StoreAnswer, StoreFault, StoreRequest};

use super::BrowserId;
use crate::oracle::PageId;
use crate::storage::{Answered, Storage};
use crate::world::{Item, World};

/// A page's request on its way into storage.
#[derive(Debug)]
pub struct Transaction {
    /// The request.
    pub request: StoreRequest,
    /// The payloads of its publications, by call.
    pub payloads: HashMap<u32, String>,
    /// The storage incarnation that the page has opened.
    pub opened: Option<u32>,
}

impl World<'_> {
    /// A page makes a request to storage.
    pub(crate) fn ask_storage(&mut self, at: usize, transaction: Transaction) {
        let Some(browser) = self.browser_of(at) else {
            return;
        };
        let id = self.pages.get(at).map_or(0, |page| page.id);
        let slow_until = self.browsers.get(browser).map_or(0, |it| it.slow_until);
        let most = if self.now < slow_until { 4_000 } else { 3 };
        let done = self.now + self.rng.u64(0..=most);
        self.later(done, Item::Transacts(browser, id, Box::new(transaction)));
    }

    /// Executes a request as a whole, or not at all.
    pub(crate) fn transact(&mut self, id: BrowserId, page: PageId, transaction: &Transaction) {
        let at = self.index_of(page);
        if at.is_none() && self.rng.bool() {
            self.coverage
                .met("fault: page killed before its transaction");
            return;
        }
        let (answer, restored) = self.answer(id, at, transaction);
        if at.is_none() && !matches!(answer, StoreAnswer::Failed(_)) {
            self.coverage
                .met("fault: page killed after its transaction");
        }
        let Some(page) = at.and_then(|at| self.pages.get_mut(at)) else {
            return;
        };
        page.restored(restored);
        let (page, instance) = (page.id, page.instance);
        self.say(|| {
            format!(
                "storage {id}: {:?} of page {page}: {answer:?}",
                transaction.request
            )
        });
        let heard = self.now + self.rng.u64(0..=3);
        self.later(heard, Item::Stored(page, instance, Box::new(answer)));
    }

    /// A page's instance crashes before or after its transactions under way. Transactions of the
    /// next instance come later, even with slow storage, so these end here.
    pub(crate) fn cut_off(&mut self, page: PageId) {
        let is_its = |item: &Item| matches!(item, Item::Transacts(_, of, _) if *of == page);
        let its = self.items.iter().filter(|(_, item)| is_its(item));
        for at in its.map(|(at, _)| *at).collect::<Vec<_>>() {
            let Some(Item::Transacts(id, _, mut transaction)) = self.items.remove(&at) else {
                continue;
            };
            if self.rng.bool() {
                self.coverage
                    .met("fault: instance crashed before its transaction");
                continue;
            }
            if let StoreRequest::Commit(batch) = &mut transaction.request
                && self.rng.bool()
            {
                // The browser completes a transaction with the requests that the instance has made.
                self.coverage.met("fault: transaction torn by a crash");
                batch.saves.truncate(1);
                batch.updates.clear();
                batch.outcomes.clear();
            }
            let (answer, _) = self.answer(id, None, &transaction);
            self.say(|| format!("storage {id}: {:?}: {answer:?}", transaction.request));
            if !matches!(answer, StoreAnswer::Failed(_)) {
                self.coverage
                    .met("fault: instance crashed after its transaction");
            }
        }
    }

    fn answer(&mut self, id: BrowserId, at: Option<usize>, transaction: &Transaction) -> Answered {
        let failed = |fault| (StoreAnswer::Failed(fault), Vec::new());
        let Some(browser) = self.browsers.get_mut(id) else {
            return failed(StoreFault::Lost);
        };
        let request = &transaction.request;
        let is_opening = *request == StoreRequest::Open;
        if self.now < browser.lost_until {
            self.coverage.met("fault: storage lost");
            return failed(StoreFault::Lost);
        }
        if is_opening && self.now < browser.slow_until && self.rng.bool() {
            self.coverage.met("fault: storage slow to open");
            return failed(StoreFault::Lost);
        }
        // A handle that has died meanwhile is useless too.
        let opened = match at.and_then(|at| self.pages.get(at)) {
            Some(page) => page.opened,
            None => transaction.opened,
        };
        if !is_opening && opened != Some(browser.incarnation) {
            self.coverage.met("fault: storage closed");
            return failed(StoreFault::Closed);
        }
        if let StoreRequest::Commit(_) = request
            && self.now < browser.full_until
        {
            self.coverage.met("fault: storage full");
            return failed(StoreFault::Full);
        }
        let is_cut = matches!(request, StoreRequest::Commit(_))
            && browser.aborts > 0
            && at.is_some()
            && self.rng.u8(0..4) == 0;
        if is_cut {
            // The browser closes the database and doesn't report whether the transaction is
            // complete.
            self.coverage.met("fault: storage closed in a transaction");
            browser.aborts -= 1;
            if let Some(page) = at.and_then(|at| self.pages.get_mut(at)) {
                page.opened = None;
            }
            if self.rng.bool() {
                return failed(StoreFault::Unknown);
            }
        } else if let StoreRequest::Commit(_) = request
            && browser.aborts > 0
        {
            self.coverage.met("fault: transaction aborted");
            browser.aborts -= 1;
            let Some(page) = at.and_then(|at| self.pages.get_mut(at)) else {
                return failed(StoreFault::Closed);
            };
            // The store tries once more with another handle.
            page.has_failed = !page.has_failed;
            if !page.has_failed {
                return failed(StoreFault::Full);
            }
            page.opened = None;
            return failed(StoreFault::Closed);
        }
        let producer = browser.producer(id);
        if let StoreRequest::Rename { .. } = request {
            // No browser is copied in this model. A hub without memory takes an outbox for a copy,
            // and it keeps its producer.
            return (StoreAnswer::Renamed { producer }, Vec::new());
        }
        let there = |storage: &Storage, n| storage.rows().any(|kept| kept.row.n == n);
        if let StoreRequest::Commit(batch) = request {
            for ended in &batch.outcomes {
                if there(&browser.storage, ended.n) {
                    self.oracle.archive.ended(&producer, ended);
                }
            }
        }
        let payload = |call| transaction.payloads.get(&call).cloned().unwrap_or_default();
        let answered = browser.storage.answer(request, &producer, payload);
        if is_opening && let Some(page) = at.and_then(|at| self.pages.get_mut(at)) {
            page.opened = Some(browser.incarnation);
        } else if let Some(page) = at.and_then(|at| self.pages.get_mut(at)) {
            page.has_failed = false;
        }
        if let (StoreRequest::Commit(batch), StoreAnswer::Committed { saved, .. }) =
            (request, &answered.0)
        {
            for (save, saved) in batch.saves.iter().zip(saved) {
                let (n, has_replaced) = (saved.n, saved.was_there);
                let payload = payload(save.request);
                let row = (producer.as_str(), n);
                if let Some(met) = self.oracle.archive.found(row, save, &payload) {
                    self.coverage.met(met);
                    continue;
                }
                self.oracle.archive.saved(row, save, payload, has_replaced);
                if has_replaced {
                    self.coverage.met("state: stored row replaced");
                }
            }
        }
        if is_cut {
            return failed(StoreFault::Unknown);
        }
        answered
    }

    /// A page receives storage's answer.
    pub(crate) fn stored(
        &mut self,
        number: u64,
        (id, instance): (PageId, u32),
        answer: Box<StoreAnswer>,
    ) {
        let item = Item::Stored(id, instance, answer);
        let Some((at, Item::Stored(_, _, answer))) = self.hears(id, number, item) else {
            return;
        };
        if self.pages.get(at).map(|page| page.instance) != Some(instance) {
            return;
        }
        let answer = *answer;
        self.handle(at, Event::Stored { answer });
    }
}
