//! The data that enters and leaves the client core, without state or rules.
//!
//! Events enter and effects leave. They share the types of publications, of storage requests and of
//! tab messages. Nothing here uses the parts of the core that handle them.

pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod publication;
pub(crate) mod storage;
pub(crate) mod tab_message;
