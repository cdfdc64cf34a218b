//! Models a browser page: the work of src/web and js/src around the core, without a browser.
//!
//! Keeps payloads, and gathers the records of a turn into a frame. Returns its demands on the
//! network as plain data. `incoming` receives, `outbox` publishes, `posts` posts frames.

mod incoming;
mod outbox;
mod posts;

use std::collections::{BTreeMap, HashMap, VecDeque};

use longhaul::config::{Config, Inherited};
use longhaul::ids::{ConnectionId, Epoch, From, RowNo, TopicNo};
use longhaul::wire::Parts;
use longhaul::{Client, Effect, Event, Status, TabMessage, Time, Transport};

use crate::browser::{BrowserId, Transaction};
use crate::coverage::Coverage;
use crate::documents::Documents;
use crate::oracle::{Oracle, PageId};
use incoming::Held;
use outbox::Call;

/// A page's demand on the network or the browser.
#[derive(Debug)]
pub enum Do {
    /// Open a transport.
    Open {
        /// The client's id of the connection.
        connection: ConnectionId,
        /// The transport.
        transport: Transport,
        /// The records of the first request.
        records: String,
    },
    /// Send a poll, which replaces the one under way.
    Poll {
        /// The connection.
        connection: ConnectionId,
        /// The records.
        records: String,
    },
    /// Send a frame over a socket.
    Frame {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        frame: String,
    },
    /// Post publications.
    Post {
        /// The connection that the post belongs to.
        connection: ConnectionId,
        /// The frame.
        frame: String,
    },
    /// Abort the posts of a connection.
    AbandonPosts {
        /// The connection.
        connection: ConnectionId,
    },
    /// Execute a request in the browser's storage.
    Store(Transaction),
    /// Request leadership, or resign.
    Leader {
        /// The page wants to lead.
        is_wanted: bool,
    },
    /// Send a message to the other pages of the browser.
    Tell(String, TabMessage),
    /// Request a slot, or give it back.
    Slot {
        /// The page wants a slot.
        is_wanted: bool,
    },
    /// Forget a connection.
    Abandon {
        /// The connection.
        connection: ConnectionId,
    },
}

/// The observers of a page.
pub struct Watch<'a> {
    /// The checks.
    pub oracle: &'a mut Oracle,
    /// The counts of situations.
    pub coverage: &'a mut Coverage,
}

/// A page's state.
pub struct Page {
    /// Its number in this history.
    pub id: PageId,
    /// Its client.
    pub client: Client,
    /// The browser with its durable outbox. None for an outbox in memory.
    pub browser: Option<BrowserId>,
    /// It is a service worker, which only flushes.
    pub is_worker: bool,
    /// The storage incarnation that it has opened, if its handle is alive.
    pub opened: Option<u32>,
    /// The last transaction was aborted, and the store tries once more.
    pub has_failed: bool,
    /// How many of its instances have crashed.
    pub instance: u32,
    /// Numbers its requests for leadership and its resignations.
    pub wish: u64,
    /// It is frozen until then.
    pub frozen_until: u64,
    /// Its timers fire at multiples of this, ms. 0: exactly.
    pub timers_ms: u64,
    /// The additional time that its network needs for a byte, µs.
    pub slow_us: u64,
    /// Subscriptions.
    pub subscriptions: BTreeMap<TopicNo, String>,
    sockets: HashMap<ConnectionId, bool>,
    posts: HashMap<ConnectionId, VecDeque<String>>,
    is_posting: HashMap<ConnectionId, bool>,
    payloads: HashMap<RowNo, String>,
    calls: HashMap<u32, Call>,
    last_call: u32,
    /// Its own rows without an outcome.
    own: BTreeMap<RowNo, Call>,
    /// Its documents.
    pub documents: Documents,
    runs: HashMap<u32, Held>,
    /// Incomplete records.
    parts: HashMap<ConnectionId, Parts>,
    epochs: HashMap<TopicNo, Epoch>,
    /// The last run that the core holds.
    kept: Option<u32>,
    last_run: u32,
    last_no: u32,
    last_in_memory: u64,
    transport: Option<Transport>,
}

