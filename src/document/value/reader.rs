//! Reads JSON (RFC 8259) into values. Every fault has a name. Rejects deep values before it walks
//! them.
//!
//! Strings must be Unicode: a lone surrogate is refused, since UTF-8 can't hold it. Of members with
//! the same name the last one counts, in the place of the first, as in JavaScript.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Array, DEPTH_MAX, Number, Object, Value};

/// The reader remembers so many names, so that a thousand records share their keys. Measured: with
/// 64 a small patch takes a third longer.
const NAMES: usize = 16;

/// Why a text is no document or patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// Not one JSON value: the byte at which it goes wrong.
    Syntax(usize),
    /// Nested deeper than 127 (rule W6).
    TooDeep,
    /// A member has a name that documents do not have (rule D5).
    KeyForbidden,
}

/// Whether a document can't have this key (rule D5). Programs that merge objects in the browser
/// could write to prototypes with it.
#[must_use]
pub fn is_forbidden_key(key: &str) -> bool {
    matches!(key, "__proto__" | "constructor" | "prototype")
}

/// Reads one value, with white space around it.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Value, JsonFault> {
    Reader::whole(text, |reader| reader.value(0))
}

/// Members of an object by the names that were asked for.
pub(crate) type Members<const N: usize> = [Option<Value>; N];

/// Reads an array of objects, of whose members only some are wanted: in place of each element
/// those, or none if it is no object. None at all if it is no array.
///
/// # Errors
/// As `read`.
pub(crate) fn read_list<const N: usize>(
    text: &str,
    names: [&str; N],
) -> Result<Option<Vec<Option<Members<N>>>>, JsonFault> {
    Reader::whole(text, |reader| {
        if reader.peek() != Some(b'[') {
            return reader.value(0).map(|_| None);
        }
        let mut list = Vec::new();
        reader.elements(|reader| {
            list.push(if reader.peek() == Some(b'{') {
                let mut wanted = [const { None }; N];
                reader.members(|reader, name| {
                    let value = reader.value(2)?;
                    let slots = names.iter().zip(&mut wanted);
                    for (_, slot) in slots.filter(|(wanted, _)| **wanted == name) {
                        *slot = Some(value.clone());
                    }
                    Ok(())
                })?;
                Some(wanted)
            } else {
                reader.value(1)?;
                None
            });
            Ok(())
        })?;
        Ok(Some(list))
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    names: [Option<Arc<str>>; NAMES],
}

impl<'a> Reader<'a> {
    /// Reads all of a text, with white space around it.
    fn whole<T>(
        text: &'a str,
        read: impl FnOnce(&mut Self) -> Result<T, JsonFault>,
    ) -> Result<T, JsonFault> {
        let mut reader = Self {
            text,
            at: 0,
            names: [const { None }; NAMES],
        };
        reader.space();
        let value = read(&mut reader)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.fault());
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self) -> JsonFault {
        JsonFault::Syntax(self.at)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether this byte came, white space around it skipped.
    fn mark(&mut self, byte: u8) -> bool {
        self.space();
        let came = self.peek() == Some(byte);
        if came {
            self.at += 1;
            self.space();
        }
        came
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.fault());
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: u8) -> Result<Value, JsonFault> {
        match self.peek() {
            Some(b'{') => self.object(deeper(depth)?),
            Some(b'[') => self.array(deeper(depth)?),
            Some(b'"') => Ok(Value::String(self.string()?.into())),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Result<Value, JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.bytes().position(|byte| !is_part(byte));
        let end = end.unwrap_or(rest.len());
        let number = rest.get(..end).and_then(Number::parse);
        let number = number.ok_or(self.fault())?;
        self.at += end;
        Ok(Value::Number(number))
    }

    fn array(&mut self, depth: u8) -> Result<Value, JsonFault> {
        let mut array = Array::default();
        self.elements(|reader| {
            array.push(reader.value(depth)?);
            Ok(())
        })?;
        Ok(Value::Array(Arc::new(array)))
    }

    fn object(&mut self, depth: u8) -> Result<Value, JsonFault> {
        let mut object = Object::default();
        self.members(|reader, name| {
            let value = reader.value(depth)?;
            object.insert(reader.named(name), value);
            Ok(())
        })?;
        Ok(Value::Object(Arc::new(object)))
    }

    /// The elements of an array; its bracket is next.
    fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        self.at += 1;
        self.space();
        if self.mark(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.mark(b']') {
                return Ok(());
            }
            if !self.mark(b',') {
                return Err(self.fault());
            }
        }
    }

    /// The members of an object; its brace is next. `member` reads the value.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        self.at += 1;
        self.space();
        if self.mark(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.fault());
            }
            let name = self.string()?;
            if is_forbidden_key(&name) {
                return Err(JsonFault::KeyForbidden);
            }
            if !self.mark(b':') {
                return Err(self.fault());
            }
            member(self, &name)?;
            if self.mark(b'}') {
                return Ok(());
            }
            if !self.mark(b',') {
                return Err(self.fault());
            }
        }
    }

    /// The name, shared with the last one that was the same.
    fn named(&mut self, name: &str) -> Arc<str> {
        let (first, last) = (name.bytes().next(), name.bytes().next_back());
        let mix = |byte: Option<u8>| usize::from(byte.unwrap_or(0));
        let place = (name.len() * 7 + mix(first) * 3 + mix(last)) % NAMES;
        let Some(known) = self.names.get_mut(place) else {
            return name.into();
        };
        match known {
            Some(known) if **known == *name => Arc::clone(known),
            _ => Arc::clone(known.insert(name.into())),
        }
    }

    /// A string; the opening quote is next.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonFault> {
        self.at += 1;
        let plain = self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.fault()),
            }
            text.push_str(self.plain());
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// Characters up to a quote, an escape, or what a string may not have.
    fn plain(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let len = rest.bytes().position(is_special).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn escape(&mut self) -> Result<char, JsonFault> {
        self.at += 1;
        let kind = self.peek().ok_or(self.fault())?;
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                let is_high = (0xd800..0xdc00).contains(&unit);
                let code = if is_high && self.peek() == Some(b'\\') {
                    self.at += 1;
                    if self.peek() != Some(b'u') {
                        return Err(self.fault());
                    }
                    self.at += 1;
                    let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    0x10000 + ((unit - 0xd800) << 10) + low.ok_or(self.fault())?
                } else {
                    unit
                };
                char::from_u32(code).ok_or(self.fault())?
            }
            _ => return Err(self.fault()),
        })
    }

    fn hex(&mut self) -> Result<u32, JsonFault> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or(self.fault())?;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// One deeper, where that is allowed.
