//! One connection as the hub sees it: what it waits for, what it subscribes to, and what is queued for it.
//!
//! Owns the queue of answers and the heartbeat (rule B3). Holds a cursor for each subscription and never a message.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use longhaul::ids::{Seq, TopicNo};
use longhaul::wire::ToClient;

use super::close::{Close, Refusal};
use super::hub::stalled;
use super::large::Large;
use super::limits::Limits;
use super::records::Terms;
use super::subject::Subject;
use super::time::{Now, Time};
use super::topics::TopicId;

/// A timer noticed later than this, ms, means that the hub itself stood still. Chosen: above any load that it should bear.
const LATE_MS: u64 = 2_000;

/// Changes of the spread count as if it were never less than this, ms. Chosen: a client's own first window is as wide.
const SPREAD_MS_MIN: u64 = 1_000;

/// What a subscription costs beside the name of a producer, bytes. Measured with the allocator (hub/tests/memory.rs): 190 among many
/// of a topic, 400 alone in one.
pub(crate) const SUBSCRIPTION_BYTES: usize = 400;

/// One connection, numbered by whoever drives the hub; never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A subscription: a cursor, and its turn if it stands in the queue of those with messages to come.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) topic: TopicId,
    pub(crate) after: Seq,
    /// Its key in `Peer::ready`.
    pub(crate) turn: Option<u64>,
    /// Where the topic is wanted as a document (rule D7).
    pub(crate) document: Option<Follower>,
}

/// How far somebody follows a document.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// Its own outbox, if it has told.
    pub(crate) producer: Option<Box<str>>,
    /// Whether a snapshot comes before anything else.
    pub(crate) is_snapshot_due: bool,
    /// Changes since the last snapshot or checkpoint.
    pub(crate) unchecked: usize,
}

/// How a connection takes what it is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Records both ways: it is there as long as it is heard.
    Socket,
    /// An event stream: it is there as long as it takes what it is given.
    Stream {
        /// When the frame was given that it has not taken yet.
        untaken_since: Option<Time>,
    },
    /// A poll whose subscriptions are being read.
    Asking,
    /// A poll that waits for a message.
    Held {
        /// But no longer than to here.
        until: Time,
    },
    /// A poll that is to be answered now.
    Due,
}

#[derive(Debug)]
pub(crate) enum State {
    AwaitingHello {
        deadline: Time,
    },
    Open {
        subscriptions: HashMap<TopicNo, Subscription>,
    },
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) state: State,
    pub(crate) mode: Mode,
    /// Who shows up here, by the last token.
    pub(crate) subject: Option<Subject>,
    /// What the last `until` said of its next publication (rule C10).
    pub(crate) terms: Terms,
    /// Subscriptions with messages to come, by their turns.
    ready: BTreeMap<u64, TopicNo>,
    last_turn: u64,
    /// Those that wait until `large` is taken. Some may have ended since.
    parked: VecDeque<TopicNo>,
    /// Followers that the last frame has refused, because their topics turned out to be no documents.
    pub(crate) refused: Vec<(TopicNo, Subscription)>,
    /// The record that it gets in parts. Its subscription is not in `ready` meanwhile.
    pub(crate) large: Option<Large>,
    /// Whether the last frame had a part in it: then others have their turn.
    pub(crate) had_part: bool,
    /// Of a poll or an event stream: by what it is known when it comes again.
    pub(crate) session: Option<Arc<str>>,
    /// The spread that its client was told last, ms.
    pub(crate) told_ms: u64,
    /// Whether its writer was told and has not yet taken everything.
    pub(crate) is_awake: bool,
    /// When its timer is set for.
    pub(crate) timer: Time,
    /// Frames of answers, each but the last near the size that frames aim at.
    answers: VecDeque<String>,
    answer_bytes: usize,
    heard: Time,
    sent: Time,
}

impl Subscription {
    /// Memory it takes, the hub's part of it in the topic included.
    pub(crate) fn bytes(&self) -> usize {
        let producer = self.document.as_ref().and_then(|it| it.producer.as_ref());
        SUBSCRIPTION_BYTES + producer.map_or(0, |producer| producer.len())
    }
}

impl Peer {
    pub(crate) fn new(now: Time, mode: Mode, limits: &Limits) -> Self {
        Self {
            state: State::AwaitingHello {
                deadline: now.plus(limits.hello_ms),
            },
            mode,
            subject: None,
            terms: Terms::default(),
            ready: BTreeMap::new(),
            last_turn: 0,
            parked: VecDeque::new(),
            refused: Vec::new(),
            large: None,
            had_part: false,
            session: None,
            told_ms: 0,
            is_awake: false,
            timer: Time::default(),
            answers: VecDeque::new(),
            answer_bytes: 0,
            heard: now,
            sent: now,
        }
    }

    pub(crate) fn heard(&mut self, now: Time) {
        self.heard = now;
    }

    pub(crate) fn sent(&mut self, now: Time) {
        self.sent = now;
    }

    /// Queues an answer. It goes out before any message that is not yet taken.
    pub(crate) fn answer(&mut self, record: &ToClient<'_>, limits: &Limits) {
        if self
            .answers
            .back()
            .is_none_or(|frame| frame.len() >= limits.frame_bytes_aim)
        {
            self.answers.push_back(String::new());
        }
        if let Some(frame) = self.answers.back_mut() {
            let before = frame.len();
            record.encode(frame);
            self.answer_bytes += frame.len() - before;
        }
    }

    /// Tells the width of the herd again if it has changed by a quarter (rule R3).
    pub(crate) fn tell_spread(&mut self, ms: u64, limits: &Limits) {
        let quarter = self.told_ms.max(SPREAD_MS_MIN) / 4;
        if ms.abs_diff(self.told_ms) >= quarter {
            self.told_ms = ms;
            self.answer(&ToClient::Spread { ms }, limits);
        }
    }

