//! The subscriptions of a client: what is wanted, what the hub is asked for, and when it is asked again.
//!
//! Owns which there are, and how long one waits that the hub has refused. Where a stream stands, and what comes over it, is
//! `stream`'s. Payloads never come here.

pub(crate) mod sequencer;
mod stream;

use crate::backoff::repeat::RepeatPause;
use crate::config::{BUSY_MS, PAUSE_MS, SUB_MS_MAX};
use crate::ids::{ConnectionId, From, Seq, TopicNo};
use crate::interface::effect::Effect;
use crate::metrics::Metrics;
use crate::time::Time;
use crate::wire::{ToHub, View};
use stream::Stream;

/// What the hub is asked again with.
pub(crate) struct Asking<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) metrics: &'a mut Metrics,
    /// Where the question goes, unless it has to wait.
    pub(crate) records: &'a mut String,
}

/// What a new subscription is to be.
pub(crate) struct Wanted<'a> {
    pub(crate) topic: &'a str,
    pub(crate) from: From,
    pub(crate) is_passive: bool,
    /// Our outbox, if the topic is wanted as a document.
    pub(crate) producer: Option<&'a str>,
}

#[derive(Debug)]
struct Subscription {
    no: TopicNo,
    topic: Box<str>,
    from: From,
    /// Nobody waits for its messages.
    is_passive: bool,
    /// It is a document.
    document: Option<Followed>,
    /// Nothing where the hub has never answered.
    stream: Option<Stream>,
    refusal: Option<Refusal>,
    /// Users know that the hub is too busy for it.
    is_busy_told: bool,
    /// Before it is asked for again because of what the hub said.
    pause: RepeatPause,
    /// Where it stood when it was last asked for again.
    stood: Seq,
    /// The first heartbeat at which it waited for the hub to begin, and where, or when it was last asked for again.
    awaits: Option<(ConnectionId, Time)>,
}

/// What a document's subscription says besides (rule D7).
#[derive(Debug)]
struct Followed {
    /// Our outbox.
    producer: Box<str>,
    /// Whether there is a value that entries can be applied to. Without one a cursor is worth nothing.
    has_snapshot: bool,
    /// Before it is asked for again because it has diverged: entries that came meanwhile are no progress.
    pause: RepeatPause,
}

/// The hub gave no stream (rule H12), or one that did not help (rule R7).
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// It is asked again then.
    Until(Time),
    /// And now it is asked again.
    AskedAgain,
    /// It never will on this connection.
    Final,
}

/// In order of their numbers, in whatever order they were added.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
    /// Something came since the last heartbeat.
    has_news: bool,
    /// The last heartbeat before which something came.
    quiet_since: Time,
}

impl Subscriptions {
    /// Where a subscription is, or else where it belongs.
    fn at(&self, no: TopicNo) -> Result<usize, usize> {
        self.all.binary_search_by_key(&no, |s| s.no)
    }

    fn find(&mut self, no: TopicNo) -> Option<&mut Subscription> {
        let at = self.at(no).ok()?;
        self.all.get_mut(at)
    }

    /// The outbox has this name, perhaps another one than before.
    pub(crate) fn set_producer(&mut self, producer: &str) {
        let followed = self.all.iter_mut().filter_map(|it| it.document.as_mut());
        for followed in followed.filter(|it| *it.producer != *producer) {
            followed.producer = producer.into();
        }
    }

    /// Adds a subscription and asks for it. A document waits for its producer's name, so a higher number may come first. A
    /// number that is in use keeps its subscription.
    pub(crate) fn add(&mut self, no: TopicNo, wanted: &Wanted<'_>, records: &mut String) {
        let Err(at) = self.at(no) else { return };
        let subscription = Subscription {
            no,
            topic: wanted.topic.into(),
            from: wanted.from,
            is_passive: wanted.is_passive,
            document: wanted.producer.map(|producer| Followed {
                producer: producer.into(),
                has_snapshot: false,
                pause: RepeatPause::default(),
            }),
            stream: None,
            refusal: None,
            is_busy_told: false,
            pause: RepeatPause::default(),
            stood: Seq(0),
            awaits: None,
        };
        subscription.ask(records);
        self.all.insert(at, subscription);
    }

    /// Ends a subscription.
    pub(crate) fn remove(&mut self, no: TopicNo, records: &mut String, effects: &mut Vec<Effect>) {
        let Ok(at) = self.at(no) else { return };
        let mut gone = self.all.remove(at);
        gone.discard_held(effects);
        ToHub::Unsubscribe { no }.encode(records);
    }

    /// Asks for all of them, each from where it stands. On a connection that goes on, not for those that were refused.
    pub(crate) fn ask_all(&self, is_new: bool, records: &mut String) {
        for subscription in &self.all {
            if is_new || subscription.is_askable() {
                subscription.ask(records);
            }
        }
    }

    /// Whether somebody waits for the messages of a subscription has changed.
    pub(crate) fn set_passive(&mut self, no: TopicNo, is_passive: bool) {
        if let Some(subscription) = self.find(no) {
            subscription.is_passive = is_passive;
        }
    }

