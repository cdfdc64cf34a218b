//! What the hub does when a timer is due, and when it sets timers.

use super::state::{Hub, wake};
use super::timers::Timer;
use crate::core::connections::connection::Ticked;
use crate::core::event::Effect;
use crate::core::ids::{ConnId, TopicId};
use crate::core::time::Now;

impl Hub {
    pub(super) fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(timer) = self.timers.take_due(now.time) {
            match timer {
                Timer::Connection(conn) => self.tick_connection(now, conn, effects),
                Timer::Topic(id) => self.tick_topic(now, id),
                Timer::Tickets => {
                    self.tickets.expire(now.time);
                    self.timers.set(self.tickets.deadline(), Timer::Tickets);
                }
                Timer::Sessions => {
                    self.sessions.expire(now.time);
                    self.timers.set(self.sessions.deadline(), Timer::Sessions);
                    self.client_left(now);
                }
                Timer::Owners => {
                    self.owners.expire(now.time, &self.limits);
                    self.timers.set(self.owners.deadline(), Timer::Owners);
                }
                Timer::Drain => self.tick_drain(now, effects),
            }
        }
    }

    fn tick_connection(&mut self, now: Now, conn: ConnId, effects: &mut Vec<Effect>) {
        let spread_ms = self.spread_ms(now);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        match connection.tick(now, &self.limits) {
            Ok(ticked) => {
                if ticked == Ticked::HasNews {
                    connection.send_spread(spread_ms, &self.limits);
                    wake(conn, connection, effects);
                }
                self.set_connection_timer(conn);
            }
            Err(refusal) => self.close(now, conn, &refusal, effects),
        }
    }

    fn tick_topic(&mut self, now: Now, id: TopicId) {
        let limits = self.limits;
        self.topics.with(id, |topic| {
            topic.timer = None;
            topic.tick(now.time, &limits);
        });
        self.update_topic_timer(now, id);
    }

    pub(super) fn set_connection_timer(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            let timer = Timer::Connection(conn);
            self.timers.cancel(connection.timer, timer);
            connection.timer = connection.deadline(&self.limits);
            self.timers.set(Some(connection.timer), timer);
        }
    }

    /// Removes a topic that is over, or sets its timer earlier. The hub never sets the timer later,
    /// so a busy topic costs at most one useless tick.
    pub(super) fn update_topic_timer(&mut self, now: Now, id: TopicId) {
        let Some(topic) = self.topics.by_id(id) else {
            return;
        };
        let (timer, is_over) = (topic.timer, topic.is_over(now.time, &self.limits));
        let due = topic.deadline(now.time, &self.limits).filter(|_| !is_over);
        let is_sooner = due.is_some_and(|due| timer.is_none_or(|timer| due < timer));
        if !is_over && !is_sooner {
            return;
        }
        topic.timer = due;
        self.timers.set(due, Timer::Topic(id));
        if let Some(timer) = timer {
            self.timers.cancel(timer, Timer::Topic(id));
        }
        if is_over {
            self.topics.remove(id);
        }
    }
}
