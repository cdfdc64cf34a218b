//! All topics, by name and by id, and the memory that they take together.
//!
//! A topic that nobody has written exists only while it has subscribers. Its epoch is a hash of its
//! name, so that a subscriber that comes back can resume.

use std::collections::{BTreeSet, HashMap};

use longhaul::ids::{Epoch, TopicNo};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::capacity::Usage;
use super::topic::Topic;
use crate::core::ids::{ConnId, TopicId};
use crate::core::limits::Limits;
use crate::core::time::Time;

/// The number of counters of removed topics; names share them. Chosen: 256 KiB. A removed topic
/// changes the epoch of one unwritten topic in 65,536.
const COUNTERS: usize = 65_536;

/// Subscriptions that had every message until now.
type CaughtUp = BTreeSet<(ConnId, TopicNo)>;

/// A topic's part of the sums over all topics.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    bytes: usize,
    log_bytes: usize,
    documents_bytes: usize,
    producers_bytes: usize,
    unwritten: usize,
}

#[derive(Debug)]
struct Counted {
    topic: Topic,
    count: Count,
}

#[derive(Debug)]
pub(crate) struct Topics {
    ids: HashMap<Box<str>, TopicId>,
    by_id: HashMap<TopicId, Counted>,
    last_id: u64,
    sum: Count,
    /// Topics with messages, by the magnitude of their memory.
    by_log: BTreeSet<(u32, TopicId)>,
    seed: u64,
    /// The number of removed topics that were written, by a hash of their names.
    removed: Vec<u32>,
}

impl Topics {
    /// No topics. The seed determines all epochs.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ids: HashMap::new(),
            by_id: HashMap::new(),
            last_id: 0,
            sum: Count::default(),
            by_log: BTreeSet::new(),
            seed,
            removed: vec![0; COUNTERS],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The memory of all topics.
    pub(crate) fn bytes(&self) -> usize {
        self.sum.bytes
    }

    /// A topic, for changes that affect neither its memory nor its head. For others see `with`.
    pub(crate) fn by_id(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.by_id.get_mut(&id).map(|counted| &mut counted.topic)
    }

    pub(crate) fn find(&self, name: &str) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// The epoch that a missing topic would get now.
    pub(crate) fn next_epoch(&self, name: &str) -> Epoch {
        let removed = self.removed.get(self.counter(name)).copied();
        let seed = self.seed.wrapping_add(removed.unwrap_or(0).into());
        Epoch(xxh3_64_with_seed(name.as_bytes(), seed))
    }

    /// The index of a name's counter.
    fn counter(&self, name: &str) -> usize {
        let hash = xxh3_64_with_seed(name.as_bytes(), !self.seed);
        let counters = u64::try_from(COUNTERS).unwrap_or(u64::MAX);
        usize::try_from(hash % counters).unwrap_or(0)
    }

    /// Adds a topic for a publication. `None` if there are too many.
    pub(crate) fn add(&mut self, now: Time, name: &str, limits: &Limits) -> Option<TopicId> {
        if self.by_id.len() >= limits.topics_max {
            return None;
        }
        self.last_id += 1;
        let id = TopicId(self.last_id);
        let topic = Topic::new(now, name, self.next_epoch(name));
        self.ids.insert(name.into(), id);
        let count = Count::default();
        self.by_id.insert(id, Counted { topic, count });
        self.recount(id);
        Some(id)
    }

    /// Adds a topic for a subscription. At most half of all topics may be unwritten, so that
    /// invented names do not crowd out real topics.
    pub(crate) fn add_unwritten(
        &mut self,
        now: Time,
        name: &str,
        limits: &Limits,
    ) -> Option<TopicId> {
        if self.sum.unwritten >= limits.topics_max.div_ceil(2) {
            return None;
        }
        self.add(now, name, limits)
    }

    /// The memory in use, including owners and subscriptions.
    pub(crate) fn usage(&self, owners_bytes: usize, subscriptions_bytes: usize) -> Usage {
        let fixed = self.sum.bytes.saturating_sub(self.sum.log_bytes);
        Usage {
            fixed: fixed + owners_bytes + subscriptions_bytes,
            documents: self.sum.documents_bytes,
            producers: self.sum.producers_bytes + owners_bytes,
            subscriptions: subscriptions_bytes,
        }
    }

    /// Removes the oldest message of one of the largest topics. False if there is none.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let Some((_, id)) = self.by_log.last().copied() else {
            return false;
        };
        if let Some(topic) = self.by_id(id) {
            topic.log.drop_oldest();
        }
        self.recount(id);
        true
    }

    /// Calls `act` with a topic. Also returns the subscriptions that the change wakes.
    pub(crate) fn with<T>(
        &mut self,
        id: TopicId,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<(T, CaughtUp)> {
        let topic = self.by_id(id)?;
        let head = topic.log.head();
        let outcome = act(topic);
        let caught_up = if topic.log.head() == head {
            CaughtUp::new()
        } else {
            std::mem::take(&mut topic.caught_up)
        };
        self.recount(id);
        Some((outcome, caught_up))
    }

    /// Updates the sums after a change of a topic.
    pub(crate) fn recount(&mut self, id: TopicId) {
        if let Some(Counted { topic, count }) = self.by_id.get_mut(&id) {
            let new = Count {
                bytes: topic.bytes(),
                log_bytes: topic.log.bytes(),
                documents_bytes: topic.content.bytes(),
                producers_bytes: topic.producers_bytes(),
                unwritten: usize::from(topic.is_unwritten()),
            };
            let old = std::mem::replace(count, new);
            self.sum.replace(old, new);
            self.sort(id, old, new);
        }
    }

    fn sort(&mut self, id: TopicId, old: Count, new: Count) {
        let [old, new] = [old, new].map(|count| count.log_bytes.checked_ilog2());
        if old != new {
            old.map(|magnitude| self.by_log.remove(&(magnitude, id)));
            self.by_log.extend(new.map(|magnitude| (magnitude, id)));
        }
    }

    /// Removes a topic.
    pub(crate) fn remove(&mut self, id: TopicId) {
        let Some(Counted { topic, count }) = self.by_id.remove(&id) else {
            return;
        };
        self.sum.replace(count, Count::default());
        self.sort(id, count, Count::default());
        self.ids.remove(&topic.name);
        let counter = self.counter(&topic.name);
        if !topic.is_unwritten()
            && let Some(removed) = self.removed.get_mut(counter)
        {
            *removed = removed.wrapping_add(1);
        }
    }
}

impl Count {
    fn replace(&mut self, old: Self, new: Self) {
        self.bytes = (self.bytes + new.bytes).saturating_sub(old.bytes);
        self.log_bytes = (self.log_bytes + new.log_bytes).saturating_sub(old.log_bytes);
        self.documents_bytes =
            (self.documents_bytes + new.documents_bytes).saturating_sub(old.documents_bytes);
        self.producers_bytes =
            (self.producers_bytes + new.producers_bytes).saturating_sub(old.producers_bytes);
        self.unwritten = (self.unwritten + new.unwritten).saturating_sub(old.unwritten);
    }
}
