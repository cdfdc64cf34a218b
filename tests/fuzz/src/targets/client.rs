//! A real client, whatever the hub and the network say to it.
//!
//! A line that begins with `!` is an event, any other a record on the connection that `!on N`
//! chose, else on the newest. What a record asks of JavaScript is done here: messages come as runs,
//! their payloads kept until they are handed over.

use std::collections::HashMap;

use longhaul::config::Config;
use longhaul::ids::{Chain, ConnectionId, Cursor, Epoch, From, Seq, TopicNo};
use longhaul::wire::{Body, DocumentRecord, Kind, Start, ToClient};
use longhaul::{Client, Effect, Event, Publication, Run, Status, Time, Transport};

/// Deadlines that may be due at one time. Chosen: every part of a client has one, and a few come of
/// others.
const DUE_MAX: usize = 16;

/// A client with sockets only and three subscriptions: live, from the start, and from a cursor.
///
/// # Panics
/// Where messages come out of order or twice, or are missing without a gap that was told.
pub fn resume(script: &str) {
    let mut play = Play::new(vec![Transport::WebSocket]);
    play.lines("!subscribe live\n!subscribe start\n!subscribe 00c0ffee00c0ffee/5/5\n!opened");
    play.lines(script);
}

/// A client with all transports.
///
/// # Panics
/// As [`resume`], and where no way goes on.
pub fn transports(script: &str) {
    let mut play = Play::new(Vec::new());
    play.lines("!subscribe live");
    play.lines(script);
}

/// What its listener has seen of one subscription.
#[derive(Default)]
struct Seen {
    epoch: Option<Epoch>,
    /// The last seq that was delivered or told as a gap; none before the stream has begun.
    last: Option<u64>,
    /// A gap without an end, or of another log, was told: a stream may begin anywhere.
    is_open: bool,
    is_document: bool,
    /// A document without a value: its entries count from the snapshot on, and where it asks is its
    /// own affair.
    wants_snapshot: bool,
}

struct Play {
    client: Client,
    now: Time,
    connections: Vec<ConnectionId>,
    chosen: Option<usize>,
    seen: HashMap<TopicNo, Seen>,
    /// Runs that JavaScript holds.
    held: HashMap<u32, (TopicNo, Run)>,
    last_no: u32,
    last_run: u32,
}

impl Play {
    fn new(transports: Vec<Transport>) -> Self {
        let config = Config {
            transports,
            has_tokens: true,
            addresses: 2,
            ..Config::default()
        };
        let mut play = Self {
            client: Client::new(&config),
            now: Time(1_000_000),
            connections: Vec::new(),
            chosen: None,
            seen: HashMap::new(),
            held: HashMap::new(),
            last_no: 0,
            last_run: 0,
        };
        play.handle(Event::Start);
        play.handle(Event::Token {
            text: "t",
            lives_ms: None,
        });
        play
    }

    fn lines(&mut self, script: &str) {
        for line in script.lines() {
            match line.strip_prefix('!') {
                Some(event) => self.event(event),
                None => self.record(line),
            }
            self.check_way_on();
        }
    }

    fn connection(&self) -> ConnectionId {
        let newest = self.connections.len().saturating_sub(1);
        let at = self.chosen.unwrap_or(newest);
        // Before the first one, and past the newest, a connection that never was.
        let none = ConnectionId(99_999);
        self.connections.get(at).copied().unwrap_or(none)
    }

