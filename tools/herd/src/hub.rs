//! The hub of a storm: the core that ships, given nothing but who knocks, and told when to drain.

use longhaul::wire::{ToClient, records};
use longhaul_hub::core::{ConnId, Effect, Event, Hub, Limits, Now, Time};

use crate::storm::{Answer, Words};

/// How a hub that drains lets a client go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// ms since the drain began.
    pub at_ms: u64,
    /// Close code.
    pub code: u16,
    /// Close reason.
    pub reason: String,
}

/// A hub and what it is asked.
#[derive(Debug)]
pub struct Gate {
    hub: Hub,
    words: Words,
    effects: Vec<Effect>,
    last_conn: u64,
}

impl Gate {
    /// A hub that has just been started and has room for so many.
    #[must_use]
    pub fn new(clients: u32, per_s: u64, words: Words) -> Self {
        let limits = Limits {
            connections_max: usize::try_from(clients).unwrap_or(usize::MAX),
            admit_per_s: per_s,
            expect_connections: match words {
                Words::Expected => usize::try_from(clients).unwrap_or(usize::MAX),
                _ => 0,
            },
            ..Limits::default()
        };
        Self::with(limits, words)
    }

    fn with(limits: Limits, words: Words) -> Self {
        Self {
            hub: Hub::new(limits, 1),
            words,
            effects: Vec::new(),
            last_conn: 0,
        }
    }

    /// A socket opens, and if it may stay, it says hello.
    pub fn knock(&mut self, now_ms: u64) -> Answer {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.handle(now_ms, Event::Opened(conn));
        if let Some(Effect::Close { mut reason, .. }) = self.effects.pop() {
            if self.words == Words::None
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
                .filter(|_| !matches!(self.words, Words::None | Words::Refusals))
                .and_then(|frame| spread_of(&frame)),
        }
    }

    fn drain(&mut self, began_ms: u64) -> Vec<Goodbye> {
        let mut goodbyes = Vec::new();
        let mut now_ms = began_ms;
        self.handle(now_ms, Event::Drain);
        loop {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Close { close, reason, .. } => goodbyes.push(Goodbye {
                        at_ms: now_ms - began_ms,
                        code: close.number(),
                        reason,
                    }),
                    Effect::Drained => return goodbyes,
                    Effect::Wake(_) => {}
                }
            }
            let Some(Time(due_ms)) = self.hub.deadline() else {
                return goodbyes;
            };
            now_ms = due_ms.max(now_ms);
            self.handle(now_ms, Event::Tick);
        }
    }

    fn handle(&mut self, now_ms: u64, event: Event<'_>) {
        self.hub.handle(now(now_ms), event, &mut self.effects);
    }
}

/// A drain of so many clients that lets `per_s` a second come back, or takes `over_ms`.
#[must_use]
pub fn drained(clients: u32, per_s: u64, over_ms: Option<u64>) -> Vec<Goodbye> {
    let mut gate = Gate::with(
        Limits {
            admit_per_s: per_s,
            drain_ms: over_ms,
            // Heartbeats are not what is looked at here.
            ping_ms: 1 << 40,
            ..Limits::default()
        },
        Words::All,
    );
    let mut now_ms = 0;
    for _ in 0..clients {
        now_ms += 1_000_u64.div_ceil(per_s);
        gate.knock(now_ms);
    }
    gate.drain(now_ms)
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
