//! Patches of documents: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396), each taken whole or not at all.
//!
//! Owns how they are read and applied, and their limits, the same for client and hub, so that both come to the same
//! verdict. A document that is refused a patch is untouched.

mod apply;
mod fault;

use std::sync::Arc;

use crate::pointer::{Pointer, PointerFault};
use crate::value::{Value, read};
use fault::Stop;

pub use fault::{Fault, Why};

/// Most operations of a patch. Chosen: a whole board of cards moved at once, and the work for one patch stays in the milliseconds.
pub const OPERATIONS_MAX: usize = 1_000;

/// Largest document, bytes as `Value::bytes` counts. Chosen: a snapshot takes a second over a line of 10 Mbit/s.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Most bytes that the copies of one patch may make. Chosen: as a document, so that a patch of 64 KiB asks nobody for more.
pub const COPIED_BYTES_MAX: usize = DOCUMENT_BYTES_MAX;

/// A change of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// RFC 6902: operations in order, all or none.
    Patch(Vec<Operation>),
    /// RFC 7396.
    Merge(Value),
}

/// One operation of RFC 6902.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Puts a value there, before what is there in an array, in its stead in an object.
    Add(Pointer, Value),
    /// Takes away what is there.
    Remove(Pointer),
    /// Puts a value in the stead of what is there.
    Replace(Pointer, Value),
    /// Takes away what is at the first place and adds it at the second.
    Move(Pointer, Pointer),
    /// Adds what is at the first place at the second as well.
    Copy(Pointer, Pointer),
    /// Fails unless this value is there.
    Test(Pointer, Value),
}

impl Change {
    /// Reads a JSON Patch.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn patch(text: &str) -> Result<Self, Fault> {
        let Value::Array(list) = read_text(text)? else {
            return Err(Fault::whole(Why::NotAPatch));
        };
        if list.len() > OPERATIONS_MAX {
            return Err(Fault::whole(Why::TooManyOperations));
        }
        let mut operations = Vec::with_capacity(list.len());
        for (index, operation) in list.iter().enumerate() {
            operations.push(Operation::read(operation).map_err(|stop| Fault::of(index, stop))?);
        }
        Ok(Self::Patch(operations))
    }

    /// Reads a JSON Merge Patch.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn merge(text: &str) -> Result<Self, Fault> {
        read_text(text).map(Self::Merge)
    }

    /// Changes a document, or leaves it as it was.
    ///
    /// # Errors
    /// Why it was left.
    pub fn apply(&self, document: &mut Value) -> Result<(), Fault> {
        // A copy shares everything, so going back costs nothing but that what is changed is first copied.
        let before = document.clone();
        let outcome = match self {
            Self::Patch(operations) => apply::operations(operations, document),
            Self::Merge(partial) => apply::merge(partial, document),
        };
        if outcome.is_err() {
            *document = before;
        }
        outcome
    }
}

fn read_text(text: &str) -> Result<Value, Fault> {
    read(text).map_err(|fault| Fault::whole(Why::of(fault)))
}

impl Operation {
    /// Members that are not known are ignored (RFC 6902, section 4).
    fn read(operation: &Value) -> Result<Self, Stop> {
        let none = || -> Arc<str> { "".into() };
        let Value::Object(members) = operation else {
            return Err((Why::NotAPatch, none()));
        };
        let Some(Value::String(op)) = members.get("op") else {
            return Err((Why::NotAPatch, none()));
        };
        let pointer = |name| match members.get(name) {
            Some(Value::String(text)) => {
                Pointer::parse(Arc::clone(text)).map_err(|fault| match fault {
                    PointerFault::Syntax => (Why::NotAPointer, Arc::clone(text)),
                    PointerFault::KeyForbidden => (Why::KeyForbidden, Arc::clone(text)),
                })
            }
            Some(_) => Err((Why::NotAPointer, none())),
            None => Err((Why::MemberMissing, none())),
        };
        let path = pointer("path")?;
        let value = || {
            members
                .get("value")
                .cloned()
                .ok_or(Why::MemberMissing.at(&path))
        };
        Ok(match &**op {
            "add" => Self::Add(path.clone(), value()?),
            "remove" => Self::Remove(path),
            "replace" => Self::Replace(path.clone(), value()?),
            "move" => Self::Move(pointer("from")?, path),
            "copy" => Self::Copy(pointer("from")?, path),
            "test" => Self::Test(path.clone(), value()?),
            _ => return Err(Why::NotAPatch.at(&path)),
        })
    }

    fn path(&self) -> &Pointer {
        match self {
            Self::Add(path, _)
            | Self::Remove(path)
            | Self::Replace(path, _)
            | Self::Move(_, path)
            | Self::Copy(_, path)
            | Self::Test(path, _) => path,
        }
    }
}
