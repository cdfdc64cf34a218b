//! Beginning and ending subscriptions (rules H3, H12, D7), and the access to topics that wakes
//! them.

use longhaul::ids::{From, TopicNo};
use longhaul::wire::{ResumeFailure, Start, ToClient, View};

use super::reading::Subscribe;
use super::state::{Hub, wake};
use crate::core::connections::connection::Connection;
use crate::core::connections::subscription::{Follower, Subscription};
use crate::core::event::Effect;
use crate::core::ids::{ConnId, TopicId};
use crate::core::time::Now;
use crate::core::topics::nack::{Shortage, SubscriptionFault};
use crate::core::topics::topic::Topic;

/// Where a subscription began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Began {
    /// Where the client asked for.
    AsAsked,
    /// Elsewhere, or not at all.
    Otherwise,
}

/// What a topic says to a new subscription.
struct Beginning {
    start: Start,
    failure: Option<ResumeFailure>,
    document: Option<Follower>,
}

impl Hub {
    /// Begins a subscription, and answers it.
    pub(super) fn subscribe(
        &mut self,
        now: Now,
        conn: ConnId,
        request: &Subscribe<'_>,
        effects: &mut Vec<Effect>,
    ) -> Began {
        let no = request.no;
        self.unsubscribe(now, conn, no);
        self.free_memory(0);
        let begun = self
            .topic_to_subscribe(now, request.topic)
            .and_then(|topic| Ok((topic, self.begin(now, conn, topic, request)?)));
        let (topic, beginning) = match begun {
            Ok(begun) => begun,
            Err(fault) => {
                let refused = ToClient::Refused {
                    no,
                    code: fault.code().code(),
                    message: &fault.text(),
                };
                self.answer(conn, &refused, effects);
                return Began::Otherwise;
            }
        };
        let Beginning {
            start,
            failure,
            document,
        } = beginning;
        let is_snapshot_due = document.as_ref().is_some_and(|it| it.is_snapshot_due);
        let Start { after, head, .. } = start;
        self.answer(conn, &answer_of(start, failure), effects);
        if let Some(connection) = self.connections.get_mut(&conn) {
            if let Some(subscriptions) = connection.subscriptions() {
                let subscription = Subscription {
                    topic,
                    after: after.seq,
                    turn: None,
                    document,
                };
                self.subscriptions_bytes += subscription.bytes();
                subscriptions.insert(no, subscription);
            }
            if after.seq < head || is_snapshot_due {
                connection.enqueue(no);
            }
        }
        match failure {
            None => Began::AsAsked,
            Some(_) => Began::Otherwise,
        }
    }

    /// Registers a subscription with its topic.
    fn begin(
        &mut self,
        now: Now,
        conn: ConnId,
        topic: TopicId,
        request: &Subscribe<'_>,
    ) -> Result<Beginning, SubscriptionFault> {
        let limits = self.limits;
        let &Subscribe { no, from, view, .. } = request;
        let begin = |topic: &mut Topic| {
            let (mut after, failure) = topic.resume(now.time, from, &limits);
            let document = follower(view, from, failure);
            if document.is_some() && !topic.content.is_document() {
                return Err(SubscriptionFault::NotADocument);
            }
            let is_snapshot_due = document.as_ref().is_some_and(|it| it.is_snapshot_due);
            if is_snapshot_due {
                after = topic.log.end();
            }
            let head = topic.log.head();
            topic.subscribers += 1;
            if after.seq == head && !is_snapshot_due {
                topic.caught_up.insert((conn, no));
            }
            Ok(Beginning {
                start: Start { no, after, head },
                failure,
                document,
            })
        };
        let begun = self.topics.with(topic, begin);
        // The topic was found just before, so it is there.
        begun.map_or(
            Err(SubscriptionFault::Busy(Shortage::Topics)),
            |(begun, _)| begun,
        )
    }

    /// The topic for a new subscription.
    fn topic_to_subscribe(&mut self, now: Now, name: &str) -> Result<TopicId, SubscriptionFault> {
        let capacity = self.capacity();
        let shortage = if !capacity.for_subscriptions {
            Shortage::Subscriptions
        } else if let Some(id) = self.topics.find(name) {
            return Ok(id);
        } else if !capacity.for_topics {
            Shortage::Memory
        } else if let Some(id) = self.topics.add_unwritten(now.time, name, &self.limits) {
            return Ok(id);
        } else {
            Shortage::Topics
        };
        Err(SubscriptionFault::Busy(shortage))
    }

    /// The number of subscriptions of a connection.
    pub(super) fn count_subscriptions(&mut self, conn: ConnId) -> usize {
        self.connections
            .get_mut(&conn)
            .and_then(Connection::subscriptions)
            .map_or(0, |subscriptions| subscriptions.len())
    }

    pub(super) fn unsubscribe(&mut self, now: Now, conn: ConnId, no: TopicNo) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if let Some(ended) = connection.unsubscribe(no) {
            self.leave(now, conn, no, &ended);
        }
    }

    /// Calls `act` with a topic, and wakes the subscriptions that waited for what it appended. Adds
    /// the topic if it is missing. `None` if there are too many topics.
    pub(super) fn with_topic<T>(
        &mut self,
        now: Now,
        name: &str,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<T> {
        let id = match self.topics.find(name) {
            Some(id) => id,
            None => self.topics.add(now.time, name, &self.limits)?,
        };
        let (outcome, caught_up) = self.topics.with(id, act)?;
        for (conn, no) in caught_up {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.enqueue(no);
                wake(conn, connection, effects);
            }
        }
        self.update_topic_timer(now, id);
        Some(outcome)
    }
}

/// How a subscription follows a document, if the client asked for one (rule D7).
fn follower(view: View<'_>, from: From, failure: Option<ResumeFailure>) -> Option<Follower> {
    let View::Document { producer } = view else {
        return None;
    };
    Some(Follower {
        producer: producer.map(Into::into),
        is_snapshot_due: failure.is_some() || !matches!(from, From::After(_)),
        unchecked: 0,
    })
}

fn answer_of(start: Start, failure: Option<ResumeFailure>) -> ToClient<'static> {
    match failure {
        None => ToClient::Subscribed(start),
        Some(reason) => ToClient::ResumeFailed { reason, start },
    }
}
