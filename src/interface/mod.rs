//! What goes into the client and comes out of it: events, effects, and the questions to storage with their answers.
//!
//! Plain data. Owns no state and no rule.

pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod storage;
