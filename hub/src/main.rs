//! The hub as a program. It prints one line when it is ready, and drains when it gets a signal.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use longhaul_hub::cli::Args;
use longhaul_hub::core::Limits;
use longhaul_hub::descriptors;
use longhaul_hub::server::{Config, Server};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The exit code for invalid options. clap uses it too.
const MISUSE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let plan = match args.plan(descriptors::limit()) {
        Ok(plan) => plan,
        Err(message) => {
            say(&message);
            return ExitCode::from(MISUSE);
        }
    };
    let limits = args.limits(plan);
    if args.connections_max.is_none() && limits.connections_max < Limits::default().connections_max
    {
        say(&format!(
            "the limit of file descriptors allows {} connections (ulimit -n, LimitNOFILE)",
            plan.connections_max
        ));
    }
    let config = Config {
        listen: args.listen,
        limits,
        sockets_max: usize::try_from(plan.sockets_max).unwrap_or(usize::MAX),
        demo: args.demo,
        static_dir: args.static_dir.clone(),
    };
    if let Some(dir) = &args.static_dir
        && !dir.is_dir()
    {
        say(&format!("--static: {} is not a folder", dir.display()));
        return ExitCode::from(MISUSE);
    }
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            say(&format!("can't wait for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => {
            say(&format!("can't listen on {}: {error}", args.listen));
            return if error.kind() == io::ErrorKind::InvalidInput {
                ExitCode::from(MISUSE)
            } else {
                ExitCode::FAILURE
            };
        }
    };
    say("no key: the hub serves loopback only, and anyone there may read and write");
    say("topics are in memory only: a restart begins new ones");
    let mut out = io::stdout();
    // The parent process may have closed our standard output. The hub runs anyway.
    let _ = writeln!(out, "longhaul-hub ready on http://{}", server.address());
    let _ = out.flush();
    signals.wait().await;
    say(
        "draining: the hub closes its connections one after another; a second signal stops it at once",
    );
    tokio::select! {
        () = server.drain() => {}
        () = signals.wait() => say("stopping at once"),
    }
    server.end().await;
    ExitCode::SUCCESS
}

/// Prints a line for the operator.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "longhaul-hub: {text}");
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
