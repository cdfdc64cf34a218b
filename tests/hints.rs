//! What the hub says of the herd reaches the client's next attempt: rules R1 to R4, through the one
//! door in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::Rig;
use longhaul::config::Config;
use longhaul::ids::ConnectionId;
use longhaul::{Event, HINT_MS_MAX, Status};

/// How long a client waits, by its status.
fn wait_ms(rig: &Rig) -> u64 {
    let Status::Waiting { retry_at, .. } = rig.client.status() else {
        panic!("{:?}", rig.client.status());
    };
    retry_at.since(rig.now)
}

fn connected(seed: u64, welcome: &str) -> (Rig, ConnectionId) {
    let mut rig = Rig::new(&Config {
        seed,
        ..Config::default()
    });
    rig.handle(Event::Start);
    let connection = ConnectionId(1);
    rig.handle(Event::Opened { connection });
    rig.record(connection, welcome);
    (rig, connection)
}

/// The waits of 200 clients to which the same happens, in order.
fn waits(mut happen: impl FnMut(u64) -> Rig) -> Vec<u64> {
    let mut waits: Vec<u64> = (0..200).map(|seed| wait_ms(&happen(seed))).collect();
    waits.sort_unstable();
    waits
}

fn lose(rig: &mut Rig, connection: ConnectionId, code: u16, reason: &str) {
    rig.handle(Event::Ended {
        connection,
        code,
        reason,
        retry_after_ms: 0,
    });
}

#[test]
fn r2_the_spread_of_the_welcome_is_the_window_after_a_loss() {
    let waits = waits(|seed| {
        let (mut rig, connection) = connected(seed, "welcome s1 1 spread=50000");
        lose(&mut rig, connection, 1006, "");
        rig
    });
    assert!(waits[0] < 2_000 && waits[100] > 15_000, "{waits:?}");
    assert!((45_000..=50_000).contains(&waits[199]), "{waits:?}");
}

#[test]
fn r3_a_spread_record_replaces_it() {
    let waits = waits(|seed| {
        let (mut rig, connection) = connected(seed, "welcome s1 1 spread=50000");
        rig.record(connection, "spread 5000");
        lose(&mut rig, connection, 1006, "");
        rig
    });
    assert!((4_000..=5_000).contains(&waits[199]), "{waits:?}");
}

#[test]
fn r1_a_refusal_with_a_time_is_believed() {
    let waits = waits(|seed| {
        let (mut rig, connection) = connected(seed, "welcome s1 1 spread=50000");
        lose(
            &mut rig,
            connection,
            1013,
            "try_again_later 9000 connections retry=7000 spread=3000",
        );
        rig
    });
    assert!(waits[0] >= 7_000 && waits[199] <= 10_000, "{waits:?}");
    assert!(waits[199] - waits[0] > 2_000, "{waits:?}");
}

#[test]
fn a_client_that_lost_its_own_network_does_not_wait_for_the_herd() {
    let waits = waits(|seed| {
        let (mut rig, _) = connected(seed, "welcome s1 1 spread=50000");
        rig.at_deadline();
        rig.at_deadline();
        rig
    });
    assert!(waits[199] <= 1_000, "found by the heartbeat: {waits:?}");
    let waits = waits_after_online();
    assert!(waits[199] <= 2_000, "back online, but not quite: {waits:?}");
}

fn waits_after_online() -> Vec<u64> {
    waits(|seed| {
        let (mut rig, connection) = connected(seed, "welcome s1 1 spread=50000");
        lose(&mut rig, connection, 1006, "");
        rig.handle(Event::Online(false));
        rig.handle(Event::Online(true));
        rig.at_deadline();
        lose(&mut rig, ConnectionId(2), 1006, "");
        rig
    })
}

#[test]
fn c05_the_user_need_not_wait_for_the_herd() {
    let (mut rig, connection) = connected(1, "welcome s1 1 spread=50000");
    lose(&mut rig, connection, 1006, "");
    rig.handle(Event::Reconnect);
    assert!(matches!(
        rig.client.status(),
        Status::Connecting { attempt: 1, .. }
    ));
}

#[test]
fn r6_an_absurd_retry_after_counts_as_an_hour_and_not_as_none() {
    for retry_after_ms in [HINT_MS_MAX + 1, u64::MAX] {
        let mut rig = Rig::new(&Config::default());
        rig.handle(Event::Start);
        rig.handle(Event::Ended {
            connection: ConnectionId(1),
            code: 1013,
            reason: "",
            retry_after_ms,
        });
        let wait_ms = rig.client.deadline().unwrap().since(rig.now);
        assert!(
            (HINT_MS_MAX..=HINT_MS_MAX + 60_000).contains(&wait_ms),
            "{wait_ms}"
        );
    }
}
