//! What readers see of who published a message: a name that can't be turned back into the producer, which is a capability (rule H8).
//!
//! Owns the one-way function: SHA-256 (FIPS 180-4), written small because every page loads it.

use crate::ids::RowNo;

/// Characters of a public name: 132 bits in the alphabet of base64url, as many as a producer of this package has.
pub const NAME_CHARS: usize = 22;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What readers see of a producer: the first 132 bits of its SHA-256.
#[must_use]
pub fn public_name(producer: &str) -> String {
    let hash = sha256(producer.as_bytes());
    let digit = |at: usize| {
        let word = hash.get(at * 6 / 32).copied().unwrap_or_default();
        let next = hash.get(at * 6 / 32 + 1).copied().unwrap_or_default();
        let both = u64::from(word) << 32 | u64::from(next);
        let place = (both >> (58 - at * 6 % 32)) & 63;
        char::from(ALPHABET.get(place as usize).copied().unwrap_or_default())
    };
    (0..NAME_CHARS).map(digit).collect()
}

/// The id of an outbox's message.
#[must_use]
pub fn message_id(producer: &str, n: RowNo) -> String {
    format!("{}:{}", public_name(producer), n.0)
}

/// Whether an id is of the form that outboxes' messages have: nobody else's may be (rule P2).
#[must_use]
pub fn is_outbox_id(id: &str) -> bool {
    id.split_once(':').is_some_and(|(name, n)| {
        name.len() == NAME_CHARS
            && name.bytes().all(|byte| ALPHABET.contains(&byte))
            && !n.is_empty()
            && n.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
const ROUNDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// The first 32 bits of the fractions of the square roots of the first 8 primes.
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

fn sha256(text: &[u8]) -> [u32; 8] {
    let mut padded = text.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((text.len() as u64 * 8).to_be_bytes());
    padded.chunks_exact(64).fold(BEGIN, compressed)
}

fn compressed(hash: [u32; 8], block: &[u8]) -> [u32; 8] {
    let mut schedule: Vec<u32> = block
        .chunks_exact(4)
        .map(|bytes| {
            bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        })
        .collect();
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = hash;
    for (round, constant) in ROUNDS.iter().enumerate() {
        let word = |back: usize| {
            let at = schedule.len().wrapping_sub(back);
            schedule.get(at).copied().unwrap_or_default()
        };
        if round >= 16 {
            let (early, late) = (word(15), word(2));
            let s0 = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
            let s1 = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
            let next = word(16)
                .wrapping_add(s0)
                .wrapping_add(word(7))
                .wrapping_add(s1);
            schedule.push(next);
        }
        let word = schedule.get(round).copied().unwrap_or_default();
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = e & f ^ !e & g;
        let t1 = h
            .wrapping_add(s1)
            .wrapping_add(choice)
            .wrapping_add(*constant)
            .wrapping_add(word);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = a & b ^ a & c ^ b & c;
        (h, g, f, e, d, c, b) = (g, f, e, d.wrapping_add(t1), c, b, a);
        a = t1.wrapping_add(s0).wrapping_add(majority);
    }
    let mixed = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|at| match (hash.get(at), mixed.get(at)) {
        (Some(before), Some(now)) => before.wrapping_add(*now),
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        let words = sha256(text.as_bytes());
        words.iter().map(|word| format!("{word:08x}")).collect()
    }

    #[test]
    fn f33_it_is_the_sha_256_of_the_standard() {
        // FIPS 180-4, examples of NIST: no block full, one block, two blocks.
        assert_eq!(
            hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
    }

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
