//! `backoff` keeps its bounds, and spreads clients over the reconnect window.

use super::*;
use crate::backoff::hint::HINT_MS_MAX;
use proptest::prelude::*;

const T0: Time = Time(1_000_000);
const LOST: u16 = codes::CONNECTION_LOST;

fn policy(jitter: Jitter) -> BackoffPolicy {
    BackoffPolicy {
        jitter,
        ..BackoffPolicy::default()
    }
}

fn with_reconnect_window(jitter: Jitter, window_ms: u64) -> Backoff {
    let mut backoff = Backoff::new(policy(jitter));
    backoff.welcomed(Some(window_ms));
    backoff
}

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(7)
}

/// The delays after `count` failures, each noticed the moment that the attempt is made.
fn delays(backoff: &mut Backoff, rng: &mut fastrand::Rng, count: usize) -> Vec<u64> {
    let mut now = T0;
    let mut delay = || {
        let next = backoff.next(now, LOST, "", rng);
        let ms = next.since(now);
        now = next;
        ms
    };
    (0..count).map(|_| delay()).collect()
}

#[test]
fn without_jitter_the_windows_are_1_2_4_8_16_30_30_seconds() {
    let mut backoff = with_reconnect_window(Jitter::None, 50_000);
    assert_eq!(
        delays(&mut backoff, &mut rng(), 7),
        [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    );
}

proptest! {
    #[test]
    fn no_delay_leaves_floor_and_cap(
        seed: u64, count in 1_usize..40, base in 0_u64..100_000, cap in 1_u64..1_000_000,
        factor in 1.0_f64..10.0, kind in 0..3, spread in 0_u64..1_000_000,
    ) {
        let jitter = [Jitter::Full, Jitter::Half, Jitter::None][usize::try_from(kind).unwrap()];
        let policy = BackoffPolicy { base_ms: base, factor, cap_ms: cap, jitter, attempts_max: 20 };
        // A kept phase wanders, and the shortest period is the floor.
        let longest = cap.max(BACKOFF_FLOOR_MS + BACKOFF_FLOOR_MS / WANDER);
        let mut backoff = Backoff::new(policy);
        let mut rng = fastrand::Rng::with_seed(seed);
        for ms in delays(&mut backoff, &mut rng, count) {
            prop_assert!((BACKOFF_FLOOR_MS..=longest).contains(&ms), "{ms} without a hint");
        }
        let mut backoff = Backoff::new(policy);
        backoff.welcomed(Some(spread));
        let longest = longest.max(spread);
        for ms in delays(&mut backoff, &mut rng, count) {
            prop_assert!((BACKOFF_FLOOR_MS..=longest + longest / WANDER).contains(&ms), "{ms} of {spread}");
        }
    }

    #[test]
    fn r1_s17_a_time_from_the_hub_is_a_floor_and_its_spread_a_window(
        seed: u64, retry in prop_oneof![0_u64..1_000, 0_u64..100_000], spread in proptest::option::of(0_u64..100_000), kind in 0..3,
    ) {
        let jitter = [Jitter::Full, Jitter::Half, Jitter::None][usize::try_from(kind).unwrap()];
        let mut backoff = with_reconnect_window(jitter, 50_000);
        let mut rng = fastrand::Rng::with_seed(seed);
        let hint = Hint { retry_ms: Some(retry), spread_ms: spread };
        let at = backoff.next(T0, codes::TRY_AGAIN_LATER, &format!("try_again_later{hint}"), &mut rng);
        // A hub that says 0 makes no loop: the first window is the least.
        let from = retry.max(1_000);
        prop_assert!((from..=from + spread.unwrap_or(0).max(1_000)).contains(&at.since(T0)));
    }

    #[test]
    fn no_history_makes_it_panic_stop_or_come_at_once(
        seed: u64, steps in proptest::collection::vec((0..6, 0_u64..1 << 40, 1000_u16..1014), 1..60), huge: bool,
    ) {
        let cap_ms = if huge { u64::MAX } else { 30_000 };
        let mut backoff = Backoff::new(BackoffPolicy { base_ms: cap_ms / 3, cap_ms, ..policy(Jitter::Full) });
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut now = T0;
        for (what, number, code) in steps {
            match what {
                0 => backoff.welcomed(Some(number)),
                1 => backoff.set_reconnect_window(number),
                2 => backoff.back_online(),
                3 => backoff.was_useful_for(number),
                4 => now = now.plus(number % 100_000_000),
                _ => {
                    let reason = format!("x retry={number} spread={number}");
                    let reason = if number % 3 == 0 { reason.as_str() } else { "" };
                    let at = backoff.next(now, code, reason, &mut rng);
                    prop_assert!(at >= now.plus(BACKOFF_FLOOR_MS));
                    if !huge {
                        prop_assert!(at <= now.plus(2 * HINT_MS_MAX));
                    }
                    now = at;
                }
            }
        }
    }
}

#[test]
fn clients_told_the_same_time_spread_over_the_window() {
    let mut rng = rng();
    let mut delays: Vec<u64> = (0..100)
        .map(|_| {
            let mut backoff = Backoff::new(policy(Jitter::Full));
            backoff
                .next(
                    T0,
                    codes::TRY_AGAIN_LATER,
                    "try_again_later retry=7000",
                    &mut rng,
                )
                .since(T0)
        })
        .collect();
    delays.sort_unstable();
    assert!(delays[0] >= 7_000);
    assert!(delays[50] - delays[0] > 300, "{delays:?}");
    assert!(delays[99] - delays[50] > 300, "{delays:?}");
}

fn assert_flat(from_ms: u64, to_ms: u64, mut draw: impl FnMut(&mut fastrand::Rng) -> u64) {
    let mut rng = rng();
    let mut tenths = [0_u32; 10];
    for _ in 0..100_000 {
        let tenth = (draw(&mut rng) - from_ms) * 10 / (to_ms - from_ms + 1);
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    for count in tenths {
        assert!((9_500..10_500).contains(&count), "{tenths:?}");
    }
}

#[test]
fn full_jitter_is_flat_over_the_window() {
    assert_flat(BACKOFF_FLOOR_MS, 1_000, |rng| {
        Backoff::new(policy(Jitter::Full))
            .next(T0, LOST, "", rng)
            .since(T0)
    });
}

#[test]
fn r2_the_first_attempt_is_flat_over_the_spread_of_the_hub() {
    assert_flat(BACKOFF_FLOOR_MS, 50_000, |rng| {
        with_reconnect_window(Jitter::Full, 50_000)
            .next(T0, LOST, "", rng)
            .since(T0)
    });
    assert_flat(BACKOFF_FLOOR_MS, 30_000, |rng| {
        with_reconnect_window(Jitter::Full, 1_000)
            .next(T0, codes::GOING_AWAY, "going_away spread=30000", rng)
            .since(T0)
    });
    assert_flat(BACKOFF_FLOOR_MS, 50_000, |rng| {
        with_reconnect_window(Jitter::Half, 50_000)
            .next(T0, LOST, "", rng)
            .since(T0)
    });
}

#[test]
fn r2_a_spread_in_the_reason_holds_for_this_time_and_the_wider_one_afterwards() {
    let mut rng = rng();
    for _ in 0..1_000 {
        let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
        let at = backoff.next(T0, codes::GOING_AWAY, "going_away spread=2000", &mut rng);
        assert!(at.since(T0) <= 2_000);
    }
    assert_flat(BACKOFF_FLOOR_MS, 50_000, |rng| {
        let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
        let at = backoff.next(T0, codes::GOING_AWAY, "going_away spread=2000", rng);
        backoff.next(at, LOST, "", rng).since(at)
    });
}

#[test]
fn r3_a_wider_spread_in_the_reason_stays_the_period() {
    let mut rng = rng();
    let mut backoff = with_reconnect_window(Jitter::Full, 1_000);
    let at = backoff.next(T0, codes::GOING_AWAY, "going_away spread=40000", &mut rng);
    let next = backoff.next(at, LOST, "", &mut rng);
    assert!((38_000..=42_000).contains(&next.since(at)));
    backoff.welcomed(Some(1_000));
    backoff.forget();
    assert!(backoff.next(next, LOST, "", &mut rng).since(next) <= 1_000);
}

#[test]
fn r4_a_client_keeps_its_phase_while_the_hub_stays_away() {
    let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
    for ms in &delays(&mut backoff, &mut rng(), 20)[1..] {
        assert!((47_500..=52_500).contains(ms), "{ms}");
    }
}

#[test]
fn r4_a_phase_wanders_so_that_no_client_meets_a_hub_in_step_with_it_for_ever() {
    let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
    let delays = delays(&mut backoff, &mut rng(), 20);
    let spread = delays[1..].iter().max().unwrap() - delays[1..].iter().min().unwrap();
    assert!(spread > 2_500, "{delays:?}");
}

#[test]
fn r4_time_that_an_attempt_takes_does_not_move_the_phase() {
    let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
    let mut rng = rng();
    let mut at = backoff.next(T0, LOST, "", &mut rng);
    for slow_ms in [0, 10_000, 45_000, 0, 20_000] {
        let next = backoff.next(at.plus(slow_ms), codes::OPEN_TIMEOUT, "", &mut rng);
        assert!((47_500..=52_500).contains(&next.since(at)));
        at = next;
    }
    let woke = at.plus(3_600_000);
    let next = backoff.next(woke, LOST, "", &mut rng);
    assert!(next.since(woke) <= 52_500);
    let off = next.since(at) % 50_000;
    assert!(
        off <= 2_500 || off >= 47_500,
        "the same phase, hours later: {off}"
    );
}

#[test]
fn r4_an_attempt_in_between_does_not_move_the_phase() {
    let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
    let mut rng = rng();
    let at = backoff.next(T0, LOST, "", &mut rng);
    let next = backoff.next(at.plus(10_000), LOST, "", &mut rng);
    assert_eq!(backoff.next(at.plus(20_000), LOST, "", &mut rng), next);
}

#[test]
fn r4_a_narrow_reconnect_window_gives_way_to_half_the_window() {
    for seed in 0..100 {
        let mut backoff = with_reconnect_window(Jitter::Full, 500);
        let delays = delays(&mut backoff, &mut fastrand::Rng::with_seed(seed), 9);
        assert!((100..=1_000).contains(&delays[0]), "{delays:?}");
        for (ms, period) in delays[1..].iter().zip([1_000, 2_000, 4_000, 8_000, 15_000]) {
            assert!((period / 2..=period * 3 / 2).contains(ms), "{delays:?}");
        }
        for ms in &delays[6..] {
            assert!((14_250..=15_750).contains(ms), "{delays:?}");
        }
    }
}

#[test]
fn without_a_hint_it_is_full_jitter_until_the_cap_and_then_a_phase() {
    for (failure, window) in [(1, 2_000), (2, 4_000), (3, 8_000), (4, 16_000), (5, 30_000)] {
        assert_flat(BACKOFF_FLOOR_MS, window, |rng| {
            let mut backoff = Backoff::new(policy(Jitter::Full));
            *delays(&mut backoff, rng, failure + 1).last().unwrap()
        });
    }
    let mut backoff = Backoff::new(policy(Jitter::Full));
    for ms in &delays(&mut backoff, &mut rng(), 20)[6..] {
        assert!((14_250..=15_750).contains(ms), "{ms}");
    }
}

#[test]
fn what_is_our_own_fault_does_not_wait_for_the_herd() {
    let mut rng = rng();
    for code in [1008, 1009, 4002, 4006, 4007, 4008] {
        let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
        let at = backoff.next(T0, code, "", &mut rng);
        assert!(at.since(T0) <= 1_000, "{code}");
    }
    // Once: when the next attempt fails too, it is the hub.
    assert_flat(BACKOFF_FLOOR_MS, 50_000, |rng| {
        let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
        let at = backoff.next(T0, codes::HEARTBEAT_TIMEOUT, "", rng);
        backoff.next(at, LOST, "", rng).since(at)
    });
    for code in [1000, 1001, 1006, 1011, 1012, 1013, 4000, 4003, 4004, 4005] {
        let mut backoff = with_reconnect_window(Jitter::Full, 3_000_000);
        let at = backoff.next(T0, code, "", &mut rng);
        assert!(at.since(T0) > 1_000, "{code}");
    }
}

#[test]
fn s53_back_online_the_first_failures_are_put_down_to_the_network() {
    for seed in 0..100 {
        let mut backoff = with_reconnect_window(Jitter::Full, 3_000_000);
        backoff.back_online();
        let mut rng = fastrand::Rng::with_seed(seed);
        let delays = delays(&mut backoff, &mut rng, 4);
        assert!(delays[0] <= 1_000 && delays[1] <= 2_000 && delays[2] <= 4_000);
        assert!(delays[3] > 4_000, "{delays:?}");
    }
}

#[test]
fn a_welcome_ends_the_excuses_and_the_user_forgets_the_phase() {
    let mut rng = rng();
    let mut backoff = Backoff::new(policy(Jitter::Full));
    backoff.back_online();
    backoff.welcomed(Some(3_000_000));
    assert!(backoff.next(T0, LOST, "", &mut rng).since(T0) > 1_000);
    assert_flat(BACKOFF_FLOOR_MS, 50_000, |rng| {
        let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
        let at = backoff.next(T0, LOST, "", rng);
        backoff.forget();
        backoff.next(at, LOST, "", rng).since(at)
    });
}

#[test]
fn r3_the_last_word_of_the_hub_counts_and_a_welcome_without_one_forgets_it() {
    let mut rng = rng();
    let mut backoff = with_reconnect_window(Jitter::Full, 50_000);
    backoff.set_reconnect_window(2_000);
    assert!(backoff.next(T0, LOST, "", &mut rng).since(T0) <= 2_000);
    backoff.welcomed(None);
    backoff.failures = 0;
    assert!(backoff.next(T0, LOST, "", &mut rng).since(T0) <= 1_000);
    backoff.set_reconnect_window(u64::MAX);
    assert_eq!(backoff.reconnect_window_ms, HINT_MS_MAX);
}

#[test]
fn half_jitter_stays_in_the_upper_half() {
    let mut rng = rng();
    for spread_ms in [0, 900] {
        for _ in 0..1_000 {
            let mut backoff = with_reconnect_window(Jitter::Half, spread_ms);
            let at = backoff.next(T0, LOST, "", &mut rng);
            assert!((500..=1_000).contains(&at.since(T0)));
        }
    }
}

#[test]
fn failures_are_forgiven_by_halves_while_a_connection_is_useful() {
    let mut backoff = Backoff::new(policy(Jitter::None));
    delays(&mut backoff, &mut rng(), 8);
    backoff.was_useful_for(BACKOFF_DECAY_MS - 1);
    assert_eq!(backoff.failures, 8);
    backoff.was_useful_for(BACKOFF_DECAY_MS);
    assert_eq!(backoff.failures, 4);
    backoff.was_useful_for(2 * BACKOFF_DECAY_MS);
    assert_eq!(backoff.failures, 1);
    backoff.was_useful_for(1_000 * BACKOFF_DECAY_MS);
    assert_eq!(backoff.failures, 0);
}
