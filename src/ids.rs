//! Types for the ids and quantities of the protocol, so that a seq never passes for a row number.
//!
//! Owns their ranges and their written form. Knows nothing of frames or state.

/// Highest integer that JavaScript holds exactly: no number on the wire exceeds it (rule W4).
pub use crate::boundary::NUMBER_MAX;

/// Longest topic name in bytes (rule W5).
pub use crate::boundary::TOPIC_BYTES_MAX;

/// Longest message id in characters (rule W7).
pub use crate::boundary::ID_CHARS_MAX;

/// Longest producer in characters (rule W7).
pub const PRODUCER_CHARS_MAX: usize = 100;

/// Longest token in characters (rule C9).
pub use crate::boundary::TOKEN_CHARS_MAX;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

number!(
    /// Position of a message in its topic's log, from 1; 0 stands before the first.
    Seq
);
number!(
    /// Number of a publication within its producer, from 1; 0 means none.
    RowNo
);
number!(
    /// The client's number for a connection, from its attempt on. Events of an earlier one are
    /// stale.
    ConnectionId
);

/// The client's number for a subscription, below 2^31 (rule C3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNo(pub u32);

/// One incarnation of a topic's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// Running hash over a log's entries, 48 bits (rule H7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain(pub u64);

/// A position in a topic that a client can resume from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The incarnation of the log.
    pub epoch: Epoch,
    /// The last message that the client has, 0 for none.
    pub seq: Seq,
    /// The chain after that message.
    pub chain: Chain,
}

/// Where a subscription begins (rule C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum From {
    /// With what comes next.
    Live,
    /// With the oldest retained message.
    Start,
    /// With this message.
    Seq(Seq),
    /// After this cursor.
    After(Cursor),
}

/// Whether `name` is a topic name (rule W5).
#[must_use]
pub fn is_topic_name(name: &str) -> bool {
    (1..=TOPIC_BYTES_MAX).contains(&name.len())
        && name.split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
        })
}

/// Whether `id` may name a producer (rule W7).
#[must_use]
pub fn is_producer(id: &str) -> bool {
    id.len() <= PRODUCER_CHARS_MAX && is_id(id)
}

/// Whether `text` may be a token (rule C9).
#[must_use]
pub fn is_token(text: &str) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether `id` may name a message (rule W7).
#[must_use]
pub fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len())
        && id != "-"
        && id.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'_' | b'.' | b'~' | b':' | b'+' | b'/' | b'=')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w5_topic_names() {
        for good in ["a", "demo/host", "A-Z_0.9~/x", "a/.b/...", &"a".repeat(255)] {
            assert!(is_topic_name(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "../a",
            "a/./b",
            "a/..",
            "a b",
            "ä",
            "a\n",
            "*",
            &"a".repeat(256),
        ] {
            assert!(!is_topic_name(bad), "{bad}");
        }
    }

    #[test]
    fn w7_ids() {
        for good in ["a", "0c:1", "a+/=", "--"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "-", "a b", "\"", "\\", "ä", &"a".repeat(129)] {
            assert!(!is_id(bad), "{bad}");
        }
        assert!(is_producer(&"a".repeat(100)) && !is_producer(&"a".repeat(101)));
    }
}
