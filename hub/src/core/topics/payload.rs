//! Which texts are payloads (rule W6).
//!
//! After this check it is safe to give a payload to any JSON parser.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

/// Deepest nesting. Source: rule W6; common parsers stop at 128.
pub(crate) const DEPTH_MAX: usize = 127;

/// Why a text is not a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFault {
    /// It is over the limit.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// It is not one JSON value.
    NotJson,
    /// It is nested deeper than 127.
    TooDeep,
}

impl fmt::Display for PayloadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, bytes_max } => {
                write!(f, "the payload is {bytes} bytes, limit {bytes_max}")
            }
            Self::NotJson => f.write_str("the payload is not one JSON value"),
            Self::TooDeep => write!(f, "the payload is nested deeper than {DEPTH_MAX}"),
        }
    }
}

/// The payload as the log stores it: without white space around it, and with spaces for LF and CR.
pub(crate) fn check(text: &str, bytes_max: usize) -> Result<Cow<'_, str>, PayloadFault> {
    if text.len() > bytes_max {
        return Err(PayloadFault::TooLarge {
            bytes: text.len(),
            bytes_max,
        });
    }
    // A raw value is parsed without recursion and not built, so this function checks the depth
    // itself.
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| PayloadFault::NotJson)?;
    let text = raw.get();
    if depth(text) > DEPTH_MAX {
        return Err(PayloadFault::TooDeep);
    }
    // JSON strings contain no raw control characters, so these are between tokens.
    if text.contains(['\n', '\r']) {
        return Ok(Cow::Owned(text.replace(['\n', '\r'], " ")));
    }
    Ok(Cow::Borrowed(text))
}

/// How deep arrays and objects nest in a valid JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w6_one_json_value_of_any_kind_is_a_payload() {
        for good in [
            "null",
            "0",
            "-1.5e3",
            "\"a\\n\\u0000\"",
            "[]",
            "{\"a\":[1,2]}",
            "\"ä😀\"",
        ] {
            assert_eq!(check(good, 100).as_deref(), Ok(good));
        }
        for bad in [
            "",
            " ",
            "{",
            "1 2",
            "nul",
            "'a'",
            "[1,]",
            "\"\u{1}\"",
            "{a:1}",
            "1]",
        ] {
            assert_eq!(check(bad, 100), Err(PayloadFault::NotJson), "{bad}");
        }
    }

    #[test]
    fn w6_line_ends_between_tokens_become_spaces() {
        assert_eq!(
            check("\r\n{\r\n\"a\": 1\n}\n", 100).as_deref(),
            Ok("{  \"a\": 1 }")
        );
    }

    #[test]
    fn w6_nesting_is_at_most_127_deep_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(check(&nested(127), 1_000).is_ok());
        assert_eq!(check(&nested(128), 1_000), Err(PayloadFault::TooDeep));
        assert!(check(&format!("\"\\\"{}\"", "[".repeat(500)), 1_000).is_ok());
    }

    #[test]
    fn w6_a_payload_at_the_limit_passes_and_one_byte_more_does_not() {
        assert!(check("\"12345678\"", 10).is_ok());
        assert_eq!(
            check("\"123456789\"", 10),
            Err(PayloadFault::TooLarge {
                bytes: 11,
                bytes_max: 10
            })
        );
    }
}
