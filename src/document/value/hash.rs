//! The hash of a checkpoint (rule D8). Equal values have equal hashes, whatever their text looks
//! like.
//!
//! FNV-1a over a walk in which each value says where it ends. It finds accidents, not attacks. A
//! plain walk: about 1 ms a megabyte on the hub, so nobody asks for it with every patch.

use super::Value;
use crate::boundary::CHAIN_MAX;

/// FNV-1a, 64 bits. Source: the FNV draft (Fowler, Noll, Vo, Eastlake), section 5.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// No byte of UTF-8, so it ends a string.
const END: u8 = 0xff;

impl Value {
    /// 48 bits, so that a JavaScript number holds them.
    #[must_use]
    pub fn hash48(&self) -> u64 {
        let mut hash = Fnv(OFFSET);
        hash.value(self);
        hash.0 & CHAIN_MAX
    }
}

struct Fnv(u64);

impl Fnv {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    fn text(&mut self, text: &str) {
        self.byte(b'"');
        text.bytes().for_each(|byte| self.byte(byte));
        self.byte(END);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(b'n'),
            Value::Bool(true) => self.byte(b't'),
            Value::Bool(false) => self.byte(b'f'),
            Value::Number(number) => {
                self.byte(b'#');
                number.meaning(|byte| self.byte(byte));
                self.byte(END);
            }
            Value::String(text) => self.text(text),
            Value::Array(array) => {
                self.byte(b'[');
                array.iter().for_each(|element| self.value(element));
                self.byte(b']');
            }
            Value::Object(object) => {
                self.byte(b'{');
                for entry in object.sorted() {
                    self.text(&entry.key);
                    self.value(&entry.value);
                }
                self.byte(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn d8_the_hash_is_that_of_the_documentation() {
        // FNV-1a of one byte `n`, and of `{"a` 255 `#+15e-1` 255 `}`.
        for (text, hash) in [
            ("null", 0xe34c_8601_f871_u64),
            ("{\"a\":1.5}", 0xac50_8376_4c55),
        ] {
            assert_eq!(read(text).unwrap().hash48(), hash, "{text}");
        }
    }
}
