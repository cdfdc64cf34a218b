//! JSON values that are cheap to copy: a copy shares everything with its original until one of them
//! changes.
//!
//! Owns their size, height and equality. Reading, writing and hashing are rooms of their own.
//! Client and hub keep documents in these values, so both come to the same result by the same code.

mod array;
mod chunks;
mod commands;
mod diff;
mod hash;
mod inside;
mod number;
mod object;
mod reader;
mod writer;

use std::sync::Arc;

pub use array::Array;
pub use commands::Commands;
pub use number::Number;
pub use object::Object;
pub use reader::{JsonFault, is_forbidden_key, read};
pub(crate) use reader::{Members, read_list};

/// Deepest nesting. Source: rule W6.
pub const DEPTH_MAX: u8 = 127;

/// A JSON value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// What a document is that nobody has written.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number as it was written.
    Number(Number),
    /// Text.
    String(Arc<str>),
    /// An array.
    Array(Arc<Array>),
    /// An object.
    Object(Arc<Object>),
}

impl Value {
    /// Bytes of its JSON text without white space, each escape counted as the UTF-8 that it stands
    /// for. Looks at nothing inside.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(true) => 4,
            Self::Bool(false) => 5,
            Self::Number(number) => number.bytes(),
            Self::String(text) => text.len() + 2,
            Self::Array(array) => array.bytes(),
            Self::Object(object) => object.bytes(),
        }
    }

    /// Memory that it takes beside its own 24 bytes, at least what the allocator gives for it; what
    /// copies share counts in each. Looks at nothing inside.
    #[must_use]
    pub fn memory(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 0,
            Self::Number(number) => number.memory(),
            Self::String(text) => inside::shared_text(text),
            Self::Array(array) => inside::shared::<Array>() + array.memory(),
            Self::Object(object) => inside::shared::<Object>() + object.memory(),
        }
    }

    /// How deep arrays and objects nest: 0 for a scalar, 1 for `[]`. Looks at nothing inside.
    #[must_use]
    pub fn height(&self) -> u8 {
        match self {
            Self::Array(array) => array.height(),
            Self::Object(object) => object.height(),
            _ => 0,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the two are known to be the same without looking inside.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(a), Self::Array(b)) => Arc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b),
            (Self::String(a), Self::String(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl PartialEq for Value {
    /// As `test` of RFC 6902 asks: numbers by what they mean, objects without order.
    fn eq(&self, other: &Self) -> bool {
        if self.is_shared_with(other) {
            return true;
        }
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        read(text).unwrap()
    }

    #[test]
    fn d4_values_are_equal_as_test_of_rfc_6902_asks() {
        for (a, b) in [
            ("{\"a\":1,\"b\":[2.0]}", "{\"b\":[2],\"a\":1e0}"),
            ("\"\\u0061\"", "\"a\""),
        ] {
            assert_eq!(value(a), value(b));
            assert_eq!(value(a).hash48(), value(b).hash48());
        }
        for (a, b) in [
            ("1", "\"1\""),
            ("null", "false"),
            ("[]", "{}"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"b\":1}"),
            ("{\"a\":null}", "{}"),
            ("\"a\\u0301\"", "\"á\""),
        ] {
            assert_ne!(value(a), value(b), "{a} {b}");
            assert_ne!(value(a).hash48(), value(b).hash48(), "{a} {b}");
        }
    }

    #[test]
    fn a_value_is_small_and_can_go_to_another_thread() {
        fn is_send<T: Send + Sync>() {}
        is_send::<Value>();
        assert!(size_of::<Value>() <= 24);
    }
}