    /// Whether it takes its answers too slowly to go on.
    pub(crate) fn is_overfull(&self, limits: &Limits) -> bool {
        self.answer_bytes > limits.control_bytes_max
    }

    /// The next frame's worth of answers, and whether all are taken with it.
    pub(crate) fn take_answers(&mut self) -> (String, bool) {
        let frame = self.answers.pop_front().unwrap_or_default();
        self.answer_bytes = self.answer_bytes.saturating_sub(frame.len());
        (frame, self.answers.is_empty())
    }

    pub(crate) fn subscriptions(&mut self) -> Option<&mut HashMap<TopicNo, Subscription>> {
        match &mut self.state {
            State::AwaitingHello { .. } => None,
            State::Open { subscriptions } => Some(subscriptions),
        }
    }

    /// Puts a subscription at the end of the queue of those with messages to come. False if it stands there, or is none.
    pub(crate) fn ready(&mut self, no: TopicNo) -> bool {
        if let State::Open { subscriptions } = &mut self.state
            && let Some(subscription) = subscriptions.get_mut(&no)
            && subscription.turn.is_none()
        {
            self.last_turn += 1;
            subscription.turn = Some(self.last_turn);
            self.ready.insert(self.last_turn, no);
            return true;
        }
        false
    }

    /// Takes the subscription whose turn it is out of the queue.
    pub(crate) fn next_ready(&mut self) -> Option<TopicNo> {
        if self.ready.is_empty() && self.large.is_none() {
            self.release();
        }
        let (_, no) = self.ready.pop_first()?;
        if let Some(subscription) = self.subscriptions().and_then(|all| all.get_mut(&no)) {
            subscription.turn = None;
        }
        Some(no)
    }

    /// A subscription whose next record is too large for a frame waits for the end of another such record, and costs nothing until then.
    pub(crate) fn park(&mut self, no: TopicNo) {
        self.parked.push_back(no);
    }

    /// The next one that waits so may have its turn.
    pub(crate) fn release(&mut self) {
        while let Some(no) = self.parked.pop_front() {
            if self.ready(no) {
                break;
            }
        }
    }

    /// Puts so many of the first at the end of the queue.
    pub(crate) fn rotate_ready(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(no) = self.next_ready() {
                self.ready(no);
            }
        }
    }

    /// How many subscriptions have messages to come.
    pub(crate) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, no: TopicNo) -> Option<Subscription> {
        let gone = self.subscriptions()?.remove(&no)?;
        if let Some(turn) = gone.turn {
            self.ready.remove(&turn);
        }
        self.large.take_if(|large| large.no == no);
        Some(gone)
    }

    /// Whether it is to get what it is owed. A poll gets it all at once, so it may have to wait.
    pub(crate) fn is_due(&self) -> bool {
        match self.mode {
            Mode::Socket | Mode::Stream { .. } | Mode::Due => true,
            Mode::Asking => false,
            Mode::Held { .. } => !self.ready.is_empty(),
        }
    }

    /// When `tick` has something to do, at the earliest.
    pub(crate) fn deadline(&self, limits: &Limits) -> Time {
        if let State::AwaitingHello { deadline } = self.state {
            return deadline;
        }
        let ping = self.sent.plus(limits.ping_ms);
        match self.mode {
            Mode::Socket => self.dead_at(limits).min(ping),
            Mode::Stream {
                untaken_since: Some(since),
            } => since.plus(limits.write_ms).min(ping),
            Mode::Stream {
                untaken_since: None,
            } => ping,
            Mode::Held { until } => until,
            Mode::Asking | Mode::Due => self.sent.plus(limits.write_ms),
        }
    }

    /// What time has brought: something to be taken (true), or the end.
    pub(crate) fn tick(&mut self, now: Now, limits: &Limits) -> Result<bool, Refusal> {
        let now = now.time;
        match self.state {
            State::AwaitingHello { deadline } if now >= deadline => {
                let message = format!("no hello within {} ms", limits.hello_ms);
                return Err(Refusal::new(Close::HelloTimeout, message));
            }
            State::AwaitingHello { .. } => return Ok(false),
            State::Open { .. } => {}
        }
        let is_late = now.since(self.timer) > LATE_MS;
        match &mut self.mode {
            Mode::Socket => {
                if is_late {
                    // We were asleep, not the client: what it sent is still in the socket.
                    self.heard = self.heard.max(Time(now.0.saturating_sub(limits.ping_ms)));
                }
                if now >= self.dead_at(limits) {
                    let message = format!("heard nothing for {} ms", now.since(self.heard));
                    return Err(Refusal::new(Close::HeartbeatTimeout, message));
                }
            }
            Mode::Stream {
                untaken_since: Some(since),
            } => {
                if is_late {
                    *since = now;
                }
                if now >= since.plus(limits.write_ms) {
                    return Err(stalled());
                }
            }
            Mode::Stream {
                untaken_since: None,
            } => {}
            Mode::Held { until } => {
                let is_over = now >= *until;
                if is_over {
                    self.mode = Mode::Due;
                    self.sent = now;
                }
                return Ok(is_over);
            }
            Mode::Asking | Mode::Due if now >= self.sent.plus(limits.write_ms) => {
                return Err(stalled());
            }
            Mode::Asking | Mode::Due => return Ok(false),
        }
        if now < self.sent.plus(limits.ping_ms) {
            return Ok(false);
        }
        self.answer(&ToClient::Ping { t: now.0 }, limits);
        self.sent = now;
        Ok(true)
    }

    fn dead_at(&self, limits: &Limits) -> Time {
        self.heard
            .plus(limits.ping_ms.saturating_add(limits.wait_ms))
    }
}
