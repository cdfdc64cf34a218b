//! Longhaul's client core: realtime topics that survive the network.
//!
//! The core is sans-I/O. It names no clock, socket, browser or runtime: [`Client::handle`] takes the time and what
//! happened and says what to do. `web` drives it in the browser, tests and simulations drive it natively, and the
//! hub shares its [`wire`] codec.

mod backoff;
pub mod boundary;
mod client;
pub mod codes;
pub mod config;
mod connection;
mod context;
pub mod document;
pub mod ids;
mod interface;
mod metrics;
mod publish;
mod subscription;
mod time;
mod transport;
#[cfg(all(target_arch = "wasm32", feature = "web"))]
#[expect(
    clippy::as_conversions,
    reason = "JavaScript's numbers are f64; float-to-integer `as` saturates, and no number here exceeds 2^53"
)]
mod web;
pub mod wire;

pub use backoff::hint::{HINT_MS_MAX, Hint};
pub use client::Client;
pub use connection::{Reason, Status, Tried, TriedOutcome};
pub use interface::effect::{Effect, TokenReason};
pub use interface::event::{Event, Run};
pub use interface::publication::{
    DeadLetter, NewRow, Outcome, Publication, PublishRefusal, RowOutcome, RowUpdate, SavedRow,
    StoredRow, Until,
};
pub use interface::storage::{Batch, LoadQuery, StoreAnswer, StoreFault, StoreRequest};
pub use interface::tab_message::TabMessage;
pub use metrics::{Histogram, Metrics, Summary};
pub use publish::outbox::MEMORY_ROWS;
pub use time::Time;
pub use transport::{Transport, TransportSet};
