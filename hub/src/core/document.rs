//! What a topic's entries make of it: nothing yet, a run of messages, or a document (rules D1 to D3).
//!
//! Owns a document's value at the head of its topic, and its text and hash as long as nobody changes it.

use std::borrow::Cow;
use std::sync::Arc;

use longhaul::document::patch::{Change, Fault};
use longhaul::document::value::Value;
use longhaul::ids::{Epoch, Seq};
use longhaul::wire::Kind;

/// Most characters of a pointer that a nack repeats. Chosen: longer ones are made by programs, and the index finds them.
const POINTER_CHARS_MAX: usize = 200;

/// Why an entry is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeFault {
    /// A message for a document.
    IsDocument,
    /// A patch for a topic that has messages.
    NotADocument,
    /// The document can't be changed so, or the patch is none.
    Patch(Fault),
}

impl ChangeFault {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::IsDocument => "is_document",
            Self::NotADocument => "not_a_document",
            Self::Patch(fault) => fault.why.code(),
        }
    }

    /// For people, and for programs that look: `2 "/a/b" there is nothing …`. Without line ends.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::IsDocument => "the topic is a document: change it by patch or merge".into(),
            Self::NotADocument => {
                "the topic has messages, so it is no document: use another topic".into()
            }
            Self::Patch(fault) => match fault.operation {
                None => fault.why.message().into(),
                Some(index) => {
                    let pointer: String = fault.pointer.chars().take(POINTER_CHARS_MAX).collect();
                    let pointer = Value::String(pointer.into()).to_json();
                    format!("{index} {pointer} {}", fault.why.message()).into()
                }
            },
        }
    }
}

/// Why an entry is not taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It never is.
    Fault(ChangeFault),
    /// It would make the document larger.
    Grows,
}

/// What a back end's change is to find (rule P9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is.
    #[default]
    Anything,
    /// A document that has been written.
    Written,
    /// Nothing.
    Unwritten,
    /// The document after one of these entries.
    After(Vec<(Epoch, Seq)>),
}

/// A document and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Of which log.
    pub epoch: Epoch,
    /// After which entry.
    pub seq: Seq,
    /// A copy that shares everything.
    pub value: Value,
}

/// What a topic is.
#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    Nothing,
    Messages,
    Document(Document),
}

/// A document at the head of its topic.
#[derive(Debug, Default)]
pub(crate) struct Document {
    value: Value,
    text: Option<Arc<str>>,
    hash: Option<u64>,
}

impl Content {
    /// An entry comes. Nothing has changed if it is not taken.
    pub(crate) fn take(
        &mut self,
        kind: Kind,
        payload: &str,
        may_grow: bool,
    ) -> Result<(), Refused> {
        let change = match kind {
            Kind::Message => {
                if let Self::Document(_) = self {
                    return Err(Refused::Fault(ChangeFault::IsDocument));
                }
                *self = Self::Messages;
                return Ok(());
            }
            Kind::Patch => Change::patch(payload),
            Kind::Merge => Change::merge(payload),
        };
        let mut fresh = Document::default();
        let document = match self {
            Self::Messages => return Err(Refused::Fault(ChangeFault::NotADocument)),
            Self::Document(document) => document,
            Self::Nothing => &mut fresh,
        };
        // A copy shares everything, but makes the change copy what it touches.
        let before = (!may_grow).then(|| document.value.clone());
        change
            .and_then(|change| change.apply(&mut document.value))
            .map_err(|fault| Refused::Fault(ChangeFault::Patch(fault)))?;
        if let Some(before) = before
            && document.value.memory() > before.memory()
        {
            document.value = before;
            return Err(Refused::Grows);
        }
        (document.text, document.hash) = (None, None);
        if let Self::Nothing = self {
            *self = Self::Document(fresh);
        }
        Ok(())
    }

    /// Whether it may be taken for a document: it is one, or nobody has written to the topic.
    pub(crate) fn is_document(&self) -> bool {
        !matches!(self, Self::Messages)
    }

    /// The value of a document that has been written.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Document(document) => Some(&document.value),
            _ => None,
        }
    }

    /// Whether it is worth keeping when all entries are gone.
    pub(crate) fn is_kept(&self) -> bool {
        self.value().is_some_and(|value| *value != Value::Null)
    }

    /// Memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Document(Document { value, text, .. }) => {
                value.memory() + text.as_ref().map_or(0, |text| text.len())
            }
            _ => 0,
        }
    }

    /// Its JSON text, written once for all who ask before the next change.
    pub(crate) fn text(&mut self) -> Arc<str> {
        match self {
            Self::Document(document) => document
                .text
                .get_or_insert_with(|| document.value.to_json().into())
                .clone(),
            _ => "null".into(),
        }
    }

    /// Its hash (rule D8), as the text.
    pub(crate) fn hash(&mut self) -> u64 {
        match self {
            Self::Document(document) => {
                *document.hash.get_or_insert_with(|| document.value.hash48())
            }
            _ => Value::Null.hash48(),
        }
    }
}
