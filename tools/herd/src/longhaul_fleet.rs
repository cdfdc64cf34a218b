//! Longhaul's clients in a scenario: the released client core, driven as by a browser.

use longhaul::config::Config;
use longhaul::ids::ConnectionId;
use longhaul::{Client, Effect, Event, Status, Time, Transport, codes};

use crate::fleet::{Answer, Fleet, Next};

/// The virtual time at which a scenario begins, ms. The clients have been connected for a minute.
const START_MS: u64 = 60_000;

/// Real clients.
#[derive(Debug)]
pub struct LonghaulFleet {
    clients: Vec<LonghaulClient>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
struct LonghaulClient {
    client: Client,
    /// The connection that it opened last.
    connection: ConnectionId,
}

impl LonghaulFleet {
    /// `count` connected clients. `spread_ms` gives each its reconnect window, by its number.
    #[must_use]
    pub fn new(count: u32, seed: u64, spread_ms: impl Fn(u32) -> Option<u64>) -> Self {
        let mut fleet = Self {
            clients: Vec::new(),
            effects: Vec::new(),
        };
        for no in 0..count {
            let config = Config {
                seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(no),
                // WebSockets only: the scenarios measure when clients come back, not how.
                transports: vec![Transport::WebSocket],
                ..Config::default()
            };
            fleet.clients.push(LonghaulClient {
                client: Client::new(&config),
                connection: ConnectionId(0),
            });
            let next = fleet.attempt(
                no,
                0,
                Event::Start,
                50,
                &Answer::Admitted {
                    spread_ms: spread_ms(no),
                },
            );
            assert!(
                matches!(next, Next::Back { .. }),
                "a client that was welcomed is connected"
            );
        }
        fleet
    }

    fn at(&mut self, no: u32) -> Option<&mut LonghaulClient> {
        self.clients.get_mut(usize::try_from(no).ok()?)
    }

    fn handle(&mut self, no: u32, now_ms: u64, event: Event<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(member) = self.at(no) {
            member.client.handle(Time(now_ms), event, &mut effects);
            for effect in effects.drain(..) {
                if let Effect::Open { connection, .. } = effect {
                    member.connection = connection;
                }
            }
        }
        self.effects = effects;
    }

    fn ended(&mut self, no: u32, now_ms: u64, code: u16, reason: &str) {
        if let Some(connection) = self.at(no).map(|member| member.connection) {
            self.handle(
                no,
                now_ms,
                Event::Ended {
                    connection,
                    code,
                    reason,
                    retry_after_ms: 0,
                },
            );
        }
    }

    /// A record from the hub.
    fn receive(&mut self, no: u32, now_ms: u64, text: &str) {
        if let Some(connection) = self.at(no).map(|member| member.connection) {
            self.handle(no, now_ms, Event::Record { connection, text });
        }
    }

    fn opened(&mut self, no: u32, now_ms: u64) {
        if let Some(connection) = self.at(no).map(|member| member.connection) {
            self.handle(no, now_ms, Event::Opened { connection });
        }
    }

    /// Makes the client begin an attempt with `begin`, and gives it the answer.
    fn attempt(
        &mut self,
        no: u32,
        begin_ms: u64,
        begin: Event<'_>,
        rtt_ms: u64,
        answer: &Answer,
    ) -> Next {
        self.handle(no, begin_ms, begin);
        let mut now_ms = begin_ms + rtt_ms;
        match answer {
            Answer::Admitted { spread_ms } => {
                self.opened(no, now_ms);
                // The round trip of hello and welcome.
                now_ms += rtt_ms;
                let option = spread_ms.map_or_else(String::new, |ms| format!(" spread={ms}"));
                self.receive(no, now_ms, &format!("welcome s 1{option}"));
            }
            Answer::Refused { reason } => {
                self.opened(no, now_ms);
                self.ended(no, now_ms, codes::TRY_AGAIN_LATER, reason);
            }
            Answer::NoServer => self.ended(no, now_ms, codes::CONNECTION_LOST, ""),
            Answer::Silence => {
                let timeout = self.at(no).and_then(|member| member.client.deadline());
                now_ms = timeout.map_or(now_ms, |time| time.0);
                self.handle(no, now_ms, Event::Deadline);
            }
        }
        self.next(no, now_ms)
    }

    fn next(&mut self, no: u32, now_ms: u64) -> Next {
        match self.at(no).map(|member| member.client.status()) {
            Some(Status::Waiting { retry_at, .. }) => Next::Attempt {
                at_ms: retry_at.0.saturating_sub(START_MS),
            },
            Some(Status::Connected { .. }) => Next::Back {
                at_ms: now_ms.saturating_sub(START_MS),
            },
            _ => Next::GivesUp,
        }
    }
}

impl Fleet for LonghaulFleet {
    fn lose(&mut self, no: u32, now_ms: u64, code: u16, reason: &str) -> Next {
        self.ended(no, START_MS + now_ms, code, reason);
        self.next(no, START_MS + now_ms)
    }

    fn spread_changed(&mut self, no: u32, now_ms: u64, spread_ms: u64) {
        self.receive(no, START_MS + now_ms, &format!("spread {spread_ms}"));
    }

    fn answer(&mut self, no: u32, at_ms: u64, rtt_ms: u64, answer: &Answer) -> Next {
        self.attempt(no, START_MS + at_ms, Event::Deadline, rtt_ms, answer)
    }
}
