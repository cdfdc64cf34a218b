//! The stored form of rows, dead letters and verdicts: arrays, because they are the cheapest to
//! make and the smallest to store.
//!
//! The wrapper reads them too (js/src/rows.ts). A later version may append elements, and never
//! gives an element another meaning.

use js_sys::{Array, Date, JsString, Math};
use wasm_bindgen::prelude::*;

use crate::boundary::row::{
    ATTEMPTS, BYTES, CODE, CREATED_MS, IS_HUB_TIME, KEY, KIND, MESSAGE, PARTITION, STATE, TAG,
    TEXT, TOPIC, UNTIL_MS,
};
use crate::boundary::{kind, row_state};
use crate::config::ROW_MS_MAX;
use crate::ids::{NUMBER_MAX, RowNo, Seq};
use crate::interface::publication::{DISCARDED, DeadLetter, RowUpdate, Until};
use crate::wire::Kind;
use crate::wire::{parse_epoch, push_epoch};
use crate::{Outcome, StoredRow};

/// 48 bits, so that it is exact as a JavaScript number.
const TAG_MAX: u64 = (1 << 48) - 1;
// Source: the FNV hash, by Fowler, Noll and Vo, 64 bits.
const FNV_SEED: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// A row or dead letter. It has no value if only its key was read.
pub(super) type FoundRow = (RowNo, Option<RowRecord>);

/// A row in its stored form.
#[derive(Clone)]
pub(super) struct RowRecord(Array);

impl From<JsValue> for RowRecord {
    fn from(value: JsValue) -> Self {
        Self(value.unchecked_into())
    }
}

impl RowRecord {
    pub(super) fn value(&self) -> &JsValue {
        &self.0
    }

    /// Whether this is a row of the partition. Anything that is no row stays where it is.
    pub(super) fn is_of(&self, partition: &JsString) -> bool {
        Array::is_array(&self.0)
            && self.0.get(PARTITION) == ***partition
            && self.0.get(TEXT).is_string()
            && self.0.get(TOPIC).is_string()
    }

    fn number(&self, index: u32) -> u64 {
        let number = self.0.get(index).as_f64().unwrap_or_default();
        (number as u64).min(NUMBER_MAX)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.number(BYTES)
    }

    pub(super) fn topic(&self) -> String {
        self.0.get(TOPIC).as_string().unwrap_or_default()
    }

    pub(super) fn key(&self) -> Option<String> {
        self.0.get(KEY).as_string()
    }

    pub(super) fn apply(&self, update: &RowUpdate) {
        let state = if update.is_cancelled {
            row_state::CANCELLED
        } else {
            row_state::SENT
        };
        self.0
            .set(STATE, state.max(self.number(STATE) as u32).into());
        if let Some(from_ms) = update.counts_from_ms
            && !self.0.get(IS_HUB_TIME).is_truthy()
        {
            let until_ms = from_ms + self.left_ms();
            self.0.set(UNTIL_MS, (until_ms as f64).into());
            self.0.set(IS_HUB_TIME, true.into());
        }
        let attempts = u64::from(update.attempts).max(self.number(ATTEMPTS));
        self.0.set(ATTEMPTS, (attempts as f64).into());
    }

    /// The rest of the row's time to live. Both ends of it are by the machine's clock.
    fn left_ms(&self) -> u64 {
        self.number(UNTIL_MS)
            .saturating_sub(self.number(CREATED_MS))
    }

    /// Turns a dead letter into an unsent row. The row has no key, because the key belongs to its
    /// newest row. It gets a new time to live, because the old one may be over. Elements of later
    /// versions stay.
    pub(super) fn renew(&self) {
        let now_ms = Date::now();
        self.0.set(CREATED_MS, now_ms.into());
        self.0.set(UNTIL_MS, (now_ms + ROW_MS_MAX as f64).into());
        self.0.set(IS_HUB_TIME, false.into());
        self.0.set(KEY, JsValue::UNDEFINED);
        self.0.set(STATE, row_state::WAITING.into());
        self.0.set(ATTEMPTS, 0.into());
        // No page waits for this row, so only the hub needs its tag.
        self.0.set(TAG, Math::random().into());
        self.0.set(CODE, JsValue::UNDEFINED);
        self.0.set(MESSAGE, JsValue::UNDEFINED);
    }

