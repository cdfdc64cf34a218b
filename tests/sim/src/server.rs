//! The hub behind its sockets: what hub/src does around the core, without a runtime.
//!
//! Tells the oracle of every entry right when it is appended, before anyone else can hear of it.

use std::collections::BTreeMap;

use longhaul::Time;
use longhaul::codes;
use longhaul::ids::{Epoch, Seq};
use longhaul::wire::ToClient;
use longhaul_hub::core::{Close, ConnId, Effect, Event, Hub, Limits, Now, Refusal};

use crate::line::{Down, Kind, Line, LineId};
use crate::oracle::Oracle;

/// What a refused post's Retry-After says, ms.
const RETRY_AFTER_MS: u64 = 1_000;

/// What the clocks of the hub and of machines say at 0, ms since 1970.
pub const WALL_MS: u64 = 1_763_779_200_000;

/// What the hub sends down a line.
pub type Sent = (LineId, Down);

/// See the module.
pub struct Server {
    hub: Option<Hub>,
    limits: Limits,
    rng: fastrand::Rng,
    lines: BTreeMap<ConnId, LineId>,
    heads: BTreeMap<String, (Epoch, Seq)>,
    topics: Vec<String>,
    last_conn: u64,
    last_ticket: u64,
    is_drained: bool,
    effects: Vec<Effect>,
}

impl Server {
    /// A hub with nothing in it.
    #[must_use]
    pub fn new(limits: Limits, topics: Vec<String>, seed: u64) -> Self {
        let mut server = Self {
            hub: None,
            limits,
            rng: fastrand::Rng::with_seed(seed),
            lines: BTreeMap::new(),
            heads: BTreeMap::new(),
            topics,
            last_conn: 0,
            last_ticket: 0,
            is_drained: false,
            effects: Vec::new(),
        };
        server.start();
        server
    }

    /// Begins a process, with no memory of the one before.
    pub fn start(&mut self) {
        self.hub = Some(Hub::new(self.limits, self.rng.u64(..)));
    }

    /// The process is gone, and all its connections with it.
    pub fn crash(&mut self, oracle: &mut Oracle) -> Vec<LineId> {
        self.hub = None;
        self.is_drained = false;
        self.heads.clear();
        oracle.hub_forgot();
        std::mem::take(&mut self.lines).into_values().collect()
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.hub.is_some()
    }

