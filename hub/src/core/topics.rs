//! All topics, by name and by id, and the memory that they take together.

use std::collections::{BTreeSet, HashMap};

use longhaul::ids::{Epoch, TopicNo};

use super::limits::Limits;
use super::peer::ConnId;
use super::producers::Room;
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
    /// Those of producers among them.
    producers_bytes: usize,
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
        let topic = Topic::new(now, name, epoch);
        self.bytes += topic.bytes();
        self.by_id.insert(id, topic);
        Some(id)
    }

    /// What more may be kept beside the owners of producers.
    pub(crate) fn room(&self, owners_bytes: usize, limits: &Limits) -> Room {
        Room {
            for_entries: self.bytes + owners_bytes < limits.memory_bytes_max,
            for_producers: self.producers_bytes + owners_bytes < limits.producers_bytes_max,
        }
    }

    /// Does something to a topic. Tells who waited for what it appended, and whether its deadline may be sooner now.
    pub(crate) fn with<T>(
        &mut self,
        id: TopicId,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<(T, Waiting, bool)> {
        let topic = self.by_id.get_mut(&id)?;
        let (head, was_empty) = (topic.log.head(), topic.log.is_empty());
        let before = (topic.bytes(), topic.producers_bytes());
        let outcome = act(topic);
        self.bytes = (self.bytes + topic.bytes()).saturating_sub(before.0);
        self.producers_bytes =
            (self.producers_bytes + topic.producers_bytes()).saturating_sub(before.1);
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
        let before = (topic.bytes(), topic.producers_bytes());
        let is_over = topic.tick(now, limits);
        let left = if is_over {
            (0, 0)
        } else {
            (topic.bytes(), topic.producers_bytes())
        };
        self.bytes = (self.bytes + left.0).saturating_sub(before.0);
        self.producers_bytes = (self.producers_bytes + left.1).saturating_sub(before.1);
        if is_over && let Some(topic) = self.by_id.remove(&id) {
            self.ids.remove(&topic.name);
        }
        !is_over
    }
}
