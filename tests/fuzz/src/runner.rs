//! Runs a target over its corpus and over mutations of it, and makes what it finds small.
//!
//! Owns the budget and the order. The same seed and number of inputs give the same inputs.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, Instant};

use mutatis::Session;
use mutatis::check::{Check, CheckError};

use crate::Target;
use crate::mutator::Words;

/// Most changes from an input of the corpus to what is tried. Chosen: enough to leave the way, few
/// enough to stay near it.
const CHANGES_MAX: usize = 8;

/// Tries to make a finding smaller. Chosen: seconds.
const SHRINK_TRIES: usize = 5_000;

/// When a run is over.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// After so many inputs beside the corpus: the same everywhere.
    Inputs(u64),
    /// After so much time.
    Time(Duration),
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What broke it, made small.
    pub text: String,
    /// How it was told.
    pub message: String,
}

/// Runs the target. How many inputs it took.
///
/// # Errors
/// The first that broke its promise.
pub fn run(target: Target, seed: u64, budget: Budget) -> Result<u64, Finding> {
    let corpus: Vec<String> = target.corpus().into_iter().map(|(_, text)| text).collect();
    for text in &corpus {
        attempt(target, text).map_err(|_| shrink(target, &corpus, text))?;
    }
    let mut words = Words::of(corpus.iter().map(String::as_str));
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut session = Session::new().seed(rng.u64(..));
    let begun = Instant::now();
    let mut inputs = 0;
    loop {
        let is_over = match budget {
            Budget::Inputs(inputs_max) => inputs >= inputs_max,
            Budget::Time(time) => begun.elapsed() >= time,
        };
        if is_over {
            return Ok(inputs);
        }
        let mut text = corpus[rng.usize(..corpus.len())].clone();
        for _ in 0..rng.usize(1..=CHANGES_MAX) {
            session
                .mutate_with(&mut words, &mut text)
                .expect("a text can always be changed");
        }
        attempt(target, &text).map_err(|_| shrink(target, &corpus, &text))?;
        inputs += 1;
    }
}

/// Runs the target once; the panic's message where it panics.
///
/// # Errors
/// How the promise was broken.
pub fn attempt(target: Target, text: &str) -> Result<(), String> {
    listen();
    IS_TRYING.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(text)));
    IS_TRYING.set(false);
    outcome.map_err(|_| SAID.take())
}

fn shrink(target: Target, corpus: &[String], text: &str) -> Finding {
    let words = Words::of(corpus.iter().map(String::as_str));
    let outcome = Check::new()
        .seed(0)
        .max_shrink_iters(SHRINK_TRIES)
        .max_shrink_duration(Duration::from_secs(60))
        .run_with(words, [text.to_owned()], |text| attempt(target, text));
    match outcome {
        Err(CheckError::Failed(failure)) => Finding {
            text: failure.value,
            message: failure.message,
        },
        _ => Finding {
            text: text.to_owned(),
            message: "it failed once and not again: the target is not deterministic".to_owned(),
        },
    }
}

thread_local! {
    static IS_TRYING: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the words of panics while inputs are tried; other panics are told as ever.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_TRYING.get() {
                SAID.set(info.to_string());
            } else {
                usual(info);
            }
        }));
    });
}