    /// Whether it has let all its clients go, and may stop.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// When it wants to be ticked.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.hub.as_ref()?.deadline().map(|time| time.0)
    }

    /// Both clocks.
    fn at(now: u64) -> Now {
        Now {
            time: Time(now),
            wall_ms: WALL_MS + now,
        }
    }

    /// Hands an event to the hub. What it sends.
    pub fn handle(&mut self, now: u64, event: Event<'_>, oracle: &mut Oracle) -> Vec<Sent> {
        let at = Self::at(now);
        if let Some(hub) = &mut self.hub {
            hub.handle(at, event, &mut self.effects);
        }
        self.settle(now, oracle)
    }

    /// A line has reached the hub.
    pub fn open(
        &mut self,
        now: u64,
        id: LineId,
        line: &mut Line,
        oracle: &mut Oracle,
    ) -> Vec<Sent> {
        let at = Self::at(now);
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let Some(hub) = &mut self.hub else {
            return vec![(id, lost())];
        };
        let mut sent = Vec::new();
        match &line.kind {
            Kind::Socket => {
                line.conn = Some(conn);
                self.lines.insert(conn, id);
                sent.push((id, Down::Opened));
                hub.handle(at, Event::Opened(conn), &mut self.effects);
            }
            Kind::Session(text) => {
                self.last_ticket += 1;
                let ticket = format!("t{}", self.last_ticket);
                sent.push((id, answer(hub.issue_ticket(at, &ticket, None, text))));
            }
            Kind::Stream(ticket) => {
                sent.push((id, Down::Opened));
                match hub.open_stream(at, conn, ticket, None, &mut self.effects) {
                    Ok(()) => {
                        line.conn = Some(conn);
                        self.lines.insert(conn, id);
                    }
                    Err(refusal) => {
                        sent.push((id, Down::Frame(close_record(&refusal))));
                        sent.push((id, lost()));
                    }
                }
            }
            Kind::Poll(text) => match hub.open_poll(at, conn, text, &mut self.effects) {
                Ok(()) => {
                    line.conn = Some(conn);
                    self.lines.insert(conn, id);
                }
                Err(refusal) => sent.push((id, answer(Err(refusal)))),
            },
            Kind::Post(text) => {
                sent.push((id, answer(hub.post(at, None, text, &mut self.effects))))
            }
        }
        sent.extend(self.settle(now, oracle));
        sent
    }

    /// A back end publishes.
    pub fn publish(
        &mut self,
        now: u64,
        (topic, payload): (&str, &str),
        key: Option<&str>,
        oracle: &mut Oracle,
    ) -> Vec<Sent> {
        let at = Self::at(now);
        if let Some(hub) = &mut self.hub {
            let outcome = hub.publish(at, topic, key, payload, &mut self.effects);
            assert!(
                outcome.is_ok(),
                "a back end's publication failed: {outcome:?}"
            );
        }
        self.settle(now, oracle)
    }

    /// The next frame for a line that has room again.
    pub fn take(&mut self, now: u64, conn: ConnId) -> Option<String> {
        let at = Self::at(now);
        let bytes_max = self.limits.frame_bytes_aim;
        self.hub.as_mut()?.take_frame(at, conn, bytes_max)
    }

    /// The answer of a poll, if it is due.
    pub fn take_answer(&mut self, now: u64, conn: ConnId) -> Option<String> {
        let at = Self::at(now);
        self.hub.as_mut()?.take_answer(at, conn)
    }

    /// The line of a connection is gone.
    pub fn forget(&mut self, conn: ConnId) {
        self.lines.remove(&conn);
    }

    fn settle(&mut self, now: u64, oracle: &mut Oracle) -> Vec<Sent> {
        self.observe(now, oracle);
        let mut sent = Vec::new();
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Wake(conn) => {
                    if let Some(id) = self.lines.get(&conn) {
                        // An empty frame says: look what there is.
                        sent.push((*id, Down::Frame(String::new())));
                    }
                }
                Effect::Drained => self.is_drained = true,
                Effect::Close {
                    conn,
                    close,
                    reason,
                } => {
                    if let Some(id) = self.lines.remove(&conn) {
                        sent.push((
                            id,
                            Down::End {
                                code: close.number(),
                                reason,
                            },
                        ));
                    }
                }
            }
        }
        sent
    }

    /// Shows the oracle what has been appended since the last look.
    fn observe(&mut self, now: u64, oracle: &mut Oracle) {
        let at = Self::at(now);
        let Some(hub) = &mut self.hub else { return };
        for topic in &self.topics {
            let (epoch, head) = self.heads.get(topic).copied().unwrap_or_default();
            let Ok(page) = hub.read(at, topic, head.next(), usize::MAX) else {
                panic!("{topic} was trimmed before the oracle could read it");
            };
            assert!(
                head.0 == 0 || page.epoch == epoch,
                "{topic} has another epoch"
            );
            for (seq, entry) in &page.entries {
                oracle.appended(
                    topic,
                    page.epoch,
                    *seq,
                    (entry.kind, &entry.payload),
                    entry.id.as_deref(),
                );
                self.heads.insert(topic.clone(), (page.epoch, *seq));
            }
        }
    }
}

/// As hub/src/posts.rs refuses and src/web/fetch.rs reads it.
fn answer(outcome: Result<String, Refusal>) -> Down {
    match outcome {
        Ok(frame) => Down::Answer(frame),
        Err(refusal) => match refusal.close {
            Close::BadFrame | Close::VersionUnsupported | Close::FrameTooLarge => {
                panic!("the hub can't read what the client says: {refusal:?}")
            }
            Close::TryAgainLater => Down::Failure {
                code: codes::TRY_AGAIN_LATER,
                // Retry-After has whole seconds.
                floor_ms: refusal
                    .hint
                    .retry_ms
                    .map_or(RETRY_AFTER_MS, |ms| ms.next_multiple_of(1_000)),
            },
            _ => Down::Answer(close_record(&refusal)),
        },
    }
}

fn close_record(refusal: &Refusal) -> String {
    let mut frame = String::new();
    let code = refusal.close.number();
    let reason = refusal.reason();
    ToClient::Close {
        code,
        reason: &reason,
    }
    .encode(&mut frame);
    frame
}

/// A connection that ended without a word.
#[must_use]
pub fn lost() -> Down {
    Down::End {
        code: codes::CONNECTION_LOST,
        reason: String::new(),
    }
}
