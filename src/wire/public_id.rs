//! The public name of a producer, which readers see (rule H8). Nobody can derive the producer from
//! it, because the producer is a capability.
//!
//! The one-way function is SHA-256 (FIPS 180-4).

use sha2::{Digest, Sha256};

use crate::ids::RowNo;

/// Characters of a public name: 132 bits in the alphabet of base64url, as in a producer of this
/// package.
pub const NAME_CHARS: usize = 22;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The public name of a producer: the first 132 bits of its SHA-256.
#[must_use]
pub fn public_name(producer: &str) -> String {
    let hash = Sha256::digest(producer.as_bytes());
    let digit = |at: usize| {
        let byte = |at: usize| u16::from(hash.get(at).copied().unwrap_or_default());
        let both = byte(at * 6 / 8) << 8 | byte(at * 6 / 8 + 1);
        let place = usize::from(both >> (10 - at * 6 % 8) & 63);
        char::from(ALPHABET.get(place).copied().unwrap_or_default())
    };
    (0..NAME_CHARS).map(digit).collect()
}

/// The id of an outbox's message.
#[must_use]
pub fn message_id(producer: &str, n: RowNo) -> String {
    format!("{}:{}", public_name(producer), n.0)
}

/// Whether an id has the form that only outboxes' messages may have (rule P2).
#[must_use]
pub fn is_outbox_id(id: &str) -> bool {
    id.split_once(':').is_some_and(|(name, n)| {
        name.len() == NAME_CHARS
            && name.bytes().all(|byte| ALPHABET.contains(&byte))
            && !n.is_empty()
            && n.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f33_a_public_name_is_its_beginning_in_base64url() {
        // printf abc | openssl dgst -sha256 -binary | basenc --base64url | cut -c1-22
        assert_eq!(public_name("abc"), "ungWv48Bz-pBQUDeXa4iI7");
        assert_eq!(message_id("abc", RowNo(7)), "ungWv48Bz-pBQUDeXa4iI7:7");
    }

    #[test]
    fn f33_p2_only_what_looks_like_an_outboxs_is_an_outboxs_id() {
        assert!(is_outbox_id(&message_id("abc", RowNo(7))));
        for other in [
            "abc:7",
            "ungWv48Bz-pBQUDeXa4iI7",
            "ungWv48Bz-pBQUDeXa4iI7:",
            "ungWv48Bz-pBQUDeXa4iI7:x",
        ] {
            assert!(!is_outbox_id(other), "{other}");
        }
    }
}
