//! What has become of a value, told to somebody who keeps a copy of it: the text of commands.
//!
//! A command is an array, whose first element is a JSON Pointer. After it stand
//!
//! - nothing: the member there is gone
//! - a value: it is there now, in the stead of another
//! - a value, a count: it is there now, as the last of so many members
//! - an index, a count, an array: in the array there so many elements are gone from the index on,
//!   and these have come

use super::Value;
use super::writer::write_string;

/// Commands in their order, as JSON.
#[derive(Debug)]
pub struct Commands {
    text: String,
    bytes_max: usize,
    /// There were more than are kept, and none of them is.
    is_too_long: bool,
}

impl Commands {
    /// None yet. Past about so many bytes of text they are given up.
    #[must_use]
    pub fn at_most(bytes_max: usize) -> Self {
        Self {
            text: String::new(),
            bytes_max,
            is_too_long: false,
        }
    }

    /// As a JSON array; nothing at all if there are none.
    #[must_use]
    pub fn into_json(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(']');
        Some(self.text)
    }

    /// Whether they were too many to be told.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// How much is told, to go back to.
    pub(crate) fn mark(&self) -> usize {
        self.text.len()
    }

    /// Takes back what was told since.
    pub(crate) fn go_back(&mut self, mark: usize) {
        self.text.truncate(mark);
    }

    pub(crate) fn gone(&mut self, at: &str) {
        if !self.begin(at) {
            return;
        }
        self.text.push(']');
    }

    pub(crate) fn set(&mut self, at: &str, value: &Value) {
        if !self.begin(at) {
            return;
        }
        self.text.push(',');
        value.write(&mut self.text);
        self.text.push(']');
    }

    pub(crate) fn new_member(&mut self, at: &str, value: &Value, members: usize) {
        if !self.begin(at) {
            return;
        }
        self.text.push(',');
        value.write(&mut self.text);
        self.number(members);
        self.text.push(']');
    }

    pub(crate) fn spliced<'a>(
        &mut self,
        at: &str,
        (from, gone): (usize, usize),
        come: impl Iterator<Item = &'a Value>,
    ) {
        if !self.begin(at) {
            return;
        }
        self.number(from);
        self.number(gone);
        self.text.push_str(",[");
        for (index, value) in come.enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            value.write(&mut self.text);
        }
        self.text.push_str("]]");
    }

    /// Begins a command with its pointer, if there is room for one.
    fn begin(&mut self, at: &str) -> bool {
        if self.is_too_long || self.text.len() > self.bytes_max {
            self.is_too_long = true;
            self.text.clear();
            return false;
        }
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        self.text.push('[');
        write_string(at, &mut self.text);
        true
    }

    fn number(&mut self, number: usize) {
        self.text.push(',');
        self.text.push_str(itoa::Buffer::new().format(number));
    }
}