fn deeper(depth: u8) -> Result<u8, JsonFault> {
    if depth >= DEPTH_MAX {
        return Err(JsonFault::TooDeep);
    }
    Ok(depth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(text: &str) -> Result<String, JsonFault> {
        Ok(read(text)?.to_json())
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for same in [
            "null",
            "true",
            "false",
            "-1.50e+3",
            "123456789012345678901234567890",
            "\"\"",
            "\"ä😀 \\\"\\\\ \\n\\r\\t\\u0000\\u001f\"",
            "[]",
            "{}",
            "[[],{},[1,\"a\",null]]",
            "{\"b\":{\"z\":1,\"a\":2},\"\":0,\"a\":[]}",
        ] {
            assert_eq!(back(same).as_deref(), Ok(same));
            assert_eq!(
                read(same).map(|value| value.bytes() <= same.len()),
                Ok(true)
            );
        }
        let spaced = " { \"a\" :\t[ 1 ,\n2 ] ,\r\"b\" : \"\\/\\b\\f\\u00e4\\uD83D\\ude00\" } ";
        assert_eq!(
            back(spaced).as_deref(),
            Ok("{\"a\":[1,2],\"b\":\"/\\u0008\\u000cä😀\"}")
        );
    }

    #[test]
    fn d5_of_members_with_one_name_the_last_counts_in_the_place_of_the_first() {
        assert_eq!(
            back("{\"a\":1,\"b\":2,\"\\u0061\":[3]}").as_deref(),
            Ok("{\"a\":[3],\"b\":2}")
        );
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        for (bad, at) in [
            ("", 0),
            (" ", 1),
            ("nul", 0),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("[", 1),
            ("[,1]", 1),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("{\"a\":1 \"b\":2}", 7),
            ("1 2", 2),
            ("[1]]", 3),
            ("01", 0),
            ("1.e1", 0),
            ("'a'", 0),
            ("\"a", 2),
            ("\"\u{1}\"", 1),
            ("\"\n\"", 1),
            ("\"\\x\"", 3),
            ("\"\\u12g4\"", 5),
            ("\"\\", 2),
            ("\"\\ud800\"", 7),
            ("\"\\ud800a\"", 7),
            ("\"\\ud800\\n\"", 8),
            ("\"\\ud800\\ud800\"", 13),
            ("\"\\udc00\"", 7),
            ("\u{feff}1", 0),
        ] {
            assert_eq!(back(bad), Err(JsonFault::Syntax(at)), "{bad}");
        }
    }

    #[test]
    fn w6_nesting_ends_at_127_whatever_comes_after() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(read(&nested(127)).map(|value| value.height()), Ok(127));
        assert_eq!(read(&nested(128)).err(), Some(JsonFault::TooDeep));
        assert_eq!(
            read(&"{\"a\":".repeat(1_000_000)).err(),
            Some(JsonFault::TooDeep)
        );
    }

    #[test]
    fn d5_keys_that_lead_to_prototypes_are_refused_however_they_are_written() {
        for bad in [
            "{\"__proto__\":1}",
            "[{\"a\":{\"constructor\":{}}}]",
            "{\"\\u0070rototype\":1}",
        ] {
            assert_eq!(back(bad), Err(JsonFault::KeyForbidden), "{bad}");
        }
        assert!(back("{\"_proto_\":\"__proto__\",\"Constructor\":1}").is_ok());
    }

    #[test]
    fn records_share_their_keys() {
        let value = read("[{\"name\":1},{\"name\":2}]").unwrap();
        let Value::Array(array) = value else {
            panic!("an array");
        };
        let keys: Vec<_> = array
            .iter()
            .map(|value| match value {
                Value::Object(object) => Arc::clone(object.iter().next().unwrap().0),
                _ => panic!("an object"),
            })
            .collect();
        assert!(Arc::ptr_eq(&keys[0], &keys[1]));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_as_serde_json_judges_it(text in "[ \\[\\]{}:,\"\\\\a0-9.eE+\\-truefalsn]{0,24}") {
            let ours = read(&text).map(|value| value.to_json());
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // serde_json can't hold what is beyond a double.
            let is_huge = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            if !is_huge {
                prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{} {:?}", text, theirs);
            }
        }
    }
}
