//! Owns a page's publications: their payloads by call and by row, in storage or in memory.

use std::collections::HashMap;

use longhaul::ids::RowNo;
use longhaul::wire::Kind;
use longhaul::wire::public_id::message_id;
use longhaul::{Event, MEMORY_ROWS, Outcome, Publication, StoreRequest};

use super::{Do, Page, Watch};
use crate::browser::Transaction;

/// A call of `publish`.
#[derive(Clone, Debug)]
pub(super) struct Call {
    topic: String,
    kind: Kind,
    payload: String,
    ttl_ms: Option<u64>,
    key: Option<String>,
    /// An instance has begun to save it.
    is_saving: bool,
}

impl Call {
    fn publication(&self, request: u32, machine_ms: u64) -> Publication<'_> {
        Publication {
            kind: self.kind,
            request,
            topic: &self.topic,
            bytes: u64::try_from(self.payload.len()).unwrap_or(u64::MAX),
            ttl_ms: self.ttl_ms,
            machine_ms,
            key: self.key.as_deref(),
            is_repeated: self.is_saving,
        }
    }
}

impl Page {
    /// The user publishes. `machine_ms` is the machine's clock.
    pub fn publish(
        &mut self,
        (now, machine_ms): (u64, u64),
        (topic, kind, payload): (&str, Kind, String),
        ttl_ms: Option<u64>,
        key: Option<&str>,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        self.last_call += 1;
        let request = self.last_call;
        let call = Call {
            topic: topic.to_owned(),
            kind,
            payload,
            ttl_ms,
            key: key.map(str::to_owned),
            is_saving: false,
        };
        self.calls.insert(request, call.clone());
        let new = call.publication(request, machine_ms);
        self.handle(now, Event::Publish(new), watch)
    }

    /// Restores the rows that the page waits for in the next instance.
    pub(super) fn restore(
        &mut self,
        (now, machine_ms): (u64, u64),
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let mut wants = Vec::new();
        for (row, call) in self.own.clone() {
            let publication = call.publication(0, machine_ms);
            let attempts = 1;
            let event = Event::Restore {
                row,
                attempts,
                publication,
            };
            wants.extend(self.handle(now, event, watch));
        }
        wants
    }

    /// Repeats the calls without a row in the next instance.
    pub(super) fn offer_again(
        &mut self,
        (now, machine_ms): (u64, u64),
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let mut calls: Vec<(u32, Call)> = self
            .calls
            .iter()
            .map(|(no, call)| (*no, call.clone()))
            .collect();
        calls.sort_unstable_by_key(|(request, _)| *request);
        let mut wants = Vec::new();
        for (request, call) in calls {
            let new = call.publication(request, machine_ms);
            wants.extend(self.handle(now, Event::Publish(new), watch));
        }
        wants
    }

    /// The user cancels the oldest row that this page knows.
    pub(crate) fn cancel(&mut self, now: u64, watch: &mut Watch<'_>) -> Vec<Do> {
        let rows = self
            .payloads
            .keys()
            .copied()
            .filter(|row| row.0 < MEMORY_ROWS);
        match rows.min() {
            Some(n) => {
                let producer = self.client.producer();
                watch.oracle.archive.cancelled(producer, n);
                self.handle(now, Event::Cancel { n }, watch)
            }
            None => Vec::new(),
        }
    }

    /// Keeps payloads that storage has returned.
    pub(crate) fn restored(&mut self, payloads: Vec<(RowNo, String)>) {
        self.payloads.extend(payloads);
    }

    /// Whether a row is in the browser's storage, and not in memory.
    fn is_stored(&self, row: RowNo) -> bool {
        self.browser.is_some() && row.0 < MEMORY_ROWS
    }

    /// Returns the payload of a row that the client sends.
    pub(super) fn payload(&self, row: Option<RowNo>, watch: &mut Watch<'_>) -> &str {
        let Some(row) = row else { return "" };
        let payload = self.payloads.get(&row).map(String::as_str);
        if self.is_stored(row) {
            let producer = self.client.producer();
            if watch.oracle.archive.sent(self.id, producer, row, payload) {
                watch.coverage.met("state: several flushers");
            }
        }
        payload.unwrap_or_default()
    }

    /// Makes a request to storage, with the payloads of its saves.
    pub(super) fn transaction(&mut self, request: StoreRequest) -> Transaction {
        let saves = match &request {
            StoreRequest::Commit(batch) => batch.saves.as_slice(),
            StoreRequest::Open | StoreRequest::Load(_) | StoreRequest::Rename { .. } => &[],
        };
        let mut payloads = HashMap::new();
        for save in saves {
            if let Some(call) = self.calls.get_mut(&save.request) {
                call.is_saving = true;
                payloads.insert(save.request, call.payload.clone());
            }
        }
        Transaction {
            request,
            payloads,
            opened: self.opened,
        }
    }

    /// A call has its row.
    pub(super) fn queued(
        &mut self,
        call: u32,
        row: RowNo,
        is_durable: bool,
        watch: &mut Watch<'_>,
    ) {
        let Some(call) = self.calls.remove(&call) else {
            return;
        };
        let Call {
            topic,
            kind,
            payload,
            ..
        } = call.clone();
        self.own.insert(row, call);
        if kind != Kind::Message {
            self.documents.queued(&topic, row, kind, &payload);
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
        if let Some(n) = row.0.checked_sub(MEMORY_ROWS) {
            self.last_in_memory = self.last_in_memory.max(n);
            watch.coverage.met("state: publication beside storage");
        }
        watch.oracle.queued(self.id, row, &topic, &payload);
    }

    /// A row has its outcome. `before` is the producer of the outbox before this turn. Rows that
    /// were lost in this turn belong to it.
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
        self.own.remove(&row);
        self.documents.settled(row, &outcome);
        let producer = match &outcome {
            Outcome::Dead { code, .. } if code == "outbox_lost" => before,
            _ => self.client.producer(),
        };
        if self.is_stored(row) {
            watch.oracle.told(now, self.id, (producer, row), &outcome);
            return;
        }
        let id = match row.0.checked_sub(MEMORY_ROWS) {
            Some(n) => message_id(self.client.memory_producer(), RowNo(n)),
            None => message_id(producer, row),
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
