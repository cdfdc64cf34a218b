//! A sequence that is cheap to change in the middle and cheap to copy. Copies share their chunks
//! until one of them changes.
//!
//! Owns how chunks split and join. Arrays find items by index, and objects find them by key.

use std::cmp::Ordering;
use std::sync::Arc;

use super::inside::{list, shared};

/// Most items of a chunk. Chosen: a copy of a chunk of entries has 3 KB, and 10,000 items need 156
/// chunks.
const CHUNK_MAX: usize = 64;

/// Two chunks with fewer items than this are joined. Chosen: half, so that joining and splitting do
/// not alternate.
const JOIN_MAX: usize = CHUNK_MAX / 2;

/// Room that a first item makes. Chosen: as the standard library does.
const ITEMS_MIN: usize = 4;

/// A place of an item, good until the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    chunk: usize,
    offset: usize,
}

/// A sequence. It is one plain vector as long as it fits a chunk, because most of them do.
#[derive(Clone, Debug)]
pub(super) enum Chunks<T> {
    One(Vec<T>),
    Many {
        /// None of them empty.
        chunks: Vec<Arc<Vec<T>>>,
        len: usize,
    },
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self::One(Vec::new())
    }
}

impl<T: Clone> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(items) => items.len(),
            Self::Many { len, .. } => *len,
        }
    }

    /// Where the item with this index is, or is to be if it is the length.
    pub(super) fn at(&self, index: usize) -> At {
        let mut at = At {
            chunk: 0,
            offset: index,
        };
        if let Self::Many { chunks, len } = self {
            if index >= *len {
                return self.end();
            }
            for chunk in chunks {
                if at.offset < chunk.len() {
                    break;
                }
                at.offset -= chunk.len();
                at.chunk += 1;
            }
        }
        at
    }

    /// Where the next item would be appended.
    fn end(&self) -> At {
        match self {
            Self::One(items) => At {
                chunk: 0,
                offset: items.len(),
            },
            Self::Many { chunks, .. } => At {
                chunk: chunks.len().saturating_sub(1),
                offset: chunks.last().map_or(0, |chunk| chunk.len()),
            },
        }
    }

    /// The index of the item that `order` calls equal in a sorted sequence, or where it belongs.
    pub(super) fn search(&self, order: impl Fn(&T) -> Ordering) -> Result<At, At> {
        let (chunk, found) = match self {
            Self::One(items) => (0, items.binary_search_by(&order)),
            Self::Many { chunks, .. } => {
                let is_not_behind =
                    |chunk: &Arc<Vec<T>>| chunk.first().is_some_and(|item| order(item).is_le());
                let chunk = chunks.partition_point(is_not_behind).saturating_sub(1);
                let items = chunks.get(chunk).map_or(&[][..], |items| items.as_slice());
                (chunk, items.binary_search_by(&order))
            }
        };
        found
            .map(|offset| At { chunk, offset })
            .map_err(|offset| At { chunk, offset })
    }

    pub(super) fn get(&self, at: At) -> Option<&T> {
        match self {
            Self::One(items) => items.get(at.offset),
            Self::Many { chunks, .. } => chunks.get(at.chunk)?.get(at.offset),
        }
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut T> {
        match self {
            Self::One(items) => items.get_mut(at.offset),
            Self::Many { chunks, .. } => {
                Arc::make_mut(chunks.get_mut(at.chunk)?).get_mut(at.offset)
            }
        }
    }

    pub(super) fn push(&mut self, item: T) {
        self.insert(self.end(), item);
    }

    pub(super) fn insert(&mut self, at: At, item: T) {
        match self {
            Self::One(items) if items.len() < CHUNK_MAX => {
                make_room(items);
                items.insert(at.offset.min(items.len()), item);
            }
            Self::One(items) => {
                let chunks = vec![Arc::new(std::mem::take(items))];
                let len = CHUNK_MAX;
                *self = Self::Many { chunks, len };
                self.insert(at, item);
            }
            Self::Many { chunks, len } => {
                let is_last = at.chunk + 1 >= chunks.len();
                let Some(chunk) = chunks.get_mut(at.chunk) else {
                    return;
                };
                *len += 1;
                if chunk.len() < CHUNK_MAX {
                    let chunk = Arc::make_mut(chunk);
                    make_room(chunk);
                    chunk.insert(at.offset.min(chunk.len()), item);
                } else if is_last && at.offset >= chunk.len() {
                    // Appending leaves full chunks behind.
                    chunks.push(Arc::new(vec![item]));
                } else {
                    let first = Arc::make_mut(chunk);
                    let mut second = first.split_off(CHUNK_MAX / 2);
                    match at.offset.checked_sub(CHUNK_MAX / 2) {
                        Some(offset) => second.insert(offset.min(second.len()), item),
                        None => first.insert(at.offset, item),
                    }
                    chunks.insert(at.chunk + 1, Arc::new(second));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, at: At) -> Option<T> {
        match self {
            Self::One(items) => (at.offset < items.len()).then(|| items.remove(at.offset)),
            Self::Many { chunks, len } => {
                let chunk = chunks.get_mut(at.chunk)?;
                if at.offset >= chunk.len() {
                    return None;
                }
                let item = Arc::make_mut(chunk).remove(at.offset);
                let left = chunk.len();
                *len -= 1;
                if left == 0 && chunks.len() == 1 {
                    *self = Self::default();
                } else if left == 0 {
                    chunks.remove(at.chunk);
                } else if let Some(next) = chunks.get(at.chunk + 1)
                    && left + next.len() <= JOIN_MAX
                {
                    let next = chunks.remove(at.chunk + 1);
                    if let Some(chunk) = chunks.get_mut(at.chunk) {
                        Arc::make_mut(chunk).extend(next.iter().cloned());
                    }
                }
                Some(item)
            }
        }
    }

    /// Memory of its vectors, without what the items point to.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::One(items) => list::<T>(items.capacity()),
            Self::Many { chunks, .. } => {
                let chunk = shared::<Vec<T>>() + list::<T>(CHUNK_MAX);
                list::<Arc<Vec<T>>>(chunks.capacity()) + chunks.len() * chunk
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, many) = match self {
            Self::One(items) => (items.as_slice(), &[][..]),
            Self::Many { chunks, .. } => (&[][..], chunks.as_slice()),
        };
        one.iter().chain(many.iter().flat_map(|chunk| chunk.iter()))
    }

    /// Items in runs. Two sequences that share a chunk have the same run, in the same memory.
    pub(super) fn runs(&self) -> impl DoubleEndedIterator<Item = &[T]> {
        let (one, many) = match self {
            Self::One(items) => (Some(items.as_slice()), &[][..]),
            Self::Many { chunks, .. } => (None, chunks.as_slice()),
        };
        one.into_iter()
            .chain(many.iter().map(|chunk| chunk.as_slice()))
    }

    pub(super) fn for_each_mut(&mut self, mut act: impl FnMut(&mut T)) {
        match self {
            Self::One(items) => items.iter_mut().for_each(act),
            Self::Many { chunks, .. } => {
                for chunk in chunks {
                    Arc::make_mut(chunk).iter_mut().for_each(&mut act);
                }
            }
        }
    }
}

/// Room for one more item, and never for more than a chunk has, as a vector that doubles would.
fn make_room<T>(items: &mut Vec<T>) {
    let len = items.len();
    if len == items.capacity() {
        let capacity = (2 * len).clamp(ITEMS_MIN, CHUNK_MAX);
        items.reserve_exact(capacity.saturating_sub(len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(chunks: &Chunks<u32>) -> Vec<u32> {
        chunks.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn chunks_are_a_vector_and_a_copy_stays_what_it_was(
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..600),
            start in 0_u32..300,
        ) {
            let (mut chunks, mut model) = (Chunks::default(), Vec::new());
            for n in 0..start {
                chunks.push(n);
                model.push(n);
            }
            let (copy, copied) = (chunks.clone(), model.clone());
            for (n, (is_insertion, index)) in (1_000..).zip(steps) {
                if is_insertion {
                    let index = index.index(model.len() + 1);
                    chunks.insert(chunks.at(index), n);
                    model.insert(index, n);
                } else if !model.is_empty() {
                    let index = index.index(model.len());
                    prop_assert_eq!(chunks.get(chunks.at(index)), model.get(index));
                    prop_assert_eq!(chunks.remove(chunks.at(index)), Some(model.remove(index)));
                }
                prop_assert_eq!(chunks.len(), model.len());
            }
            prop_assert_eq!(list(&chunks), model);
            prop_assert_eq!(list(&copy), copied);
        }
    }

    #[test]
    fn what_was_long_and_is_empty_takes_items_again() {
        let mut chunks = Chunks::default();
        for n in 0..300_u32 {
            chunks.push(n);
        }
        for _ in 0..300 {
            assert!(chunks.remove(chunks.at(0)).is_some());
        }
        chunks.push(7);
        assert_eq!(list(&chunks), [7]);
        assert_eq!(chunks.len(), 1);
    }

    #[test]
    fn emptying_a_long_one_leaves_few_chunks() {
        let mut chunks = Chunks::default();
        for n in 0..6_400_u32 {
            chunks.push(n);
        }
        for index in 0..6_336 {
            assert!(chunks.remove(chunks.at(index % chunks.len())).is_some());
        }
        let Chunks::Many { chunks, len } = chunks else {
            panic!("it was long");
        };
        assert_eq!(len, 64);
        assert!(chunks.len() <= 8, "{}", chunks.len());
    }
}
