//! Checks publications in storage. Each is sent as it was saved and ends once, and each page that
//! waits for one learns its outcome.
//!
//! Knows what storage received and what became of it, whatever pages believe. `oracle` knows the
//! hub's logs.

use std::collections::{BTreeMap, BTreeSet};

use longhaul::ids::RowNo;
use longhaul::{NewRow, Outcome, RowOutcome, Until};

use crate::oracle::PageId;

/// The state of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RowEnd {
    /// It is in storage.
    Waiting,
    Acked,
    Dead(String),
    /// The browser removed storage.
    Evicted,
    Wiped,
}

#[derive(Clone, Debug)]
struct Row {
    topic: String,
    payload: String,
    /// Its time to live ends at this time by the hub's clock.
    until_ms: Option<u64>,
    is_sent: bool,
    is_cancelled: bool,
    /// A wipe removed it without a dead letter.
    is_wiped: bool,
    end: RowEnd,
}

/// A row's producer and number.
type Id = (String, RowNo);

/// The rows of storage and what pages learned of them.
#[derive(Debug, Default)]
pub struct Archive {
    rows: BTreeMap<Id, Row>,
    /// The row of each payload. Every call has another payload.
    calls: BTreeMap<String, Id>,
    /// The page that has sent a row without an outcome.
    senders: BTreeMap<Id, PageId>,
    /// The pages that published these rows.
    promised: BTreeSet<(PageId, Id)>,
    /// The hub has lost its memory, so it may nack what it has acked before.
    pub has_hub_forgotten: bool,
    /// The outcomes that pages learned: the code of a dead letter, or an empty text.
    told: BTreeMap<(PageId, Id), String>,
    /// Pages that have begun to wipe.
    wipers: BTreeSet<PageId>,
    /// The browser removed storage. The next storage assigns the same numbers.
    was_evicted: bool,
}

