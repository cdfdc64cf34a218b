//! A client with an outbox in storage, for tests that play the hub and the storage by hand.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test fails by panicking"
)]

#[path = "../sim/src/storage.rs"]
mod model;

use longhaul::config::{Config, Inherited, OutboxLimits};
use longhaul::ids::{ConnectionId, Epoch, RowNo, Seq};
use longhaul::wire::Kind;
use longhaul::{Effect, Event, Outcome, Publication, StoreAnswer, StoreRequest, TabMessage};

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
        Self::begin(is_pausing, None, &[])
    }

    /// The next instance after a crash: it goes on with the page's outbox, in which these rows of
    /// storage are waited for.
    pub fn after_crash(rows: &[u64]) -> Self {
        let inherited = Inherited {
            producer: "spare".to_owned(),
            last: RowNo(0),
            stored: "p1".to_owned(),
        };
        Self::begin(false, Some(inherited), rows)
    }

    fn begin(is_pausing: bool, inherited: Option<Inherited>, rows: &[u64]) -> Self {
        let config = Config {
            is_durable: true,
            is_pausing,
            outbox: OutboxLimits {
                rows_max: 4,
                bytes_max: 1_000,
            },
            inherited,
            ..Config::default()
        };
        let mut tab = Self {
            rig: Rig::new(&config),
            asked: None,
        };
        for n in rows {
            let publication = call(0, false);
            tab.act(|rig| {
                rig.handle(Event::Restore {
                    row: RowNo(*n),
                    attempts: 1,
                    publication,
                })
            });
        }
        tab.act(|rig| rig.handle(Event::Start));
        tab
    }

    /// A call that the instance before was given too.
    pub fn publish_again(&mut self, request: u32) -> Vec<Effect> {
        self.act(|rig| rig.handle(Event::Publish(call(request, true))))
    }

    /// A call that no instance was given before.
    pub fn publish_call(&mut self, request: u32) -> Vec<Effect> {
        self.act(|rig| rig.handle(Event::Publish(call(request, false))))
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
        tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
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
        self.act(|rig| rig.handle(Event::Stored { answer }))
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
    pub fn hear(&mut self, producer: &str, tab_message: TabMessage) -> Vec<Effect> {
        self.act(|rig| {
            rig.handle(Event::TabMessage {
                producer,
                tab_message,
            })
        })
    }

    /// It wipes the outbox itself, or another client of its storage does.
    pub fn wiping(&mut self, is_here: bool) -> Vec<Effect> {
        let all = if is_here { u64::MAX } else { 0 };
        self.hear_of_wipe(false, RowNo(all), all)
    }

    /// The outbox was wiped just now, with all that is not in storage.
    pub fn wiped(&mut self, last: RowNo) -> Vec<Effect> {
        self.hear_of_wipe(true, last, u64::MAX)
    }

    /// The outbox was wiped so long ago, ms.
    pub fn wiped_ago(&mut self, last: RowNo, ago_ms: u64) -> Vec<Effect> {
        self.hear_of_wipe(true, last, self.rig.now.0 - ago_ms)
    }

    fn hear_of_wipe(&mut self, is_done: bool, last: RowNo, at_ms: u64) -> Vec<Effect> {
        self.act(|rig| {
            rig.handle(Event::Wiped {
                is_done,
                last,
                at_ms,
                machine_ms: rig.now.0,
            })
        })
    }

    pub fn publish(&mut self, topic: &str, key: Option<&str>) -> Vec<Effect> {
        self.act(|rig| rig.publish_with(topic, None, key))
    }

    pub fn ack(&mut self, connection: ConnectionId, n: u64) -> Vec<Effect> {
        self.act(|rig| rig.record(connection, &format!("ack p1 {n} {EPOCH} {n} 0")))
    }
}

fn call(request: u32, is_repeated: bool) -> Publication<'static> {
    Publication {
        kind: Kind::Message,
        request,
        topic: "t",
        bytes: 10,
        ttl_ms: None,
        machine_ms: 0,
        key: None,
        is_repeated,
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
        Effect::RowAssigned {
            row, is_durable, ..
        } => Some((row.0, *is_durable)),
        _ => None,
    });
    queued.collect()
}

/// What became of rows, as this tab is told.
pub fn settled(effects: &[Effect]) -> Vec<(u64, String)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Outcome { row, outcome, .. } => Some((
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

pub fn acked(n: u64) -> TabMessage {
    TabMessage::Ended {
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
