//! Numbers as they were written, compared as what they mean.
//!
//! Owns their grammar (RFC 8259, section 6) and exact decimal equality: 1 is 1.0 and 10e-1, and
//! 2^53 + 1 is not 2^53.

use std::sync::Arc;

use super::inside::shared_text;

/// Most digits of an exponent without leading zeros. Chosen: more than any useful number has, and
/// sums stay exact.
const EXPONENT_DIGITS_MAX: usize = 9;

/// Most digits of a number that is kept as an integer. Chosen: no 18 digits overflow.
const WHOLE_DIGITS_MAX: usize = 18;

/// A number. It keeps its text, so nothing is lost on the way through.
#[derive(Clone, Debug)]
pub struct Number(Repr);

#[derive(Clone, Debug)]
enum Repr {
    /// Written just so.
    Whole(i64),
    /// Everything else.
    Text(Arc<str>),
}

impl Number {
    /// Reads a number; its text must be one to the last character.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(is_negative);
        let whole = digits(bytes, at);
        if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
            return None;
        }
        at += whole;
        if at == bytes.len() && whole <= WHOLE_DIGITS_MAX && text != "-0" {
            return Some(Self(Repr::Whole(integer(bytes))));
        }
        if bytes.get(at) == Some(&b'.') {
            let places = digits(bytes, at + 1);
            if places == 0 {
                return None;
            }
            at += 1 + places;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            if let Some(b'+' | b'-') = bytes.get(at) {
                at += 1;
            }
            let written = digits(bytes, at);
            let zeros = bytes
                .iter()
                .skip(at)
                .take_while(|byte| **byte == b'0')
                .count();
            if written == 0 || written > zeros + EXPONENT_DIGITS_MAX {
                return None;
            }
            at += written;
        }
        (at == bytes.len()).then(|| Self(Repr::Text(text.into())))
    }

    /// As it was written.
    pub fn with_text<T>(&self, act: impl FnOnce(&str) -> T) -> T {
        match &self.0 {
            Repr::Whole(whole) => act(itoa::Buffer::new().format(*whole)),
            Repr::Text(text) => act(text),
        }
    }

    /// Memory that it takes beside itself.
    pub(super) fn memory(&self) -> usize {
        match &self.0 {
            Repr::Whole(_) => 0,
            Repr::Text(text) => shared_text(text),
        }
    }

    /// Bytes of its text.
    pub(super) fn bytes(&self) -> usize {
        self.with_text(str::len)
    }

    /// Calls `feed` with the bytes of its meaning: sign, digits without zeros around them, and
    /// exponent of the last digit. Zero has none.
    pub(super) fn meaning(&self, mut feed: impl FnMut(u8)) {
        self.with_text(|text| {
            let decimal = Decimal::of(text);
            if decimal.count > 0 {
                feed(if text.starts_with('-') { b'-' } else { b'+' });
                decimal.significant(text).for_each(&mut feed);
                feed(b'e');
                itoa::Buffer::new()
                    .format(decimal.exponent)
                    .bytes()
                    .for_each(&mut feed);
            }
        });
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        if let (Repr::Whole(a), Repr::Whole(b)) = (&self.0, &other.0) {
            return a == b;
        }
        self.with_text(|a| {
            other.with_text(|b| {
                let (one, two) = (Decimal::of(a), Decimal::of(b));
                one == two
                    && (one.count == 0 || a.starts_with('-') == b.starts_with('-'))
                    && one.significant(a).eq(two.significant(b))
            })
        })
    }
}

/// The significant digits of a number's text: how many, and the power of ten of the last one.
#[derive(PartialEq, Eq)]
struct Decimal {
    count: usize,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = split(text);
        let (mut count, mut places, mut zeros, mut is_behind) = (0, 0, 0, false);
        for byte in mantissa {
            is_behind |= *byte == b'.';
            if !byte.is_ascii_digit() || (*byte == b'0' && count == 0 && !is_behind) {
                continue;
            }
            places += i64::from(is_behind);
            if *byte != b'0' {
                count += zeros + 1;
                zeros = 0;
            } else if count > 0 {
                zeros += 1;
            }
        }
        if count == 0 {
            return Self { count, exponent: 0 };
        }
        Self {
            count,
            exponent: integer(exponent) - places + i64::try_from(zeros).unwrap_or(0),
        }
    }

    fn significant<'a>(&self, text: &'a str) -> impl Iterator<Item = u8> + 'a {
        split(text)
            .0
            .iter()
            .copied()
            .filter(u8::is_ascii_digit)
            .skip_while(|digit| *digit == b'0')
            .take(self.count)
    }
}

/// Mantissa and exponent of a number's text.
fn split(text: &str) -> (&[u8], &[u8]) {
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let end = end.unwrap_or(bytes.len());
    (
        bytes.get(..end).unwrap_or(&[]),
        bytes.get(end + 1..).unwrap_or(&[]),
    )
}

/// How many digits stand here.
fn digits(bytes: &[u8], at: usize) -> usize {
    bytes
        .iter()
        .skip(at)
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// The integer that is written so; its digits are few enough.
fn integer(bytes: &[u8]) -> i64 {
    let mut number: i64 = 0;
    for byte in bytes.iter().filter(|byte| byte.is_ascii_digit()) {
        number = number * 10 + i64::from(byte - b'0');
    }
    if bytes.first() == Some(&b'-') {
        -number
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    fn meaning(text: &str) -> String {
        let mut bytes = Vec::new();
        number(text).meaning(|byte| bytes.push(byte));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1E1.5",
            "0x1",
            "1 ",
            "1_0",
            "NaN",
            "--1",
            "1e1234567890",
            "٣",
        ] {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn d4_numbers_keep_their_text_and_are_equal_where_they_mean_the_same() {
        for same in [
            &["1", "1.0", "1e0", "10e-1", "0.1E1", "100e-2", "1.00e000"][..],
            &["0", "-0", "0.0", "0e5", "-0.00E-9", "0e999999999"],
            &["-15", "-1.5e1", "-150E-1"],
            &["9007199254740993", "9007199254740993.0"],
            &["1e400", "10e399", "0.1e401"],
            &["18446744073709551616", "18446744073709551616e0"],
        ] {
            for a in same {
                for b in same {
                    assert_eq!(number(a), number(b), "{a} {b}");
                    assert_eq!(meaning(a), meaning(b), "{a} {b}");
                }
                number(a).with_text(|text| assert_eq!(text, *a));
            }
        }
        for (a, b) in [
            ("9007199254740992", "9007199254740993"),
            ("9007199254740992.0", "9007199254740993.0"),
            ("1", "-1"),
            ("1e400", "1e401"),
            ("0.1", "0.10000000000000001"),
            ("10", "1"),
            ("0.01", "0.1"),
            ("0", "1e-999999999"),
        ] {
            assert_ne!(number(a), number(b), "{a} {b}");
            assert_ne!(meaning(a), meaning(b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn d4_moving_the_point_changes_nothing(whole in any::<i64>(), zeros in 0_usize..5, by in 0_i64..40) {
            let text = format!("{whole}{}e-{}", "0".repeat(zeros), i64::try_from(zeros).unwrap() + by);
            prop_assert_eq!(number(&text), number(&format!("{whole}e-{by}")));
            prop_assert_eq!(number(&whole.to_string()), number(&format!("{whole}.000")));
        }
    }
}
