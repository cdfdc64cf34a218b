//! Fields that records of both directions have.

use crate::ids::{From, RowNo, Seq, is_producer};
use crate::wire::record::{DecodeError, Reader, parse_cursor, parse_number};

pub(super) fn producer<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let text = r.field("producer")?;
    is_producer(text)
        .then_some(text)
        .ok_or(DecodeError::BadField("producer"))
}

pub(super) fn row(r: &mut Reader<'_>, name: &'static str) -> Result<RowNo, DecodeError> {
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
