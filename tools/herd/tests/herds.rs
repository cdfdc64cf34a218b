//! The promises of docs/herd.md, with fewer clients and a lower rate. The hub admits all in 50 s
//! here too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use herd::fleet::Hints;
use herd::formulas::{Formula, FormulaFleet};
use herd::hub_driver::drained;
use herd::longhaul_fleet::LonghaulFleet;
use herd::outcome::Outcome;
use herd::report::{deploy, mute, ours, window_ms};
use herd::scenario::{Outage, Scenario};

const CLIENTS: u32 = 5_000;
const PER_S: u64 = 100;

fn scenario(away_ms: u64) -> Scenario {
    Scenario::new(CLIENTS, PER_S, away_ms)
}

fn hinted(away_ms: u64) -> (Scenario, Outcome) {
    let scenario = scenario(away_ms);
    let outcome = ours(&scenario, Some(window_ms(&scenario)));
    (scenario, outcome)
}

fn peers(formula: Formula, scenario: &Scenario) -> Outcome {
    scenario.run(&mut FormulaFleet::new(
        formula,
        scenario.clients,
        scenario.seed,
    ))
}

/// `part` is at most `percent` of `whole`.
#[track_caller]
fn at_most(part: u64, percent: u64, whole: u64) {
    assert!(
        part * 100 <= whole * percent,
        "{part} is more than {percent} % of {whole}"
    );
}

#[test]
fn a04_99_per_cent_are_back_within_1_05_of_the_ideal_and_no_client_gives_up() {
    for away_ms in [0, 10_000, 120_000] {
        let (scenario, outcome) = hinted(away_ms);
        at_most(
            outcome.percent_back_ms(99).unwrap(),
            105,
            scenario.ideal_ms(99),
        );
        assert_eq!(outcome.gave_up, 0);
        assert!(outcome.percent_back_ms(100).is_some());
    }
}

#[test]
fn a04_attempts_are_not_wasted() {
    for (away_ms, wasted_max) in [(0, 0.5), (10_000, 1.0), (120_000, 3.0), (600_000, 13.0)] {
        let (_, outcome) = hinted(away_ms);
        let (_, wasted) = outcome.per_client();
        assert!(wasted <= wasted_max, "{wasted} after {away_ms} ms");
    }
}

#[test]
fn a04_the_peak_is_a_quarter_of_the_best_peers() {
    for away_ms in [0, 10_000, 120_000] {
        let (scenario, outcome) = hinted(away_ms);
        let best = Formula::ALL
            .into_iter()
            .map(|formula| peers(formula, &scenario).peak_per_s(0))
            .min()
            .unwrap();
        at_most(outcome.peak_per_s(0).into(), 25, best.into());
    }
}

#[test]
fn without_hints_it_is_no_worse_than_full_jitter() {
    for away_ms in [0, 10_000, 120_000] {
        let scenario = mute(&scenario(away_ms));
        let outcome = ours(&scenario, None);
        let jitter = peers(Formula::FullJitter, &scenario);
        for percent in [50, 99, 100] {
            let back = |outcome: &Outcome| outcome.percent_back_ms(percent).unwrap();
            at_most(back(&outcome), 102, back(&jitter));
        }
        at_most(outcome.attempts, 102, jitter.attempts);
        at_most(
            outcome.peak_per_s(0).into(),
            105,
            jitter.peak_per_s(0).into(),
        );
    }
}

#[test]
fn hints_in_refusals_alone_bring_all_clients_back_in_order() {
    let scenario = scenario(0);
    let outcome = ours(&scenario, None);
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        scenario.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 1.05);
}

#[test]
fn a_hint_that_is_too_small_costs_an_attempt_and_no_time() {
    for part in [2, 5] {
        let scenario = scenario(0);
        let outcome = ours(&scenario, Some(window_ms(&scenario) / part));
        at_most(
            outcome.percent_back_ms(99).unwrap(),
            105,
            scenario.ideal_ms(99),
        );
        assert!(outcome.per_client().1 <= 1.05);
    }
}

#[test]
fn a_hint_for_fewer_clients_costs_an_attempt_and_no_time() {
    let scenario = scenario(0);
    let then = |no: u32| Some(u64::from(no) * 1_000 / PER_S);
    let outcome = scenario.run(&mut LonghaulFleet::new(CLIENTS, 1, then));
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        scenario.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 1.05);
}

