//! The scenarios of docs/herd.md, and their results as tables.

use std::fmt::Write;

use longhaul::Hint;
use longhaul_hub::core::spread_ms;

use crate::fleet::Hints;
use crate::formulas::{Formula, FormulaFleet};
use crate::hub_driver::drained;
use crate::longhaul_fleet::LonghaulFleet;
use crate::outcome::Outcome;
use crate::scenario::{Detection, Outage, Scenario};

/// The outages of the comparison, ms.
pub const AWAY_MS: [u64; 3] = [0, 10_000, 120_000];

/// Runs a scenario with Longhaul's clients. All get the same reconnect window.
#[must_use]
pub fn ours(scenario: &Scenario, window_ms: Option<u64>) -> Outcome {
    scenario.run(&mut LonghaulFleet::new(
        scenario.clients,
        scenario.seed,
        |_| window_ms,
    ))
}

/// The reconnect window that a hub with all clients sends, ms.
#[must_use]
pub fn window_ms(scenario: &Scenario) -> u64 {
    spread_ms(u64::from(scenario.clients), scenario.per_s)
}

/// The same scenario with a hub that sends no hints.
#[must_use]
pub fn mute(scenario: &Scenario) -> Scenario {
    Scenario {
        hints: Hints::None,
        ..scenario.clone()
    }
}

/// The result of one kind of client in one scenario.
#[derive(Debug)]
pub struct Row {
    /// The name of the kind.
    pub name: String,
    /// The result.
    pub outcome: Outcome,
}

/// Runs one scenario with Longhaul and with all other libraries. The first row is Longhaul's.
#[must_use]
pub fn compare(scenario: &Scenario) -> Vec<Row> {
    let row = |name: &str, outcome| Row {
        name: name.to_owned(),
        outcome,
    };
    let mut rows = vec![
        row("**Longhaul**", ours(scenario, Some(window_ms(scenario)))),
        row("Longhaul, hints in refusals only", ours(scenario, None)),
        row("Longhaul, without hints", ours(&mute(scenario), None)),
    ];
    for formula in Formula::ALL {
        let mut fleet = FormulaFleet::new(formula, scenario.clients, scenario.seed);
        rows.push(row(formula.name(), scenario.run(&mut fleet)));
    }
    rows
}

