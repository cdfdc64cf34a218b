//! Arrays, with the size and height of what is inside kept up to date.

use super::Value;
use super::chunks::Chunks;
use super::inside::{Inside, Size};

/// The elements of an array.
#[derive(Clone, Debug, Default)]
pub struct Array {
    elements: Chunks<Value>,
    inside: Inside,
}

impl Array {
    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An element.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.elements.get(self.elements.at(index))
    }

    /// Appends an element.
    pub fn push(&mut self, value: Value) {
        self.count(&value);
        self.elements.push(value);
    }

    /// Inserts an element before this index, or behind the last one. Returns whether the index
    /// exists.
    pub fn insert(&mut self, index: usize, value: Value) -> bool {
        if index > self.len() {
            return false;
        }
        self.count(&value);
        self.elements.insert(self.elements.at(index), value);
        true
    }

    /// Takes an element out.
    pub fn remove(&mut self, index: usize) -> Option<Value> {
        let gone = self.elements.remove(self.elements.at(index))?;
        self.inside.remove(Size::of(&gone));
        Some(gone)
    }

    /// Changes an element where it stands.
    pub(crate) fn edit<T>(&mut self, index: usize, act: impl FnOnce(&mut Value) -> T) -> Option<T> {
        let value = self.elements.get_mut(self.elements.at(index))?;
        let before = Size::of(value);
        let outcome = act(value);
        let after = Size::of(value);
        if after != before {
            self.inside.remove(before);
            self.inside.add(after);
        }
        Some(outcome)
    }

    /// Elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.elements.iter()
    }

    /// Elements in runs that copies may share.
    pub(super) fn runs(&self) -> impl DoubleEndedIterator<Item = &[Value]> {
        self.elements.runs()
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
        self.elements.memory() + self.inside.memory()
    }

    fn count(&mut self, value: &Value) {
        self.inside.add(Size::of(value));
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}
