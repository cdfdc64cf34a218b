//! Tests several clients of one storage: the rows that they find there, and their tab messages. The
//! storage is a model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod counts;
mod leaders;
mod loads;
#[path = "../common/tab.rs"]
mod tab;
mod wipes;

use longhaul::ids::{ConnectionId, RowNo};
use longhaul::{
    Effect, Event, Outcome, PublishRefusal, StoreAnswer, StoreFault, StoreRequest, TabMessage,
};
use tab::{Storage, Tab, acked, queued, sent, settled};

/// Returns the rows whose payloads the client forgets.
fn forgotten(effects: &[Effect]) -> Vec<u64> {
    let forgotten = effects.iter().filter_map(|effect| match effect {
        Effect::Forget { row } => Some(row.0),
        _ => None,
    });
    forgotten.collect()
}

/// Lets storage answer a tab, and passes its tab messages to another one.
fn settle_heard_by(tab: &mut Tab, storage: &mut Storage, other: &mut Tab) {
    for effect in tab.settle(storage) {
        if let Effect::SendTabMessage {
            producer,
            tab_message,
        } = effect
        {
            other.hear(&producer, tab_message);
        }
    }
}

fn added(last: u64, rows: u64) -> TabMessage {
    TabMessage::Added {
        last: RowNo(last),
        rows,
        bytes: 8 * rows,
    }
}

/// Lets a second pass, and storage answer.
fn after_a_second(tab: &mut Tab, storage: &mut Storage) -> Vec<Effect> {
    let mut effects = tab.act(|rig| rig.after(1_000, Event::Deadline));
    effects.extend(tab.settle(storage));
    effects
}

fn refused(effects: &[Effect]) -> Vec<(u32, PublishRefusal)> {
    let refused = effects.iter().filter_map(|effect| match effect {
        Effect::PublishRefused { request, why } => Some((*request, *why)),
        _ => None,
    });
    refused.collect()
}
