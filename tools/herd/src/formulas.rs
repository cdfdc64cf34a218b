//! Clients of other libraries, by the formulas in their sources. docs/herd.md names the versions.

use fastrand::Rng;

use crate::fleet::{Answer, Fleet, Next};

/// How long a library waits before its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Socket.IO 4.8.
    SocketIo,
    /// centrifuge-js 5.7.
    Centrifuge,
    /// SignalR 10, `withAutomaticReconnect()`.
    SignalR,
    /// Phoenix.
    Phoenix,
    /// partysocket 1.3.
    PartySocket,
    /// reconnecting-websocket 4.
    ReconnectingWebSocket,
    /// ably-js 2.26.
    Ably,
    /// MQTT.js 5.
    Mqtt,
    /// nats.js 3 over wss, 10 attempts.
    Nats,
    /// Rails Action Cable.
    ActionCable,
    /// Full jitter, 1 s doubling to 30 s (AWS 2015).
    FullJitter,
    /// Decorrelated jitter, 1 s to 30 s (AWS 2015).
    Decorrelated,
    /// Plus or minus half of 1 s doubling to 30 s.
    PlusMinusHalf,
}

/// What a formula may use.
#[derive(Clone, Copy, Debug)]
struct Retry {
    /// The number of the retry, from 0.
    n: u32,
    /// A random number that the page draws once.
    own: f64,
    /// The delay before the last attempt, ms.
    last_ms: u64,
    /// Time since the connection was lost, ms.
    away_ms: u64,
}

impl Formula {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::SocketIo,
        Self::Centrifuge,
        Self::SignalR,
        Self::Phoenix,
        Self::PartySocket,
        Self::ReconnectingWebSocket,
        Self::Ably,
        Self::Mqtt,
        Self::Nats,
        Self::ActionCable,
        Self::FullJitter,
        Self::Decorrelated,
        Self::PlusMinusHalf,
    ];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SocketIo => "Socket.IO (1 s ×2, cap 5 s, ±50 %)",
            Self::Centrifuge => "centrifuge-js (0.5 s + full jitter, cap 20 s)",
            Self::SignalR => "SignalR (0, 2, 10, 30 s, stop)",
            Self::Phoenix => "Phoenix (10 ms … 2 s, then 5 s)",
            Self::PartySocket => "partysocket (3 s ×1.3, cap 10 s)",
            Self::ReconnectingWebSocket => "reconnecting-websocket (1–5 s ×1.3, cap 10 s)",
            Self::Ably => "ably-js (0, 15–30 s −20 %, then 30 s)",
            Self::Mqtt => "MQTT.js (1 s)",
            Self::Nats => "nats.js (0, 2 s + 0.1 s, 10 times)",
            Self::ActionCable => "Action Cable (6–12 s, then ×1.15 + 15 %)",
            Self::FullJitter => "full jitter (1 s ×2, cap 30 s)",
            Self::Decorrelated => "decorrelated jitter (1 s, cap 30 s)",
            Self::PlusMinusHalf => "±50 % (1 s ×2, cap 30 s)",
        }
    }

    /// The delay before retry `n` (from 0), ms. `None` if the library gives up.
    #[expect(
        clippy::as_conversions,
        reason = "the libraries compute in floating point; all values are small and positive"
    )]
    fn delay_ms(self, retry: Retry, rng: &mut Rng) -> Option<u64> {
        let Retry {
            n,
            own,
            last_ms,
            away_ms,
        } = retry;
        let u = rng.f64();
        let power =
            |base: f64, factor: f64, cap: f64| (base * factor.powi(n.min(60) as i32)).min(cap);
        let ms = match self {
            Self::SocketIo => {
                let ms = power(1_000.0, 2.0, 1e12);
                let deviation = (u * 0.5 * ms).floor();
                let is_sooner = (u * 10.0).floor() as u32 & 1 == 0;
                (if is_sooner {
                    ms - deviation
                } else {
                    ms + deviation
                })
                .min(5_000.0)
            }
            Self::Centrifuge => (500.0 + (u * power(500.0, 2.0, 20_000.0)).floor()).min(20_000.0),
            Self::SignalR => *[0.0, 2_000.0, 10_000.0, 30_000.0].get(n as usize)?,
            Self::Phoenix => {
                let table = [
                    10.0, 50.0, 100.0, 150.0, 200.0, 250.0, 500.0, 1_000.0, 2_000.0,
                ];
                table.get(n as usize).copied().unwrap_or(5_000.0)
            }
            Self::PartySocket => power(3_000.0, 1.3, 10_000.0),
            Self::ReconnectingWebSocket => power(1_000.0 + own * 4_000.0, 1.3, 10_000.0),
            Self::Ably if n == 0 => 0.0,
            Self::Ably if away_ms >= 120_000 => 30_000.0,
            Self::Ably => 15_000.0 * ((f64::from(n) + 2.0) / 3.0).min(2.0) * (1.0 - 0.2 * u),
            Self::Mqtt => 1_000.0,
            Self::Nats => match n {
                0 => 0.0,
                1..=10 => 2_000.0 + (u * 100.0).floor(),
                _ => return None,
            },
            Self::ActionCable => {
                let spread = if n == 0 { 1.0 } else { 0.15 };
                6_000.0 * 1.15_f64.powi(n.min(10) as i32) * (1.0 + spread * u)
            }
            Self::FullJitter => u * power(1_000.0, 2.0, 30_000.0),
            Self::Decorrelated => {
                let last = if n == 0 { 1_000.0 } else { last_ms as f64 };
                (1_000.0 + u * (3.0 * last - 1_000.0)).min(30_000.0)
            }
            Self::PlusMinusHalf => power(1_000.0, 2.0, 30_000.0) * (0.5 + u),
        };
        Some(ms as u64)
    }
}

