//! The hub without its sockets: topics, producers, connections and what each is owed next.
//!
//! Sans-I/O. `now` arrives with every event and randomness is seeded, so the same events give the same effects. It names
//! no clock, socket or runtime; the rest of the crate drives it, and so may a simulator with thousands of clients.

mod admission;
mod changes;
mod close;
mod document;
mod door;
mod drain;
mod high_water;
mod hub;
mod large;
mod limits;
mod log;
mod owners;
mod payload;
mod peer;
mod posts;
mod producers;
mod records;
mod room;
mod sessions;
mod stream;
mod subject;
mod tickets;
mod time;
mod topic;
mod topics;
mod transports;

pub use admission::{Admission, spread_ms};
pub use close::{Close, Refusal};
pub use document::{ChangeFault, Expected, State};
pub use door::Readiness;
pub use drain::Drain;
pub use hub::{Effect, Event, Hub};
pub use limits::Limits;
pub use log::{Entry, Log};
pub use payload::PayloadFault;
pub use peer::ConnId;
pub use producers::Verdict;
pub use time::{Now, Time};
pub use topic::{Offer, Page, PublishFault, Published, ReadFault};
pub use transports::{Transport, Transports};