    fn event(&mut self, line: &str) {
        let connection = self.connection();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = first.parse::<u32>().unwrap_or(0);
        let ms = u64::from(number);
        match verb {
            "on" => self.chosen = first.parse().ok(),
            "opened" => self.handle(Event::Opened { connection }),
            "answered" => self.handle(Event::Answered { connection }),
            "garbage" => self.handle(Event::Garbage {
                connection,
                what: "a binary frame",
            }),
            "ended" => self.handle(Event::Ended {
                connection,
                code: first.parse().unwrap_or(1006),
                reason: after,
                retry_after_ms: 0,
            }),
            "ended_later" => self.handle(Event::Ended {
                connection,
                code: 1006,
                reason: after,
                retry_after_ms: ms,
            }),
            "post_failed" => self.handle(Event::PostFailed {
                connection,
                retry_after_ms: ms,
            }),
            "deadline" => self.at_deadline(),
            "wait" => self.now = self.now.plus(ms),
            "reconnect" => self.handle(Event::Reconnect),
            "online" => self.handle(Event::Online(number > 0)),
            "place" => self.handle(Event::Slot {
                is_granted: number > 0,
            }),
            "woke" => self.handle(Event::Woke),
            "slept" => self.handle(Event::Slept { ms }),
            "suspend" => self.handle(Event::Suspend),
            "close" => self.handle(Event::Close),
            "token" => self.handle(Event::Token {
                text: "t2",
                lives_ms: first.parse().ok(),
            }),
            "no_token" => self.handle(Event::NoToken {
                detail: rest,
                is_refusal: rest.len() % 2 == 0,
            }),
            "subscribe" => self.subscribe(first),
            "follow" => {
                self.last_no += 1;
                let no = TopicNo(self.last_no);
                let seen = self.seen.entry(no).or_default();
                (seen.is_document, seen.wants_snapshot) = (true, true);
                self.handle(Event::Follow { no, topic: "d" });
            }
            "resync" => {
                let no = TopicNo(number);
                if let Some(seen) = self.seen.get_mut(&no) {
                    seen.wants_snapshot = seen.is_document;
                }
                self.handle(Event::Resync { no });
            }
            "unsubscribe" => {
                self.handle(Event::Unsubscribe {
                    no: TopicNo(number),
                });
                self.seen.remove(&TopicNo(number));
                let is_held = self.held.values().any(|(no, _)| no.0 == number);
                assert!(!is_held, "payloads of an ended subscription are kept");
            }
            "passive" => self.handle(Event::Passive {
                no: TopicNo(number),
                is_passive: after == "1",
            }),
            "publish" => self.handle(Event::Publish(Publication {
                request: 1,
                topic: "a",
                kind: Kind::Message,
                bytes: ms,
                ttl_ms: after.parse().ok(),
                machine_ms: 0,
                key: None,
                is_repeated: false,
            })),
            _ => {}
        }
    }

    fn subscribe(&mut self, from: &str) {
        let mut parts = from.split('/').map(|part| {
            let radix = if part.len() == 16 { 16 } else { 10 };
            // As large as the wire knows them: what is larger no user can have.
            u64::from_str_radix(part, radix).unwrap_or(0)
        });
        let (first, seq) = (parts.next().unwrap_or(0), parts.next());
        let from = match (from, seq) {
            ("live", _) => From::Live,
            ("start", _) => From::Start,
            (_, None) => From::Seq(Seq(first.clamp(1, 1 << 40))),
            (_, Some(seq)) => From::After(Cursor {
                epoch: Epoch(first),
                seq: Seq(seq.min(1 << 40)),
                ..Cursor::default()
            }),
        };
        self.last_no += 1;
        let no = TopicNo(self.last_no);
        self.seen.insert(no, Seen::default());
        self.handle(Event::Subscribe {
            no,
            topic: "a",
            from,
            is_passive: false,
        });
    }

    fn record(&mut self, text: &str) {
        let connection = self.connection();
        let id = self.last_run + 1;
        let (no, first, count, chain, payload) =
            match (ToClient::decode(text), DocumentRecord::decode(text)) {
                (Ok(ToClient::Messages(messages)), _) => {
                    let payload = match messages.body {
                        Body::One { payload, .. } => payload,
                        Body::Batch { array, .. } => array,
                    };
                    let count = messages.count();
                    (messages.no, messages.first, count, messages.chain, payload)
                }
                (
                    _,
                    Ok(DocumentRecord::Change {
                        no,
                        seq,
                        chain,
                        payload,
                        ..
                    }),
                ) => (no, seq, 1, chain, payload),
                (_, Ok(DocumentRecord::Snapshot { no, seq, chain, .. })) => {
                    return self.snapshot(id, no, seq, chain);
                }
                _ => return self.handle(Event::Record { connection, text }),
            };
        // As js/src/frame.ts: a number that is no message's is no frame.
        if first == Seq(0) {
            return;
        }
        self.last_run = id;
        let run = Run {
            id,
            first,
            count,
            chain,
            chars: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        };
        self.held.insert(run.id, (no, run));
        let effects = self.effects(Event::Messages {
            connection,
            no,
            run,
        });
        let is_kept = effects.contains(&Effect::Hold { run: run.id });
        self.watch(&effects, None);
        if !is_kept {
            self.held.remove(&run.id);
        }
    }

