//! A client with all three transports, for tests that play the hub by hand.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::panic,
    reason = "each test file uses its part; a test fails by panicking"
)]

use longhaul::config::Config;
use longhaul::ids::ConnectionId;
use longhaul::{Effect, Event, Status, Transport};

use crate::common::Rig;

/// `worked` is the transport that an earlier visit remembers.
pub fn rig(worked: Option<Transport>) -> Rig {
    Rig::new(&Config {
        transports: Transport::ALL.to_vec(),
        worked,
        ..Config::default()
    })
}

pub fn welcome(rig: &mut Rig, connection: u64) -> Vec<Effect> {
    rig.record(ConnectionId(connection), "welcome s1 1763779200000")
}

/// The transport that the status names.
pub fn transport(rig: &Rig) -> Transport {
    match rig.client.status() {
        Status::Connected { transport, .. } | Status::Connecting { transport, .. } => transport,
        other => panic!("{other:?}"),
    }
}

/// A client that is connected by long-poll because nothing else got through; connection 3.
pub fn polling() -> Rig {
    let mut rig = rig(None);
    rig.handle(Event::Start);
    rig.lose(ConnectionId(1), 1006);
    rig.lose(ConnectionId(2), 1006);
    welcome(&mut rig, 3);
    rig
}