    /// Whether there are any, and nobody waits for the messages of any.
    pub(crate) fn are_passive(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|each| each.is_passive)
    }

    /// Whether the hub has told of messages that have not come yet.
    pub(crate) fn are_behind(&self) -> bool {
        let asked = self.all.iter().filter(|each| each.is_askable());
        let mut streams = asked.filter_map(|each| each.stream.as_ref());
        streams.any(Stream::is_behind)
    }

    /// Something came that is no heartbeat: on a slow line an answer may be behind it.
    pub(crate) fn heard(&mut self) {
        self.has_news = true;
    }

    /// At a heartbeat: asks again for what the hub has told of where nothing has come since the one before, and for streams that
    /// have not begun where nothing at all has come for a while.
    pub(crate) fn ask_stalled(&mut self, connection: ConnectionId, asking: &mut Asking<'_>) {
        if std::mem::take(&mut self.has_news) {
            self.quiet_since = asking.now;
        }
        for subscription in &mut self.all {
            if subscription.is_askable()
                && subscription.has_stalled(connection, asking.now, self.quiet_since)
            {
                subscription.ask_again(asking);
            }
        }
    }

    /// The hub gives no stream, or no more of one. One that is busy is asked again, ever more rarely, and users are told once; a
    /// final word they hear each time.
    pub(crate) fn refused(
        &mut self,
        no: TopicNo,
        (code, message): (&str, &str),
        asking: &mut Asking<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(subscription) = self.find(no) else {
            return;
        };
        let is_busy = code == "busy";
        let was_told = std::mem::replace(&mut subscription.is_busy_told, is_busy);
        subscription.refusal = Some(if is_busy {
            let Asking { now, rng, .. } = asking;
            asking.metrics.repeats += 1;
            Refusal::Until(subscription.pause.grow(*now, BUSY_MS, rng))
        } else {
            Refusal::Final
        });
        if !(is_busy && was_told) {
            effects.push(Effect::Refused {
                no,
                code: code.to_owned(),
                message: message.to_owned(),
            });
        }
    }

    /// When one is to be asked for again.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waits = self.all.iter().filter_map(|each| match each.refusal {
            Some(Refusal::Until(until)) => Some(until),
            _ => None,
        });
        waits.min()
    }

    /// Asks again for those whose time has come.
    pub(crate) fn tick(&mut self, now: Time, records: &mut String) {
        for subscription in &mut self.all {
            if let Some(Refusal::Until(until)) = subscription.refusal
                && now >= until
            {
                subscription.refusal = Some(Refusal::AskedAgain);
                subscription.asked(now);
                subscription.ask(records);
            }
        }
    }

    /// A document has diverged: it is asked for anew, at once or, where that has not helped before, after a while.
    pub(crate) fn resync(
        &mut self,
        no: TopicNo,
        asking: &mut Asking<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(subscription) = self.find(no) else {
            return;
        };
        let Some(document) = &mut subscription.document else {
            return;
        };
        let at = document.pause.next(asking.now, BUSY_MS, asking.rng);
        subscription.discard_held(effects);
        subscription.stream = None;
        subscription.expect_snapshot();
        asking.metrics.repeats += 1;
        subscription.ask_at(at, asking);
    }
}

impl Subscription {
    /// What is here of a document is worth nothing.
    fn expect_snapshot(&mut self) {
        if let Some(followed) = &mut self.document {
            followed.has_snapshot = false;
        }
    }

    /// At a heartbeat: whether it is to be asked for again.
    fn has_stalled(&mut self, connection: ConnectionId, now: Time, quiet_since: Time) -> bool {
        let has_cursor = self.has_cursor();
        if let Some(stream) = self.stream_on(connection)
            && has_cursor
        {
            let has_stalled = stream.has_stalled();
            self.awaits = None;
            return has_stalled;
        }
        let awaits = self.awaits.filter(|(on, _)| *on == connection);
        let (_, since) = *self.awaits.insert(awaits.unwrap_or((connection, now)));
        now.since(since.max(quiet_since)) >= SUB_MS_MAX
    }

    /// An answer is due anew.
    fn asked(&mut self, now: Time) {
        if let Some((_, since)) = &mut self.awaits {
            *since = now;
        }
    }

    fn is_askable(&self) -> bool {
        matches!(self.refusal, None | Some(Refusal::AskedAgain))
    }

    /// Asks again for what follows the last message delivered, because of what the hub said: at once, or after a pause.
    fn ask_again(&mut self, asking: &mut Asking<'_>) {
        if let Some(Refusal::Until(_)) = self.refusal {
            return;
        }
        let stands = self.stream.as_ref().map_or(Seq(0), Stream::stands);
        if stands > self.stood {
            self.stood = stands;
            self.pause.progressed();
        }
        asking.metrics.repeats += 1;
        let at = self.pause.next(asking.now, PAUSE_MS, asking.rng);
        self.ask_at(at, asking);
    }

    fn ask_at(&mut self, at: Option<Time>, asking: &mut Asking<'_>) {
        match at {
            None => {
                self.asked(asking.now);
                self.ask(asking.records);
            }
            Some(at) => self.refusal = Some(Refusal::Until(at)),
        }
    }

    /// Whether what has come is worth continuing.
    fn has_cursor(&self) -> bool {
        self.document.as_ref().is_none_or(|it| it.has_snapshot)
    }

    /// Asks for what follows the last message delivered.
    fn ask(&self, records: &mut String) {
        let from = match &self.stream {
            _ if !self.has_cursor() => From::Live,
            None => self.from,
            Some(stream) => From::After(stream.sequencer.cursor()),
        };
        ToHub::Subscribe {
            no: self.no,
            topic: &self.topic,
            from,
            view: match &self.document {
                None => View::Messages,
                Some(followed) => View::Document {
                    producer: Some(&followed.producer),
                },
            },
        }
        .encode(records);
    }
}
