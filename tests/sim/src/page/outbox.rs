//! A page's publications: their payloads by call and by row, in storage or in memory.

use std::collections::HashMap;

use longhaul::frame::Kind;
use longhaul::ids::RowNo;
use longhaul::{BESIDE, Event, NewPublication, Outcome, StoreRequest};

use super::{Do, Page, Watch};
use crate::browser::Transaction;

/// Topic, kind and payload of a call of publish that has no row yet.
pub(super) type Call = (String, Kind, String);

impl Page {
    /// The user publishes. `machine_ms` is what the machine's clock says.
    pub fn publish(
        &mut self,
        (now, machine_ms): (u64, u64),
        (topic, kind, payload): (&str, Kind, String),
        ttl_ms: Option<u64>,
        key: Option<&str>,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        self.last_call += 1;
        let request = self.last_call;
        self.calls
            .insert(request, (topic.to_owned(), kind, payload));
        let new = NewPublication {
            kind,
            request,
            topic,
            bytes,
            ttl_ms,
            machine_ms,
            key,
            is_again: false,
        };
        self.handle(now, Event::Publish(new), watch)
    }

    /// The user gives up the oldest row that this page knows.
    pub(crate) fn give_up(&mut self, now: u64, watch: &mut Watch<'_>) -> Vec<Do> {
        let rows = self.payloads.keys().copied().filter(|row| row.0 < BESIDE);
        match rows.min() {
            Some(n) => {
                let producer = self.client.producer();
                watch.oracle.archive.given_up(producer, n);
                self.handle(now, Event::GiveUp { n }, watch)
            }
            None => Vec::new(),
        }
    }

    /// Payloads that storage has.
    pub(crate) fn restored(&mut self, payloads: Vec<(RowNo, String)>) {
        self.payloads.extend(payloads);
    }

    /// Whether a row is in the browser's storage, and not in memory.
    fn is_stored(&self, row: RowNo) -> bool {
        self.browser.is_some() && row.0 < BESIDE
    }

    /// The payload of a row that is sent.
    pub(super) fn payload(&self, row: Option<RowNo>, watch: &mut Watch<'_>) -> &str {
        let Some(row) = row else { return "" };
        let payload = self.payloads.get(&row).map(String::as_str);
        if self.is_stored(row) {
            let producer = self.client.producer();
            watch.oracle.archive.sent(self.id, producer, row, payload);
        }
        payload.unwrap_or_default()
    }

    /// A request to storage, with the payloads of what it saves.
    pub(super) fn transaction(&self, request: StoreRequest) -> Transaction {
        let saves = match &request {
            StoreRequest::Commit(batch) => batch.saves.as_slice(),
            StoreRequest::Open | StoreRequest::Load(_) => &[],
        };
        let text = |call: u32| Some((call, self.calls.get(&call)?.2.clone()));
        let payloads: HashMap<u32, String> =
            saves.iter().filter_map(|save| text(save.request)).collect();
        Transaction { request, payloads }
    }

    /// A call has its row.
    pub(super) fn queued(
        &mut self,
        call: u32,
        row: RowNo,
        is_durable: bool,
        watch: &mut Watch<'_>,
    ) {
        let Some((topic, kind, payload)) = self.calls.remove(&call) else {
            return;
        };
        if kind != Kind::Message {
            self.paper.queued(&topic, row, kind, &payload);
        }
        if self.payloads.insert(row, payload.clone()).is_some() {
            watch.coverage.met("state: publication replaced");
        }
        if is_durable {
            watch.coverage.met("state: publication in storage");
            let producer = self.client.producer();
            watch.oracle.archive.queued(self.id, producer, row);
            return;
        }
        if row.0 >= BESIDE {
            watch.coverage.met("state: publication beside storage");
        }
        watch.oracle.queued(self.id, row, &topic, &payload);
    }

    /// A row has its outcome. `before` is the outbox's producer before this turn, which is that of rows that were lost in it.
    pub(super) fn settled(
        &mut self,
        now: u64,
        (before, row, attempts): (&str, RowNo, u32),
        outcome: Outcome,
        watch: &mut Watch<'_>,
    ) {
        if attempts > 1 {
            watch.coverage.met("state: publication sent again");
        }
        watch.coverage.met(met(&outcome));
        self.payloads.remove(&row);
        self.paper.settled(row, &outcome);
        let producer = match &outcome {
            Outcome::Dead { code, .. } if code == "outbox_lost" => before,
            _ => self.client.producer(),
        };
        if self.is_stored(row) {
            watch.oracle.told(now, self.id, (producer, row), &outcome);
            return;
        }
        let id = match row.0.checked_sub(BESIDE) {
            Some(n) => format!("{}:{n}", self.client.spare_producer()),
            None => format!("{producer}:{}", row.0),
        };
        watch.oracle.settled(self.id, row, &id, outcome);
    }
}

fn met(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Acked {
            duplicate: true, ..
        } => "state: acked as duplicate",
        Outcome::Acked { .. } => "state: acked",
        Outcome::Dead { code, .. } => match code.as_str() {
            "expired" => "state: publication expired",
            "discarded" => "state: publication given up",
            "wiped" => "state: publication wiped",
            "outbox_lost" => "state: publication lost with storage",
            "outcome_unknown" => "state: outcome unknown",
            _ => "state: change refused",
        },
    }
}