    /// A document's value: what was seen of it before no longer counts.
    fn snapshot(&mut self, id: u32, no: TopicNo, seq: Seq, chain: Chain) {
        self.last_run = id;
        let connection = self.connection();
        let effects = self.effects(Event::Snapshot {
            connection,
            no,
            run: id,
            seq,
            chain,
        });
        let is_this = |effect: &Effect| matches!(effect, Effect::Deliver { run, .. } if *run == id);
        let (taken, others): (Vec<Effect>, Vec<Effect>) = effects.into_iter().partition(is_this);
        if !taken.is_empty() {
            let seen = self.seen.entry(no).or_default();
            seen.last = Some(seq.0);
            seen.wants_snapshot = false;
        }
        self.watch(&others, None);
    }

    fn effects(&mut self, event: Event<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.client.handle(self.now, event, &mut effects);
        effects
    }

    fn handle(&mut self, event: Event<'_>) {
        let start = match &event {
            Event::Record { text, .. } => match ToClient::decode(text) {
                Ok(ToClient::Subscribed(start) | ToClient::ResumeFailed { start, .. }) => {
                    Some(start)
                }
                _ => None,
            },
            _ => None,
        };
        let effects = self.effects(event);
        self.watch(&effects, start);
    }

    fn watch(&mut self, effects: &[Effect], start: Option<Start>) {
        for effect in effects {
            match effect {
                Effect::Open { connection, .. } => self.connections.push(*connection),
                Effect::Gap {
                    no,
                    epoch,
                    first,
                    last,
                    ..
                } => {
                    let seen = self.seen.entry(*no).or_default();
                    let is_next =
                        seen.wants_snapshot || seen.last.is_none_or(|seq| first.0 == seq + 1);
                    // A document gets its value anew after a gap.
                    seen.wants_snapshot = seen.is_document;
                    match last {
                        Some(last) if seen.epoch == Some(*epoch) && !seen.is_open => {
                            assert!(is_next, "a gap from {first:?} after {:?}", seen.last);
                            seen.last = Some(last.0);
                        }
                        _ => seen.is_open = true,
                    }
                }
                Effect::Streaming { no, after } => {
                    let epoch = &after.epoch;
                    let start = start.expect("a stream begins with an answer");
                    let seen = self.seen.entry(*no).or_default();
                    assert_eq!((*no, *epoch), (start.no, start.after.epoch));
                    let is_free = seen.is_open || seen.wants_snapshot;
                    if let Some(last) = seen.last.filter(|_| !is_free) {
                        assert_eq!(seen.epoch, Some(*epoch), "a new log without a word");
                        assert_eq!(last, start.after.seq.0, "a jump without a word");
                    }
                    seen.epoch = Some(*epoch);
                    seen.last = Some(start.after.seq.0);
                    seen.is_open = false;
                }
                Effect::Deliver { no, run, skip } => {
                    let (of, run) = self.held.remove(run).expect("payloads that are there");
                    assert_eq!(of, *no);
                    let seen = self.seen.get_mut(no).expect("somebody who listens");
                    if *skip < run.count {
                        let last = seen.last.expect("a stream that has begun");
                        assert_eq!(run.first.0 + u64::from(*skip), last + 1, "order");
                        seen.last = Some(run.first.0 + u64::from(run.count) - 1);
                    }
                }
                Effect::Discard { run } => {
                    self.held.remove(run).expect("payloads that are there");
                }
                _ => {}
            }
        }
    }

    /// Lets the time come that the client asked for. What is due then is done after a few turns: a
    /// timer never spins.
    fn at_deadline(&mut self) {
        let Some(due) = self.client.deadline() else {
            return;
        };
        self.now = self.now.max(due);
        for _ in 0..DUE_MAX {
            self.handle(Event::Deadline);
            if self.client.deadline().is_none_or(|due| due > self.now) {
                return;
            }
        }
        panic!("the timer spins: {:?}", self.client.status());
    }

    /// Whatever happened, something will bring the client on, but where it is closed.
    fn check_way_on(&self) {
        let is_closed = matches!(self.client.status(), Status::Closed { .. });
        assert!(
            is_closed || self.client.deadline().is_some(),
            "no way on: {:?}",
            self.client.status()
        );
    }
}
