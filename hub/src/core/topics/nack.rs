//! Why a publication takes no effect, and why a subscription does not begin (rules H9, H12).
//!
//! Owns the stable codes and their texts for people. Both enums are closed.

use std::borrow::Cow;

use longhaul::document::patch::Why;

use super::document::ChangeFault;
use super::payload::PayloadFault;

/// The code of a nack. A producer's verdicts keep only the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NackCode {
    /// The topic does not have the publication that the new one names as `prev`.
    OutOfOrder,
    /// Another publication had this number, or another body had this idempotency key.
    IdConflict,
    /// The number is older than the verdicts that the hub keeps.
    IdForgotten,
    /// The hub has no capacity now.
    Busy,
    /// The time to live is over, or the client cancelled the publication.
    Expired,
    /// The outbox belongs to another subject.
    NotOwner,
    /// The payload is not a JSON text that the hub accepts.
    PayloadInvalid,
    /// The payload is too large.
    PayloadTooLarge,
    /// A message for a document.
    IsDocument,
    /// A patch for a topic with messages.
    NotADocument,
    /// The text is not a patch.
    PatchInvalid,
    /// The patch does not fit the document.
    PatchFailed,
    /// The patch has too many operations.
    PatchTooLong,
    /// The patch has a key that documents may not have.
    KeyForbidden,
    /// The document would be nested too deep.
    DocumentTooDeep,
    /// The document would be too large.
    DocumentTooLarge,
}

impl NackCode {
    /// The stable code on the wire.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out_of_order",
            Self::IdConflict => "id_conflict",
            Self::IdForgotten => "id_forgotten",
            Self::Busy => "busy",
            Self::Expired => "expired",
            Self::NotOwner => "not_owner",
            Self::PayloadInvalid => "payload_invalid",
            Self::PayloadTooLarge => "payload_too_large",
            Self::IsDocument => "is_document",
            Self::NotADocument => "not_a_document",
            Self::PatchInvalid => "patch_invalid",
            Self::PatchFailed => "patch_failed",
            Self::PatchTooLong => "patch_too_long",
            Self::KeyForbidden => "key_forbidden",
            Self::DocumentTooDeep => "document_too_deep",
            Self::DocumentTooLarge => "document_too_large",
        }
    }

    /// What the code means, for people. A repeated verdict has no other text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::OutOfOrder => {
                "the publication named as prev is not here; send again from the oldest without a verdict"
            }
            Self::IdConflict => "another publication had this number",
            Self::IdForgotten => "the number is older than the verdicts that the hub keeps",
            Self::Busy => "the hub has no capacity for this now",
            Self::Expired => "its time to live was over, or its client cancelled it",
            Self::NotOwner => {
                "the outbox belongs to another subject; its publications wait for that subject's token"
            }
            Self::PayloadInvalid => "the payload is not a JSON text that the hub accepts",
            Self::PayloadTooLarge => "the payload is larger than the hub accepts",
            Self::IsDocument => "the topic is a document, which accepts only patches and merges",
            Self::NotADocument => "the topic has messages, and accepts no patch or merge",
            Self::PatchInvalid => "the text is not a patch",
            Self::PatchFailed => "the patch did not fit the document",
            Self::PatchTooLong => "the patch has too many operations",
            Self::KeyForbidden => "the patch has a key that no document may have",
            Self::DocumentTooDeep => "the document would be nested too deep",
            Self::DocumentTooLarge => "the document, or what the patch copies, would be too large",
        }
    }

    /// The code of a change that a document does not accept.
    #[must_use]
    pub fn of_change(fault: &ChangeFault) -> Self {
        match fault {
            ChangeFault::IsDocument => Self::IsDocument,
            ChangeFault::NotADocument => Self::NotADocument,
            ChangeFault::Patch(fault) => match fault.why {
                Why::NotJson | Why::NotAPatch | Why::MemberMissing | Why::NotAPointer => {
                    Self::PatchInvalid
                }
                Why::Missing | Why::NoIndex | Why::TestFailed | Why::IntoItself => {
                    Self::PatchFailed
                }
                Why::KeyForbidden => Self::KeyForbidden,
                Why::TooDeep => Self::DocumentTooDeep,
                Why::TooLarge | Why::CopiesTooMuch => Self::DocumentTooLarge,
                Why::TooManyOperations => Self::PatchTooLong,
            },
        }
    }

    /// The code of a payload that no topic accepts.
    #[must_use]
    pub fn of_payload(fault: PayloadFault) -> Self {
        match fault {
            PayloadFault::TooLarge { .. } => Self::PayloadTooLarge,
            PayloadFault::NotJson | PayloadFault::TooDeep => Self::PayloadInvalid,
        }
    }
}

