//! What is on its way: how much of the queue the hub gets before its verdicts, and what is sent again.
//!
//! Owns the window (rules C7 and C8) and how long it waits for a busy hub or after a failed post. Never takes a row out of the queue.

use super::Outbox;
use crate::codes;
use crate::config::{POST_MS_MAX, WINDOW_BYTES_MAX, WINDOW_ROWS_MAX};
use crate::connection::with_floor;
use crate::effect::Effect;
use crate::frame::{Publish, Skip, ToHub};
use crate::ids::{ConnectionId, RowNo};
use crate::metrics::Metrics;
use crate::store::Until;
use crate::time::Time;

/// After `nack busy` nothing is sent for this long, ms, half to all of it by chance. Chosen.
const BUSY_MS: u64 = 1_000;

impl Outbox {
    /// Sends what the window allows, in order. What goes out in posts, `posting_at`, is watched: nothing else tells that one hangs.
    pub(crate) fn pump(
        &mut self,
        connection: ConnectionId,
        posting_at: Option<Time>,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        self.send_what_fits(connection, metrics, effects);
        self.post_until = posting_at
            .filter(|_| self.rows_on_their_way > 0)
            .map(|now| self.post_until.unwrap_or(now.plus(POST_MS_MAX)));
    }

    pub(crate) fn is_post_overdue(&self, now: Time) -> bool {
        self.post_until.is_some_and(|until| now >= until)
    }

    fn send_what_fits(
        &mut self,
        connection: ConnectionId,
        metrics: &mut Metrics,
        effects: &mut Vec<Effect>,
    ) {
        if self.busy_until.is_some() {
            return;
        }
        for row in &mut self.rows {
            if row.is_on_its_way {
                continue;
            }
            if let Some(pauses) = &self.pauses
                && (row.prev > RowNo(0) || pauses.iter().any(|(_, topic)| *topic == row.topic))
            {
                continue;
            }
            let bytes = self.bytes_on_their_way + row.bytes;
            let has_room = self.rows_on_their_way < WINDOW_ROWS_MAX && bytes <= WINDOW_BYTES_MAX;
            if !has_room && self.rows_on_their_way > 0 {
                return;
            }
            if row.is_replaceable() {
                // Its followers in the topic would be refused; the others can wait that long.
                return;
            }
            metrics.retries += u64::from(row.attempts > 0);
            row.attempts = row.attempts.saturating_add(1);
            row.is_on_its_way = true;
            self.rows_on_their_way += 1;
            self.bytes_on_their_way = bytes;
            let mut head = String::new();
            if row.is_given_up() {
                let skip = Skip {
                    producer: &self.producer,
                    n: row.n,
                    prev: row.prev,
                    topic: &row.topic,
                };
                skip.encode(&mut head);
                let row = None;
                effects.push(Effect::SendPublication {
                    connection,
                    head,
                    row,
                });
                continue;
            }
            if let Some(Until::Hub(ms)) = row.stored.map(|stored| stored.until) {
                ToHub::Until { ms }.encode(&mut head);
            }
            Publish {
                producer: &self.producer,
                n: row.n,
                prev: row.prev,
                topic: &row.topic,
                kind: row.kind,
                payload: "",
            }
            .encode_head(&mut head);
            effects.push(Effect::SendPublication {
                connection,
                head,
                row: Some(RowNo(row.n.0 + self.beside)),
            });
        }
    }

    /// The connection is gone, and with it what was on its way.
    pub(crate) fn connection_lost(&mut self) {
        for row in &mut self.rows {
            if !row.is_on_its_way {
                continue;
            }
            row.is_on_its_way = false;
            if let Some(stored) = &mut row.stored
                && !stored.is_marked
            {
                stored.is_marked = true;
                self.unmarked.push((row.n, row.attempts));
            }
        }
        self.rows_on_their_way = 0;
        self.bytes_on_their_way = 0;
        self.busy_until = None;
        self.post_until = None;
    }

    /// A post failed: what was in it is sent again after a while, as attempts to connect are, and over the hub's floor.
    pub(crate) fn post_failed(&mut self, now: Time, floor_ms: u64, rng: &mut fastrand::Rng) {
        self.connection_lost();
        let words = with_floor("", floor_ms);
        // One client's own matter: others may have other proxies before them.
        let until = self.backoff.next(now, codes::REPLACED, &words, rng);
        self.busy_until = Some(until);
    }

    /// The hub has given a verdict: posts get through.
    pub(crate) fn heard_verdict(&mut self) {
        self.backoff.forget();
        self.post_until = None;
    }

    /// The hub has not taken the row, and it must be sent again: at once, or after a while.
    pub(crate) fn send_again(
        &mut self,
        now: Time,
        n: RowNo,
        is_busy: bool,
        rng: &mut fastrand::Rng,
    ) {
        let Some(row) = self.find(n).filter(|row| row.is_on_its_way) else {
            return;
        };
        row.is_on_its_way = false;
        let bytes = row.bytes;
        self.rows_on_their_way -= 1;
        self.bytes_on_their_way -= bytes;
        if is_busy {
            self.busy_until = Some(now.plus(rng.u64(BUSY_MS / 2..=BUSY_MS)));
        }
    }
}
