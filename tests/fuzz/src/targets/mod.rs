//! What each target feeds, and what it promises of any text.

pub mod client;
pub mod frames;
pub mod hub;
pub mod json;
