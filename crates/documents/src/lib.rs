//! The documents of a page: their values in a wasm of their own, so that pages without documents do
//! not load it.
//!
//! A thin shell around `longhaul::document`. Records come with their numbers read and in order,
//! which is the client's part. What has changed goes out as commands for the page's own copy: one
//! text a look, made by one walk.
#![cfg(target_arch = "wasm32")]
#![expect(
    clippy::as_conversions,
    reason = "JavaScript's numbers are f64; float-to-integer `as` saturates, and no number here exceeds 2^53"
)]

use std::cell::RefCell;

use longhaul::boundary;
use longhaul::document::patch::{Change, Fault};
use longhaul::document::pointer::Pointer;
use longhaul::document::{Document, Step};
use longhaul::ids::{Chain, Cursor, Epoch, RowNo, Seq};
use longhaul::wire::Kind;
use longhaul::wire::parse_epoch;
use wasm_bindgen::prelude::*;

/// One document.
#[wasm_bindgen]
pub struct DocumentCore {
    document: RefCell<Document>,
}

#[wasm_bindgen]
impl DocumentCore {
    /// A document that has not begun, for the outbox with this name.
    #[wasm_bindgen(constructor)]
    pub fn new(producer: &str) -> Self {
        Self {
            document: RefCell::new(Document::new(producer)),
        }
    }

    /// The whole value. As all records: 0 it was old, 1 changed, 2 agreed, 3 diverged.
    pub fn snapshot(&self, epoch: &str, seq: f64, chain: f64, last: f64, text: &str) -> u32 {
        let at = Cursor {
            epoch: epoch_of(epoch),
            seq: Seq(seq as u64),
            chain: Chain(chain as u64),
        };
        let last = RowNo(last as u64);
        number_of(self.document.borrow_mut().snapshot(at, last, text))
    }

    /// Entries that follow each other: their records. What is none is like an entry that does not
    /// apply.
    pub fn changes(&self, records: &str) -> u32 {
        let mut document = self.document.borrow_mut();
        number_of(document.entries(records))
    }

    /// The same in UTF-8.
    #[wasm_bindgen(js_name = changesUtf8)]
    pub fn changes_utf8(&self, records: &[u8]) -> u32 {
        self.changes(std::str::from_utf8(records).unwrap_or_default())
    }

    /// What the hub's document hashes to.
    pub fn checkpoint(&self, seq: f64, hash: f64) -> u32 {
        let mut document = self.document.borrow_mut();
        number_of(document.checkpoint(Seq(seq as u64), hash as u64))
    }

    /// Why an own change can't be made now: code, LF, words.
    pub fn check(&self, kind: u32, text: &str) -> Option<String> {
        let change = read(kind, text);
        let outcome = change.and_then(|change| self.document.borrow_mut().check(&change));
        outcome.err().map(|fault| told(&fault))
    }

    /// An own change has its row.
    pub fn publish(&self, row: f64, kind: u32, text: &str) {
        if let Ok(change) = read(kind, text) {
            let mut document = self.document.borrow_mut();
            document.publish(RowNo(row as u64), change);
        }
    }

    /// An own change has taken effect.
    pub fn acked(&self, row: f64, epoch: &str, seq: f64) {
        let mut document = self.document.borrow_mut();
        document.acked(RowNo(row as u64), epoch_of(epoch), Seq(seq as u64));
    }

    /// An own change is a dead letter.
    pub fn dead(&self, row: f64) {
        self.document.borrow_mut().dead(RowNo(row as u64));
    }

    /// What has changed since the last look, as JSON: see `longhaul::value`.
    pub fn look(&self) -> Option<String> {
        self.document.borrow_mut().look()
    }

    /// Whether something at this place has changed since the last look.
    #[wasm_bindgen(js_name = hasChanged)]
    pub fn has_changed(&self, pointer: &str) -> bool {
        Pointer::parse(pointer.into())
            .is_ok_and(|pointer| self.document.borrow_mut().has_changed(&pointer))
    }

    /// JSON of one place in the value.
    pub fn at(&self, pointer: &str) -> Option<String> {
        let pointer = Pointer::parse(pointer.into()).ok()?;
        let mut document = self.document.borrow_mut();
        Some(pointer.find(document.value())?.to_json())
    }

    /// JSON of what the hub has confirmed.
    pub fn confirmed(&self) -> String {
        self.document.borrow().confirmed().to_json()
    }

    /// The entry after which what is confirmed stands; -1 before the first snapshot.
    pub fn seq(&self) -> f64 {
        let cursor = self.document.borrow().cursor();
        cursor.map_or(-1.0, |cursor| cursor.seq.0 as f64)
    }

    /// Own changes that wait for an ack.
    pub fn pending(&self) -> u32 {
        self.document.borrow().pending() as u32
    }

    /// Own changes without their entries, those that were acked included.
    pub fn laid(&self) -> u32 {
        self.document.borrow().laid() as u32
    }
}

fn read(kind: u32, text: &str) -> Result<Change, Fault> {
    match kind_of(kind) {
        Kind::Merge => Change::merge(text),
        Kind::Patch | Kind::Message => Change::patch(text),
    }
}

fn kind_of(kind: u32) -> Kind {
    if kind == boundary::kind::MERGE {
        Kind::Merge
    } else {
        Kind::Patch
    }
}

fn epoch_of(text: &str) -> Epoch {
    parse_epoch(text).unwrap_or_default()
}

fn number_of(step: Step) -> u32 {
    match step {
        Step::Old => boundary::step::OLD,
        Step::Changed => boundary::step::CHANGED,
        Step::Agreed => boundary::step::AGREED,
        Step::Diverged => boundary::step::DIVERGED,
    }
}

fn told(fault: &Fault) -> String {
    let mut text = String::from(fault.why.code());
    text.push('\n');
    if fault.operation.is_some() {
        text.push_str(&fault.pointer);
        text.push_str(": ");
    }
    text.push_str(fault.why.message());
    text
}
