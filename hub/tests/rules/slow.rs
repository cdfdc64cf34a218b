//! The cores of a client and the hub over a network of 8 kB/s in virtual time: large records arrive
//! (rules B2, W9, T1).

use std::collections::VecDeque;

use longhaul::config::Config;
use longhaul::ids::{ConnectionId, TopicNo};
use longhaul::wire::{Kind, Parts, SLOW_LINE_BYTES_PER_S, ToClient, records};
use longhaul::{Client, Effect, Event, Outcome, Publication, Status, Transport};
use longhaul_hub::core::{ConnId, Event as HubEvent, Expected, Offer};

use crate::bench::Bench;

/// The bytes that the hub's system buffers for a connection.
const UNSENT_BYTES: usize = 32_768;

/// The size of the pieces in which an answer arrives, bytes.
const PIECE_BYTES: usize = 1_400;

/// The bytes on their way in one direction.
#[derive(Default)]
struct Pipe {
    texts: VecDeque<(String, usize)>,
    credit: u64,
}

impl Pipe {
    fn push(&mut self, text: String) {
        let bytes = text.len();
        self.texts.push_back((text, bytes));
    }

    fn bytes(&self) -> usize {
        self.texts.iter().map(|(_, left)| left).sum()
    }

    /// Lets a millisecond pass. Returns complete frames, and whether a part of another one has
    /// arrived.
    fn pass(&mut self) -> Option<String> {
        let Some((_, left)) = self.texts.front_mut() else {
            self.credit = 0;
            return None;
        };
        self.credit += SLOW_LINE_BYTES_PER_S;
        let bytes = usize::try_from(self.credit / 1_000).unwrap().min(*left);
        self.credit %= 1_000;
        *left -= bytes;
        if *left == 0 {
            return self.texts.pop_front().map(|(text, _)| text);
        }
        None
    }
}

struct World {
    bench: Bench,
    client: Client,
    transport: Transport,
    conn: Option<ConnId>,
    connection: ConnectionId,
    up: Pipe,
    down: Pipe,
    parts: Parts,
    payload: String,
    connects: u32,
    snapshot_bytes: usize,
    acked: usize,
    run: u32,
}

