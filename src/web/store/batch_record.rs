//! Rows that were saved together share a record: what a transaction costs goes by its records, not
//! by its bytes.
//!
//! A pack is an array of rows with consecutive numbers, under the highest of these. A row that
//! leaves leaves a gap in it, and the pack goes with its last row. Measured with `npm run bench --
//! outbox`: six times as many rows a second as with a record each.

use std::cell::RefCell;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::PACKS;
use super::request::Request;
use super::row::RowRecord;
use super::work::{FoundRow, key_of, number};
use crate::ids::RowNo;

/// Rows of a pack. Chosen: to take one out of it is as cheap as to read a handful of rows.
pub(super) const ROWS_MAX: usize = 64;

/// Fewer rows have a record each. Chosen: a pack costs a round trip more, and a rewrite when it
/// goes in parts.
pub(super) const ROWS_MIN: usize = 8;

/// Where a pack is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: RowNo,
    pub(super) last: RowNo,
}

impl Span {
    pub(super) fn has(self, n: RowNo) -> bool {
        (self.first..=self.last).contains(&n)
    }
}

/// The packs that this client has made or read: every row that it knows is in one of them or in
/// none.
#[derive(Default)]
pub(super) struct BatchRecords {
    spans: RefCell<Vec<Span>>,
    /// Whose they are.
    producer: RefCell<JsValue>,
}

impl BatchRecords {
    pub(super) fn forget(&self) {
        self.spans.take();
    }

    /// The database is open, again perhaps, and perhaps another one.
    pub(super) fn opened(&self, producer: JsValue) {
        if self.producer.replace(producer.clone()) != producer {
            self.forget();
        }
    }

    pub(super) fn learn(&self, span: Span) {
        let mut spans = self.spans.borrow_mut();
        if !spans.contains(&span) {
            spans.push(span);
        }
    }

    pub(super) fn is_gone(&self, span: Span) {
        self.spans.borrow_mut().retain(|other| *other != span);
    }

    pub(super) fn of(&self, n: RowNo) -> Option<Span> {
        self.spans.borrow().iter().copied().find(|span| span.has(n))
    }

    /// Those that have rows among these.
    pub(super) fn among(&self, first: RowNo, last: RowNo) -> Vec<Span> {
        let spans = self.spans.borrow();
        let among = spans
            .iter()
            .filter(|span| span.first <= last && first <= span.last);
        among.copied().collect()
    }

    /// The rows of packs that were read, with their numbers.
    pub(super) fn unpack(&self, keys: &Array, packs: &Array) -> Vec<FoundRow> {
        let mut rows = Vec::new();
        for (key, pack) in keys.iter().zip(packs.iter()) {
            let pack = BatchRecord::new(number(&key), pack);
            self.learn(pack.span);
            rows.extend(pack.into_rows().map(|(n, row)| (n, Some(row))));
        }
        rows
    }
}

/// A pack that was read.
pub(super) struct BatchRecord {
    pub(super) span: Span,
    rows: Array,
}

impl BatchRecord {
    pub(super) fn new(last: RowNo, value: JsValue) -> Self {
        let rows: Array = value.unchecked_into();
        let before = u64::from(rows.length().saturating_sub(1));
        let first = RowNo(last.0.saturating_sub(before));
        Self {
            span: Span { first, last },
            rows,
        }
    }

    fn place(&self, n: RowNo) -> u32 {
        u32::try_from(n.0 - self.span.first.0).unwrap_or(u32::MAX)
    }

    pub(super) fn row(&self, n: RowNo) -> Option<RowRecord> {
        let row = self.rows.get(self.place(n));
        (!row.is_undefined()).then(|| RowRecord::from(row))
    }

    pub(super) fn remove(&self, n: RowNo) {
        self.rows.set(self.place(n), JsValue::UNDEFINED);
    }

    pub(super) fn into_rows(self) -> impl Iterator<Item = (RowNo, RowRecord)> {
        let numbers = (self.span.first.0..).map(RowNo);
        let rows = numbers.zip(self.rows);
        rows.filter(|(_, row)| !row.is_undefined())
            .map(|(n, row)| (n, RowRecord::from(row)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.is_undefined())
    }

    /// Writes it as it is by now.
    pub(super) fn write(self) -> Request {
        let key = key_of(self.span.last);
        if self.is_empty() {
            Request::Delete(PACKS, key)
        } else {
            Request::Put(PACKS, self.rows.into(), key)
        }
    }
}
