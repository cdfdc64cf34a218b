//! A client and a virtual clock, for tests that play the hub by hand.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test fails by panicking"
)]

use longhaul::config::Config;
use longhaul::ids::{Chain, ConnectionId, From, Seq, TopicNo};
use longhaul::wire::Kind;
use longhaul::{Client, Effect, Event, Publication, Run, Time, Transport};

pub const EPOCH: &str = "00c0ffee00c0ffee";

/// A client whose clock moves only when told.
pub struct Rig {
    pub client: Client,
    pub now: Time,
    /// Timers are in time: messages that are next in line come without the clock.
    pub is_in_time: bool,
    last_no: u32,
    last_request: u32,
    last_run: u32,
}

impl Rig {
    /// A client that has sockets only, unless `config` says more.
    pub fn new(config: &Config) -> Self {
        let mut config = config.clone();
        if config.transports.is_empty() {
            config.transports = vec![Transport::WebSocket];
        }
        Self {
            client: Client::new(&config),
            now: Time(1_000_000),
            is_in_time: false,
            last_no: 0,
            last_request: 0,
            last_run: 0,
        }
    }

    /// One that has started, and one that has been welcomed.
    pub fn connected() -> (Self, ConnectionId) {
        let mut rig = Self::new(&Config::default());
        rig.handle(Event::Start);
        let connection = rig.greet();
        (rig, connection)
    }

    pub fn handle(&mut self, event: Event<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.client.handle(self.now, event, &mut effects);
        effects
    }

    pub fn after(&mut self, ms: u64, event: Event<'_>) -> Vec<Effect> {
        self.now = self.now.plus(ms);
        self.handle(event)
    }

    /// Lets the time come that the client asked for.
    pub fn at_deadline(&mut self) -> Vec<Effect> {
        self.now = self.now.max(self.client.deadline().unwrap());
        self.handle(Event::Deadline)
    }

    pub fn record(&mut self, connection: ConnectionId, text: &str) -> Vec<Effect> {
        self.handle(Event::Record { connection, text })
    }

    /// Opens the attempt under way and welcomes the client.
    pub fn greet(&mut self) -> ConnectionId {
        // Connections are numbered from 1, one an attempt.
        let connection = ConnectionId(self.client.metrics(self.now).attempts);
        self.handle(Event::Opened { connection });
        self.record(connection, "welcome s1 1763779200000");
        connection
    }

    pub fn lose(&mut self, connection: ConnectionId, code: u16) -> Vec<Effect> {
        self.handle(Event::Ended {
            connection,
            code,
            reason: "",
            retry_after_ms: 0,
        })
    }

    pub fn subscribe(&mut self, topic: &str, from: From) -> (TopicNo, Vec<Effect>) {
        self.subscribe_as(topic, from, false)
    }

    pub fn subscribe_as(
        &mut self,
        topic: &str,
        from: From,
        is_passive: bool,
    ) -> (TopicNo, Vec<Effect>) {
        self.last_no += 1;
        let no = TopicNo(self.last_no);
        let effects = self.handle(Event::Subscribe {
            no,
            topic,
            from,
            is_passive,
        });
        (no, effects)
    }

    pub fn publish(&mut self, topic: &str) -> Vec<Effect> {
        self.publish_with(topic, None, None)
    }

    pub fn publish_with(
        &mut self,
        topic: &str,
        ttl_ms: Option<u64>,
        key: Option<&str>,
    ) -> Vec<Effect> {
        self.last_request += 1;
        self.handle(Event::Publish(Publication {
            kind: Kind::Message,
            request: self.last_request,
            topic,
            bytes: 10,
            ttl_ms,
            machine_ms: self.now.0,
            key,
            is_repeated: false,
        }))
    }

    /// Messages `first..first + count` arrive.
    pub fn messages(
        &mut self,
        connection: ConnectionId,
        no: TopicNo,
        first: u64,
        count: u32,
    ) -> (u32, Vec<Effect>) {
        self.last_run += 1;
        let run = Run {
            id: self.last_run,
            first: Seq(first),
            count,
            chain: Chain(first + u64::from(count) - 1),
            chars: 10,
        };
        if self.is_in_time && self.client.deliver_next(connection, no, &run) {
            let (run, skip) = (run.id, 0);
            return (run, vec![Effect::Deliver { no, run, skip }]);
        }
        let effects = self.handle(Event::Messages {
            connection,
            no,
            run,
        });
        (self.last_run, effects)
    }
}

/// The text that goes out, frames joined; publications as their head.
pub fn sent(effects: &[Effect]) -> String {
    let texts = effects.iter().filter_map(|effect| match effect {
        Effect::Send { records, .. } => Some(records.as_str()),
        Effect::SendPublication { head, .. } => Some(head.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The transports that these effects open, with their ids.
pub fn opened(effects: &[Effect]) -> Vec<(u64, Transport)> {
    let opened = effects.iter().filter_map(|effect| match effect {
        Effect::Open {
            connection,
            transport,
            ..
        } => Some((connection.0, *transport)),
        _ => None,
    });
    opened.collect()
}

pub fn abandoned(effects: &[Effect]) -> Vec<u64> {
    let abandoned = effects.iter().filter_map(|effect| match effect {
        Effect::Abandon { connection, .. } => Some(connection.0),
        _ => None,
    });
    abandoned.collect()
}

pub fn polls(effects: &[Effect]) -> Vec<&str> {
    let polls = effects.iter().filter_map(|effect| match effect {
        Effect::Poll { records, .. } => Some(records.as_str()),
        _ => None,
    });
    polls.collect()
}
