//! Patches of documents: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396). A patch applies
//! completely or not at all.
//!
//! Owns how they are read and applied, and their limits, the same for client and hub, so that both
//! come to the same verdict. A document that is refused a patch is untouched.

mod apply;
mod fault;

use std::sync::Arc;

use crate::document::pointer::{Pointer, PointerFault};
use crate::document::value::{Commands, Members, Value, read, read_list};
use fault::Stop;

pub use fault::{Fault, Why};

/// Most operations of a patch. Chosen: enough to move a board of cards at once, and one patch takes
/// only milliseconds.
pub const OPERATIONS_MAX: usize = 1_000;

/// Largest document, bytes as `Value::bytes` counts. Chosen: a snapshot takes a second over a line
/// of 10 Mbit/s.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Most bytes that one patch may copy. Chosen: as a document, so that a patch of 64 KiB can't cost
/// more memory.
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
        let list = read_list(text, ["op", "path", "from", "value"]);
        let list = list.map_err(|fault| Fault::whole(Why::of(fault)))?;
        let list = list.ok_or_else(|| Fault::whole(Why::NotAPatch))?;
        if list.len() > OPERATIONS_MAX {
            return Err(Fault::whole(Why::TooManyOperations));
        }
        let mut operations = Vec::with_capacity(list.len());
        for (index, members) in list.into_iter().enumerate() {
            operations.push(Operation::of(members).map_err(|stop| Fault::of(index, stop))?);
        }
        Ok(Self::Patch(operations))
    }

    /// Reads a JSON Merge Patch.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn merge(text: &str) -> Result<Self, Fault> {
        let partial = read(text).map_err(|fault| Fault::whole(Why::of(fault)))?;
        Ok(Self::Merge(partial))
    }

    /// Changes a document, or leaves it as it was.
    ///
    /// # Errors
    /// Why it was left.
    pub fn apply(&self, document: &mut Value) -> Result<(), Fault> {
        match self {
            Self::Patch(operations) => patch(operations, document, None),
            Self::Merge(partial) => {
                whole_or_not(document, |document| apply::merge(partial, document))
            }
        }
    }

    /// The same, and tells what it changes. False if it can't tell: a merge.
    ///
    /// # Errors
    /// Why it was left.
    pub fn apply_and_tell(
        &self,
        document: &mut Value,
        commands: &mut Commands,
    ) -> Result<bool, Fault> {
        match self {
            Self::Patch(operations) => patch(operations, document, Some(commands)).map(|()| true),
            Self::Merge(_) => self.apply(document).map(|()| false),
        }
    }
}

fn patch(
    operations: &[Operation],
    document: &mut Value,
    mut told: Option<&mut Commands>,
) -> Result<(), Fault> {
    if let [operation] = operations
        && operation.is_whole_or_not(document)
    {
        return apply::operations(operations, document, &mut told);
    }
    let mark = told.as_ref().map_or(0, |commands| commands.mark());
    let outcome = whole_or_not(document, |document| {
        apply::operations(operations, document, &mut told)
    });
    if let (Err(_), Some(commands)) = (&outcome, told) {
        commands.go_back(mark);
    }
    outcome
}

/// A copy shares everything, so going back costs nothing but that what is changed is first copied.
fn whole_or_not(
    document: &mut Value,
    act: impl FnOnce(&mut Value) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let before = document.clone();
    let outcome = act(document);
    if outcome.is_err() {
        *document = before;
    }
    outcome
}

impl Operation {
    /// Members that are not known are ignored (RFC 6902, section 4).
    fn of(members: Option<Members<4>>) -> Result<Self, Stop> {
        let none = || -> Arc<str> { "".into() };
        let Some([Some(Value::String(op)), path, from, value]) = members else {
            return Err((Why::NotAPatch, none()));
        };
        let pointer = |member| match member {
            Some(Value::String(text)) => {
                Pointer::parse(Arc::clone(&text)).map_err(|fault| match fault {
                    PointerFault::Syntax => (Why::NotAPointer, text),
                    PointerFault::KeyForbidden => (Why::KeyForbidden, text),
                })
            }
            Some(_) => Err((Why::NotAPointer, none())),
            None => Err((Why::MemberMissing, none())),
        };
        let path = pointer(path)?;
        let value = |path: &Pointer| value.ok_or(Why::MemberMissing.at(path));
        Ok(match &*op {
            "add" => Self::Add(path.clone(), value(&path)?),
            "remove" => Self::Remove(path),
            "replace" => Self::Replace(path.clone(), value(&path)?),
            "move" => Self::Move(pointer(from)?, path),
            "copy" => Self::Copy(pointer(from)?, path),
            "test" => Self::Test(path.clone(), value(&path)?),
            _ => return Err(Why::NotAPatch.at(&path)),
        })
    }

    /// Whether it leaves this document as it is when it can't be done, so that no copy is needed to
    /// go back to: it takes one step, and the document can't become too large by it.
    fn is_whole_or_not(&self, document: &Value) -> bool {
        match self {
            Self::Add(path, value) | Self::Replace(path, value) => {
                // A comma, quotes and a colon.
                document.bytes() + path.as_str().len() + value.bytes() + 4 <= DOCUMENT_BYTES_MAX
            }
            Self::Remove(_) | Self::Test(..) => true,
            Self::Move(..) | Self::Copy(..) => false,
        }
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
