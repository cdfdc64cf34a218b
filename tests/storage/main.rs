//! Tests the durable outbox: rows are in storage before they are accepted, one client sends them,
//! and a verdict removes them. The storage is a model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod rows;
#[path = "../common/tab.rs"]
mod tab;
mod times;

use common::{EPOCH, Rig};
use longhaul::ids::{ConnectionId, RowNo};
use longhaul::{
    Effect, Event, Outcome, PublishRefusal, StoreAnswer, StoreFault, StoreRequest, TabMessage,
};
use tab::{Storage, Tab, queued, sent, settled};
