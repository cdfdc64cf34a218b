//! The owner of each outbox: the first subject that published with its producer (rules H13, H14).
//!
//! No other subject may publish with the producer, as long as any topic remembers it.

use std::collections::HashMap;

use super::nack::{Nack, NackCode};
use super::subject::Subject;
use crate::core::limits::{Limits, SWEEP_PARTS};
use crate::core::time::Time;

/// Memory of an owner without the names, bytes. Chosen: the heads of both texts, the map entry and
/// its slack, and what the allocator adds.
const OWNER_BYTES: usize = 176;

#[derive(Debug)]
struct Owner {
    subject: Subject,
    last_received: Time,
}

/// The owners of all producers with which a subject has published.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    by_producer: HashMap<Box<str>, Owner>,
    /// No owner expires before this time.
    sweep_at: Time,
    bytes: usize,
}

impl Owners {
    /// Their memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rule H14: whether this subject may publish with the producer. `None` is no subject.
    pub(crate) fn check(
        &self,
        now: Time,
        producer: &str,
        subject: Option<&Subject>,
        limits: &Limits,
    ) -> Result<(), Nack> {
        let owner = self.by_producer.get(producer);
        let owner = owner.filter(|owner| !owner.is_expired(now, limits));
        if owner.is_none_or(|owner| Some(&owner.subject) == subject) {
            return Ok(());
        }
        Err(Nack::Plain(NackCode::NotOwner))
    }

    /// Whether the producer has an owner.
    pub(crate) fn has(&self, producer: &str) -> bool {
        self.by_producer.contains_key(producer)
    }

    /// Rule H13: a topic remembers the producer, and this subject has just published with it. True
    /// if the producer had no owner.
    pub(crate) fn record(
        &mut self,
        now: Time,
        producer: &str,
        subject: &Subject,
        limits: &Limits,
    ) -> bool {
        let new = Owner {
            subject: subject.clone(),
            last_received: now,
        };
        if let Some(owner) = self.by_producer.get_mut(producer) {
            // If the subject is another one, the old owner has expired.
            self.bytes = self.bytes.saturating_sub(owner.bytes(producer)) + new.bytes(producer);
            *owner = new;
            return false;
        }
        if self.by_producer.is_empty() {
            self.sweep_at = now.plus(limits.producers_ms);
        }
        self.bytes += new.bytes(producer);
        self.by_producer.insert(producer.into(), new);
        true
    }

    /// Forgets owners whose producers no topic remembers.
    pub(crate) fn expire(&mut self, now: Time, limits: &Limits) {
        if now < self.sweep_at {
            return;
        }
        let mut freed = 0;
        self.by_producer.retain(|producer, owner| {
            let is_expired = owner.is_expired(now, limits);
            if is_expired {
                freed += owner.bytes(producer);
            }
            !is_expired
        });
        self.bytes = self.bytes.saturating_sub(freed);
        let owners = self.by_producer.values();
        let oldest = owners.map(|owner| owner.last_received).min();
        let due = oldest.unwrap_or(now).plus(limits.producers_ms);
        self.sweep_at = due.max(now.plus(limits.producers_ms / SWEEP_PARTS));
    }

    /// The earliest time at which `expire` has something to do. `None` without owners.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.by_producer.is_empty()).then_some(self.sweep_at)
    }
}

impl Owner {
    fn is_expired(&self, now: Time, limits: &Limits) -> bool {
        now.since(self.last_received) >= limits.producers_ms
    }

    fn bytes(&self, producer: &str) -> usize {
        OWNER_BYTES + producer.len() + self.subject.as_str().len()
    }
}
