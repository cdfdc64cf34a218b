//! The frame codec of client and hub: every record of docs/protocol.md.
//!
//! Each direction has its own records and its own file. Decoded records borrow from the text.

mod document;
mod fields;
mod parts;
pub mod public_id;
pub(crate) mod record;
mod to_client;
mod to_hub;

pub use document::{DocumentRecord, Kind, View};
#[cfg(all(target_arch = "wasm32", feature = "web"))]
pub(crate) use fields::from;
pub use parts::{
    ANSWER_BYTES_MAX, FRAME_BYTES_MAX, PART_BYTES_MAX, Parts, RECORD_BYTES_MAX,
    SLOW_LINE_BYTES_PER_S, slow_ms,
};
pub use record::{DecodeError, parse_epoch, parse_number, push_cursor, push_epoch, records};
pub use to_client::{Body, Messages, ResumeFailure, Start, ToClient, Welcome};
pub use to_hub::{Publish, Skip, ToHub};

/// The only version of the protocol (rule C1).
pub const VERSION: u64 = 1;

/// The WebSocket subprotocol (rule W1).
pub const SUBPROTOCOL: &str = "longhaul.v1";
