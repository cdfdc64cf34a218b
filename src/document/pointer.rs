//! JSON Pointer (RFC 6901): a place in a value.
//!
//! Owns the syntax of pointers, the meaning of a token in an array, and the way to a place. Changes
//! nothing itself.

use std::borrow::Cow;
use std::sync::Arc;

use crate::document::value::{Value, is_forbidden_key};

/// Why a text is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerFault {
    /// It is not empty and does not begin with `/`, or a `~` is not followed by 0 or 1.
    Syntax,
    /// It has a token that no document has as a key (rule D5).
    KeyForbidden,
}

/// A place in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Arc<str>);

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: Arc<str>) -> Result<Self, PointerFault> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerFault::Syntax);
        }
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'~' && !matches!(bytes.get(at + 1), Some(b'0' | b'1')) {
                return Err(PointerFault::Syntax);
            }
        }
        let mut rest = &*text;
        while let Some((token, after)) = first_token(rest) {
            // These have nothing that could be escaped.
            if is_forbidden_key(token) {
                return Err(PointerFault::KeyForbidden);
            }
            rest = after;
        }
        Ok(Self(text))
    }

    /// The pointer of what holds the place, and its last token, still escaped. None for the whole.
    pub(crate) fn parent(&self) -> Option<(&str, &str)> {
        let at = self.0.bytes().rposition(|byte| byte == b'/')?;
        Some((self.0.get(..at)?, self.0.get(at + 1..)?))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many tokens it has, which is how deep its place is.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.bytes().filter(|byte| *byte == b'/').count()
    }

    /// Whether `other` is a place within this one.
    #[must_use]
    pub fn is_around(&self, other: &Self) -> bool {
        // A token is written in one way only, so texts tell.
        other
            .0
            .strip_prefix(&*self.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// What is there.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let (mut value, mut rest) = (value, self.as_str());
        while let Some((token, after)) = first_token(rest) {
            rest = after;
            value = match value {
                Value::Object(object) => object.get(&unescape(token))?,
                Value::Array(array) => array.get(index(token)?)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

/// The first token of what is left of a pointer, still escaped, and what comes after it.
pub(crate) fn first_token(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix('/')?;
    let end = rest.bytes().position(|byte| byte == b'/');
    let end = end.unwrap_or(rest.len());
    Some((rest.get(..end)?, rest.get(end..)?))
}

/// A token as the key that it names: `~1` first, then `~0`, so that `~01` is `~1` (RFC 6901,
/// section 4).
pub(crate) fn unescape(token: &str) -> Cow<'_, str> {
    if !token.as_bytes().contains(&b'~') {
        return Cow::Borrowed(token);
    }
    let (mut key, mut is_escaped) = (String::new(), false);
    for c in token.chars() {
        match c {
            '~' => {
                is_escaped = true;
                continue;
            }
            '0' if is_escaped => key.push('~'),
            '1' if is_escaped => key.push('/'),
            c => key.push(c),
        }
        is_escaped = false;
    }
    Cow::Owned(key)
}

/// Appends a key as a token, which `unescape` undoes.
pub(crate) fn push_token(key: &str, pointer: &mut String) {
    for c in key.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// A token as an index: digits without leading zeros. One beyond all arrays stays beyond.
pub(crate) fn index(token: &str) -> Option<usize> {
    let bytes = token.as_bytes();
    if bytes.is_empty() || (bytes.len() > 1 && bytes.first() == Some(&b'0')) {
        return None;
    }
    let mut index: usize = 0;
    for byte in bytes {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        index = index.saturating_mul(10).saturating_add(digit.into());
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::value::read;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text.into()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_6901_find_their_places() {
        let document = read(
            r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"~1":9,"/":10}"#,
        )
        .unwrap();
        for (at, expected) in [
            ("/foo", "[\"bar\",\"baz\"]"),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
            ("/~01", "9"),
            ("/~1", "10"),
        ] {
            let found = pointer(at).find(&document).map(Value::to_json);
            assert_eq!(found.as_deref(), Some(expected), "{at}");
        }
        assert_eq!(pointer("").find(&document), Some(&document));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let document = read(r#"{"a":[1,{"b":2}],"s":"text"}"#).unwrap();
        for at in [
            "/b",
            "/a/2",
            "/a/-",
            "/a/01",
            "/a/+1",
            "/a/1e0",
            "/a/",
            "/a/0/0",
            "/a/1/b/",
            "/s/0",
            "/s/length",
            "/a/length",
            "/a/99999999999999999999999",
            "/a/18446744073709551616",
            "//",
        ] {
            assert_eq!(pointer(at).find(&document), None, "{at}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for bad in ["a", "a/b", " ", "/~", "/a~", "/~2", "/~~0", "/a/~/b", "#/a"] {
            let fault = Pointer::parse(bad.into());
            assert_eq!(fault, Err(PointerFault::Syntax), "{bad}");
        }
        for bad in ["/__proto__", "/a/constructor/b", "/prototype"] {
            let fault = Pointer::parse(bad.into());
            assert_eq!(fault, Err(PointerFault::KeyForbidden), "{bad}");
        }
    }

    #[test]
    fn a_place_is_around_its_children_only() {
        for (around, other, expected) in [
            ("", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/a/", true),
            ("/a", "/a", false),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
            ("", "", false),
        ] {
            assert_eq!(
                pointer(around).is_around(&pointer(other)),
                expected,
                "{around} {other}"
            );
        }
        assert_eq!(pointer("").depth(), 0);
        assert_eq!(pointer("/a//b").depth(), 3);
    }
}
