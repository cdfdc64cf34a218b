//! Longhaul's client core: realtime topics that survive the network.
//!
//! The core is sans-I/O. It names no clock, socket, browser or runtime: [`Client::handle`] takes the time and what
//! happened and says what to do. `web` drives it in the browser, tests and simulations drive it natively, and the
//! hub shares its [`frame`] codec.

mod arrival;
mod backoff;
mod cadence;
mod client;
pub mod codes;
pub mod config;
mod connection;
pub mod document;
mod document_record;
mod effect;
mod event;
pub mod frame;
mod heartbeat;
mod hint;
mod hold;
pub mod ids;
mod ledger;
mod link;
mod live;
mod metrics;
mod negotiation;
mod outbox;
mod pace;
mod parts;
pub mod patch;
mod pause;
pub mod pointer;
pub mod public_id;
mod publishing;
mod record;
mod sequencer;
mod status;
mod store;
mod subscription;
mod time;
mod to_client;
mod to_hub;
mod token;
mod transport;
mod turn;
pub mod value;
#[cfg(all(target_arch = "wasm32", feature = "web"))]
#[expect(
    clippy::as_conversions,
    reason = "JavaScript's numbers are f64; float-to-integer `as` saturates, and no number here exceeds 2^53"
)]
mod web;

pub use client::Client;
pub use effect::{Effect, Outcome, PublishRefusal};
pub use event::{Event, NewPublication};
pub use hint::{HINT_MS_MAX, Hint};
pub use metrics::{Histogram, Metrics, Summary};
pub use negotiation::{Tried, TriedOutcome};
pub use outbox::{BESIDE, StoredRow};
pub use record::{parse_epoch, parse_number, push_cursor, push_epoch};
pub use sequencer::Run;
pub use status::{Reason, Status};
pub use store::{
    Batch, Ended, Letter, Look, Mark, Notice, Save, Saved, StoreAnswer, StoreFault, StoreRequest,
    Until,
};
pub use time::Time;
pub use token::TokenReason;
pub use transport::{Transport, TransportSet};
