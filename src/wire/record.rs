//! The text of one record: reading fields in order, writing them (rules W2 to W4).
//!
//! Owns the lexical level and its errors. Knows no verb.

use crate::boundary::CHAIN_MAX;
use std::fmt;

use crate::ids::{Chain, Cursor, Epoch, NUMBER_MAX, Seq};

/// What is wrong with a record. The text names the field, never the peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The verb is none of this direction's.
    UnknownVerb,
    /// The record ends before this field.
    Missing(&'static str),
    /// This field is not a number as rule W4 has it, or out of its range.
    BadNumber(&'static str),
    /// This field is not in its written form.
    BadField(&'static str),
}

impl DecodeError {
    /// The field or place that is wrong.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::UnknownVerb => "verb",
            Self::Missing(field) | Self::BadNumber(field) | Self::BadField(field) => field,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownVerb => "unknown ",
            Self::Missing(_) => "missing ",
            Self::BadNumber(_) => "not a number: ",
            Self::BadField(_) => "malformed ",
        })?;
        f.write_str(self.field())
    }
}

impl std::error::Error for DecodeError {}

/// Reads a record from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'a str) -> Self {
        Self { rest: Some(record) }
    }

    pub(crate) fn field(&mut self, name: &'static str) -> Result<&'a str, DecodeError> {
        let (field, after) = cut(self.rest.ok_or(DecodeError::Missing(name))?, b' ');
        if field.is_empty() {
            return Err(DecodeError::Missing(name));
        }
        self.rest = after;
        Ok(field)
    }

    /// Everything up to the end of the record, spaces included.
    pub(crate) fn rest(&mut self, name: &'static str) -> Result<&'a str, DecodeError> {
        self.rest
            .take()
            .filter(|rest| !rest.is_empty())
            .ok_or(DecodeError::Missing(name))
    }

    pub(crate) fn number(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        parse_number(self.field(name)?).ok_or(DecodeError::BadNumber(name))
    }

    pub(crate) fn small(&mut self, name: &'static str) -> Result<u32, DecodeError> {
        let number = self.number(name)?;
        u32::try_from(number)
            .ok()
            .filter(|n| *n < 1 << 31)
            .ok_or(DecodeError::BadNumber(name))
    }

    pub(crate) fn seq(&mut self, name: &'static str) -> Result<Seq, DecodeError> {
        self.number(name).map(Seq)
    }

    pub(crate) fn epoch(&mut self) -> Result<Epoch, DecodeError> {
        parse_epoch(self.field("epoch")?).ok_or(DecodeError::BadField("epoch"))
    }

    pub(crate) fn chain(&mut self) -> Result<Chain, DecodeError> {
        parse_chain(self.field("chain")?).ok_or(DecodeError::BadNumber("chain"))
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, DecodeError> {
        match self.field(name)? {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(DecodeError::BadField(name)),
        }
    }

    /// What is left are options, each behind exactly one space (rule W3).
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        let is_option =
            |option: &str| option.bytes().position(|byte| byte == b'=').unwrap_or(0) > 0;
        match self.rest {
            Some(rest) if !parts(rest, b' ').all(is_option) => {
                Err(DecodeError::BadField("options"))
            }
            _ => Ok(()),
        }
    }

    /// The value of option `key`, if it exists. Options are at the end, in any order.
    pub(crate) fn option(&self, key: &str) -> Option<&'a str> {
        parts(self.rest?, b' ').find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn option_number(&self, key: &'static str) -> Result<Option<u64>, DecodeError> {
        self.option(key)
            .map(|text| parse_number(text).ok_or(DecodeError::BadNumber(key)))
            .transpose()
    }
}

/// The records of a frame, in order.
pub fn records(frame: &str) -> impl Iterator<Item = &str> {
    frame.split('\n').filter(|record| !record.is_empty())
}

/// The parts of a text between separators. The standard library's function would add half a
/// kilobyte to the client.
pub(crate) fn parts(text: &str, ascii: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (part, after) = cut(rest?, ascii);
        rest = after;
        Some(part)
    })
}

/// A text before the first separator, and what is behind it, if there is one.
pub(crate) fn cut(text: &str, ascii: u8) -> (&str, Option<&str>) {
    let end = text.bytes().position(|byte| byte == ascii);
    let end = end.unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end + 1..))
}

/// A number as rule W4 writes it.
#[must_use]
pub fn parse_number(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 16 || (digits.len() > 1 && digits.first() == Some(&b'0'))
    {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    (number <= NUMBER_MAX).then_some(number)
}

/// `epoch/seq/chain`.
pub(crate) fn parse_cursor(text: &str) -> Option<Cursor> {
    let (epoch, rest) = cut(text, b'/');
    let (seq, chain) = cut(rest?, b'/');
    Some(Cursor {
        epoch: parse_epoch(epoch)?,
        seq: Seq(parse_number(seq)?),
        chain: parse_chain(chain?)?,
    })
}

fn parse_chain(text: &str) -> Option<Chain> {
    parse_number(text).filter(|n| *n <= CHAIN_MAX).map(Chain)
}

/// Reads an epoch.
#[must_use]
pub fn parse_epoch(text: &str) -> Option<Epoch> {
    if text.len() != 16 {
        return None;
    }
    let mut epoch = 0_u64;
    for byte in text.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        epoch = epoch << 4 | u64::from(digit);
    }
    Some(Epoch(epoch))
}

/// Appends one record to a frame: starts it with LF where the frame has one already.
pub(crate) struct Writer<'a> {
    out: &'a mut String,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut String, verb: &str) -> Self {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(verb);
        Self { out }
    }

    pub(crate) fn text(self, field: &str) -> Self {
        self.out.push(' ');
        self.out.push_str(field);
        self
    }

    pub(crate) fn number(self, number: impl itoa::Integer) -> Self {
        self.text(itoa::Buffer::new().format(number))
    }

    pub(crate) fn epoch(self, epoch: Epoch) -> Self {
        self.out.push(' ');
        push_epoch(self.out, epoch);
        self
    }

    pub(crate) fn cursor(self, cursor: &Cursor) -> Self {
        self.out.push(' ');
        push_cursor(self.out, cursor);
        self
    }

    pub(crate) fn option(self, key: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push('=');
            self.out.push_str(value);
        }
        self
    }

    pub(crate) fn option_number(self, key: &str, value: u64) -> Self {
        self.option(key, Some(itoa::Buffer::new().format(value)))
    }
}

/// Writes an epoch as its 16 hex digits.
pub fn push_epoch(out: &mut String, epoch: Epoch) {
    for shift in (0..16).rev() {
        let digit = u32::try_from(epoch.0 >> (shift * 4) & 0xf).unwrap_or(0);
        out.extend(char::from_digit(digit, 16));
    }
}

/// Writes `epoch/seq/chain`.
pub fn push_cursor(out: &mut String, cursor: &Cursor) {
    push_epoch(out, cursor.epoch);
    out.push('/');
    out.push_str(itoa::Buffer::new().format(cursor.seq.0));
    out.push('/');
    out.push_str(itoa::Buffer::new().format(cursor.chain.0));
}