/// An outage of 30 s, and another one of 10 s before all clients are back.
fn lost_twice(hints: Hints) -> (Scenario, Outcome) {
    let away = [(0, 30_000), (65_000, 75_000)];
    let scenario = Scenario {
        outages: away
            .map(|(from_ms, until_ms)| Outage { from_ms, until_ms })
            .to_vec(),
        hints,
        ..scenario(75_000)
    };
    let outcome = ours(&scenario, Some(window_ms(&scenario)));
    (scenario, outcome)
}

#[test]
fn r3_a_hint_with_each_pong_makes_a_second_outage_gentler() {
    let (once, again) = (lost_twice(Hints::All).1, lost_twice(Hints::Repeated).1);
    at_most(
        again.peak_per_s(65_000).into(),
        80,
        once.peak_per_s(65_000).into(),
    );
    assert!(again.wasted < once.wasted);
}

#[test]
fn r2_expect_connections_makes_a_second_outage_gentler() {
    let once = lost_twice(Hints::All).1;
    let (scenario, expected) = lost_twice(Hints::Expected);
    at_most(
        expected.peak_per_s(65_000).into(),
        60,
        once.peak_per_s(65_000).into(),
    );
    assert!(expected.wasted < once.wasted);
    at_most(
        expected.percent_back_ms(99).unwrap(),
        106,
        scenario.ideal_ms(99),
    );
}

#[test]
fn vanishing_packets_do_not_slow_the_herd() {
    let scenario = Scenario {
        is_silent: true,
        ..scenario(120_000)
    };
    let outcome = ours(&scenario, Some(window_ms(&scenario)));
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        scenario.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 3.0);
}

#[test]
fn s40_the_clients_of_a_drained_hub_come_back_no_faster_than_asked() {
    let (clients, per_s) = (2_500, 100);
    for seed in 1..=10 {
        let run = |over_ms| {
            let scenario = Scenario {
                seed,
                ..deploy(clients, per_s, over_ms)
            };
            ours(&scenario, Some(50_000))
        };
        let (paced, at_once) = (run(None), run(Some(0)));
        assert!(paced.percent_gap_ms(99).unwrap() <= 5_000);
        for outcome in [paced, at_once] {
            at_most(outcome.peak_per_s(0).into(), 100, per_s);
            assert_eq!((outcome.wasted, outcome.gave_up), (0, 0));
        }
    }
}

#[test]
fn s40_the_hub_drains_evenly_or_sends_a_wide_reconnect_window() {
    let paced = drained(2_500, 100, None);
    let hints = "going_away the hub is stopping spread=1000";
    assert!(
        paced
            .iter()
            .all(|close| (close.code, &*close.reason) == (1_001, hints))
    );
    let at: Vec<u64> = paced.iter().map(|close| close.at_ms).collect();
    assert_eq!(
        (at.len(), at.first(), at.last()),
        (2_500, Some(&0), Some(&32_455))
    );
    for second in at.windows(100) {
        assert!(second.last().unwrap() - second.first().unwrap() >= 1_000);
    }
    let at_once = drained(2_500, 100, Some(0));
    assert!(at_once.iter().all(|close| close.at_ms == 0));
    assert_eq!(
        at_once.first().unwrap().reason,
        "going_away the hub is stopping spread=41666"
    );
}

#[test]
fn the_clients_of_a_small_hub_are_back_sooner_than_with_full_jitter() {
    let mut sums = [[0; 3]; 2];
    for away_s in (2..40).step_by(2) {
        let scenario = Scenario::new(500, 1_000, away_s * 1_000);
        let mine = ours(&scenario, Some(window_ms(&scenario)));
        let jitter = peers(Formula::FullJitter, &scenario);
        for (sums, outcome) in sums.iter_mut().zip([mine, jitter]) {
            let back = |percent| outcome.percent_back_ms(percent).unwrap() - away_s * 1_000;
            for (sum, new) in sums.iter_mut().zip([back(50), back(99), outcome.attempts]) {
                *sum += new;
            }
        }
    }
    let [
        [half, most, attempts],
        [half_jitter, most_jitter, attempts_jitter],
    ] = sums;
    at_most(half, 105, half_jitter);
    at_most(most, 70, most_jitter);
    at_most(attempts, 102, attempts_jitter);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || hinted(10_000).1;
    assert_eq!(run().attempts_per_s(), run().attempts_per_s());
}
