//! The hub of a scenario: the released core. It gets new connections, and a drain.

use longhaul::wire::{ToClient, records};
use longhaul_hub::core::{ConnId, Effect, Event, Hub, Limits, Now, Time};

use crate::fleet::{Answer, Hints};

/// How a draining hub closes a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Time since the beginning of the drain, ms.
    pub at_ms: u64,
    /// Close code.
    pub code: u16,
    /// Close reason.
    pub reason: String,
}

/// A hub with its driver.
#[derive(Debug)]
pub struct HubDriver {
    hub: Hub,
    hints: Hints,
    effects: Vec<Effect>,
    last_conn: u64,
}

impl HubDriver {
    /// A hub that has just started, with capacity for `clients`.
    #[must_use]
    pub fn new(clients: u32, per_s: u64, hints: Hints) -> Self {
        let limits = Limits {
            connections_max: usize::try_from(clients).unwrap_or(usize::MAX),
            admit_per_s: per_s,
            expect_connections: match hints {
                Hints::Expected => usize::try_from(clients).unwrap_or(usize::MAX),
                _ => 0,
            },
            ..Limits::default()
        };
        Self::with(limits, hints)
    }

    fn with(limits: Limits, hints: Hints) -> Self {
        Self {
            hub: Hub::new(limits, 1),
            hints,
            effects: Vec::new(),
            last_conn: 0,
        }
    }

    /// Opens a socket, and sends a hello if the hub admits it.
    pub fn connect(&mut self, now_ms: u64) -> Answer {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.handle(now_ms, Event::Opened(conn));
        if let Some(Effect::Close { mut reason, .. }) = self.effects.pop() {
            if self.hints == Hints::None
                && let Some(options) = reason.find(" retry=")
            {
                reason.truncate(options);
            }
            return Answer::Refused { reason };
        }
        self.handle(now_ms, Event::Frame(conn, "hello 1"));
        self.effects.clear();
        let bytes_max = self.hub.limits().frame_bytes_aim;
        let frame = self.hub.take_frame(now(now_ms), conn, bytes_max);
        Answer::Admitted {
            spread_ms: frame
                .filter(|_| !matches!(self.hints, Hints::None | Hints::Refusals))
                .and_then(|frame| spread_of(&frame)),
        }
    }

    fn drain(&mut self, began_ms: u64) -> Vec<Closed> {
        let mut closed = Vec::new();
        let mut now_ms = began_ms;
        self.handle(now_ms, Event::Drain);
        loop {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Close { close, reason, .. } => closed.push(Closed {
                        at_ms: now_ms - began_ms,
                        code: close.number(),
                        reason,
                    }),
                    Effect::Drained => return closed,
                    Effect::Wake(_) => {}
                }
            }
            let Some(Time(due_ms)) = self.hub.deadline() else {
                return closed;
            };
            now_ms = due_ms.max(now_ms);
            self.handle(now_ms, Event::Tick);
        }
    }

    fn handle(&mut self, now_ms: u64, event: Event<'_>) {
        self.hub.handle(now(now_ms), event, &mut self.effects);
    }
}

/// Drains a hub with `clients`, so that `per_s` a second come back, or in `over_ms`.
#[must_use]
pub fn drained(clients: u32, per_s: u64, over_ms: Option<u64>) -> Vec<Closed> {
    let mut hub = HubDriver::with(
        Limits {
            admit_per_s: per_s,
            drain_ms: over_ms,
            // No heartbeats: they do not matter here.
            ping_ms: 1 << 40,
            ..Limits::default()
        },
        Hints::All,
    );
    let mut now_ms = 0;
    for _ in 0..clients {
        now_ms += 1_000_u64.div_ceil(per_s);
        hub.connect(now_ms);
    }
    hub.drain(now_ms)
}

fn now(ms: u64) -> Now {
    Now {
        time: Time(ms),
        wall_ms: ms,
    }
}

fn spread_of(frame: &str) -> Option<u64> {
    match ToClient::decode(records(frame).next()?) {
        Ok(ToClient::Welcome(welcome)) => welcome.spread_ms,
        _ => None,
    }
}
