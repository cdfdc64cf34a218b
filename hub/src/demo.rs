//! Figures of this machine as a topic, for the demo page. Publishes like a back end.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, Networks, RefreshKind, System};
use tokio::time::{Instant, MissedTickBehavior};

use crate::runtime::Runtime;

/// The topic of the figures.
pub(crate) const TOPIC: &str = "demo/host";

/// The time between two messages, ms. Chosen: fast enough to look live.
const PUBLISH_MS: u64 = 100;

/// CPU use is a mean over at least this time, ms. Between two means the demo repeats the last one.
/// Source: sysinfo's `MINIMUM_CPU_UPDATE_INTERVAL`; the counters of the system are too coarse for
/// less.
const CPU_MS: u64 = 200;

/// Network rates are means over this time, ms. Chosen: single packets would distort a shorter mean.
const NETWORK_MS: u64 = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// The use of each core, per cent.
    cpu: Vec<f64>,
    memory: Memory,
    network: Network,
    /// Means over 1, 5 and 15 minutes.
    load: [f64; 3],
    uptime_ms: u64,
    host_cores: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    used_bytes: u64,
    total_bytes: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    received_bytes_per_sec: u64,
    sent_bytes_per_sec: u64,
}

struct Meter {
    system: System,
    networks: Networks,
    network: Network,
    cpu_at: Instant,
    network_at: Instant,
}

impl Meter {
    fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self {
            system: System::new_with_specifics(kinds),
            networks: Networks::new_with_refreshed_list(),
            network: Network::default(),
            cpu_at: Instant::now(),
            network_at: Instant::now(),
        }
    }

    fn measure(&mut self, now: Instant) -> Figures {
        if now - self.cpu_at >= Duration::from_millis(CPU_MS) {
            self.cpu_at = now;
            self.system.refresh_cpu_usage();
        }
        if now - self.network_at >= Duration::from_millis(NETWORK_MS) {
            let ms = (now - self.network_at).as_millis();
            self.network_at = now;
            self.networks.refresh(true);
            let rate = |bytes: u64| u64::try_from(u128::from(bytes) * 1_000 / ms).unwrap_or(0);
            self.network = Network {
                received_bytes_per_sec: rate(self.networks.values().map(|n| n.received()).sum()),
                sent_bytes_per_sec: rate(self.networks.values().map(|n| n.transmitted()).sum()),
            };
        }
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let load = System::load_average();
        Figures {
            cpu: self
                .system
                .cpus()
                .iter()
                .map(|cpu| round(cpu.cpu_usage().into(), 1))
                .collect(),
            memory: Memory {
                used_bytes: self.system.used_memory(),
                total_bytes: self.system.total_memory(),
            },
            network: self.network,
            load: [load.one, load.five, load.fifteen].map(|load| round(load, 2)),
            uptime_ms: System::uptime().saturating_mul(1_000),
            host_cores: self.system.cpus().len(),
        }
    }
}

/// Publishes the figures. Never returns.
pub(crate) async fn run(runtime: Arc<Runtime>) {
    let mut meter = Meter::new();
    // The first mean needs this time.
    let first = Instant::now() + Duration::from_millis(CPU_MS);
    let mut ticks = tokio::time::interval_at(first, Duration::from_millis(PUBLISH_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let now = ticks.tick().await;
        match serde_json::to_string(&meter.measure(now)) {
            Ok(json) => {
                let outcome =
                    runtime.with(|hub, now, effects| hub.publish(now, TOPIC, None, &json, effects));
                if let Err(fault) = outcome {
                    tracing::warn!(?fault, "the demo could not publish its figures");
                }
            }
            Err(error) => tracing::warn!(%error, "the demo could not write its figures as JSON"),
        }
    }
}

fn round(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}
