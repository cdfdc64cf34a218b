//! How rows leave: with a verdict, when they expire, or with the storage that they were in.
//!
//! Owns the reports of outcomes, and the topics that dead letters pause. `durable` decides what
//! storage learns of an outcome.

use super::Outbox;
use super::row::QueuedRow;
use crate::context::Context;
use crate::ids::RowNo;
use crate::interface::effect::Effect;
use crate::interface::publication::{DISCARDED, DeadLetter, Outcome, RowOutcome, WIPED};
use crate::time::Time;

/// Codes of outcomes that are no verdict on the publication itself. They pause no topic.
const HARMLESS: [&str; 5] = [
    DISCARDED,
    "expired",
    WIPED,
    "outbox_lost",
    "outcome_unknown",
];

/// Rows with numbers up to `last` that came into this outbox before a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRange {
    pub(crate) last: RowNo,
    pub(crate) before: Time,
}

impl Outbox {
    pub(crate) fn is_pausing(&self) -> bool {
        self.pauses.is_some()
    }

    /// The dead letters that storage has. `keep` accepts rows whose outcome storage does not have
    /// yet.
    pub(crate) fn set_dead_letters(
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

    /// Whether there are rows, and dead letters pause the topics of all of them.
    pub(crate) fn is_stopped(&self) -> bool {
        let Some(pauses) = &self.pauses else {
            return false;
        };
        let is_paused = |row: &QueuedRow| pauses.iter().any(|(_, topic)| *topic == row.topic);
        !self.rows.is_empty() && self.rows.iter().all(is_paused)
    }

    /// The user retried or discarded a dead letter.
    pub(crate) fn dead_letter_taken(&mut self, n: RowNo) {
        if let Some(pauses) = &mut self.pauses {
            pauses.retain(|(dead_letter, _)| *dead_letter != n);
        }
    }

    /// A row has its outcome, from the hub or from another client.
    pub(crate) fn end(
        &mut self,
        context: &mut Context<'_>,
        n: RowNo,
        mut outcome: Outcome,
    ) -> Option<RowOutcome> {
        let row = self.remove(n)?;
        let is_foreign = !row.is_own() || row.is_keyed();
        match &mut outcome {
            Outcome::Acked { .. } => {
                context.metrics.acks += 1;
                context
                    .metrics
                    .ack_ms
                    .record(context.now.since(row.created));
            }
            Outcome::Dead { code, .. } => {
                context.metrics.dead_letters += 1;
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
        context.effects.push(Effect::Outcome {
            row: self.caller_row(n),
            attempts: row.attempts,
            outcome: outcome.clone(),
        });
        Some(RowOutcome {
            n,
            attempts: row.attempts,
            bytes: row.bytes,
            outcome,
            is_foreign,
        })
    }

    /// The user cancels a row in memory. It ends at once, unless the hub may have it.
    pub(crate) fn cancel_in_memory(&mut self, context: &mut Context<'_>, n: RowNo) {
        if self.find(n).is_some_and(|row| row.attempts > 0) {
            self.cancel(n);
        } else {
            let outcome = Outcome::dead(DISCARDED, "it was discarded before it was sent");
            self.end(context, n, outcome);
        }
    }

    /// All rows of this range get this outcome, and all dead letters are gone.
    pub(crate) fn end_all(
        &mut self,
        context: &mut Context<'_>,
        range: RowRange,
        outcome: &Outcome,
    ) {
        let is_in = |row: &&QueuedRow| row.n <= range.last && row.created < range.before;
        let rows = self.rows.iter().filter(is_in);
        let rows: Vec<RowNo> = rows.map(|row| row.n).collect();
        for n in rows {
            self.end(context, n, outcome.clone());
        }
        if let Some(pauses) = &mut self.pauses {
            pauses.clear();
        }
    }

    pub(super) fn expire(&mut self, context: &mut Context<'_>) {
        let expired: Vec<RowNo> = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0 && row.expires.is_some_and(|at| at <= context.now))
            .map(|row| row.n)
            .collect();
        for n in expired {
            let outcome = Outcome::dead(
                "expired",
                "its time to live was over before it could be sent",
            );
            self.end(context, n, outcome);
        }
        self.next_expiry = self
            .rows
            .iter()
            .filter(|row| row.attempts == 0)
            .filter_map(|row| row.expires)
            .min();
    }
}