impl Page {
    /// Creates a page whose client has not started.
    #[must_use]
    pub fn new(id: PageId, client: Client) -> Self {
        Self {
            id,
            client,
            browser: None,
            is_worker: false,
            opened: None,
            has_failed: false,
            instance: 0,
            wish: 0,
            frozen_until: 0,
            timers_ms: 0,
            slow_us: 0,
            subscriptions: BTreeMap::new(),
            sockets: HashMap::new(),
            posts: HashMap::new(),
            is_posting: HashMap::new(),
            payloads: HashMap::new(),
            calls: HashMap::new(),
            last_call: 0,
            own: BTreeMap::new(),
            documents: Documents::default(),
            runs: HashMap::new(),
            parts: HashMap::new(),
            epochs: HashMap::new(),
            kept: None,
            last_run: 0,
            last_no: 0,
            last_in_memory: 0,
            transport: None,
        }
    }

    /// Replaces a crashed instance. The next one knows the rows that the page waits for. The user
    /// must subscribe again.
    pub(crate) fn crash(
        &mut self,
        clocks: (u64, u64),
        mut config: Config,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        let memory = self.client.memory_producer().to_owned();
        let stored = self.client.producer().to_owned();
        config.inherited = Some(Inherited {
            last: RowNo(self.last_in_memory),
            stored: if stored == memory {
                String::new()
            } else {
                stored
            },
            producer: memory,
        });
        self.client = Client::new(&config);
        self.instance += 1;
        self.wish += 1;
        self.opened = None;
        self.has_failed = false;
        self.sockets.clear();
        self.posts.clear();
        self.is_posting.clear();
        self.subscriptions.clear();
        self.runs.clear();
        self.parts.clear();
        self.epochs.clear();
        self.kept = None;
        self.transport = None;
        self.restore(clocks, watch)
    }

    /// Starts the next instance with the calls that have no row.
    pub(crate) fn go_on(&mut self, clocks: (u64, u64), watch: &mut Watch<'_>) -> Vec<Do> {
        let mut wants = self.handle(clocks.0, Event::Start, watch);
        wants.extend(self.offer_again(clocks, watch));
        wants
    }

    /// Freezes the page until then, unless it is frozen longer. Waiting items keep their order.
    pub fn freeze(&mut self, until: u64) {
        self.frozen_until = self.frozen_until.max(until);
    }