impl Archive {
    /// Checks whether a repeated call got its earlier row. Returns the situation for the coverage.
    pub fn found(
        &self,
        (producer, n): (&str, RowNo),
        save: &NewRow,
        payload: &str,
    ) -> Option<&'static str> {
        let row = self.rows.get(&(producer.to_owned(), n))?;
        let is_it = save.is_repeated && row.payload == payload;
        is_it.then_some(if row.end == RowEnd::Waiting {
            "state: call found in storage"
        } else {
            "state: call found with its verdict"
        })
    }

    /// Storage has saved a row.
    ///
    /// # Panics
    /// - If its number was assigned before.
    /// - If it replaces a row that may have been sent.
    /// - If its call already has a row (I2).
    pub fn saved(
        &mut self,
        (producer, n): (&str, RowNo),
        save: &NewRow,
        payload: String,
        has_replaced: bool,
    ) {
        let id = (producer.to_owned(), n);
        let other = self.calls.insert(payload.clone(), id.clone());
        let other = other.and_then(|other| self.rows.get(&other));
        assert!(
            other.is_none_or(|other| other.payload != payload || other.is_wiped),
            "I2: {payload} is saved as {id:?}, and was before: {other:?}"
        );
        let before = self.rows.get(&id).cloned();
        let row = Row {
            topic: save.topic.to_string(),
            payload,
            until_ms: match save.until {
                Until::Hub(ms) => Some(ms),
                Until::Left(_) => None,
            },
            is_sent: false,
            // A cancelled row stays cancelled when another publication replaces it.
            is_cancelled: before.as_ref().is_some_and(|before| before.is_cancelled),
            is_wiped: false,
            end: RowEnd::Waiting,
        };
        self.rows.insert(id, row);
        let is_replaceable = before
            .as_ref()
            .is_some_and(|row| row.end == RowEnd::Waiting && !row.is_sent);
        assert!(
            if has_replaced {
                is_replaceable
            } else {
                before.is_none()
            },
            "I2: {producer}:{} takes the place of {before:?}",
            n.0
        );
    }

    /// A page has sent a row. Returns whether another page has sent it too, while its outcome is
    /// unknown.
    ///
    /// # Panics
    /// If it differs from the stored row (I2).
    pub fn sent(&mut self, page: PageId, producer: &str, n: RowNo, payload: Option<&str>) -> bool {
        let Some(row) = self.rows.get_mut(&(producer.to_owned(), n)) else {
            panic!(
                "I1: page {page} sends {producer}:{}, which was never saved",
                n.0
            );
        };
        assert_eq!(
            payload,
            Some(row.payload.as_str()),
            "I2: page {page} sends {producer}:{} as something else",
            n.0
        );
        row.is_sent = true;
        let is_waiting = row.end == RowEnd::Waiting;
        let before = self.senders.insert((producer.to_owned(), n), page);
        is_waiting && before.is_some_and(|before| before != page)
    }

    /// A row leaves storage with its outcome.
    pub fn ended(&mut self, producer: &str, ended: &RowOutcome) {
        if let Some(row) = self.rows.get_mut(&(producer.to_owned(), ended.n)) {
            assert_eq!(
                row.end,
                RowEnd::Waiting,
                "I3: {producer}:{} ends twice",
                ended.n.0
            );
            row.end = match &ended.outcome {
                Outcome::Acked { .. } => RowEnd::Acked,
                Outcome::Dead { code, .. } => RowEnd::Dead(code.clone()),
            };
        }
    }

    /// The user has cancelled a row.
    pub fn cancelled(&mut self, producer: &str, n: RowNo) {
        if let Some(row) = self.rows.get_mut(&(producer.to_owned(), n)) {
            row.is_cancelled = true;
        }
    }

    /// A page begins to wipe its outbox.
    pub fn wiping(&mut self, page: PageId) {
        self.wipers.insert(page);
    }

    /// Storage was removed.
    pub fn evicted(&mut self, producer: &str) {
        self.was_evicted = true;
        self.lose(producer, &RowEnd::Evicted);
    }

    /// All rows were wiped.
    pub fn wiped(&mut self, producer: &str) {
        for (_, row) in self.rows.iter_mut().filter(|((of, _), _)| of == producer) {
            row.is_wiped = true;
        }
        self.lose(producer, &RowEnd::Wiped);
    }

    fn lose(&mut self, producer: &str, end: &RowEnd) {
        let rows = self.rows.iter_mut();
        for (_, row) in rows.filter(|((of, _), row)| of == producer && row.end == RowEnd::Waiting) {
            row.end = end.clone();
        }
    }

    /// A page's publication has a row in storage.
    ///
    /// # Panics
    /// If storage doesn't have the row (I1).
    pub fn queued(&mut self, page: PageId, producer: &str, n: RowNo) {
        let id = (producer.to_owned(), n);
        assert!(
            self.rows.contains_key(&id),
            "I1: {id:?} is queued, and was never saved"
        );
        self.promised.insert((page, id));
    }

    /// A page learns the outcome of a row. Returns the row's topic and payload.
    ///
    /// # Panics
    /// If the outcome is impossible, or the page has learned it before.
    pub fn settled(
        &mut self,
        page: PageId,
        producer: &str,
        n: RowNo,
        outcome: &Outcome,
        hub_ms: u64,
    ) -> (String, String) {
        let id = (producer.to_owned(), n);
        let Some(row) = self.rows.get(&id) else {
            panic!("I3: {id:?} was never saved, and is settled: {outcome:?}");
        };
        let code = match outcome {
            Outcome::Acked { .. } => "",
            Outcome::Dead { code, .. } => code.as_str(),
        };
        let is_possible = match code {
            "" => true,
            "expired" => row.is_cancelled || row.until_ms.is_none_or(|ms| ms < hub_ms),
            "discarded" => row.is_cancelled,
            // A hub without memory may have received a later row first.
            "id_forgotten" => row.is_sent,
            "outbox_lost" => row.end != RowEnd::Waiting,
            // A row on its way may still arrive. A page begins its wipe before storage, and storage
            // may fail. Rows that are saved after a wipe stay. Only storage that replaced removed
            // storage assigns the same numbers.
            "wiped" => row.is_wiped || self.wipers.contains(&page) || self.was_evicted,
            "outcome_unknown" => match &row.end {
                RowEnd::Evicted | RowEnd::Wiped => true,
                RowEnd::Dead(code) => code == "discarded" || code == "wiped" || row.is_wiped,
                RowEnd::Waiting | RowEnd::Acked => false,
            },
            _ => false,
        };
        assert!(
            is_possible,
            "I16: page {page} hears of {id:?} {outcome:?}: {row:?}"
        );
        let before = self.told.insert((page, id.clone()), code.to_owned());
        // A row may get its verdict again, if the client with the verdict could not store it. No
        // promise waits for the row then.
        let is_repeated = before
            .as_deref()
            .is_none_or(|before| before == code || before == "wiped");
        assert!(
            is_repeated
                || code == "discarded"
                // A full disk lost the cancellation in a crash, so that the hub's verdict counts:
                // expired.
                || code == "expired" && row.is_cancelled
                || self.has_hub_forgotten
                || code == "wiped"
                || code == "outbox_lost",
            "I3: page {page} hears twice of {id:?}: {before:?}, then {outcome:?}"
        );
        (row.topic.clone(), row.payload.clone())
    }

    /// Checks the end of a history, when nothing happens any more.
    ///
    /// # Panics
    /// If a row waits, or a page has not learned the outcome of its own row.
    pub fn check_end(&self, live: &[PageId]) {
        for (id, row) in &self.rows {
            assert_ne!(
                row.end,
                RowEnd::Waiting,
                "I16: {id:?} has no outcome: {row:?}"
            );
        }
        for promised in &self.promised {
            assert!(
                !live.contains(&promised.0) || self.told.contains_key(promised),
                "I16: page {} was never told of {:?}: {:?}",
                promised.0,
                promised.1,
                self.rows.get(&promised.1)
            );
        }
    }
}
