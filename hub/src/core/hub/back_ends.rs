//! What back ends ask for by HTTP: publishing, changing documents, and reading logs.

use longhaul::ids::Seq;
use longhaul::wire::Kind;

use super::state::Hub;
use crate::core::event::Effect;
use crate::core::time::Now;
use crate::core::topics::document::{DocumentState, Expected};
use crate::core::topics::publication::{Offer, Page, PublishFault, Published, ReadFault};
use crate::core::topics::topic::Topic;

impl Hub {
    /// Publishes a message of a back end.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn publish(
        &mut self,
        now: Now,
        topic: &str,
        key: Option<&str>,
        payload: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, PublishFault> {
        let offer = Offer {
            kind: Kind::Message,
            key,
            payload,
            expected: &Expected::Anything,
        };
        self.offer(now, topic, &offer, effects)
    }

    /// Publishes a message or a change of a document for a back end.
    ///
    /// # Errors
    /// Why it took no effect.
    pub fn offer(
        &mut self,
        now: Now,
        topic: &str,
        offer: &Offer<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Published, PublishFault> {
        self.free_memory(offer.payload.len());
        let capacity = self.capacity();
        let limits = self.limits;
        self.with_topic(now, topic, effects, |topic| {
            topic.publish_keyed(now, offer, capacity, &limits)
        })
        .unwrap_or(Err(PublishFault::Busy))
    }

    /// A document for a back end, if somebody has written it.
    pub fn document(&mut self, now: Now, topic: &str) -> Option<DocumentState> {
        let id = self.topics.find(topic)?;
        self.topics.by_id(id)?.document(now.time)
    }

    /// A range of a topic's log for a back end.
    ///
    /// # Errors
    /// Why the log does not have it.
    pub fn read(
        &mut self,
        now: Now,
        topic: &str,
        first: Seq,
        count: usize,
    ) -> Result<Page, ReadFault> {
        let limits = self.limits;
        let read = |topic: &mut Topic| topic.read(now.time, first, count, &limits);
        let id = self.topics.find(topic);
        match id.and_then(|id| self.topics.with(id, read)) {
            Some((outcome, _)) => outcome,
            // Reading adds no topic. A missing topic is an empty log.
            None => Topic::new(now.time, topic, self.topics.next_epoch(topic))
                .read(now.time, first, count, &limits),
        }
    }
}
