//! The subscriptions of a client: what the app wants, and what the client has asked the hub for.
//!
//! Owns the list and routes each answer to its subscription. Appends requests to the caller's
//! `records`, because only the client knows where they go. Payloads never come here.

mod one;
mod sequencer;
mod stream;

use crate::context::Context;
use crate::ids::{ConnectionId, TopicNo};
use crate::interface::event::Run;
use crate::metrics::Metrics;
use crate::subscription::one::Subscription;
use crate::time::Time;
use crate::wire::{ResumeFailure, Start, ToHub};

pub(crate) use one::{Snapshot, Wanted};

/// In the order of their numbers, in whatever order the app added them.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
    /// Something has arrived since the last heartbeat.
    has_news: bool,
    /// The last heartbeat before which something had arrived.
    idle_since: Time,
}

impl Subscriptions {
    /// The index of a subscription, or else where it belongs.
    fn at(&self, no: TopicNo) -> Result<usize, usize> {
        self.all.binary_search_by_key(&no, |it| it.no)
    }

    fn find(&mut self, no: TopicNo) -> Option<&mut Subscription> {
        let at = self.at(no).ok()?;
        self.all.get_mut(at)
    }

    /// The outbox has this producer, perhaps another one than before.
    pub(crate) fn set_producer(&mut self, producer: &str) {
        let followed = self.all.iter_mut().filter_map(|it| it.document.as_mut());
        for followed in followed.filter(|it| *it.producer != *producer) {
            followed.producer = producer.into();
        }
    }

    /// Adds a subscription and asks for it. A document waits for its producer, so a higher number
    /// may come first. A number in use keeps its subscription.
    pub(crate) fn add(&mut self, no: TopicNo, wanted: &Wanted<'_>, records: &mut String) {
        let Err(at) = self.at(no) else { return };
        let subscription = Subscription::new(no, wanted);
        subscription.ask(records);
        self.all.insert(at, subscription);
    }

    /// Ends a subscription.
    pub(crate) fn remove(&mut self, context: &mut Context<'_>, no: TopicNo, records: &mut String) {
        let Ok(at) = self.at(no) else { return };
        let mut removed = self.all.remove(at);
        removed.discard_held(context);
        ToHub::Unsubscribe { no }.encode(records);
    }

    /// Asks for all of them on a new connection, each from its position.
    pub(crate) fn ask_all(&self, records: &mut String) {
        for subscription in &self.all {
            subscription.ask(records);
        }
    }

    /// Asks for all but the refused ones, on a connection that goes on.
    pub(crate) fn ask_unrefused(&self, records: &mut String) {
        for subscription in self.all.iter().filter(|it| it.is_unrefused()) {
            subscription.ask(records);
        }
    }

    pub(crate) fn set_passive(&mut self, no: TopicNo, is_passive: bool) {
        if let Some(subscription) = self.find(no) {
            subscription.is_passive = is_passive;
        }
    }

    /// Whether there are subscriptions, and all of them are passive.
    pub(crate) fn are_passive(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|it| it.is_passive)
    }

    /// Whether the hub has announced messages that have not arrived.
    pub(crate) fn are_behind(&self) -> bool {
        self.all.iter().any(Subscription::is_behind)
    }

    /// Something has arrived that is no heartbeat. On a slow line an answer may be behind it.
    pub(crate) fn heard(&mut self) {
        self.has_news = true;
    }

    /// Asks again at a heartbeat: for streams that are behind and have not moved since the last
    /// heartbeat, and for answers that are missing although nothing else has arrived.
    pub(crate) fn ask_stalled(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        records: &mut String,
    ) {
        let now = context.now;
        if std::mem::take(&mut self.has_news) {
            self.idle_since = now;
        }
        for subscription in &mut self.all {
            if subscription.is_unrefused()
                && subscription.has_stalled(connection, now, self.idle_since)
            {
                subscription.ask_again(context, records);
            }
        }
    }

    /// Handles the hub's answer to a request, or its report of a gap in a stream.
    pub(crate) fn begin(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        start: &Start,
        failure: Option<ResumeFailure>,
        records: &mut String,
    ) {
        if let Some(subscription) = self.find(start.no) {
            subscription.begin(context, connection, start, failure, records);
        }
    }

    /// A snapshot has arrived. Returns whether it is new.
    pub(crate) fn snapshot(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        no: TopicNo,
        snapshot: &Snapshot,
    ) -> bool {
        let subscription = self.find(no);
        subscription.is_some_and(|it| it.snapshot(context, connection, snapshot))
    }

    /// Takes a run in the common case: it is next in its stream. Returns whether it did; otherwise
    /// the caller must call [`Self::receive`].
    pub(crate) fn receive_next(
        &mut self,
        metrics: &mut Metrics,
        connection: ConnectionId,
        no: TopicNo,
        run: &Run,
    ) -> bool {
        self.heard();
        let stream = self.find(no).and_then(|it| it.stream_on(connection));
        stream.is_some_and(|it| it.receive_next(run, metrics))
    }

    /// A run has arrived. Asks for what is missing before it. Returns whether it is new.
    pub(crate) fn receive(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        no: TopicNo,
        run: Run,
        records: &mut String,
    ) -> bool {
        let subscription = self.find(no);
        subscription.is_some_and(|it| it.receive(context, connection, run, records))
    }

    /// The hub has refused a stream, or ended it.
    pub(crate) fn refused(
        &mut self,
        context: &mut Context<'_>,
        no: TopicNo,
        code: &str,
        message: &str,
    ) {
        if let Some(subscription) = self.find(no) {
            subscription.refused(context, code, message);
        }
    }

    /// When the client asks again for a subscription.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.all.iter().filter_map(Subscription::deadline).min()
    }

    /// Asks again for the subscriptions whose time has come.
    pub(crate) fn tick(&mut self, now: Time, records: &mut String) {
        for subscription in &mut self.all {
            subscription.tick(now, records);
        }
    }

    /// A document has diverged and needs a snapshot.
    pub(crate) fn resync(&mut self, context: &mut Context<'_>, no: TopicNo, records: &mut String) {
        if let Some(subscription) = self.find(no) {
            subscription.resync(context, records);
        }
    }
}
