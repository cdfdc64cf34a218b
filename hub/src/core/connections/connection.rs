//! One connection: its state, its subscriptions, its queues and its heartbeat (rule B3).
//!
//! Owns the queue of answers, and the queue of subscriptions that have messages to send. Holds a
//! cursor for each subscription and never a message.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use longhaul::ids::TopicNo;
use longhaul::wire::ToClient;

use super::large::LargeRecord;
use super::subscription::Subscription;
use crate::core::close::Close;
use crate::core::limits::Limits;
use crate::core::refusal::Refusal;
use crate::core::time::{Now, Time};
use crate::core::topics::publication::Terms;
use crate::core::topics::subject::Subject;

/// If a timer fires this late, ms, the hub itself stood still. Chosen: more than any normal load
/// causes.
const LATE_MS: u64 = 2_000;

/// The least reconnect window to which a change is compared, ms. Chosen: a client's own first
/// window.
const SPREAD_MS_MIN: u64 = 1_000;

/// How a connection transports its frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Records in both directions. It lasts as long as the client sends something.
    Socket,
    /// An event stream. It lasts as long as the client takes its frames.
    Stream {
        /// When the hub handed out a frame that the client has not taken yet.
        untaken_since: Option<Time>,
    },
    /// A poll whose request the hub is reading.
    Reading,
    /// A poll that waits for news.
    Waiting {
        /// When the hub answers without news.
        until: Time,
    },
    /// A poll whose answer goes out now.
    Ready,
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

/// What a tick of a connection needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticked {
    /// Nothing to send.
    Quiet,
    /// There is something to send.
    HasNews,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    pub(crate) mode: Mode,
    /// The subject of the last token.
    pub(crate) subject: Option<Subject>,
    /// What the last `until` said about the next publication (rule C10).
    pub(crate) terms: Terms,
    /// Subscriptions with messages to send, by their turns.
    queue: BTreeMap<u64, TopicNo>,
    last_turn: u64,
    /// Subscriptions that wait for the end of `large`. Some may have ended since.
    parked: VecDeque<TopicNo>,
    /// Followers that the last frame ended, because their topics are not documents.
    pub(crate) refused: Vec<(TopicNo, Subscription)>,
    /// The record that the client gets in parts. Its subscription is not in the queue meanwhile.
    pub(crate) large: Option<LargeRecord>,
    /// Whether the last frame had a part in it. Then other subscriptions are next.
    pub(crate) had_part: bool,
    /// The session of a poll or an event stream.
    pub(crate) session: Option<Arc<str>>,
    /// The reconnect window that the client got last, ms.
    pub(crate) sent_spread_ms: u64,
    /// Whether the hub has woken the driver and the driver has not yet taken everything.
    pub(crate) is_awake: bool,
    /// The time of its timer.
    pub(crate) timer: Time,
    /// Frames of answers. Each but the last is about as large as frames aim at.
    answers: VecDeque<String>,
    answer_bytes: usize,
    last_received: Time,
    last_sent: Time,
}

impl Connection {
    pub(crate) fn new(now: Time, mode: Mode, limits: &Limits) -> Self {
        Self {
            state: State::AwaitingHello {
                deadline: now.plus(limits.hello_ms),
            },
            mode,
            subject: None,
            terms: Terms::default(),
            queue: BTreeMap::new(),
            last_turn: 0,
            parked: VecDeque::new(),
            refused: Vec::new(),
            large: None,
            had_part: false,
            session: None,
            sent_spread_ms: 0,
            is_awake: false,
            timer: Time::default(),
            answers: VecDeque::new(),
            answer_bytes: 0,
            last_received: now,
            last_sent: now,
        }
    }

    /// The client has sent something.
    pub(crate) fn received(&mut self, now: Time) {
        self.last_received = now;
    }

    /// The driver has taken a frame for the client.
    pub(crate) fn sent(&mut self, now: Time) {
        self.last_sent = now;
    }

    /// Queues an answer. Answers go out before messages.
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

    /// Sends the reconnect window again if it has changed by a quarter (rule R3).
    pub(crate) fn send_spread(&mut self, ms: u64, limits: &Limits) {
        let quarter = self.sent_spread_ms.max(SPREAD_MS_MIN) / 4;
        if ms.abs_diff(self.sent_spread_ms) >= quarter {
            self.sent_spread_ms = ms;
            self.answer(&ToClient::Spread { ms }, limits);
        }
    }

    /// Whether too many answers wait for the client.
    pub(crate) fn is_overfull(&self, limits: &Limits) -> bool {
        self.answer_bytes > limits.control_bytes_max
    }

    /// The next frame of answers, and whether it is the last one.
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

