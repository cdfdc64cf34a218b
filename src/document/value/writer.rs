//! Writes values as JSON text without white space. Numbers keep their text, and members keep the
//! order of their insertion.

use super::Value;

impl Value {
    /// Appends its JSON text. It has no LF or CR, so it may stand in a record (rule W2).
    pub fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(true) => text.push_str("true"),
            Self::Bool(false) => text.push_str("false"),
            Self::Number(number) => number.with_text(|number| text.push_str(number)),
            Self::String(string) => write_string(string, text),
            Self::Array(array) => {
                let mut mark = '[';
                for element in array.iter() {
                    text.push(mark);
                    mark = ',';
                    element.write(text);
                }
                text.push_str(if array.is_empty() { "[]" } else { "]" });
            }
            Self::Object(object) => {
                let mut mark = '{';
                for (key, value) in object.iter() {
                    text.push(mark);
                    mark = ',';
                    write_string(key, text);
                    text.push(':');
                    value.write(text);
                }
                text.push_str(if object.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// Its JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.bytes());
        self.write(&mut text);
        text
    }
}

/// A string in quotes, escaped where it must be (RFC 8259, section 7).
pub(super) fn write_string(string: &str, text: &mut String) {
    text.push('"');
    let mut plain = 0;
    for (at, byte) in string.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "\\u00",
            _ => continue,
        };
        text.push_str(string.get(plain..at).unwrap_or_default());
        plain = at + 1;
        text.push_str(escape);
        if escape == "\\u00" {
            text.push(char::from(b'0' + (byte >> 4)));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
    }
    text.push_str(string.get(plain..).unwrap_or_default());
    text.push('"');
}
