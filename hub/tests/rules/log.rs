//! H3, H7, C4: the chain, retention, and the beginning of a subscription.

use longhaul::ids::{Chain, Cursor, Epoch, From, Seq};
use longhaul::wire::ResumeFailure;
use longhaul_hub::core::{Limits, Log, Now, Time};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);

fn now(ms: u64) -> Now {
    Now {
        time: Time(ms),
        wall_ms: 5_000 + ms,
    }
}

/// A log of `count` messages that retains `retained` of them.
fn log(count: u64, retained: usize) -> (Log, Limits) {
    let limits = Limits {
        retain_entries: retained,
        for_readers_bytes: 0,
        ..Limits::default()
    };
    let mut log = Log::new("a/b", EPOCH);
    for n in 1..=count {
        assert_eq!(log.append(now(n), None, &n.to_string(), &limits), Seq(n));
    }
    (log, limits)
}

fn cursor_after(seq: u64) -> Cursor {
    let (log, _) = log(seq, usize::MAX);
    log.end()
}

#[test]
fn h7_the_chain_is_xxh3_over_epoch_topic_and_each_entry() {
    let low = |hash: u64| hash & 0xffff_ffff_ffff;
    let (mut log, limits) = log(0, 10);
    let base = low(xxh3_64(b"0123456789abcdef/a/b"));
    assert_eq!(log.end().chain, Chain(base));
    log.append(now(2), Some("id"), "{\"x\":1}", &limits);
    let mut bytes = Vec::new();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(5_002_u64.to_le_bytes());
    bytes.extend(b"{\"x\":1}");
    assert_eq!(log.end().chain, Chain(low(xxh3_64_with_seed(&bytes, base))));
    // A constant, so that both sides of this test can't change together.
    assert_eq!(log.end().chain, Chain(GOLDEN_CHAIN));
}

const GOLDEN_CHAIN: u64 = 26_908_801_735_848;

#[test]
fn h7_dropping_entries_leaves_the_chain_as_it_was() {
    assert_eq!(log(9, 3).0.end(), log(9, 100).0.end());
    assert_eq!(log(9, 3).0.begin(), cursor_after(6));
}

#[test]
fn retention_keeps_the_newest_entries_by_number() {
    let (log, _) = log(10, 3);
    let kept: Vec<_> = log
        .after(Seq(7))
        .unwrap()
        .map(|(seq, e)| (seq.0, &*e.payload))
        .collect();
    assert_eq!(kept, [(8, "8"), (9, "9"), (10, "10")]);
    assert_eq!(log.after(Seq(6)).err(), Some(ResumeFailure::Trimmed));
    assert_eq!(log.after(Seq(10)).unwrap().count(), 0);
}

#[test]
fn retention_drops_entries_at_their_age_and_not_a_millisecond_sooner() {
    let (mut log, _) = log(3, 10);
    let limits = Limits {
        retain_ms: 100,
        for_readers_bytes: 0,
        ..Limits::default()
    };
    log.expire(Time(100), &limits);
    assert_eq!(log.begin().seq, Seq(0));
    log.expire(Time(101), &limits);
    assert_eq!(log.begin().seq, Seq(1));
    assert_eq!(log.after(Seq(0)).err(), Some(ResumeFailure::Expired));
    log.expire(Time(500), &limits);
    assert_eq!((log.begin(), log.head()), (log.end(), Seq(3)));
}

#[test]
fn retention_bounds_the_bytes_but_always_keeps_the_newest() {
    let limits = Limits {
        retain_bytes: 1_000,
        ..Limits::default()
    };
    let mut log = Log::new("a", EPOCH);
    for n in 0..20 {
        log.append(now(n), None, &format!("\"{}\"", "x".repeat(300)), &limits);
    }
    assert_eq!(log.after(log.begin().seq).unwrap().count(), 2);
    log.append(
        now(20),
        None,
        &format!("\"{}\"", "x".repeat(3_000)),
        &limits,
    );
    assert_eq!(log.after(Seq(20)).unwrap().count(), 1);
    assert_eq!(log.begin().seq, Seq(20));
}

#[test]
fn h3_every_cursor_is_resumed_or_fails_with_a_reason() {
    use ResumeFailure::{Diverged, Epoch as NewEpoch, Expired, Trimmed};
    let (log, _) = log(10, 4);
    let begin = log.begin();
    let after = |seq, chain| {
        From::After(Cursor {
            epoch: EPOCH,
            seq: Seq(seq),
            chain,
        })
    };
    for seq in 6..=10 {
        let cursor = cursor_after(seq);
        assert_eq!(log.resume(From::After(cursor)), (cursor, None), "{seq}");
        let wrong = Chain(cursor.chain.0 ^ 1);
        assert_eq!(
            log.resume(after(seq, wrong)),
            (begin, Some(Diverged)),
            "{seq}"
        );
        assert_eq!(log.resume(From::Seq(Seq(seq + 1))), (cursor, None), "{seq}");
    }
    for (from, reason) in [
        (From::After(cursor_after(5)), Trimmed),
        (From::After(cursor_after(0)), Trimmed),
        (From::Seq(Seq(6)), Trimmed),
        (From::Seq(Seq(1)), Trimmed),
        (From::Seq(Seq(12)), Diverged),
        (From::After(cursor_after(11)), Diverged),
        (after(1 << 52, Chain(0)), Diverged),
        (
            From::After(Cursor {
                epoch: Epoch(1),
                ..cursor_after(8)
            }),
            NewEpoch,
        ),
        (
            From::After(Cursor {
                epoch: Epoch(1),
                ..cursor_after(0)
            }),
            NewEpoch,
        ),
    ] {
        assert_eq!(log.resume(from), (begin, Some(reason)), "{from:?}");
    }
    assert_eq!(log.resume(From::Start), (begin, None));
    assert_eq!(log.resume(From::Live), (log.end(), None));

    let (mut log, limits) = self::log(10, 4);
    log.expire(Time(10 + limits.retain_ms), &limits);
    let end = log.end();
    assert_eq!(
        log.resume(From::After(cursor_after(9))),
        (end, Some(Expired))
    );
    assert_eq!(log.resume(From::After(cursor_after(10))), (end, None));
}
