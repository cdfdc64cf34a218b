//! The tab messages that JavaScript passes to the core, one method for each kind.
//!
//! Owns their translation into the core's `TabMessage`.

use js_sys::Date;
use wasm_bindgen::prelude::*;

use super::bindings::Core;
use crate::ids::{RowNo, Seq};
use crate::wire::parse_epoch;
use crate::{Event, Outcome, TabMessage};

#[wasm_bindgen]
impl Core {
    /// Another tab has added rows of this producer, as with the next ones.
    #[wasm_bindgen(js_name = toldAdded)]
    pub fn told_added(&self, producer: &str, last: f64, rows: f64, bytes: f64) {
        let tab_message = TabMessage::Added {
            last: RowNo(last as u64),
            rows: rows as u64,
            bytes: bytes as u64,
        };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// A row took effect, another tab says.
    #[expect(
        clippy::too_many_arguments,
        reason = "numbers are free to cross, objects are not"
    )]
    #[wasm_bindgen(js_name = toldAcked)]
    pub fn told_acked(
        &self,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        epoch: &str,
        seq: f64,
        duplicate: bool,
    ) {
        let outcome = Outcome::Acked {
            epoch: parse_epoch(epoch).unwrap_or_default(),
            seq: Seq(seq as u64),
            duplicate,
        };
        self.told_end(producer, row, attempts, bytes, outcome);
    }

    /// A row never will, another tab says.
    #[wasm_bindgen(js_name = toldDead)]
    pub fn told_dead(
        &self,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        code: String,
        message: String,
    ) {
        let outcome = Outcome::Dead { code, message };
        self.told_end(producer, row, attempts, bytes, outcome);
    }

    fn told_end(&self, producer: &str, row: f64, attempts: u32, bytes: f64, outcome: Outcome) {
        let tab_message = TabMessage::Ended {
            n: RowNo(row as u64),
            attempts,
            bytes: bytes as u64,
            outcome,
        };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// Storage has noted the end of a row, another tab says.
    #[wasm_bindgen(js_name = toldNoted)]
    pub fn told_noted(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::OutcomeStored { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// Another tab has given the outbox of this name another one.
    #[wasm_bindgen(js_name = toldRenamed)]
    pub fn told_renamed(&self, producer: &str, name: String) {
        let tab_message = TabMessage::Renamed { producer: name };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// The user gave a row up, in another tab.
    #[wasm_bindgen(js_name = toldGivenUp)]
    pub fn told_given_up(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::Cancelled { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// A dead letter was taken away.
    #[wasm_bindgen(js_name = toldTaken)]
    pub fn told_taken(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::DeadLetterTaken { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// All rows were removed, or are about to be: up to this one, and what was published before
    /// this moment of the machine's clock. Both are infinite where it is everything that there is,
    /// and 0 where that is still to be told.
    #[wasm_bindgen(js_name = toldWiped)]
    pub fn told_wiped(&self, is_done: bool, last: f64, at_ms: f64) {
        self.driver.drive(Event::Wiped {
            is_done,
            last: RowNo(last as u64),
            at_ms: at_ms as u64,
            machine_ms: Date::now() as u64,
        });
    }
}
