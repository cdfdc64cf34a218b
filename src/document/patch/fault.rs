//! Why a change of a document is not made: what, in which operation, where.
//!
//! Owns the stable codes and the words for people.

use std::sync::Arc;

use crate::document::pointer::Pointer;
use crate::document::value::JsonFault;

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub why: Why,
    /// Which operation, from 0. None if it is the whole.
    pub operation: Option<usize>,
    /// The place, as it was written; empty where there is none.
    pub pointer: Arc<str>,
}

/// What is wrong with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not JSON, or not the kind that documents are made of (rule D5).
    NotJson,
    /// A patch is not an array of objects with an `op` that is known.
    NotAPatch,
    /// An operation lacks its `path`, `from` or `value`.
    MemberMissing,
    /// A `path` or `from` is no pointer.
    NotAPointer,
    /// There is nothing at the place, or nothing that could hold it.
    Missing,
    /// An array has no such index.
    NoIndex,
    /// Another value is there than `test` says.
    TestFailed,
    /// A value can't be moved into itself.
    IntoItself,
    /// A key that no document has (rule D5).
    KeyForbidden,
    /// The document would be nested too deep.
    TooDeep,
    /// The document would be too large.
    TooLarge,
    /// The patch has too many operations.
    TooManyOperations,
    /// The patch copies too much.
    CopiesTooMuch,
}

impl Fault {
    /// A fault of the whole.
    pub(super) fn whole(why: Why) -> Self {
        Self {
            why,
            operation: None,
            pointer: "".into(),
        }
    }

    /// A fault of one operation.
    pub(super) fn of(operation: usize, (why, pointer): Stop) -> Self {
        Self {
            why,
            operation: Some(operation),
            pointer,
        }
    }
}

impl Why {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson | Self::NotAPatch | Self::MemberMissing | Self::NotAPointer => {
                "patch_invalid"
            }
            Self::Missing | Self::NoIndex | Self::TestFailed | Self::IntoItself => "patch_failed",
            Self::KeyForbidden => "key_forbidden",
            Self::TooDeep => "document_too_deep",
            Self::TooLarge | Self::CopiesTooMuch => "document_too_large",
            Self::TooManyOperations => "patch_too_long",
        }
    }

    /// What a text says that could not be read.
    pub(super) fn of(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Syntax(_) => Self::NotJson,
            JsonFault::TooDeep => Self::TooDeep,
            JsonFault::KeyForbidden => Self::KeyForbidden,
        }
    }

    /// For people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::NotJson => {
                "it is not JSON, or has a lone surrogate or an exponent of more than 9 digits"
            }
            Self::NotAPatch => {
                "a patch is an array of objects whose op is add, remove, replace, move, copy or test"
            }
            Self::MemberMissing => "the operation lacks its path, from or value",
            Self::NotAPointer => "path and from are JSON Pointers, such as /a/0 or /a~1b",
            Self::Missing => "there is nothing at this place, or nothing that could hold it",
            Self::NoIndex => "the array has no such index",
            Self::TestFailed => "another value is at this place",
            Self::IntoItself => "a value can't be moved into itself",
            Self::KeyForbidden => {
                "__proto__, constructor and prototype are no keys of documents: choose another name"
            }
            Self::TooDeep => "the document would be nested deeper than 127",
            Self::TooLarge => "the document would be larger than 1048576 bytes: split it up",
            Self::TooManyOperations => "a patch has at most 1000 operations: send several",
            Self::CopiesTooMuch => "the patch copies more than 1048576 bytes: send several",
        }
    }

    pub(super) fn at(self, pointer: &Pointer) -> (Self, Arc<str>) {
        (self, pointer.as_str().into())
    }
}

/// Why one operation is not done, and where.
pub(super) type Stop = (Why, Arc<str>);
