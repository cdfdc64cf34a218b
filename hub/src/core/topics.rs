//! All topics, by name and by id, and the memory that they take together.

use std::collections::{BTreeSet, HashMap};

use longhaul::ids::{Epoch, TopicNo};

use super::limits::Limits;
use super::peer::ConnId;
use super::time::Time;
use super::topic::Topic;

/// Which topic, for as long as the hub runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(u64);

/// Subscriptions that had every message until now.
type Waiting = BTreeSet<(ConnId, TopicNo)>;

#[derive(Debug, Default)]
pub(crate) struct Topics {
    ids: HashMap<Box<str>, TopicId>,
    by_id: HashMap<TopicId, Topic>,
    last_id: u64,
    bytes: usize,
}

impl Topics {
    pub(crate) fn by_id(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn find(&self, name: &str) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// A new topic. `None` if there are too many.
    pub(crate) fn add(
        &mut self,
        now: Time,
        name: &str,
        epoch: Epoch,
        limits: &Limits,
    ) -> Option<TopicId> {
        if self.by_id.len() >= limits.topics_max {
            return None;
        }
        self.last_id += 1;
        let id = TopicId(self.last_id);
        self.ids.insert(name.into(), id);
        self.by_id.insert(id, Topic::new(now, name, epoch));
        Some(id)
    }

    /// Whether nothing more may be kept.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.bytes >= limits.memory_bytes_max
    }

    /// Does something to a topic. Tells who waited for what it appended, and whether its deadline may be sooner now.
    pub(crate) fn with<T>(
        &mut self,
        id: TopicId,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<(T, Waiting, bool)> {
        let topic = self.by_id.get_mut(&id)?;
        let (head, bytes, was_empty) = (topic.log.head(), topic.bytes(), topic.log.is_empty());
        let outcome = act(topic);
        self.bytes = (self.bytes + topic.bytes()).saturating_sub(bytes);
        if topic.log.head() == head {
            return Some((outcome, Waiting::new(), false));
        }
        Some((outcome, std::mem::take(&mut topic.waiting), was_empty))
    }

    /// Forgets what is due. False if the topic itself is gone.
    pub(crate) fn tick(&mut self, now: Time, id: TopicId, limits: &Limits) -> bool {
        let Some(topic) = self.by_id.get_mut(&id) else {
            return false;
        };
        let bytes = topic.bytes();
        let is_over = topic.tick(now, limits);
        let left = if is_over { 0 } else { topic.bytes() };
        self.bytes = (self.bytes + left).saturating_sub(bytes);
        if is_over && let Some(topic) = self.by_id.remove(&id) {
            self.ids.remove(&topic.name);
        }
        !is_over
    }
}
