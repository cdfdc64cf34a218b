//! The hub: one entry for events, and one file for each kind of request that it handles.
//!
//! `state` has the tables and routes events. The other files add methods to `Hub`: `admitting`,
//! `draining`, `ticking`, `subscribing`, `records`, `posts`, `back_ends` and `closing`.

mod admitting;
mod back_ends;
mod closing;
mod draining;
mod posts;
mod reading;
mod records;
mod row;
pub(super) mod state;
mod subscribing;
mod ticking;
mod timers;