/// What the hub has no capacity for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// All memory is in use.
    Memory,
    /// The share of documents is in use.
    DocumentMemory,
    /// Too many topics.
    Topics,
    /// Too many producers, in the topic or in the hub.
    Producers,
    /// Too many subscriptions.
    Subscriptions,
}

impl Shortage {
    fn text(self) -> &'static str {
        match self {
            Self::Memory => "the hub's memory is full",
            Self::DocumentMemory => "the hub's memory for documents is full",
            Self::Topics => "the hub has too many topics",
            Self::Producers => "the topic, or the hub, has too many producers",
            Self::Subscriptions => "the hub has too many subscriptions",
        }
    }
}

/// Why a publication of a client takes no effect (rule H9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nack {
    /// The code says everything. So does the code of a repeated verdict.
    Plain(NackCode),
    /// The hub has no capacity now. This nack is never a verdict.
    Busy(Shortage),
    /// No topic accepts the payload.
    Payload(PayloadFault),
    /// The topic does not accept the change.
    Change(ChangeFault),
}

impl Nack {
    pub(crate) fn code(&self) -> NackCode {
        match self {
            Self::Plain(code) => *code,
            Self::Busy(_) => NackCode::Busy,
            Self::Payload(fault) => NackCode::of_payload(*fault),
            Self::Change(fault) => NackCode::of_change(fault),
        }
    }

    /// What happened, for people and for programs that show it.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Plain(code) => code.text().into(),
            Self::Busy(shortage) => shortage.text().into(),
            Self::Payload(fault) => fault.to_string().into(),
            Self::Change(fault) => fault.message(),
        }
    }
}

/// Why a subscription does not begin, or ends (rules H12, D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionFault {
    /// The hub has no capacity now.
    Busy(Shortage),
    /// The client asks for a document, and the topic has messages.
    NotADocument,
}

impl SubscriptionFault {
    pub(crate) fn code(self) -> NackCode {
        match self {
            Self::Busy(_) => NackCode::Busy,
            Self::NotADocument => NackCode::NotADocument,
        }
    }

    pub(crate) fn text(self) -> Cow<'static, str> {
        match self {
            Self::Busy(shortage) => shortage.text().into(),
            Self::NotADocument => ChangeFault::NotADocument.message(),
        }
    }
}

#[cfg(test)]
mod tests {
    use longhaul::document::patch::Change;
    use longhaul::document::value::Value;

    use super::*;

    #[test]
    fn the_codes_of_patches_are_those_of_the_client() {
        let mut copies = String::from(r#"[{"op":"add","path":"/a","value":{}}"#);
        for _ in 0..1_000 {
            copies += r#",{"op":"test","path":"","value":null}"#;
        }
        copies.push(']');
        for patch in [
            "x",
            "{}",
            r#"[{"op":"add"}]"#,
            r#"[{"op":"remove","path":"a"}]"#,
            r#"[{"op":"remove","path":"/a"}]"#,
            r#"[{"op":"add","path":"","value":{"__proto__":1}}]"#,
            &copies,
        ] {
            let mut value = Value::Null;
            let fault = Change::patch(patch)
                .and_then(|change| change.apply(&mut value))
                .unwrap_err();
            let code = fault.why.code();
            let change = ChangeFault::Patch(fault);
            assert_eq!(NackCode::of_change(&change).code(), code, "{patch}");
        }
    }
}
