//! The transports that the hub serves (rule T6).

use std::fmt;
use std::str::FromStr;

pub use longhaul::Transport;

/// A set of transports, never empty. As text: their names with commas, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether the hub serves this transport.
    #[must_use]
    pub fn has(self, transport: Transport) -> bool {
        self.0 & bit(transport) != 0
    }

    /// The transports in the set, the best first.
    pub fn iter(self) -> impl Iterator<Item = Transport> {
        Transport::ALL
            .into_iter()
            .filter(move |transport| self.has(*transport))
    }
}

impl fmt::Display for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, transport) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(transport.name())?;
        }
        Ok(())
    }
}

impl FromStr for Transports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut set = Self(0);
        for name in text.split(',').map(str::trim) {
            let transport = Transport::ALL
                .into_iter()
                .find(|transport| transport.name() == name)
                .ok_or_else(|| {
                    format!(
                        "{name:?} is not a transport; the transports are {}",
                        Self::ALL
                    )
                })?;
            set.0 |= bit(transport);
        }
        Ok(set)
    }
}

fn bit(transport: Transport) -> u8 {
    match transport {
        Transport::WebSocket => 1,
        Transport::EventSource => 2,
        Transport::LongPoll => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_in_any_order_and_written_with_the_best_first() {
        let set: Transports = "longpoll, websocket".parse().unwrap();
        assert_eq!(set.to_string(), "websocket,longpoll");
        assert!(!set.has(Transport::EventSource));
        assert_eq!(
            "eventsource,longpoll,websocket".parse(),
            Ok(Transports::ALL)
        );
        for bad in ["", "sse", "websocket,"] {
            assert!(bad.parse::<Transports>().is_err(), "{bad:?}");
        }
    }
}
