//! The frame codec, shared by client and hub: what every record of docs/protocol.md means.
//!
//! Two vocabularies, one a direction, each in a file of its own. Borrows from the text it reads.

mod document;
mod parts;
pub mod public_id;
pub(crate) mod record;
mod to_client;
mod to_hub;

use crate::ids::{From, RowNo, Seq, is_producer};
use record::{Reader, parse_cursor};

pub use document::{DocumentRecord, Kind, View};
pub use parts::{
    ANSWER_BYTES_MAX, FRAME_BYTES_MAX, PART_BYTES_MAX, Parts, RECORD_BYTES_MAX,
    SLOW_LINE_BYTES_PER_S, slow_ms,
};
pub use record::{DecodeError, parse_epoch, parse_number, push_cursor, push_epoch};
pub use to_client::{Body, Messages, ResumeFailure, Start, ToClient, Welcome};
pub use to_hub::{Publish, Skip, ToHub};

/// The only version of the protocol (rule C1).
pub const VERSION: u64 = 1;

/// The WebSocket subprotocol (rule W1).
pub const SUBPROTOCOL: &str = "longhaul.v1";

/// The records of a frame, in order.
pub fn records(frame: &str) -> impl Iterator<Item = &str> {
    frame.split('\n').filter(|record| !record.is_empty())
}

pub(crate) fn producer<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let text = r.field("producer")?;
    is_producer(text)
        .then_some(text)
        .ok_or(DecodeError::BadField("producer"))
}

pub(crate) fn row(r: &mut Reader<'_>, name: &'static str) -> Result<RowNo, DecodeError> {
    match r.number(name)? {
        0 => Err(DecodeError::BadNumber(name)),
        n => Ok(RowNo(n)),
    }
}

/// Reads where a subscription begins (rule C4).
pub(crate) fn from(text: &str) -> Result<From, DecodeError> {
    match text {
        "live" => Some(From::Live),
        "start" => Some(From::Start),
        // No number is a cursor.
        _ => parse_cursor(text).map(From::After).or_else(|| {
            let seq = parse_number(text).filter(|n| *n > 0);
            seq.map(|n| From::Seq(Seq(n)))
        }),
    }
    .ok_or(DecodeError::BadField("from"))
}