    /// Queues a subscription that has messages to send. False if it is queued already, or has
    /// ended.
    pub(crate) fn enqueue(&mut self, no: TopicNo) -> bool {
        if let State::Open { subscriptions } = &mut self.state
            && let Some(subscription) = subscriptions.get_mut(&no)
            && subscription.turn.is_none()
        {
            self.last_turn += 1;
            subscription.turn = Some(self.last_turn);
            self.queue.insert(self.last_turn, no);
            return true;
        }
        false
    }

    /// Takes the first subscription out of the queue.
    pub(crate) fn dequeue(&mut self) -> Option<TopicNo> {
        if self.queue.is_empty() && self.large.is_none() {
            self.release();
        }
        let (_, no) = self.queue.pop_first()?;
        if let Some(subscription) = self.subscriptions().and_then(|all| all.get_mut(&no)) {
            subscription.turn = None;
        }
        Some(no)
    }

    /// Parks a subscription whose next record is too large for a frame, while another such record
    /// is on its way. It costs nothing until then.
    pub(crate) fn park(&mut self, no: TopicNo) {
        self.parked.push_back(no);
    }

    /// Queues the next parked subscription.
    pub(crate) fn release(&mut self) {
        while let Some(no) = self.parked.pop_front() {
            if self.enqueue(no) {
                break;
            }
        }
    }

    /// Moves the first `count` subscriptions to the end of the queue.
    pub(crate) fn rotate_queue(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(no) = self.dequeue() {
                self.enqueue(no);
            }
        }
    }

    /// The number of subscriptions that have messages to send.
    pub(crate) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, no: TopicNo) -> Option<Subscription> {
        let ended = self.subscriptions()?.remove(&no)?;
        if let Some(turn) = ended.turn {
            self.queue.remove(&turn);
        }
        self.large.take_if(|large| large.no == no);
        Some(ended)
    }

    /// Whether the driver may take frames now. A poll gets everything at once, so it may have to
    /// wait.
    pub(crate) fn is_sendable(&self) -> bool {
        match self.mode {
            Mode::Socket | Mode::Stream { .. } | Mode::Ready => true,
            Mode::Reading => false,
            Mode::Waiting { .. } => !self.queue.is_empty(),
        }
    }

    /// The earliest time at which `tick` has something to do.
    pub(crate) fn deadline(&self, limits: &Limits) -> Time {
        if let State::AwaitingHello { deadline } = self.state {
            return deadline;
        }
        let ping = self.last_sent.plus(limits.ping_ms);
        match self.mode {
            Mode::Socket => self.dead_at(limits).min(ping),
            Mode::Stream {
                untaken_since: Some(since),
            } => since.plus(limits.write_ms).min(ping),
            Mode::Stream {
                untaken_since: None,
            } => ping,
            Mode::Waiting { until } => until,
            Mode::Reading | Mode::Ready => self.last_sent.plus(limits.write_ms),
        }
    }

    /// Handles a deadline: sends a ping, answers a poll, or ends the connection.
    pub(crate) fn tick(&mut self, now: Now, limits: &Limits) -> Result<Ticked, Refusal> {
        let now = now.time;
        match self.state {
            State::AwaitingHello { deadline } if now >= deadline => {
                let message = format!("no hello within {} ms", limits.hello_ms);
                return Err(Refusal::new(Close::HelloTimeout, message));
            }
            State::AwaitingHello { .. } => return Ok(Ticked::Quiet),
            State::Open { .. } => {}
        }
        let is_late = now.since(self.timer) > LATE_MS;
        match &mut self.mode {
            Mode::Socket => {
                if is_late {
                    // The hub stood still, not the client. What it sent is still in the socket.
                    let recent = Time(now.0.saturating_sub(limits.ping_ms));
                    self.last_received = self.last_received.max(recent);
                }
                if now >= self.dead_at(limits) {
                    let silent_ms = now.since(self.last_received);
                    let message = format!("the client sent nothing for {silent_ms} ms");
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
                    return Err(Refusal::stalled());
                }
            }
            Mode::Stream {
                untaken_since: None,
            } => {}
            Mode::Waiting { until } if now >= *until => {
                self.mode = Mode::Ready;
                self.last_sent = now;
                return Ok(Ticked::HasNews);
            }
            Mode::Waiting { .. } => return Ok(Ticked::Quiet),
            Mode::Reading | Mode::Ready if now >= self.last_sent.plus(limits.write_ms) => {
                return Err(Refusal::stalled());
            }
            Mode::Reading | Mode::Ready => return Ok(Ticked::Quiet),
        }
        if now < self.last_sent.plus(limits.ping_ms) {
            return Ok(Ticked::Quiet);
        }
        self.answer(&ToClient::Ping { t: now.0 }, limits);
        self.last_sent = now;
        Ok(Ticked::HasNews)
    }

    fn dead_at(&self, limits: &Limits) -> Time {
        self.last_received
            .plus(limits.ping_ms.saturating_add(limits.wait_ms))
    }
}
