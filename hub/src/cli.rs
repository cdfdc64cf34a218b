//! The hub's options, each also an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::core::{Limits, Transports};
use crate::descriptors::Plan;

/// Longhaul's hub: realtime topics over WebSocket, with HTTP for back ends.
///
/// Without a key it serves this machine only: it listens on loopback addresses, trusts pages from loopback origins, and
/// lets everyone there read and write. It prints one line on standard output when it is ready, with its URL; everything
/// else goes to standard error (RUST_LOG chooses how much).
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Address and port to listen on; port 0 picks a free one. Loopback only.
    #[arg(long, env = "LONGHAUL_LISTEN", default_value = "127.0.0.1:4400")]
    pub listen: SocketAddr,

    /// Keep topics in memory only. This version has nothing else.
    #[arg(long, env = "LONGHAUL_MEMORY", value_parser = clap::builder::FalseyValueParser::new())]
    pub memory: bool,

    /// Messages retained a topic, at least 1. What is older can't be resumed (`trimmed`). A topic's messages never take more than 16 MiB.
    #[arg(long, env = "LONGHAUL_RETAIN_ENTRIES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub retain_entries: u32,

    /// How long a message is retained, in milliseconds. What is older can't be resumed (`expired`).
    #[arg(long, env = "LONGHAUL_RETAIN_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub retain_ms: u64,

    /// How long a client's outbox is remembered after a topic last heard it, in milliseconds: what it sends again within this time
    /// takes effect once. Below 7 days, which a client may keep a publication for, late ones may take effect twice.
    #[arg(long, env = "LONGHAUL_PRODUCERS_MS", default_value_t = 691_200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub producers_ms: u64,

    /// WebSockets, event streams and polls at a time; who comes beyond it is told when to come back. Without it: 10,000, or as many
    /// as the limit of file descriptors allows (docs/operations.md).
    #[arg(long, env = "LONGHAUL_CONNECTIONS_MAX", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,

    /// New connections a second; whoever comes beyond it is told when to come back. Clients are told to spread their return so
    /// that it is not reached (docs/operations.md).
    #[arg(long, env = "LONGHAUL_ADMIT_PER_SECOND", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub admit_per_second: u32,

    /// Connections that the hub had before it was restarted, or expects. For its first 5 to 10 minutes it tells clients to
    /// spread their return as if they were there; it does not remember it by itself.
    #[arg(long, env = "LONGHAUL_EXPECT_CONNECTIONS", default_value_t = 0)]
    pub expect_connections: u32,

    /// How long a stop takes to let the clients go one after another, in milliseconds; 0 lets all go at once and tells them
    /// to spread. Without it: so long that they come back elsewhere no faster than --admit-per-second. A second signal stops at once.
    #[arg(long, env = "LONGHAUL_DRAIN_MS")]
    pub drain_ms: Option<u64>,

    /// How often clients and hub ping, in milliseconds.
    #[arg(long, env = "LONGHAUL_HEARTBEAT_MS", default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub heartbeat_ms: u64,

    /// How long an answer to a ping may take, in milliseconds.
    #[arg(long, env = "LONGHAUL_HEARTBEAT_WAIT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub heartbeat_wait_ms: u64,

    /// How long a poll may be held, in milliseconds. Below what the proxies on the way take for dead.
    #[arg(long, env = "LONGHAUL_HOLD_MS", default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub hold_ms: u64,

    /// What clients may come over, names with commas. They leave one that is no longer among them for another.
    #[arg(long, env = "LONGHAUL_TRANSPORTS", default_value_t = Transports::ALL)]
    pub transports: Transports,

    /// Publish this machine's own figures (CPU, memory, network, load) ten times a second on topic demo/host.
    #[arg(long, env = "LONGHAUL_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub demo: bool,

    /// Serve a single-page app from this folder at /.
    #[arg(long = "static", env = "LONGHAUL_STATIC", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
}

impl Args {
    /// How many connections there may be under a limit of file descriptors.
    ///
    /// # Errors
    /// For the operator: the limit is too low.
    pub fn plan(&self, descriptors: Option<u64>) -> Result<Plan, String> {
        let wanted = self.connections_max.map(u64::from);
        let usual = u64::try_from(Limits::default().connections_max).unwrap_or(u64::MAX);
        Plan::new(wanted, usual, descriptors)
    }

    /// The core's limits as these options have them.
    #[must_use]
    pub fn limits(&self, plan: Plan) -> Limits {
        Limits {
            connections_max: usize::try_from(plan.connections_max).unwrap_or(usize::MAX),
            retain_entries: usize::try_from(self.retain_entries).unwrap_or(usize::MAX),
            retain_ms: self.retain_ms,
            producers_ms: self.producers_ms,
            ping_ms: self.heartbeat_ms,
            wait_ms: self.heartbeat_wait_ms,
            hold_ms: self.hold_ms,
            admit_per_s: self.admit_per_second.into(),
            expect_connections: usize::try_from(self.expect_connections).unwrap_or(usize::MAX),
            drain_ms: self.drain_ms,
            transports: self.transports,
            ..Limits::default()
        }
    }
}
