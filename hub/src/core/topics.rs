//! All topics, by name and by id, and the memory that they take together.
//!
//! A topic that nobody has written exists only while somebody follows it. Its epoch comes from its name, so that a follower
//! that comes back goes on where it was.

use std::collections::{BTreeSet, HashMap};

use longhaul::ids::{Epoch, TopicNo};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::limits::Limits;
use super::peer::ConnId;
use super::room::Taken;
use super::time::Time;
use super::topic::Topic;

/// Names share so many counts of forgotten topics. Chosen: 256 KiB; a topic that is forgotten changes the epoch of one unwritten
/// topic in 65,536.
const FORGOTTEN: usize = 65_536;

/// Which topic, for as long as the hub runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(u64);

/// Subscriptions that had every message until now.
type Waiting = BTreeSet<(ConnId, TopicNo)>;

/// What a topic counts for in the sums over all topics.
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
    /// Those with messages, by the magnitude of what these take.
    by_log: BTreeSet<(u32, TopicId)>,
    seed: u64,
    /// How many written topics were forgotten, by a hash of their names.
    forgotten: Vec<u32>,
}

impl Topics {
    /// None. Epochs come from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ids: HashMap::new(),
            by_id: HashMap::new(),
            last_id: 0,
            sum: Count::default(),
            by_log: BTreeSet::new(),
            seed,
            forgotten: vec![0; FORGOTTEN],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Memory that all take.
    pub(crate) fn bytes(&self) -> usize {
        self.sum.bytes
    }

    /// A topic for a change that is neither to its bytes nor to its head; otherwise see `with`.
    pub(crate) fn by_id(&mut self, id: TopicId) -> Option<&mut Topic> {
        self.by_id.get_mut(&id).map(|counted| &mut counted.topic)
    }

    pub(crate) fn find(&self, name: &str) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// The epoch of a topic that is not here, if it comes now.
    pub(crate) fn next_epoch(&self, name: &str) -> Epoch {
        let forgotten = self.forgotten.get(self.slot(name)).copied();
        let seed = self.seed.wrapping_add(forgotten.unwrap_or(0).into());
        Epoch(xxh3_64_with_seed(name.as_bytes(), seed))
    }

    fn slot(&self, name: &str) -> usize {
        let hash = xxh3_64_with_seed(name.as_bytes(), !self.seed);
        let slots = u64::try_from(FORGOTTEN).unwrap_or(u64::MAX);
        usize::try_from(hash % slots).unwrap_or(0)
    }

    /// A new topic that is about to be written. `None` if there are too many.
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

    /// A new topic that is about to be followed. Those that nobody has written take at most half of the places, so that
    /// invented names leave room for topics that are written.
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

    /// Memory that is taken, with that of the owners of producers and of subscriptions.
    pub(crate) fn taken(&self, owners_bytes: usize, subscriptions_bytes: usize) -> Taken {
        let fixed = self.sum.bytes.saturating_sub(self.sum.log_bytes);
        Taken {
            fixed: fixed + owners_bytes + subscriptions_bytes,
            documents: self.sum.documents_bytes,
            producers: self.sum.producers_bytes + owners_bytes,
            subscriptions: subscriptions_bytes,
        }
    }

    /// The oldest message of one of the largest topics goes. False if there is none.
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

    /// Does something to a topic. Tells who waited for what it appended.
    pub(crate) fn with<T>(
        &mut self,
        id: TopicId,
        act: impl FnOnce(&mut Topic) -> T,
    ) -> Option<(T, Waiting)> {
        let topic = self.by_id(id)?;
        let head = topic.log.head();
        let outcome = act(topic);
        let waiting = if topic.log.head() == head {
            Waiting::new()
        } else {
            std::mem::take(&mut topic.waiting)
        };
        self.recount(id);
        Some((outcome, waiting))
    }

    /// Brings the sums up to date with a topic.
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

    /// Forgets a topic.
    pub(crate) fn remove(&mut self, id: TopicId) {
        let Some(Counted { topic, count }) = self.by_id.remove(&id) else {
            return;
        };
        self.sum.replace(count, Count::default());
        self.sort(id, count, Count::default());
        self.ids.remove(&topic.name);
        let slot = self.slot(&topic.name);
        if !topic.is_unwritten()
            && let Some(forgotten) = self.forgotten.get_mut(slot)
        {
            *forgotten = forgotten.wrapping_add(1);
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
