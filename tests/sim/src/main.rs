//! Runs the simulator: one seed with its trace, or many seeds with their coverage.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::Parser;
use longhaul_sim::{Coverage, run};

/// A run of this many seeds meets every situation, some of them a dozen times.
const SEEDS_MANY: u64 = 10_000;

/// Simulates whole histories of real clients and a real hub in virtual time, with faults. An oracle
/// checks them.
#[derive(Parser)]
#[command(name = "sim", version)]
struct Args {
    /// Run one seed and print its history
    seed: Option<u64>,

    /// Run this many seeds and print their coverage
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,

    /// The first of these seeds
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    let ends_well = match args.seed {
        Some(seed) => one(seed, &mut out),
        None => many(args.from, args.seeds, &mut out),
    };
    match ends_well {
        Ok(true) => ExitCode::SUCCESS,
        // The reader may have closed our output.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn one(seed: u64, out: &mut impl Write) -> io::Result<bool> {
    let outcome = run(seed, Some(out));
    writeln!(
        out,
        "seed {seed}: all held; {} messages were delivered",
        outcome.delivered
    )?;
    Ok(true)
}

fn many(from: u64, count: u64, out: &mut impl Write) -> io::Result<bool> {
    let next = AtomicU64::new(from);
    let total = Mutex::new((Coverage::default(), 0_u64, Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                break;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, None)));
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(outcome) => {
                    total.0.join(&outcome.coverage);
                    total.1 += outcome.delivered;
                }
                Err(_) => total.2.push(seed),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (coverage, delivered, mut failed) =
        total.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    for (what, times) in coverage.rows() {
        writeln!(out, "{times:>12}  {what}")?;
    }
    for what in coverage.missing() {
        writeln!(out, "       never  {what}")?;
    }
    writeln!(
        out,
        "{count} seeds from {from}; {delivered} messages were delivered"
    )?;
    for seed in &failed {
        writeln!(out, "seed {seed} failed: npm run sim -- {seed}")?;
    }
    Ok(failed.is_empty() && (count < SEEDS_MANY || coverage.missing().is_empty()))
}
