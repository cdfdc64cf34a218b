//! The subject of a token: its `sub` (rule H13).
//!
//! This hub has no key and verifies nothing, so anyone can forge a token. A hub with a key verifies
//! tokens here.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The user that a token names. Copies share the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject(Arc<str>);

impl Subject {
    /// The `sub` of a JWT. `None` if the token is not a JWT or has no `sub`.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let subject = claims.get("sub")?.as_str()?;
        (!subject.is_empty()).then(|| Self(subject.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(claims: &str) -> Option<String> {
        let token = format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
        Subject::of(&token).map(|subject| subject.as_str().to_owned())
    }

    #[test]
    fn h13_the_subject_is_the_sub_of_a_jwt() {
        assert_eq!(subject(r#"{"exp":1,"sub":"a"}"#).as_deref(), Some("a"));
        assert_eq!(subject(r#"{"sub":"ä/~\n"}"#).as_deref(), Some("ä/~\n"));
        assert_eq!(
            subject(r#"{"sub":"a","sub":"b"}"#).as_deref(),
            Some("b"),
            "as in JavaScript"
        );
    }

    #[test]
    fn h13_what_is_no_jwt_or_names_nobody_has_no_subject() {
        for claims in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"sub":7}"#,
            r#"{"sub":""}"#,
            r#"{"sub":"#,
        ] {
            assert_eq!(subject(claims), None, "{claims}");
        }
        let deep = "[".repeat(6_000);
        assert_eq!(subject(&deep), None);
        for token in ["", ".", "x", "a.%.c", "a.e30", "..", "a.=.c"] {
            assert_eq!(Subject::of(token), None, "{token}");
        }
    }
}
