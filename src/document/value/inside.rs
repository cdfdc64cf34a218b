//! The sums of the contents of an array or object, which each change updates.

use super::Value;

/// What a value counts for in the one that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    bytes: usize,
    memory: usize,
    height: u8,
}

impl Size {
    pub(super) fn of(value: &Value) -> Self {
        Self {
            bytes: value.bytes(),
            memory: value.memory(),
            height: value.height(),
        }
    }
}

/// The sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Inside {
    /// Of the JSON text, without commas.
    pub(super) bytes: usize,
    /// Beside the memory of the container itself.
    memory: usize,
    /// How many values there are of each height but 0, in no order. There are few heights.
    heights: Vec<(u8, u32)>,
}

impl Inside {
    /// A value has come.
    pub(super) fn add(&mut self, size: Size) {
        self.bytes += size.bytes;
        self.memory += size.memory;
        if size.height == 0 {
            return;
        }
        let same = |(height, _): &&mut (u8, u32)| *height == size.height;
        match self.heights.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => self.heights.push((size.height, 1)),
        }
    }

    /// A value has gone.
    pub(super) fn remove(&mut self, size: Size) {
        self.bytes -= size.bytes;
        self.memory -= size.memory;
        if let Some(at) = self
            .heights
            .iter()
            .position(|(same, _)| *same == size.height)
            && let Some((_, count)) = self.heights.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.heights.swap_remove(at);
            }
        }
    }

    /// A key has come, with its quotes and colon.
    pub(super) fn add_key(&mut self, key: &str) {
        self.bytes += key.len() + 3;
        self.memory += shared_text(key);
    }

    /// A key has gone.
    pub(super) fn remove_key(&mut self, key: &str) {
        self.bytes -= key.len() + 3;
        self.memory -= shared_text(key);
    }

    /// The height of the tallest.
    pub(super) fn most(&self) -> u8 {
        let heights = self.heights.iter().map(|(height, _)| *height);
        heights.max().unwrap_or(0)
    }

    /// Of everything inside, these sums' own among it.
    pub(super) fn memory(&self) -> usize {
        self.memory + list::<(u8, u32)>(self.heights.capacity())
    }
}

/// The memory of an allocation. Source: glibc's malloc, with 8 bytes before it, in steps of 16, at
/// least 32. Other allocators need no more.
pub(super) fn allocated(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

/// What a vector with room for so many takes.
pub(super) fn list<T>(capacity: usize) -> usize {
    match capacity * size_of::<T>() {
        0 => 0,
        bytes => allocated(bytes),
    }
}

/// What a value behind an `Arc` takes, beside what it points to.
pub(super) fn shared<T>() -> usize {
    allocated(COUNTS + size_of::<T>())
}

/// What a text behind an `Arc` takes.
pub(super) fn shared_text(text: &str) -> usize {
    allocated(COUNTS + text.len())
}

/// The two counts of an `Arc`.
const COUNTS: usize = 2 * size_of::<usize>();