    pub(super) fn make_dead_letter(&self, attempts: u32, code: &str, message: &str) -> JsValue {
        self.0.set(ATTEMPTS, attempts.into());
        self.0.set(CODE, code.into());
        self.0.set(MESSAGE, message.into());
        self.value().clone()
    }

    pub(super) fn stored(&self, n: RowNo) -> StoredRow {
        let ms = self.number(UNTIL_MS);
        let state = self.number(STATE) as u32;
        StoredRow {
            n,
            topic: self.topic().into(),
            kind: match self.number(KIND) as u32 {
                kind::MESSAGE => Kind::Message,
                kind::PATCH => Kind::Patch,
                _ => Kind::Merge,
            },
            bytes: self.bytes(),
            until: if self.0.get(IS_HUB_TIME).is_truthy() {
                Until::Hub(ms)
            } else {
                Until::Left(self.left_ms())
            },
            is_replaceable: state == row_state::WAITING && self.key().is_some(),
            is_cancelled: state == row_state::CANCELLED,
            attempts: self.number(ATTEMPTS) as u32,
            tag: self.tag_number(),
        }
    }

    pub(super) fn tag(&self) -> JsValue {
        self.0.get(TAG)
    }

    /// The row's tag as a number of 48 bits. A number is scaled, and a text is hashed by FNV-1a. 0
    /// if the row has no tag.
    pub(super) fn tag_number(&self) -> u64 {
        let tag = self.tag();
        if let Some(part) = tag.as_f64() {
            return (part * (TAG_MAX + 1) as f64) as u64 & TAG_MAX;
        }
        let text = tag.as_string().unwrap_or_default();
        let seed = if text.is_empty() { 0 } else { FNV_SEED };
        let hash = text.bytes().fold(seed, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        });
        hash & TAG_MAX
    }

    /// Returns the dead letter's fields that the core needs.
    pub(super) fn to_dead_letter(&self, n: RowNo) -> DeadLetter {
        DeadLetter {
            n,
            topic: self.topic().into(),
            code: self.0.get(CODE).as_string().unwrap_or_default(),
        }
    }

    /// Returns a dead letter's outcome.
    pub(super) fn dead_outcome(&self) -> Outcome {
        let text = |index| self.0.get(index).as_string().unwrap_or_default();
        Outcome::Dead {
            code: text(CODE),
            message: text(MESSAGE),
        }
    }
}

/// The stored form of a verdict, with the tag of the row's call. A discarded row has no epoch.
pub(super) fn verdict(outcome: &Outcome, tag: &JsValue) -> Array {
    let mut hex = String::new();
    let (mut seq, mut is_duplicate) = (0, false);
    if let Outcome::Acked {
        epoch,
        seq: at,
        duplicate,
    } = outcome
    {
        push_epoch(&mut hex, *epoch);
        (seq, is_duplicate) = (at.0, *duplicate);
    }
    Array::of4(&hex.into(), &(seq as f64).into(), &is_duplicate.into(), tag)
}

/// Returns the tag of a verdict's call.
pub(super) fn verdict_tag(verdict: JsValue) -> JsValue {
    verdict.unchecked_into::<Array>().get(3)
}

pub(super) fn outcome(verdict: JsValue) -> Outcome {
    let verdict: Array = verdict.unchecked_into();
    let hex = verdict.get(0).as_string().unwrap_or_default();
    match parse_epoch(&hex) {
        Some(epoch) => Outcome::Acked {
            epoch,
            seq: Seq(verdict.get(1).as_f64().unwrap_or_default() as u64),
            duplicate: verdict.get(2).is_truthy(),
        },
        None => Outcome::Dead {
            code: DISCARDED.to_owned(),
            message: "the user has discarded it".to_owned(),
        },
    }
}

/// Returns the key of a row.
pub(super) fn key_of(n: RowNo) -> JsValue {
    (n.0 as f64).into()
}

/// Returns the number of the row with this key.
pub(super) fn number(key: &JsValue) -> RowNo {
    RowNo((key.as_f64().unwrap_or_default() as u64).min(NUMBER_MAX))
}
