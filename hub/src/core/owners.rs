//! Whose each outbox is: its producer and the first subject that published with it (rules H13, H14).
//!
//! Owns that nobody else publishes with it, for as long as any topic remembers it. Who a subject is comes from `subject`.

use std::collections::HashMap;

use super::limits::Limits;
use super::producers::SWEEP_PARTS;
use super::subject::Subject;
use super::time::Time;
use super::topic::Nack;

/// What an owner costs beside the names, bytes. Chosen: both texts' heads, the map entry and its slack, what the allocator adds.
const OWNER_BYTES: usize = 176;

#[derive(Debug)]
struct Owner {
    subject: Subject,
    heard: Time,
}

/// The owners of all producers that somebody with a subject has published with.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    by_producer: HashMap<Box<str>, Owner>,
    /// When it is worth a look whether one is to be forgotten.
    sweep_at: Time,
    bytes: usize,
}

impl Owners {
    /// Memory they take, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rule H14: whether this subject, or nobody, may publish with the producer.
    pub(crate) fn check(
        &self,
        now: Time,
        producer: &str,
        subject: Option<&Subject>,
        limits: &Limits,
    ) -> Result<(), Nack> {
        let owner = self.by_producer.get(producer);
        let owner = owner.filter(|owner| !owner.is_forgotten(now, limits));
        if owner.is_none_or(|owner| Some(&owner.subject) == subject) {
            return Ok(());
        }
        let message = "the outbox is another subject's; its publications wait for that one's token";
        Err(("not_owner", message.to_owned()))
    }

    /// Whether the producer has an owner.
    pub(crate) fn has(&self, producer: &str) -> bool {
        self.by_producer.contains_key(producer)
    }

    /// Rule H13: a topic remembers the producer, and has just heard it with this subject. True if the owner is a new one.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        producer: &str,
        subject: &Subject,
        limits: &Limits,
    ) -> bool {
        let heard = Owner {
            subject: subject.clone(),
            heard: now,
        };
        if let Some(owner) = self.by_producer.get_mut(producer) {
            // Another subject's is one that is forgotten.
            self.bytes = self.bytes.saturating_sub(owner.bytes(producer)) + heard.bytes(producer);
            *owner = heard;
            return false;
        }
        if self.by_producer.is_empty() {
            self.sweep_at = now.plus(limits.producers_ms);
        }
        self.bytes += heard.bytes(producer);
        self.by_producer.insert(producer.into(), heard);
        true
    }

    /// Forgets those that no topic remembers any more.
    pub(crate) fn expire(&mut self, now: Time, limits: &Limits) {
        if now < self.sweep_at {
            return;
        }
        let mut freed = 0;
        self.by_producer.retain(|producer, owner| {
            let is_forgotten = owner.is_forgotten(now, limits);
            if is_forgotten {
                freed += owner.bytes(producer);
            }
            !is_forgotten
        });
        self.bytes = self.bytes.saturating_sub(freed);
        let oldest = self.by_producer.values().map(|owner| owner.heard).min();
        let due = oldest.unwrap_or(now).plus(limits.producers_ms);
        self.sweep_at = due.max(now.plus(limits.producers_ms / SWEEP_PARTS));
    }

    /// When `expire` has something to do, at the earliest. `None` if there is none.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.by_producer.is_empty()).then_some(self.sweep_at)
    }
}

impl Owner {
    fn is_forgotten(&self, now: Time, limits: &Limits) -> bool {
        now.since(self.heard) >= limits.producers_ms
    }

    fn bytes(&self, producer: &str) -> usize {
        OWNER_BYTES + producer.len() + self.subject.as_str().len()
    }
}
