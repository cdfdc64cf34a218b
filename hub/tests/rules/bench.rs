//! A hub, clients that are only numbers, and a clock that the test moves.

use longhaul::wire::{Body, Messages, Parts, ToClient, records};
use longhaul_hub::core::{Close, ConnId, Effect, Event, Hub, Limits, Now, Time};

pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

pub(crate) struct Bench {
    pub(crate) hub: Hub,
    pub(crate) now: Now,
    pub(crate) effects: Vec<Effect>,
    last_conn: u64,
    /// The number of ticks.
    pub(crate) ticks: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            hub: Hub::new(limits, 7),
            now: Now {
                time: Time(1_000),
                wall_ms: WALL_MS,
            },
            effects: Vec::new(),
            last_conn: 0,
            ticks: 0,
        }
    }

    pub(crate) fn handle(&mut self, event: Event<'_>) {
        self.hub.handle(self.now, event, &mut self.effects);
    }

    /// A connection that has sent nothing.
    pub(crate) fn open(&mut self) -> ConnId {
        let conn = self.next_conn();
        self.handle(Event::Opened(conn));
        conn
    }

    pub(crate) fn next_conn(&mut self) -> ConnId {
        self.last_conn += 1;
        ConnId(self.last_conn)
    }

    /// A welcomed connection.
    pub(crate) fn client(&mut self) -> ConnId {
        let conn = self.open();
        self.send(conn, "hello 1");
        assert!(self.take(conn).unwrap().starts_with("welcome "));
        conn
    }

    pub(crate) fn send(&mut self, conn: ConnId, frame: &str) {
        self.handle(Event::Frame(conn, frame));
    }

    pub(crate) fn take(&mut self, conn: ConnId) -> Option<String> {
        let bytes_max = self.hub.limits().frame_bytes_aim;
        self.hub.take_frame(self.now, conn, bytes_max)
    }

    /// All frames that wait for a connection.
    pub(crate) fn frames(&mut self, conn: ConnId) -> Vec<String> {
        std::iter::from_fn(|| self.take(conn)).collect()
    }

    /// All records that wait for a connection, without parts.
    pub(crate) fn records(&mut self, conn: ConnId) -> Vec<String> {
        whole(&self.frames(conn))
    }

    /// Sends a frame and returns the only record that answers it.
    pub(crate) fn ask(&mut self, conn: ConnId, frame: &str) -> String {
        self.send(conn, frame);
        let records = self.records(conn);
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }

    /// Lets time pass, with a tick at each deadline.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.time.plus(ms);
        while let Some(due) = self.hub.deadline().filter(|due| *due <= end) {
            self.jump(due.since(self.now.time));
            self.ticks += 1;
            self.handle(Event::Tick);
        }
        self.jump(end.since(self.now.time));
    }

    /// Lets time pass without ticks.
    pub(crate) fn jump(&mut self, ms: u64) {
        self.now.time = self.now.time.plus(ms);
        self.now.wall_ms += ms;
    }

    pub(crate) fn publish(&mut self, topic: &str, payload: &str) -> u64 {
        self.hub
            .publish(self.now, topic, None, payload, &mut self.effects)
            .unwrap()
            .seq
            .0
    }

    /// The close of a connection, if there was one since the last call.
    pub(crate) fn closed(&mut self, conn: ConnId) -> Option<(Close, String)> {
        let found = self.effects.iter().find_map(|effect| match effect {
            Effect::Close {
                conn: closed,
                close,
                reason,
            } if *closed == conn => Some((*close, reason.clone())),
            _ => None,
        });
        self.effects.clear();
        found
    }
}

/// The records of frames, with parts put together.
pub(crate) fn whole(frames: &[String]) -> Vec<String> {
    let mut parts = Parts::default();
    let mut all = Vec::new();
    for frame in frames {
        all.extend(records(&parts.frame(frame).unwrap()).map(str::to_owned));
    }
    all
}

/// The messages in records: seq and payload, in order.
pub(crate) fn messages(records: &[String]) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for record in records {
        let Ok(ToClient::Messages(Messages { first, body, .. })) = ToClient::decode(record) else {
            continue;
        };
        match body {
            Body::One { payload, .. } => all.push((first.0, payload.to_owned())),
            Body::Batch { count, array } => {
                let array: Vec<serde_json::Value> = serde_json::from_str(array).unwrap();
                assert_eq!(array.len(), 3 * count as usize);
                for (index, element) in array.chunks(3).enumerate() {
                    all.push((first.0 + index as u64, element[0].to_string()));
                }
            }
        }
    }
    all
}

/// The field of a record with this number, its verb being 0.
pub(crate) fn field(record: &str, index: usize) -> &str {
    record.split(' ').nth(index).unwrap()
}
