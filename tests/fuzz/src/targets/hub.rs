//! The hub's core, whatever comes as frame of a socket, post, poll or ticket.
//!
//! A line that begins with `!` is an event, the lines up to the next one are its text. Limits are
//! small, so that they are reached. `N` counts connections from the newest.

use std::collections::{BTreeSet, HashMap};

use longhaul::ids::{Seq, TopicNo, is_id, is_topic_name};
use longhaul::wire::{DocumentRecord, Parts, ToClient, ToHub, records};
use longhaul_hub::core::{ConnId, Effect, Event, Hub, Limits, Now, Time};
use serde_json::value::RawValue;

/// Frames that one connection may have to be taken at a time. Chosen: all that the small limits let
/// be there, and more.
const FRAMES_MAX: usize = 1_000;

/// Rules H2, H4 to H6, T1 to T4.
///
/// # Panics Where a connection that is closed comes back, or a client would get what it can't read
/// or out of order.
pub fn run(script: &str) {
    let mut play = Play::new();
    let (mut event, mut text) = ("", String::new());
    for line in script.lines() {
        if let Some(next) = line.strip_prefix('!') {
            play.event(event, &text);
            (event, text) = (next, String::new());
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    play.event(event, &text);
}

struct Play {
    hub: Hub,
    now: Now,
    /// All that ever were, and those that are.
    conns: Vec<ConnId>,
    open: BTreeSet<ConnId>,
    /// The last seq that a connection was given of a subscription.
    given: HashMap<(ConnId, TopicNo), Seq>,
    tickets: u32,
    parts: HashMap<ConnId, Parts>,
}

fn limits() -> Limits {
    Limits {
        retain_entries: 6,
        retain_ms: 60_000,
        retain_bytes: 4_096,
        for_readers_bytes: 1_024,
        topics_max: 4,
        connections_max: 5,
        admit_per_s: 100,
        subscriptions_max: 4,
        producers_max: 3,
        verdicts_max: 4,
        keys_max: 3,
        frame_bytes_max: 8_192,
        payload_bytes_max: 1_024,
        control_bytes_max: 4_096,
        frame_bytes_aim: 256,
        tickets_max: 3,
        ..Limits::default()
    }
}

impl Play {
    fn new() -> Self {
        let now = Now {
            time: Time(1_000_000),
            wall_ms: 1_763_779_200_000,
        };
        Self {
            hub: Hub::new(limits(), 1),
            now,
            conns: Vec::new(),
            open: BTreeSet::new(),
            given: HashMap::new(),
            tickets: 0,
            parts: HashMap::new(),
        }
    }

    fn new_conn(&mut self) -> ConnId {
        let conn = ConnId(u64::try_from(self.conns.len()).unwrap_or(u64::MAX));
        self.conns.push(conn);
        self.open.insert(conn);
        conn
    }

    fn event(&mut self, line: &str, text: &str) {
        let mut effects = Vec::new();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = first.parse::<u32>().unwrap_or(0);
        let back = usize::try_from(number).unwrap_or(usize::MAX);
        let conn = self.conns.iter().rev().nth(back).copied();
        // One that never was.
        let conn = conn.unwrap_or(ConnId(u64::MAX));
        let now = self.now;
        match verb {
            "opened" => {
                let conn = self.new_conn();
                self.hub.handle(now, Event::Opened(conn), &mut effects);
            }
            "frame" => self.hub.handle(now, Event::Frame(conn, text), &mut effects),
            "not_text" => self.hub.handle(now, Event::NotText(conn), &mut effects),
            "too_large" => self.hub.handle(now, Event::TooLarge(conn), &mut effects),
            "stalled" => self.hub.handle(now, Event::Stalled(conn), &mut effects),
            "closed" => {
                self.hub.handle(now, Event::Closed(conn), &mut effects);
                self.open.remove(&conn);
            }
            "take" => self.take(conn),
            "answer" => {
                if let Some(answer) = self.hub.take_answer(now, conn) {
                    self.given(conn, &answer);
                    self.hub.handle(now, Event::Closed(conn), &mut effects);
                    self.open.remove(&conn);
                }
            }
            "wait" => {
                let ms = u64::from(number);
                self.now.time = now.time.plus(ms);
                self.now.wall_ms = now.wall_ms.saturating_add(ms);
            }
            "clock" => self.now.wall_ms = u64::from(number),
            "tick" => {
                self.now.time = now.time.max(self.hub.deadline().unwrap_or_default());
                self.hub.handle(self.now, Event::Tick, &mut effects);
                let deadline = self.hub.deadline();
                assert!(deadline.is_none_or(|due| due > self.now.time), "spins");
            }
            "drain" => self.hub.handle(now, Event::Drain, &mut effects),
            "stop" => self.hub.handle(now, Event::Stop, &mut effects),
            "post" => {
                if let Ok(answer) = self.hub.post(now, None, text, &mut effects) {
                    let asked = records(text).map(ToHub::decode);
                    let asked = asked
                        .filter(|record| matches!(record, Ok(ToHub::Publish(_) | ToHub::Skip(_))));
                    let verdicts = records(&answer).map(ToClient::decode).filter(|record| {
                        matches!(record, Ok(ToClient::Ack { .. } | ToClient::Nack { .. }))
                    });
                    assert_eq!(verdicts.count(), asked.count(), "{answer}");
                }
            }
            "ticket" => {
                self.tickets += 1;
                let ticket = format!("t{}", self.tickets);
                let origin = (!first.is_empty()).then_some(first);
                if let Ok(answer) = self.hub.issue_ticket(now, &ticket, origin, text) {
                    let answer = ToClient::decode(&answer).expect("an answer");
                    assert!(matches!(answer, ToClient::Ticket { .. }));
                }
            }
            "stream" => {
                let conn = self.new_conn();
                let ticket = format!("t{number}");
                let origin = (!after.is_empty()).then_some(after);
                let hub = &mut self.hub;
                if hub
                    .open_stream(now, conn, &ticket, origin, &mut effects)
                    .is_err()
                {
                    self.open.remove(&conn);
                }
            }
            "poll" => {
                let conn = self.new_conn();
                if self.hub.open_poll(now, conn, text, &mut effects).is_err() {
                    self.open.remove(&conn);
                }
            }
            "publish" => {
                let key = (!after.is_empty()).then_some(after);
                // What comes over HTTP has its topic and key checked by the door.
                if is_topic_name(first) && key.is_none_or(is_id) {
                    let _ = self.hub.publish(now, first, key, text, &mut effects);
                }
            }
            "read" => {
                if let Ok(page) = self.hub.read(now, "a", Seq(u64::from(number.max(1))), 3) {
                    let seqs: Vec<u64> = page.entries.iter().map(|(seq, _)| seq.0).collect();
                    assert!(
                        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                        "{seqs:?}"
                    );
                }
            }
            _ => {}
        }
        self.watch(&effects);
    }

    /// A connection is closed once, and is not spoken of after that.
    fn watch(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Wake(conn) => assert!(self.open.contains(conn), "{conn:?} is closed"),
                Effect::Close { conn, reason, .. } => {
                    assert!(self.open.remove(conn), "{conn:?} is closed twice");
                    // Source: RFC 6455, section 5.5.
                    assert!(reason.len() <= 123, "{reason}");
                }
                Effect::Drained => {}
            }
        }
        assert_eq!(self.hub.connections(), self.open.len());
        for conn in &self.conns {
            if !self.open.contains(conn) {
                let frame = self.hub.take_frame(self.now, *conn, 1);
                assert_eq!(frame, None, "{conn:?} is closed");
                assert_eq!(self.hub.take_answer(self.now, *conn), None);
            }
        }
    }

    fn take(&mut self, conn: ConnId) {
        for _ in 0..FRAMES_MAX {
            let bytes_max = self.hub.limits().frame_bytes_aim;
            let Some(frame) = self.hub.take_frame(self.now, conn, bytes_max) else {
                return;
            };
            let parts = self.parts.entry(conn).or_default();
            let frame = parts.frame(&frame).expect("parts in order");
            self.given(conn, &frame);
        }
        panic!("frames without end");
    }

    /// What a client gets it can read, and every subscription is in order from where its answer
    /// says.
    fn given(&mut self, conn: ConnId, frame: &str) {
        assert!(!frame.contains('\r'), "{frame:?}");
        for record in records(frame) {
            if let Ok(record) = DocumentRecord::decode(record) {
                match record {
                    DocumentRecord::Snapshot { no, seq, value, .. } => {
                        check_json(value);
                        self.given.insert((conn, no), seq);
                    }
                    DocumentRecord::Change {
                        no, seq, payload, ..
                    } => {
                        check_json(payload);
                        self.follows(conn, no, seq, 1);
                    }
                    DocumentRecord::Checkpoint { no, seq, .. } => {
                        assert_eq!(self.given.get(&(conn, no)), Some(&seq));
                    }
                }
                continue;
            }
            let read = ToClient::decode(record);
            let read = read.unwrap_or_else(|fault| panic!("{fault}: {record:?}"));
            match read {
                ToClient::Subscribed(start) | ToClient::ResumeFailed { start, .. } => {
                    self.given.insert((conn, start.no), start.after.seq);
                }
                ToClient::Messages(messages) => {
                    match messages.body {
                        longhaul::wire::Body::One { payload, .. } => check_json(payload),
                        longhaul::wire::Body::Batch { array, count } => {
                            let parts: Vec<&RawValue> =
                                serde_json::from_str(array).expect("a batch is JSON");
                            let count = usize::try_from(count).unwrap_or(usize::MAX);
                            assert_eq!(parts.len(), 3 * count, "{array}");
                        }
                    }
                    self.follows(conn, messages.no, messages.first, messages.count());
                }
                _ => {}
            }
        }
    }

    fn follows(&mut self, conn: ConnId, no: TopicNo, first: Seq, count: u32) {
        let last = self.given.get_mut(&(conn, no)).expect("an answer first");
        assert_eq!(first, last.next(), "in order without holes");
        last.0 += u64::from(count);
    }
}

fn check_json(text: &str) {
    serde_json::from_str::<&RawValue>(text).expect("a payload is JSON");
}
