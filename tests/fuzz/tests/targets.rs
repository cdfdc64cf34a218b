//! A short run of every target: its corpus, and as many mutated inputs as take a few seconds, the
//! same everywhere.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use longhaul_fuzz::Target;
use longhaul_fuzz::runner::{Budget, run};

fn holds(name: &str, inputs: u64) {
    let target = Target::find(name).unwrap();
    assert!(!target.corpus().is_empty());
    if let Err(finding) = run(target, 0, Budget::Inputs(inputs)) {
        let (text, message) = (finding.text, finding.message);
        panic!("{message}\n--- add this to tests/fuzz/corpus/{name} once it holds:\n{text}\n---");
    }
}

#[test]
fn w3_a_record_that_can_be_read_is_written_and_read_again_with_the_same_meaning() {
    holds("frames", 20_000);
}

#[test]
fn s58_documents_patches_and_payloads_are_judged_as_other_implementations_judge_them() {
    holds("json", 4_000);
}

#[test]
fn h4_whatever_a_hub_says_messages_come_once_and_in_order_or_a_gap_is_told() {
    holds("resume", 20_000);
}

#[test]
fn s58_whatever_comes_over_any_transport_leaves_a_client_a_way_on() {
    holds("transports", 20_000);
}

#[test]
fn s58_whatever_comes_to_the_hub_a_closed_connection_stays_closed_and_the_others_are_in_order() {
    holds("hub", 10_000);
}
