//! The hub without its sockets: topics, connections, admission, and what each connection gets next.
//!
//! Sans-I/O: `now` arrives with every event, and random numbers come from a seed. So the same
//! events give the same effects. The core names no clock, socket or runtime. The rest of the crate
//! drives it, and so does the simulator.

mod admission;
mod close;
mod connections;
mod event;
mod hub;
mod ids;
mod limits;
mod refusal;
mod time;
mod topics;
mod transports;

pub use admission::bucket::{Admission, spread_ms};
pub use admission::drain::Drain;
pub use admission::phase::Readiness;
pub use close::Close;
pub use event::{Effect, Event};
pub use hub::state::Hub;
pub use ids::ConnId;
pub use limits::Limits;
pub use refusal::Refusal;
pub use time::{Now, Time};
pub use topics::document::{ChangeFault, DocumentState, Expected};
pub use topics::log::{Entry, Log};
pub use topics::nack::NackCode;
pub use topics::payload::PayloadFault;
pub use topics::producers::Verdict;
pub use topics::publication::{Offer, Page, PublishFault, Published, ReadFault};
pub use transports::{Transport, Transports};
