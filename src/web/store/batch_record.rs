//! Batch records: arrays of rows with consecutive numbers, under the highest number. A
//! transaction's cost depends on its records, not on its bytes: `npm run bench -- outbox` measured
//! six times as many rows a second. A removed row leaves an empty element, and the last row's
//! removal deletes the record.

use std::cell::RefCell;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::BATCHES;
use super::request::Request;
use super::row::{FoundRow, RowRecord, key_of, number};
use crate::ids::RowNo;

/// The most rows in a batch record. Chosen: to take a row out costs no more than to read a handful
/// of rows.
pub(super) const ROWS_MAX: usize = 64;

/// Fewer rows get a record each. Chosen: a batch record costs another round trip, and a rewrite
/// when some of its rows leave.
pub(super) const ROWS_MIN: usize = 8;

/// The row numbers that a batch record covers.
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

/// The batch records that this client has written or read. They tell for every row that the client
/// knows whether a batch record contains it.
#[derive(Default)]
pub(super) struct BatchRecords {
    spans: RefCell<Vec<Span>>,
    /// The producer of the rows.
    producer: RefCell<JsValue>,
}

impl BatchRecords {
    pub(super) fn clear(&self) {
        self.spans.take();
    }

    /// The database has opened, perhaps again. If the producer differs, it is another database.
    pub(super) fn opened(&self, producer: JsValue) {
        if self.producer.replace(producer.clone()) != producer {
            self.clear();
        }
    }

    pub(super) fn add(&self, span: Span) {
        let mut spans = self.spans.borrow_mut();
        if !spans.contains(&span) {
            spans.push(span);
        }
    }

    pub(super) fn remove(&self, span: Span) {
        self.spans.borrow_mut().retain(|other| *other != span);
    }

    pub(super) fn find(&self, n: RowNo) -> Option<Span> {
        self.spans.borrow().iter().copied().find(|span| span.has(n))
    }

    /// Returns the batch records that cover numbers of this range.
    pub(super) fn overlapping(&self, first: RowNo, last: RowNo) -> Vec<Span> {
        let spans = self.spans.borrow();
        let overlapping = spans
            .iter()
            .filter(|span| span.first <= last && first <= span.last);
        overlapping.copied().collect()
    }

    /// Returns the rows of batch records that were read, with their numbers.
    pub(super) fn unpack(&self, keys: &Array, batch_records: &Array) -> Vec<FoundRow> {
        let mut rows = Vec::new();
        for (key, record) in keys.iter().zip(batch_records.iter()) {
            let record = BatchRecord::new(number(&key), record);
            self.add(record.span);
            rows.extend(record.into_rows().map(|(n, row)| (n, Some(row))));
        }
        rows
    }
}

/// A batch record that was read.
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

    fn index(&self, n: RowNo) -> u32 {
        u32::try_from(n.0 - self.span.first.0).unwrap_or(u32::MAX)
    }

    pub(super) fn row(&self, n: RowNo) -> Option<RowRecord> {
        let row = self.rows.get(self.index(n));
        (!row.is_undefined()).then(|| RowRecord::from(row))
    }

    pub(super) fn remove(&self, n: RowNo) {
        self.rows.set(self.index(n), JsValue::UNDEFINED);
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

    /// Writes the record's current rows, or deletes it if none is left.
    pub(super) fn write(self) -> Request {
        let key = key_of(self.span.last);
        if self.is_empty() {
            Request::Delete(BATCHES, key)
        } else {
            Request::Put(BATCHES, self.rows.into(), key)
        }
    }
}