    /// The client's deadline, at the precision of the page's timers.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let at = self.client.deadline()?.0;
        let at = if self.timers_ms > 0 {
            at.div_ceil(self.timers_ms).saturating_mul(self.timers_ms)
        } else {
            at
        };
        Some(at.max(self.frozen_until))
    }

    /// Passes an event to the client, and returns the demands.
    pub fn handle(&mut self, now: u64, event: Event<'_>, watch: &mut Watch<'_>) -> Vec<Do> {
        let mut effects = Vec::new();
        let producer = self.client.producer().to_owned();
        match event {
            Event::Messages {
                connection,
                no,
                run,
            } if self.timers_ms == 0 && self.client.deliver_next(connection, no, &run) => {
                effects.push(Effect::Deliver {
                    no,
                    run: run.id,
                    skip: 0,
                });
            }
            event => self.client.handle(Time(now), event, &mut effects),
        }
        let mut frames: Vec<(ConnectionId, String)> = Vec::new();
        let mut wants = Vec::new();
        for effect in effects {
            self.perform((now, &producer), effect, &mut frames, &mut wants, watch);
        }
        for (connection, frame) in frames {
            if self.sockets.get(&connection) == Some(&true) {
                wants.push(Do::Frame { connection, frame });
            } else {
                self.posts.entry(connection).or_default().push_back(frame);
                wants.extend(self.next_post(connection));
            }
        }
        wants
    }

    /// `before` is the outbox's producer before the turn.
    fn perform(
        &mut self,
        (now, before): (u64, &str),
        effect: Effect,
        frames: &mut Vec<(ConnectionId, String)>,
        wants: &mut Vec<Do>,
        watch: &mut Watch<'_>,
    ) {
        let mut send = |connection: ConnectionId, records: &str| match frames
            .iter_mut()
            .find(|(of, _)| *of == connection)
        {
            Some((_, frame)) => {
                frame.push('\n');
                frame.push_str(records);
            }
            None => frames.push((connection, records.to_owned())),
        };
        match effect {
            Effect::Open {
                connection,
                transport,
                records,
                ..
            } => {
                self.sockets
                    .insert(connection, transport == Transport::WebSocket);
                wants.push(Do::Open {
                    connection,
                    transport,
                    records,
                });
            }
            Effect::Poll {
                connection,
                records,
            } => wants.push(Do::Poll {
                connection,
                records,
            }),
            Effect::Send {
                connection,
                records,
            } => send(connection, &records),
            Effect::SendPublication {
                connection,
                head,
                row,
            } => {
                let payload = self.payload(row, watch);
                send(connection, &format!("{head}{payload}"));
            }
            Effect::Abandon { connection, .. } => {
                self.forget_connection(connection);
                wants.push(Do::Abandon { connection });
            }
            Effect::DropPosts { connection } => {
                self.posts.remove(&connection);
            }
            Effect::AbandonPosts { connection } => {
                self.posts.remove(&connection);
                self.is_posting.remove(&connection);
                wants.push(Do::AbandonPosts { connection });
            }
            Effect::Deliver { no, run, skip } => self.deliver(no, run, skip, watch),
            Effect::Hold { run } => {
                self.kept = Some(run);
                watch.coverage.met("state: hole held");
            }
            Effect::Discard { run } => {
                self.runs.remove(&run);
                watch.coverage.met("state: held run discarded");
            }
            Effect::Gap {
                no,
                epoch,
                first,
                last,
                reason,
            } => {
                watch.coverage.met(match (reason.as_str(), last) {
                    (_, None) => "state: gap of a new epoch",
                    ("expired", _) => "state: gap expired",
                    _ => "state: gap trimmed",
                });
                watch.oracle.gap(self.id, no, epoch, first, last, reason);
            }
            Effect::Streaming { no, after } => {
                let epoch = after.epoch;
                self.epochs.insert(no, epoch);
                watch.oracle.streaming(self.id, no, epoch);
            }
            Effect::RowAssigned {
                request,
                row,
                is_durable,
            } => self.queued(request, row, is_durable, watch),
            Effect::Outcome {
                row,
                attempts,
                outcome,
            } => self.settled(now, (before, row, attempts), outcome, watch),
            Effect::Slot { is_wanted } => wants.push(Do::Slot { is_wanted }),
            Effect::StatusChanged => self.show(watch),
            Effect::Store(request) => wants.push(Do::Store(self.transaction(request))),
            Effect::Forget { row } => {
                watch.coverage.met("state: row forgotten");
                self.payloads.remove(&row);
            }
            Effect::Leader { is_wanted } => wants.push(Do::Leader { is_wanted }),
            Effect::SendTabMessage {
                producer,
                tab_message,
            } => wants.push(Do::Tell(producer, tab_message)),
            Effect::OutboxLost { .. } => watch.coverage.met("state: outbox lost"),
            Effect::PublishRefused { request, .. } => {
                watch.coverage.met("state: publication refused");
                self.calls.remove(&request);
            }
            Effect::Refused { .. }
            | Effect::OutboxRefused { .. }
            | Effect::Remember { .. }
            | Effect::AskToken { .. } => {}
        }
    }

    fn show(&mut self, watch: &mut Watch<'_>) {
        let met = match self.client.status() {
            Status::Connected { transport, .. } => {
                if self
                    .transport
                    .replace(transport)
                    .is_some_and(|before| before != transport)
                {
                    watch.coverage.met("state: moved to another transport");
                }
                match transport {
                    Transport::WebSocket => "state: connected over websocket",
                    Transport::EventSource => "state: connected over eventsource",
                    Transport::LongPoll => "state: connected over longpoll",
                }
            }
            Status::Waiting { .. } => "state: waiting",
            Status::Offline => "state: offline",
            _ => return,
        };
        watch.coverage.met(met);
    }

    /// The user subscribes.
    pub fn subscribe(
        &mut self,
        now: u64,
        topic: &str,
        from: From,
        is_passive: bool,
        watch: &mut Watch<'_>,
    ) -> Vec<Do> {
        self.last_no += 1;
        let no = TopicNo(self.last_no);
        self.subscriptions.insert(no, topic.to_owned());
        watch.oracle.subscribed(self.id, no, topic, from);
        let event = Event::Subscribe {
            no,
            topic,
            from,
            is_passive,
        };
        self.handle(now, event, watch)
    }

    /// The user opens a document.
    pub fn follow(&mut self, now: u64, topic: &str, watch: &mut Watch<'_>) -> Vec<Do> {
        self.last_no += 1;
        let no = TopicNo(self.last_no);
        self.documents.follow(no, topic, self.client.producer());
        watch.oracle.followed(self.id, no, topic);
        self.handle(now, Event::Follow { no, topic }, watch)
    }

    /// The user ends a subscription.
    pub fn unsubscribe(&mut self, now: u64, no: TopicNo, watch: &mut Watch<'_>) -> Vec<Do> {
        self.subscriptions.remove(&no);
        watch.oracle.unsubscribed(self.id, no);
        self.handle(now, Event::Unsubscribe { no }, watch)
    }
}