impl World {
    fn new(transport: Transport) -> Self {
        let config = Config {
            seed: 1,
            transports: vec![transport],
            ..Config::default()
        };
        Self {
            bench: Bench::new(),
            client: Client::new(&config),
            transport,
            conn: None,
            connection: ConnectionId(0),
            up: Pipe::default(),
            down: Pipe::default(),
            parts: Parts::default(),
            payload: format!("\"{}\"", "p".repeat(65_000)),
            connects: 0,
            snapshot_bytes: 0,
            acked: 0,
            run: 0,
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        let mut effects = Vec::new();
        let now = longhaul::Time(self.bench.now.time.0);
        self.client.handle(now, event, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Open {
                connection,
                records,
                ..
            } => {
                self.connects += 1;
                self.connection = connection;
                let conn = self.bench.next_conn();
                self.conn = Some(conn);
                self.down = Pipe::default();
                let bench = &mut self.bench;
                match self.transport {
                    Transport::WebSocket => bench.handle(HubEvent::Opened(conn)),
                    Transport::EventSource => {
                        bench
                            .hub
                            .issue_ticket(bench.now, "t", None, &records)
                            .unwrap();
                        let effects = &mut bench.effects;
                        bench
                            .hub
                            .open_stream(bench.now, conn, "t", None, effects)
                            .unwrap();
                    }
                    Transport::LongPoll => return self.poll(&records),
                }
                self.handle(Event::Opened { connection });
            }
            Effect::Poll { records, .. } => self.poll(&records),
            Effect::Send { records, .. } => self.up.push(records),
            Effect::SendPublication { head, row, .. } => {
                let payload = row.map_or("", |_| self.payload.as_str());
                self.up.push(format!("{head}{payload}"));
            }
            Effect::Abandon { .. } | Effect::AbandonPosts { .. } => {
                panic!("given up at {:?}: {effect:?}", self.bench.now.time)
            }
            Effect::Deliver { .. } => self.snapshot_bytes = self.run as usize,
            Effect::Outcome { outcome, .. } => {
                assert!(matches!(outcome, Outcome::Acked { .. }), "{outcome:?}");
                self.acked += 1;
            }
            _ => {}
        }
    }

    fn poll(&mut self, records: &str) {
        let conn = self.bench.next_conn();
        self.conn = Some(conn);
        let bench = &mut self.bench;
        bench
            .hub
            .open_poll(bench.now, conn, records, &mut bench.effects)
            .unwrap();
    }

    /// Lets a millisecond pass.
    fn pass(&mut self) {
        self.bench.pass(1);
        let closed = self.conn.and_then(|conn| self.bench.closed(conn));
        assert_eq!(closed, None, "at {:?}", self.bench.now.time);
        let deadline = self.client.deadline();
        if deadline.is_some_and(|at| at.0 <= self.bench.now.time.0) {
            self.handle(Event::Deadline);
        }
        if let Some(frame) = self.up.pass() {
            self.arrived_up(&frame);
        }
        self.fill();
        let before = self.down.bytes();
        let arrived = self.down.pass();
        if self.transport == Transport::LongPoll
            && before / PIECE_BYTES != self.down.bytes() / PIECE_BYTES
        {
            let connection = self.connection;
            self.handle(Event::Heard {
                connection,
                has_more: true,
                bytes: PIECE_BYTES,
            });
        }
        if let Some(text) = arrived {
            self.arrived(&text);
            if self.transport == Transport::LongPoll {
                let connection = self.connection;
                self.handle(Event::Answered { connection });
            }
        }
    }

    fn arrived_up(&mut self, frame: &str) {
        if self.transport == Transport::WebSocket {
            self.bench.send(self.conn.unwrap(), frame);
            return;
        }
        let (hub, now) = (&mut self.bench.hub, self.bench.now);
        let frame = format!("hello 1\n{frame}");
        let answer = hub
            .post(now, None, &frame, &mut self.bench.effects)
            .unwrap();
        self.arrived(&answer);
    }

    fn fill(&mut self) {
        let Some(conn) = self.conn else { return };
        if self.transport == Transport::LongPoll {
            if let Some(answer) = self.bench.hub.take_answer(self.bench.now, conn) {
                self.conn = None;
                self.bench.handle(HubEvent::Closed(conn));
                self.down.push(answer);
            }
            return;
        }
        while self.down.bytes() < UNSENT_BYTES
            && let Some(frame) = self.bench.take(conn)
        {
            self.down.push(frame);
        }
    }

    fn arrived(&mut self, frame: &str) {
        let connection = self.connection;
        for text in records(frame) {
            if let Ok(ToClient::Part { index, left, text }) = ToClient::decode(text) {
                self.handle(Event::Heard {
                    connection,
                    has_more: left > 0,
                    bytes: text.len(),
                });
                if let Some(whole) = self.parts.add(index, left, text).unwrap() {
                    self.arrived(&whole);
                }
            } else if let Some(rest) = text.strip_prefix("snapshot ") {
                self.run = u32::try_from(text.len()).unwrap();
                let mut fields = rest.split(' ').map(|field| field.parse().unwrap_or(0));
                let mut field = || fields.next().unwrap();
                self.handle(Event::Snapshot {
                    connection,
                    no: TopicNo(u32::try_from(field()).unwrap()),
                    run: self.run,
                    seq: longhaul::ids::Seq(field()),
                    chain: longhaul::ids::Chain(field()),
                });
            } else {
                self.handle(Event::Record { connection, text });
            }
        }
    }

    fn with(transport: Transport, document_bytes: usize) -> Self {
        let mut world = Self::new(transport);
        for n in 0..document_bytes / 60_000 {
            let offer = Offer {
                kind: Kind::Merge,
                key: None,
                payload: &format!(r#"{{"{n}":"{}"}}"#, "x".repeat(60_000 - 10)),
                expected: &Expected::Anything,
            };
            let bench = &mut world.bench;
            bench
                .hub
                .offer(bench.now, "d", &offer, &mut bench.effects)
                .unwrap();
        }
        world
    }
}

fn f03_a_document_of_a_mebibyte_arrives(transport: Transport, wakes: bool) {
    let mut world = World::with(transport, 1_040_000);
    world.handle(Event::Follow {
        no: TopicNo(1),
        topic: "d",
    });
    world.handle(Event::Start);
    let begun = world.bench.now.time;
    while world.snapshot_bytes == 0 {
        world.pass();
        let ms = world.bench.now.time.since(begun);
        assert!(ms < 150_000, "it has not arrived");
        // The user comes back to the page again and again.
        if wakes && ms.is_multiple_of(7_000) {
            world.handle(Event::Woke);
        }
    }
    assert!(world.snapshot_bytes > 1_000_000);
    assert_eq!(world.connects, 1);
    assert!(matches!(world.client.status(), Status::Connected { .. }));
    assert!(world.bench.now.time.since(begun) >= 120_000);
}

#[test]
fn f03_a_document_of_a_mebibyte_arrives_over_a_socket_of_8_kb_a_second() {
    f03_a_document_of_a_mebibyte_arrives(Transport::WebSocket, false);
    f03_a_document_of_a_mebibyte_arrives(Transport::WebSocket, true);
}

#[test]
fn f03_a_document_of_a_mebibyte_arrives_over_a_stream_of_8_kb_a_second() {
    f03_a_document_of_a_mebibyte_arrives(Transport::EventSource, false);
    f03_a_document_of_a_mebibyte_arrives(Transport::EventSource, true);
}

#[test]
fn f03_a_document_of_a_mebibyte_arrives_over_polls_of_8_kb_a_second() {
    f03_a_document_of_a_mebibyte_arrives(Transport::LongPoll, false);
    f03_a_document_of_a_mebibyte_arrives(Transport::LongPoll, true);
}

#[test]
fn f03_a_window_full_of_the_largest_publications_goes_up_at_8_kb_a_second() {
    for transport in [
        Transport::WebSocket,
        Transport::EventSource,
        Transport::LongPoll,
    ] {
        let mut world = World::with(transport, 0);
        world.handle(Event::Start);
        for request in 1..=8 {
            let bytes = u64::try_from(world.payload.len()).unwrap();
            world.handle(Event::Publish(Publication {
                request,
                topic: "t",
                kind: Kind::Message,
                bytes,
                ttl_ms: None,
                machine_ms: 0,
                key: None,
                is_repeated: false,
            }));
        }
        let begun = world.bench.now.time;
        while world.acked < 8 {
            world.pass();
            let ms = world.bench.now.time.since(begun);
            assert!(ms < 80_000, "{transport:?}: {} acked", world.acked);
        }
        assert_eq!(world.connects, 1, "{transport:?}");
    }
}
