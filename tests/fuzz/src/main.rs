//! npm run fuzz: one target for some time, or one input.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use longhaul_fuzz::runner::{Budget, Finding, attempt, run};
use longhaul_fuzz::{TARGETS, Target};

/// Feeds mutated inputs to what reads peers, and says what broke.
#[derive(Parser)]
struct Options {
    /// One of frames, json, resume, transports, hub; all of them without
    target: Option<String>,
    /// How long for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Other seeds, other inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only this input
    #[arg(long)]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let targets = match options.target.as_deref().map(Target::find) {
        None => TARGETS.to_vec(),
        Some(Some(target)) => vec![target],
        Some(None) => {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("there is no such target; there are {}", names.join(", "));
            return ExitCode::FAILURE;
        }
    };
    let mut is_fine = true;
    for target in targets {
        let begun = Instant::now();
        let outcome = match &options.input {
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => attempt(target, &text)
                    .map(|()| 1)
                    .map_err(|message| Finding { text, message }),
                Err(error) => {
                    eprintln!("{}: {error}", path.display());
                    return ExitCode::FAILURE;
                }
            },
            None => run(
                target,
                options.seed,
                Budget::Time(Duration::from_secs(options.seconds)),
            ),
        };
        match outcome {
            Ok(inputs) => println!(
                "{}: {inputs} inputs in {} s, seed {}",
                target.name,
                begun.elapsed().as_secs(),
                options.seed
            ),
            Err(finding) => {
                is_fine = false;
                println!(
                    "{}: {}\n--- the input, for tests/fuzz/corpus/{}:\n{}\n---",
                    target.name, finding.message, target.name, finding.text
                );
            }
        }
    }
    if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