/// The table of one comparison.
#[must_use]
pub fn comparison_table(scenario: &Scenario, rows: &[Row]) -> String {
    let mut out = String::from(
        "| | t50 s | t99 s | t100 s | peak/s | peak/s after up | attempts | wasted | gave up |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let ideal = |percent| seconds(Some(scenario.ideal_ms(percent)));
    let per_s = thousands(scenario.per_s);
    line(
        &mut out,
        &[
            "ideal",
            &ideal(50),
            &ideal(99),
            &ideal(100),
            &per_s,
            &per_s,
            "1.00",
            "0.00",
            "0",
        ],
    );
    for Row { name, outcome } in rows {
        let (attempts, wasted) = outcome.per_client();
        line(
            &mut out,
            &[
                name,
                &seconds(outcome.percent_back_ms(50)),
                &seconds(outcome.percent_back_ms(99)),
                &seconds(outcome.percent_back_ms(100)),
                &thousands(outcome.peak_per_s(0).into()),
                &thousands(outcome.peak_per_s(outcome.up_ms).into()),
                &format!("{attempts:.2}"),
                &format!("{wasted:.2}"),
                &thousands(outcome.gave_up.into()),
            ],
        );
    }
    out
}

/// One case: its name, its scenario, and the reconnect window of client `no`.
type Case = (&'static str, Scenario, fn(&Scenario, u32) -> Option<u64>);

/// Hints that are wrong, late or missing, and other ways to lose a hub.
fn cases(clients: u32, per_s: u64) -> Vec<Case> {
    let scenario = |away_ms| Scenario::new(clients, per_s, away_ms);
    let all: fn(&Scenario, u32) -> Option<u64> = |scenario, _| Some(window_ms(scenario));
    let flapping = |hints| Scenario {
        outages: vec![
            Outage {
                from_ms: 0,
                until_ms: 30_000,
            },
            Outage {
                from_ms: 65_000,
                until_ms: 75_000,
            },
        ],
        hints,
        ..scenario(75_000)
    };
    vec![
        ("the hint is right", scenario(10_000), all),
        ("the hint is half of it", scenario(10_000), |scenario, _| {
            Some(window_ms(scenario) / 2)
        }),
        (
            "the hint is a fifth of it",
            scenario(10_000),
            |scenario, _| Some(window_ms(scenario) / 5),
        ),
        (
            "the hint is twice as much",
            scenario(10_000),
            |scenario, _| Some(window_ms(scenario) * 2),
        ),
        (
            "the hub admits half of what its hint says",
            Scenario {
                per_s: per_s / 2,
                ..scenario(10_000)
            },
            |scenario, _| Some(window_ms(scenario) / 2),
        ),
        (
            "the hint comes with the welcome, never again",
            scenario(10_000),
            |scenario, no| Some(spread_ms(no.into(), scenario.per_s)),
        ),
        (
            "the hint comes again when it changes by a quarter",
            scenario(10_000),
            |scenario, no| {
                Some(spread_ms(
                    u64::from(scenario.clients) * 4 / 5 + u64::from(no) / 5,
                    scenario.per_s,
                ))
            },
        ),
        ("refusals have no hint", mute(&scenario(10_000)), all),
        (
            "packets vanish for 120 s",
            Scenario {
                is_silent: true,
                ..scenario(120_000)
            },
            all,
        ),
        (
            "the network is cut, and heartbeats find it in 10 to 35 s",
            Scenario {
                detection: Detection::Between(10_000, 35_000),
                ended: (4_002, String::new()),
                ..scenario(0)
            },
            all,
        ),
        (
            "the same, away for 60 s",
            Scenario {
                detection: Detection::Between(10_000, 35_000),
                ended: (4_002, String::new()),
                ..scenario(60_000)
            },
            all,
        ),
        (
            "back for 35 s, away again for 10 s, hint in the welcome",
            flapping(Hints::All),
            all,
        ),
        (
            "the same, hint again with each pong",
            flapping(Hints::Repeated),
            all,
        ),
        (
            "the same, hint for the expected connections (`--expect-connections`)",
            flapping(Hints::Expected),
            all,
        ),
        ("away for 10 minutes", scenario(600_000), all),
        ("away for an hour", scenario(3_600_000), all),
    ]
}

/// The cost of wrong hints.
#[must_use]
pub fn cases_table(clients: u32, per_s: u64) -> String {
    let mut out = String::from(
        "| | t99 s | of ideal | t100 s | peak/s, of what is admitted | wasted |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for (name, scenario, window) in cases(clients, per_s) {
        let outcome = scenario.run(&mut LonghaulFleet::new(clients, scenario.seed, |no| {
            window(&scenario, no)
        }));
        let t99 = outcome.percent_back_ms(99);
        line(
            &mut out,
            &[
                name,
                &seconds(t99),
                &t99.map_or_else(|| "never".to_owned(), |ms| ratio(ms, scenario.ideal_ms(99))),
                &seconds(outcome.percent_back_ms(100)),
                &ratio(outcome.peak_per_s(0).into(), scenario.per_s),
                &format!("{:.2}", outcome.per_client().1),
            ],
        );
    }
    out
}

/// One of several hubs drains, so that `per_s` of its clients come back a second, or in `over_ms`.
/// They connect to the other hubs, which admit ten times as many.
#[must_use]
pub fn deploy(clients: u32, per_s: u64, over_ms: Option<u64>) -> Scenario {
    Scenario {
        detection: Detection::Drained { per_s, over_ms },
        hints: Hints::All,
        ..Scenario::new(clients, per_s * 10, 0)
    }
}

/// A rolling deploy: one hub with 2,500 clients, of which at most 100 a second shall come back.
#[must_use]
pub fn deploy_table() -> String {
    let (clients, per_s) = (2_500, 100);
    let mut out = String::from(
        "| | closed | asked for | peak/s | last one back, s | without a connection, p50 s | p99 s |\n|---|---|--:|--:|--:|--:|--:|\n",
    );
    let window = |over_ms| {
        let closed = drained(clients, per_s, over_ms);
        let reason = closed.into_iter().next().map(|close| close.reason);
        reason.and_then(|reason| Hint::of(&reason).spread_ms)
    };
    let ways = [("one by one", None), ("at once", Some(0))];
    let mut add = |who: &str, how: &str, outcome: &Outcome| {
        line(
            &mut out,
            &[
                who,
                how,
                &per_s.to_string(),
                &thousands(outcome.peak_per_s(0).into()),
                &seconds(outcome.percent_back_ms(100)),
                &seconds(outcome.percent_gap_ms(50)),
                &seconds(outcome.percent_gap_ms(99)),
            ],
        );
    };
    for (how, over_ms) in ways {
        let how = format!("{how}, `spread={}`", window(over_ms).unwrap_or(0));
        let scenario = deploy(clients, per_s, over_ms);
        add("**Longhaul**", &how, &ours(&scenario, Some(50_000)));
    }
    for formula in [
        Formula::SocketIo,
        Formula::Centrifuge,
        Formula::FullJitter,
        Formula::ActionCable,
    ] {
        for (how, over_ms) in ways {
            let mut fleet = FormulaFleet::new(formula, clients, 1);
            let outcome = deploy(clients, per_s, over_ms).run(&mut fleet);
            add(formula.name(), how, &outcome);
        }
    }
    out
}

/// A small hub that admits all at once: 1,000 clients, means over outages of many lengths.
#[must_use]
pub fn small_table() -> String {
    let mut out = String::from(
        "| | away s | after its return: t50 s | t99 s | t100 s | attempts |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for (from_s, to_s) in [(2, 20), (21, 60), (100, 140)] {
        let mut sums = [[0_u64; 4]; 2];
        for away_s in from_s..=to_s {
            let scenario = Scenario::new(1_000, 2_000, away_s * 1_000);
            let mut fleet = FormulaFleet::new(Formula::FullJitter, scenario.clients, scenario.seed);
            let outcomes = [
                ours(&scenario, Some(window_ms(&scenario))),
                scenario.run(&mut fleet),
            ];
            for (sums, outcome) in sums.iter_mut().zip(outcomes) {
                let after = |percent| {
                    let back_ms = outcome.percent_back_ms(percent).unwrap_or(scenario.end_ms);
                    back_ms.saturating_sub(away_s * 1_000)
                };
                let new = [after(50), after(99), after(100), outcome.attempts];
                for (sum, new) in sums.iter_mut().zip(new) {
                    *sum += new;
                }
            }
        }
        let count = to_s - from_s + 1;
        let names = ["**Longhaul**", Formula::FullJitter.name()];
        for (name, [t50, t99, t100, attempts]) in names.into_iter().zip(sums) {
            let mean = |sum: u64| seconds(Some(sum / count));
            line(
                &mut out,
                &[
                    name,
                    &format!("{from_s} to {to_s}"),
                    &mean(t50),
                    &mean(t99),
                    &mean(t100),
                    &ratio(attempts, count * 1_000),
                ],
            );
        }
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(
        || "never".to_owned(),
        |ms| format!("{}.{}", (ms + 50) / 1_000, (ms + 50) % 1_000 / 100),
    )
}

fn ratio(part: u64, whole: u64) -> String {
    let hundredths = (part * 100 + whole / 2) / whole;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(seconds(Some(49_960)), "50.0");
        assert_eq!(ratio(106, 100), "1.06");
        assert_eq!(
            [thousands(7), thousands(1_000), thousands(100_000)],
            ["7", "1,000", "100,000"]
        );
    }
}
