//! Passes tab messages from JavaScript to the core, one method for each kind.
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
    /// Another tab has added rows of this producer. Also for the other messages, `producer` names
    /// the outbox that the message is about.
    #[wasm_bindgen(js_name = tabAdded)]
    pub fn tab_added(&self, producer: &str, last: f64, rows: f64, bytes: f64) {
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

    /// Another tab reports that a row took effect.
    #[expect(
        clippy::too_many_arguments,
        reason = "numbers are free to cross, objects are not"
    )]
    #[wasm_bindgen(js_name = tabAcked)]
    pub fn tab_acked(
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
        self.row_ended(producer, row, attempts, bytes, outcome);
    }

    /// Another tab reports that a row is a dead letter.
    #[wasm_bindgen(js_name = tabDead)]
    pub fn tab_dead(
        &self,
        producer: &str,
        row: f64,
        attempts: u32,
        bytes: f64,
        code: String,
        message: String,
    ) {
        let outcome = Outcome::Dead { code, message };
        self.row_ended(producer, row, attempts, bytes, outcome);
    }

    fn row_ended(&self, producer: &str, row: f64, attempts: u32, bytes: f64, outcome: Outcome) {
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

    /// Another tab reports that storage has the outcome of a row.
    #[wasm_bindgen(js_name = tabOutcomeStored)]
    pub fn tab_outcome_stored(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::OutcomeStored { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// Another tab has given the outbox another identity.
    #[wasm_bindgen(js_name = tabRenamed)]
    pub fn tab_renamed(&self, producer: &str, name: String) {
        let tab_message = TabMessage::Renamed { producer: name };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// The user has cancelled a row in another tab.
    #[wasm_bindgen(js_name = tabCancelled)]
    pub fn tab_cancelled(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::Cancelled { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// A dead letter was retried or discarded.
    #[wasm_bindgen(js_name = tabDeadLetterTaken)]
    pub fn tab_dead_letter_taken(&self, producer: &str, row: f64) {
        let n = RowNo(row as u64);
        let tab_message = TabMessage::DeadLetterTaken { n };
        self.driver.drive(Event::TabMessage {
            producer,
            tab_message,
        });
    }

    /// A tab has wiped the outbox, or is about to. The wipe covers rows up to `last`, and
    /// publications from before `at_ms` by the machine's clock. Both are infinite if the wipe
    /// covers everything. They are 0 while they are unknown.
    #[wasm_bindgen(js_name = tabWiped)]
    pub fn tab_wiped(&self, is_done: bool, last: f64, at_ms: f64) {
        self.driver.drive(Event::Wiped {
            is_done,
            last: RowNo(last as u64),
            at_ms: at_ms as u64,
            machine_ms: Date::now() as u64,
        });
    }
}
