//! What a topic contains: nothing yet, messages, or a document (rules D1 to D3).
//!
//! Owns a document's value at the head of its topic. Caches its text and hash until the next
//! change.

use std::borrow::Cow;
use std::sync::Arc;

use longhaul::document::patch::{Change, Fault};
use longhaul::document::value::Value;
use longhaul::ids::{Epoch, Seq};
use longhaul::wire::Kind;

use super::capacity::Growth;

/// Most characters of a pointer in a nack. Chosen: programs make longer ones, and the operation's
/// index finds them.
const POINTER_CHARS_MAX: usize = 200;

/// Why a topic does not accept an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeFault {
    /// A message for a document.
    IsDocument,
    /// A patch for a topic that has messages.
    NotADocument,
    /// The text is not a patch, or the patch does not fit the document.
    Patch(Fault),
}

impl ChangeFault {
    /// For people and programs, without line ends: `2 "/a/b" there is nothing …`.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::IsDocument => "the topic is a document: change it by patch or merge".into(),
            Self::NotADocument => {
                "the topic has messages, so it is not a document: use another topic".into()
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

/// Why a topic does not accept an entry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It never accepts this entry.
    Fault(ChangeFault),
    /// The document would grow, and the hub has no capacity for that.
    Grows,
}

/// The document that a back end's change expects (rule P9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any document, or none.
    #[default]
    Anything,
    /// A document that has been written.
    Written,
    /// A topic that nobody has written.
    Unwritten,
    /// The document right after one of these entries.
    After(Vec<(Epoch, Seq)>),
}

/// A document at one position of its log.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentState {
    /// The incarnation of the log.
    pub epoch: Epoch,
    /// The last entry that the value contains.
    pub seq: Seq,
    /// The value; a copy that shares its parts.
    pub value: Value,
}

/// What a topic contains.
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
    /// Applies an entry. An error leaves everything as it was.
    pub(crate) fn apply(
        &mut self,
        kind: Kind,
        payload: &str,
        growth: Growth,
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
        // The copy shares all parts with the value, so the change has to copy what it touches.
        let before = (growth == Growth::Refused).then(|| document.value.clone());
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

    /// Whether the topic is a document, or may become one because nobody has written it.
    pub(crate) fn is_document(&self) -> bool {
        !matches!(self, Self::Messages)
    }

    /// The document's value, if somebody has written it.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Document(document) => Some(&document.value),
            _ => None,
        }
    }

    /// Whether the hub keeps the topic when its log is empty.
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

    /// The value as JSON text. The text is cached until the next change.
    pub(crate) fn text(&mut self) -> Arc<str> {
        match self {
            Self::Document(document) => document
                .text
                .get_or_insert_with(|| document.value.to_json().into())
                .clone(),
            _ => "null".into(),
        }
    }

    /// The value's hash (rule D8), cached like the text.
    pub(crate) fn hash(&mut self) -> u64 {
        match self {
            Self::Document(document) => {
                *document.hash.get_or_insert_with(|| document.value.hash48())
            }
            _ => Value::Null.hash48(),
        }
    }
}
