//! A client with an outbox in storage, for tests that play the hub and the storage by hand.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test fails by panicking"
)]

#[path = "../sim/src/storage.rs"]
mod model;

use longhaul::config::{Config, OutboxLimits};
use longhaul::ids::{ConnectionId, Epoch, RowNo, Seq};
use longhaul::{Effect, Event, Notice, Outcome, StoreAnswer, StoreRequest};

use crate::common::{EPOCH, Rig};
pub use model::Storage;

/// A client and what it has asked of storage.
pub struct Tab {
    pub rig: Rig,
    pub asked: Option<StoreRequest>,
}

impl Tab {
    pub fn new() -> Self {
        Self::with(false)
    }

    pub fn with(is_pausing: bool) -> Self {
        let config = Config {
            is_durable: true,
            is_pausing,
            outbox: OutboxLimits {
                rows_max: 4,
                bytes_max: 1_000,
            },
            ..Config::default()
        };
        let mut tab = Self {
            rig: Rig::new(&config),
            asked: None,
        };
        tab.act(|rig| rig.handle(Event::Start));
        tab
    }

    /// One that is connected, and the one that sends.
    pub fn sender(storage: &mut Storage) -> (Self, ConnectionId) {
        Self::new().connected(storage)
    }

    pub fn connected(self, storage: &mut Storage) -> (Self, ConnectionId) {
        let mut tab = self;
        let connection = ConnectionId(1);
        tab.act(|rig| rig.handle(Event::Opened { connection }));
        tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
        tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
        tab.settle(storage);
        (tab, connection)
    }

    /// All effects but requests of storage.
    pub fn act(&mut self, act: impl FnOnce(&mut Rig) -> Vec<Effect>) -> Vec<Effect> {
        let mut others = Vec::new();
        for effect in act(&mut self.rig) {
            if let Effect::Store(request) = effect {
                assert_eq!(self.asked, None, "one at a time, but now also {request:?}");
                self.asked = Some(request);
            } else {
                others.push(effect);
            }
        }
        others
    }

    pub fn answered(&mut self, answer: StoreAnswer) -> Vec<Effect> {
        self.asked = None;
        self.act(|rig| {
            let machine_ms = rig.now.0;
            rig.handle(Event::Stored { answer, machine_ms })
        })
    }

    /// Storage answers until nothing is asked of it any more.
    pub fn settle(&mut self, storage: &mut Storage) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(request) = self.asked.take() {
            let (answer, _) = storage.answer(&request, "p1", |call| call.to_string());
            effects.extend(self.answered(answer));
        }
        effects
    }

    /// Another client of its storage tells it something, of the rows that are there or of others.
    pub fn hear(&mut self, producer: &str, notice: Notice) -> Vec<Effect> {
        self.act(|rig| rig.handle(Event::Told { producer, notice }))
    }

    pub fn publish(&mut self, topic: &str, key: Option<&str>) -> Vec<Effect> {
        self.act(|rig| rig.publish_with(topic, None, key))
    }

    pub fn ack(&mut self, connection: ConnectionId, n: u64) -> Vec<Effect> {
        self.act(|rig| rig.record(connection, &format!("ack p1 {n} {EPOCH} {n} 0")))
    }
}

/// The last records of what goes out: `pub`s without their producer, `until`s left out.
pub fn sent(effects: &[Effect]) -> Vec<String> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().last(),
        _ => None,
    });
    heads
        .map(|head| head.trim_end().replace(" p1 ", " "))
        .collect()
}

pub fn queued(effects: &[Effect]) -> Vec<(u64, bool)> {
    let queued = effects.iter().filter_map(|effect| match effect {
        Effect::Queued {
            row, is_durable, ..
        } => Some((row.0, *is_durable)),
        _ => None,
    });
    queued.collect()
}

/// What became of rows, as this tab is told.
pub fn settled(effects: &[Effect]) -> Vec<(u64, String)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settled { row, outcome, .. } => Some((
            row.0,
            match outcome {
                Outcome::Acked { .. } => "acked".to_owned(),
                Outcome::Dead { code, .. } => code.clone(),
            },
        )),
        _ => None,
    });
    settled.collect()
}

pub fn acked(n: u64) -> Notice {
    Notice::Ended {
        n: RowNo(n),
        attempts: 1,
        bytes: 8,
        outcome: Outcome::Acked {
            epoch: Epoch(1),
            seq: Seq(n),
            duplicate: false,
        },
    }
}