/// Clients that wait by a formula. They read no hints, and a refusal is a failure to them. In some
/// of these libraries an accepted socket would reset the count; here it does not.
#[derive(Debug)]
pub struct FormulaFleet {
    formula: Formula,
    clients: Vec<FormulaClient>,
}

#[derive(Debug)]
struct FormulaClient {
    rng: Rng,
    own: f64,
    lost_ms: u64,
    retries: u32,
    last_ms: u64,
}

impl FormulaFleet {
    /// `count` clients that were connected.
    #[must_use]
    pub fn new(formula: Formula, count: u32, seed: u64) -> Self {
        let client = |no: u32| {
            let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(no));
            FormulaClient {
                own: rng.f64(),
                rng,
                lost_ms: 0,
                retries: 0,
                last_ms: 0,
            }
        };
        Self {
            formula,
            clients: (0..count).map(client).collect(),
        }
    }

    fn retry(&mut self, no: u32, now_ms: u64) -> Next {
        let formula = self.formula;
        let Some(client) = usize::try_from(no)
            .ok()
            .and_then(|no| self.clients.get_mut(no))
        else {
            return Next::GivesUp;
        };
        let away_ms = now_ms.saturating_sub(client.lost_ms);
        let retry = Retry {
            n: client.retries,
            own: client.own,
            last_ms: client.last_ms,
            away_ms,
        };
        match formula.delay_ms(retry, &mut client.rng) {
            Some(ms) => {
                client.retries += 1;
                client.last_ms = ms;
                Next::Attempt { at_ms: now_ms + ms }
            }
            None => Next::GivesUp,
        }
    }
}

impl Fleet for FormulaFleet {
    fn lose(&mut self, no: u32, now_ms: u64, _code: u16, _reason: &str) -> Next {
        if let Some(client) = usize::try_from(no)
            .ok()
            .and_then(|no| self.clients.get_mut(no))
        {
            client.lost_ms = now_ms;
            client.retries = 0;
        }
        self.retry(no, now_ms)
    }

    fn answer(&mut self, no: u32, at_ms: u64, rtt_ms: u64, answer: &Answer) -> Next {
        match answer {
            Answer::Admitted { .. } => Next::Back {
                at_ms: at_ms + rtt_ms,
            },
            Answer::Refused { .. } | Answer::NoServer => self.retry(no, at_ms + rtt_ms),
            Answer::Silence => self.retry(no, at_ms + 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(n: u32, own: f64, last_ms: u64) -> Retry {
        Retry {
            n,
            own,
            last_ms,
            away_ms: 0,
        }
    }

    fn delays(formula: Formula, count: u32) -> Vec<Option<u64>> {
        let mut rng = Rng::with_seed(1);
        let mut last = 0;
        (0..count)
            .map(|n| {
                let ms = formula.delay_ms(retry(n, 0.5, last), &mut rng);
                last = ms.unwrap_or(0);
                ms
            })
            .collect()
    }

    #[test]
    fn tables_are_those_of_the_sources() {
        assert_eq!(
            delays(Formula::SignalR, 5),
            [Some(0), Some(2_000), Some(10_000), Some(30_000), None]
        );
        assert_eq!(
            delays(Formula::Phoenix, 10)[8..],
            [Some(2_000), Some(5_000)]
        );
        assert_eq!(
            delays(Formula::PartySocket, 6),
            [3_000, 3_900, 5_070, 6_591, 8_568, 10_000].map(Some)
        );
        assert_eq!(
            delays(Formula::ReconnectingWebSocket, 2),
            [Some(3_000), Some(3_900)]
        );
        assert_eq!(delays(Formula::Nats, 12).iter().flatten().count(), 11);
    }

    #[test]
    fn windows_are_those_of_the_sources() {
        let mut rng = Rng::with_seed(1);
        let mut within = |formula: Formula, n: u32, last: u64, low: u64, high: u64| {
            for _ in 0..1_000 {
                let ms = formula.delay_ms(retry(n, 0.0, last), &mut rng).unwrap();
                assert!((low..=high).contains(&ms), "{formula:?} {n}: {ms}");
            }
        };
        within(Formula::SocketIo, 0, 0, 500, 1_500);
        within(Formula::SocketIo, 4, 0, 5_000, 5_000);
        within(Formula::Centrifuge, 0, 0, 500, 1_000);
        within(Formula::Centrifuge, 9, 0, 500, 20_000);
        within(Formula::Ably, 1, 0, 12_000, 15_000);
        within(Formula::Ably, 9, 0, 24_000, 30_000);
        within(Formula::ActionCable, 0, 0, 6_000, 12_000);
        within(Formula::FullJitter, 2, 0, 0, 4_000);
        within(Formula::Decorrelated, 3, 5_000, 1_000, 15_000);
        within(Formula::PlusMinusHalf, 9, 0, 15_000, 45_000);
    }
}
