//! What docs/herd.md promises, with fewer clients and a rate to match: admitting everybody takes 50 s here too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use herd::hub::drained;
use herd::ours::Ours;
use herd::peers::{Formula, Peers};
use herd::report::{deploy, mute, ours, told_ms};
use herd::storm::{Away, Outcome, Storm, Words};

const CLIENTS: u32 = 5_000;
const PER_S: u64 = 100;

fn storm(away_ms: u64) -> Storm {
    Storm::new(CLIENTS, PER_S, away_ms)
}

fn hinted(away_ms: u64) -> (Storm, Outcome) {
    let storm = storm(away_ms);
    let outcome = ours(&storm, Some(told_ms(&storm)));
    (storm, outcome)
}

fn peers(formula: Formula, storm: &Storm) -> Outcome {
    storm.run(&mut Peers::new(formula, storm.clients, storm.seed))
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
fn a04_99_per_cent_are_back_within_1_05_of_the_ideal_and_nobody_gives_up() {
    for away_ms in [0, 10_000, 120_000] {
        let (storm, outcome) = hinted(away_ms);
        at_most(
            outcome.percent_back_ms(99).unwrap(),
            105,
            storm.ideal_ms(99),
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
        let (storm, outcome) = hinted(away_ms);
        let best = Formula::ALL
            .into_iter()
            .map(|formula| peers(formula, &storm).peak_per_s(0))
            .min()
            .unwrap();
        at_most(outcome.peak_per_s(0).into(), 25, best.into());
    }
}

#[test]
fn without_hints_it_is_no_worse_than_full_jitter() {
    for away_ms in [0, 10_000, 120_000] {
        let storm = mute(&storm(away_ms));
        let outcome = ours(&storm, None);
        let jitter = peers(Formula::FullJitter, &storm);
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
fn hints_in_refusals_alone_bring_everybody_back_in_order() {
    let storm = storm(0);
    let outcome = ours(&storm, None);
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        storm.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 1.05);
}

#[test]
fn a_hint_that_is_too_small_costs_an_attempt_and_no_time() {
    for part in [2, 5] {
        let storm = storm(0);
        let outcome = ours(&storm, Some(told_ms(&storm) / part));
        at_most(
            outcome.percent_back_ms(99).unwrap(),
            105,
            storm.ideal_ms(99),
        );
        assert!(outcome.per_client().1 <= 1.05);
    }
}

#[test]
fn a_hint_from_when_there_were_fewer_costs_an_attempt_and_no_time() {
    let storm = storm(0);
    let then = |no: u32| Some(u64::from(no) * 1_000 / PER_S);
    let outcome = storm.run(&mut Ours::new(CLIENTS, 1, then));
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        storm.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 1.05);
}

/// Lost for 30 s, and again for 10 s before all are back.
fn lost_twice(words: Words) -> (Storm, Outcome) {
    let away = [(0, 30_000), (65_000, 75_000)];
    let storm = Storm {
        away: away
            .map(|(from_ms, until_ms)| Away { from_ms, until_ms })
            .to_vec(),
        words,
        ..storm(75_000)
    };
    let outcome = ours(&storm, Some(told_ms(&storm)));
    (storm, outcome)
}

#[test]
fn r3_told_again_with_each_pong_a_second_loss_is_gentler() {
    let (once, again) = (lost_twice(Words::All).1, lost_twice(Words::Retold).1);
    at_most(
        again.peak_per_s(65_000).into(),
        80,
        once.peak_per_s(65_000).into(),
    );
    assert!(again.wasted < once.wasted);
}

#[test]
fn r2_a_second_loss_is_gentler_if_the_hub_was_told_whom_to_expect() {
    let once = lost_twice(Words::All).1;
    let (storm, expected) = lost_twice(Words::Expected);
    at_most(
        expected.peak_per_s(65_000).into(),
        60,
        once.peak_per_s(65_000).into(),
    );
    assert!(expected.wasted < once.wasted);
    at_most(
        expected.percent_back_ms(99).unwrap(),
        106,
        storm.ideal_ms(99),
    );
}

#[test]
fn packets_that_vanish_do_not_move_the_herd() {
    let storm = Storm {
        is_silent: true,
        ..storm(120_000)
    };
    let outcome = ours(&storm, Some(told_ms(&storm)));
    at_most(
        outcome.percent_back_ms(99).unwrap(),
        105,
        storm.ideal_ms(99),
    );
    assert!(outcome.per_client().1 <= 3.0);
}

#[test]
fn s40_a_drained_nodes_clients_come_no_faster_than_the_hub_asked() {
    let (clients, per_s) = (2_500, 100);
    for seed in 1..=10 {
        let run = |over_ms| {
            let storm = Storm {
                seed,
                ..deploy(clients, per_s, over_ms)
            };
            ours(&storm, Some(50_000))
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
fn s40_the_hub_that_ships_drains_evenly_or_says_how_wide_to_come_back() {
    let paced = drained(2_500, 100, None);
    let words = "going_away the hub is stopping spread=1000";
    assert!(
        paced
            .iter()
            .all(|goodbye| (goodbye.code, &*goodbye.reason) == (1_001, words))
    );
    let at: Vec<u64> = paced.iter().map(|goodbye| goodbye.at_ms).collect();
    assert_eq!(
        (at.len(), at.first(), at.last()),
        (2_500, Some(&0), Some(&32_455))
    );
    for second in at.windows(100) {
        assert!(second.last().unwrap() - second.first().unwrap() >= 1_000);
    }
    let at_once = drained(2_500, 100, Some(0));
    assert!(at_once.iter().all(|goodbye| goodbye.at_ms == 0));
    assert_eq!(
        at_once.first().unwrap().reason,
        "going_away the hub is stopping spread=41666"
    );
}

#[test]
fn a_small_hub_has_its_clients_back_sooner_than_with_full_jitter() {
    let mut sums = [[0; 3]; 2];
    for away_s in (2..40).step_by(2) {
        let storm = Storm::new(500, 1_000, away_s * 1_000);
        let mine = ours(&storm, Some(told_ms(&storm)));
        let jitter = peers(Formula::FullJitter, &storm);
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
fn the_same_seed_is_the_same_storm() {
    let run = || hinted(10_000).1;
    assert_eq!(run().attempts_per_s(), run().attempts_per_s());
}
