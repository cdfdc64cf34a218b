//! Whether the hub serves the page that sends a request, and the answer if it does not.

use http::StatusCode;
use http::header::{HeaderMap, ORIGIN};

use super::problem::{Problem, ProblemCode};
use crate::core::{Close, Refusal};

const REFUSED: &str =
    "the hub does not serve pages of this origin; add the origin to the allowed origins";

/// Whether the hub serves the page that sends a request. Programs are served too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOrigin {
    /// It does.
    Served,
    /// It does not.
    Refused,
}

impl PageOrigin {
    /// The answer to a request of a page that the hub does not serve.
    ///
    /// # Errors
    /// That answer.
    pub fn check(self) -> Result<(), Problem> {
        match self {
            Self::Served => Ok(()),
            Self::Refused => Err(Problem::new(
                StatusCode::FORBIDDEN,
                ProblemCode::Close(Close::OriginRefused),
                REFUSED,
            )),
        }
    }

    /// Why a WebSocket or an event stream closes at once.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Served => None,
            Self::Refused => Some(Refusal::new(Close::OriginRefused, REFUSED)),
        }
    }
}

/// The Origin header of a request.
#[must_use]
pub fn origin(headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(ORIGIN)?;
    Some(String::from_utf8_lossy(origin.as_bytes()).into_owned())
}
