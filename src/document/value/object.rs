//! Objects: found by key, shown in the order in which the keys came, as JavaScript shows them.
//!
//! Owns that order, and the size and height of the contents, which each change updates.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Value;
use super::chunks::{At, Chunks};
use super::inside::{Inside, Size};

/// Most unused stamps for each key, before the object numbers its keys again. Chosen: writing stays
/// in proportion to the keys.
const STAMPS_A_KEY: u32 = 4;
/// And so many besides, so that small objects are left alone.
const STAMPS_SPARE: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The first bytes of the key. Most comparisons need no more, and don't read the key's memory.
    start: u64,
    pub(super) key: Arc<str>,
    pub(super) value: Value,
    /// Where it stands among the others: the larger, the later.
    pub(super) stamp: u32,
}

impl Entry {
    fn compare(&self, start: u64, key: &str) -> Ordering {
        self.start.cmp(&start).then_with(|| (*self.key).cmp(key))
    }
}

/// The first eight bytes of a key as a number with the same order. A short key has zeros after it.
fn start_of(key: &str) -> u64 {
    let mut start = [0; 8];
    for (to, from) in start.iter_mut().zip(key.bytes()) {
        *to = from;
    }
    u64::from_be_bytes(start)
}

/// The members of an object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Sorted by key. So the canonical order needs no sorting, and colliding keys do no harm.
    entries: Chunks<Entry>,
    /// The first stamp that is free.
    next: u32,
    inside: Inside,
}

impl Object {
    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.search(key).ok()?;
        Some(&self.entries.get(at)?.value)
    }

    /// Sets the value of a key: in its place if there is one, else as the last.
    pub fn insert(&mut self, key: Arc<str>, value: Value) {
        match self.search(&key) {
            Ok(_) => {
                let _ = self.edit(&key, |old| *old = value);
            }
            Err(at) => {
                self.inside.add_key(&key);
                self.inside.add(Size::of(&value));
                let stamp = self.next;
                self.next += 1;
                let entry = Entry {
                    start: start_of(&key),
                    key,
                    value,
                    stamp,
                };
                self.entries.insert(at, entry);
                self.restamp();
            }
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.search(key).ok()?;
        let gone = self.entries.remove(at)?;
        self.inside.remove_key(&gone.key);
        self.inside.remove(Size::of(&gone.value));
        Some(gone.value)
    }

    /// Changes the value of a key where it stands.
    pub(crate) fn edit<T>(&mut self, key: &str, act: impl FnOnce(&mut Value) -> T) -> Option<T> {
        let at = self.search(key).ok()?;
        let value = &mut self.entries.get_mut(at)?.value;
        let before = Size::of(value);
        let outcome = act(value);
        let after = Size::of(value);
        if after != before {
            self.inside.remove(before);
            self.inside.add(after);
        }
        Some(outcome)
    }

    fn search(&self, key: &str) -> Result<At, At> {
        let start = start_of(key);
        self.entries.search(|entry| entry.compare(start, key))
    }

    /// Members in the order in which their keys came.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        let mut shown = vec![None; usize::try_from(self.next).unwrap_or(0)];
        for entry in self.entries.iter() {
            if let Some(place) = usize::try_from(entry.stamp)
                .ok()
                .and_then(|stamp| shown.get_mut(stamp))
            {
                *place = Some(entry);
            }
        }
        shown
            .into_iter()
            .flatten()
            .map(|entry| (&entry.key, &entry.value))
    }

    /// Members in the order of the bytes of their keys.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The same in runs that copies may share.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.runs()
    }

    /// Where a member stands.
    pub(super) fn stamp(&self, key: &str) -> Option<u32> {
        Some(self.entries.get(self.search(key).ok()?)?.stamp)
    }

    /// Whether all members stand before one with this stamp.
    pub(super) fn is_over(&self, stamp: u32) -> bool {
        self.next <= stamp
    }

    /// Bytes of its JSON text.
    pub(super) fn bytes(&self) -> usize {
        2 + self.inside.bytes + self.len().saturating_sub(1)
    }

    pub(super) fn height(&self) -> u8 {
        self.inside.most().saturating_add(1)
    }

    /// Memory of what it points to.
    pub(super) fn memory(&self) -> usize {
        self.entries.memory() + self.inside.memory()
    }

    /// Gives stamps anew where too many are unused.
    fn restamp(&mut self) {
        let len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        if self.next
            <= len
                .saturating_mul(STAMPS_A_KEY)
                .saturating_add(STAMPS_SPARE)
        {
            return;
        }
        let mut ranks = vec![0_u32; usize::try_from(self.next).unwrap_or(0)];
        for entry in self.entries.iter() {
            if let Some(rank) = usize::try_from(entry.stamp)
                .ok()
                .and_then(|stamp| ranks.get_mut(stamp))
            {
                *rank = 1;
            }
        }
        let mut next = 0;
        for rank in &mut ranks {
            next += std::mem::replace(rank, next);
        }
        self.entries.for_each_mut(|entry| {
            let rank = usize::try_from(entry.stamp).ok().and_then(|s| ranks.get(s));
            entry.stamp = rank.copied().unwrap_or(0);
        });
        self.next = next;
    }
}

impl PartialEq for Object {
    /// The order of keys does not count.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .sorted()
                .zip(other.sorted())
                .all(|(a, b)| a.key == b.key && a.value == b.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(object: &Object) -> Vec<String> {
        object.iter().map(|(key, _)| key.to_string()).collect()
    }

    #[test]
    fn a_key_keeps_its_place_until_it_is_taken_out() {
        let mut object = Object::default();
        for key in ["b", "c", "a", "c"] {
            object.insert(key.into(), Value::Null);
        }
        assert_eq!(keys(&object), ["b", "c", "a"]);
        assert!(object.remove("b").is_some() && object.remove("b").is_none());
        object.insert("b".into(), Value::Bool(true));
        assert_eq!(keys(&object), ["c", "a", "b"]);
        assert_eq!(object.get("b"), Some(&Value::Bool(true)));
    }

    proptest! {
        #[test]
        fn keys_that_come_and_go_keep_their_order(steps in proptest::collection::vec((any::<bool>(), 0_u8..20), 0..900)) {
            let (mut object, mut model) = (Object::default(), Vec::<String>::new());
            for (is_insertion, key) in steps {
                let key = key.to_string();
                if is_insertion {
                    object.insert(key.as_str().into(), Value::Null);
                    if !model.contains(&key) {
                        model.push(key);
                    }
                } else {
                    object.remove(&key);
                    model.retain(|one| *one != key);
                }
            }
            prop_assert!(object.next <= 4 * 20 + 64 + 1);
            prop_assert_eq!(keys(&object), model);
        }
    }
}
