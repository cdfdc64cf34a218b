//! Runs the hub's core without a runtime, as hub/src does around it.
//!
//! Reports every entry to the oracle as soon as it is appended, before anyone else can receive it.

use std::collections::BTreeMap;

use longhaul::Time;
use longhaul::codes;
use longhaul::ids::{Epoch, Seq};
use longhaul::wire::ToClient;
use longhaul_hub::core::{Close, ConnId, Effect, Event, Hub, Limits, Now, Refusal};

use crate::line::{Down, Kind, Line, LineId};
use crate::oracle::Oracle;

/// The Retry-After of a refused post, ms.
const RETRY_AFTER_MS: u64 = 1_000;

/// The wall clocks of the hub and of machines at time 0, ms since 1970.
pub const WALL_MS: u64 = 1_763_779_200_000;

/// The hub's data for a line.
pub type Sent = (LineId, Down);

/// The hub's state.
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
    /// Creates an empty hub.
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

    /// Starts a process without memory of the one before.
    pub fn start(&mut self) {
        self.hub = Some(Hub::new(self.limits, self.rng.u64(..)));
    }

    /// Kills the process and all its connections.
    pub fn crash(&mut self, oracle: &mut Oracle) -> Vec<LineId> {
        self.hub = None;
        self.is_drained = false;
        self.heads.clear();
        oracle.hub_forgot();
        std::mem::take(&mut self.lines).into_values().collect()
    }

    /// Whether a process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.hub.is_some()
    }

    /// Whether all its clients have been closed, so that it may stop.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// The core's deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.hub.as_ref()?.deadline().map(|time| time.0)
    }

    /// The hub's monotonic and wall clocks.
    fn at(now: u64) -> Now {
        Now {
            time: Time(now),
            wall_ms: WALL_MS + now,
        }
    }

    /// Passes an event to the hub, and returns the data for lines.
    pub fn handle(&mut self, now: u64, event: Event<'_>, oracle: &mut Oracle) -> Vec<Sent> {
        let at = Self::at(now);
        if let Some(hub) = &mut self.hub {
            hub.handle(at, event, &mut self.effects);
        }
        self.settle(now, oracle)
    }

    /// A line reaches the hub.
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

    /// Takes the next frame for a line that has room.
    pub fn take(&mut self, now: u64, conn: ConnId) -> Option<String> {
        let at = Self::at(now);
        let bytes_max = self.limits.frame_bytes_aim;
        self.hub.as_mut()?.take_frame(at, conn, bytes_max)
    }

    /// Takes the answer of a poll, if it is ready.
    pub fn take_answer(&mut self, now: u64, conn: ConnId) -> Option<String> {
        let at = Self::at(now);
        self.hub.as_mut()?.take_answer(at, conn)
    }

    /// Forgets the line of a connection.
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
                        // An empty frame tells the line to take the hub's frames.
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

    /// Shows the oracle the entries since the last call.
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

/// Makes the close code and the retry delay of a refusal, as hub/src/posts.rs and src/web/fetch.rs
/// do.
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
                retry_after_ms: refusal
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

/// The end of a connection without a close frame.
#[must_use]
pub fn lost() -> Down {
    Down::End {
        code: codes::CONNECTION_LOST,
        reason: String::new(),
    }
}
