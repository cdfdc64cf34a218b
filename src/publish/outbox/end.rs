//! How rows leave: with a verdict, when their time is over, or with the storage that they were in.
//!
//! Owns what is told of an end, and which topics a dead letter stops. Whether storage is to note it is `ledger`'s.

use super::row::QueuedRow;
use super::{DISCARDED, Outbox};
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{DeadLetter, Outcome, RowOutcome};
use crate::metrics::Metrics;
use crate::time::Time;

/// Ends that are no word of the hub's about the publication itself: they stop no topic.
const HARMLESS: [&str; 5] = [
    DISCARDED,
    "expired",
    "wiped",
    "outbox_lost",
    "outcome_unknown",
];

impl Outbox {
    /// A dead letter stops its topic. What follows a row waits for its verdict then.
    pub(crate) fn pausing(self, is_pausing: bool) -> Self {
        Self {
            pauses: is_pausing.then(Vec::new),
            ..self
        }
    }

    pub(crate) fn is_pausing(&self) -> bool {
        self.pauses.is_some()
    }

    /// The dead letters that there are, but for those that `keep` has not yet put there.
    pub(crate) fn set_letters(
        &mut self,
        dead_letters: &[DeadLetter],
        keep: impl Fn(RowNo) -> bool,
    ) {
        let Some(pauses) = &mut self.pauses else {
            return;
        };
        pauses.retain(|(n, _)| keep(*n));
        for DeadLetter { n, topic, code } in dead_letters {
            if !HARMLESS.contains(&code.as_str()) {
                pauses.push((*n, topic.clone()));
            }
        }
    }

    /// Whether there are rows, and each waits for a dead letter of its topic to be taken away.
    pub(crate) fn is_stopped(&self) -> bool {
        let Some(pauses) = &self.pauses else {
            return false;
        };
        let is_paused = |row: &QueuedRow| pauses.iter().any(|(_, topic)| *topic == row.topic);
        !self.rows.is_empty() && self.rows.iter().all(is_paused)
    }

    /// A dead letter was taken away.
    pub(crate) fn letter_taken(&mut self, n: RowNo) {
        if let Some(pauses) = &mut self.pauses {
            pauses.retain(|(dead_letter, _)| *dead_letter != n);
        }
    }

    /// A row has its outcome, through whomever.
    pub(crate) fn end(
        &mut self,
        now: Time,
        n: RowNo,
        mut outcome: Outcome,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) -> Option<RowOutcome> {
        let row = self.remove(n)?;
        let (bytes, is_own) = (row.bytes, row.is_own() && !row.is_keyed());
        match &mut outcome {
            Outcome::Acked { .. } => {
                metrics.acks += 1;
                metrics.ack_ms.record(now.since(row.created));
            }
            Outcome::Dead { code, .. } => {
                metrics.dead_letters += 1;
                if row.is_cancelled && code == "expired" {
                    DISCARDED.clone_into(code);
                }
                if let Some(pauses) = &mut self.pauses
                    && !HARMLESS.contains(&code.as_str())
                {
                    pauses.push((n, row.topic));
                }
            }
        }
        let attempts = row.attempts;
        effects.push(Effect::Outcome {
            row: self.told(n),
            attempts,
            outcome: outcome.clone(),
        });
        Some(RowOutcome {
            n,
            attempts,
            bytes,
            is_foreign: !is_own,
            outcome,
        })
    }

    /// The user gives a row in memory up: at once, but where the hub may have it.
    pub(crate) fn cancel_here(
        &mut self,
        now: Time,
        n: RowNo,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if self.find(n).is_some_and(|row| row.attempts > 0) {
            self.cancel(n);
        } else {
            let outcome = Outcome::dead(DISCARDED, "it was given up before it was sent");
            self.end(now, n, outcome, metrics, effects);
        }
    }

    /// All rows up to `last` that came here before this moment are gone, for this reason, and all dead letters.
    pub(crate) fn end_all(
        &mut self,
        now: Time,
        (last, before): (RowNo, Time),
        (code, message): (&str, &str),
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        let is_gone = |row: &&QueuedRow| row.n <= last && row.created < before;
        let rows = self.rows.iter().filter(is_gone);
        let rows: Vec<RowNo> = rows.map(|row| row.n).collect();
        for n in rows {
            self.end(now, n, Outcome::dead(code, message), metrics, effects);
        }
        if let Some(pauses) = &mut self.pauses {
            pauses.clear();
        }
    }

    pub(super) fn expire(&mut self, now: Time, metrics: &mut Metrics, effects: &mut Vec<Effect>) {
        let over: Vec<RowNo> = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0 && row.expires.is_some_and(|at| at <= now))
            .map(|row| row.n)
            .collect();
        for n in over {
            let outcome = Outcome::dead(
                "expired",
                "its time to live was over before it could be sent",
            );
            self.end(now, n, outcome, metrics, effects);
        }
        self.next_expiry = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0)
            .filter_map(|row| row.expires)
            .min();
    }
}
