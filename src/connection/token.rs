//! The client's token, and when to ask the app for a fresh one.
//!
//! Owns the limits on these calls: one at a time, two a minute, whatever the hub and the app's
//! endpoint answer. Never reads a token; the app says how long it is valid.

use crate::context::Context;
use crate::interface::effect::{Effect, TokenReason};
use crate::time::Time;

/// How long an attempt waits for a token, ms. Chosen: as long as for a transport to open.
const CALL_MS_MAX: u64 = 10_000;

/// The client stops waiting for the answer to a call after this time, ms, and may call again.
const CALL_FORGOTTEN_MS: u64 = 60_000;

/// The client calls the app at most [`CALLS_MAX`] times in this time, ms. Source: requests must not
/// hammer an endpoint that refuses or is down (S56).
const CALLS_WINDOW_MS: u64 = 60_000;

const CALLS_MAX: usize = 2;

/// Jitter of calls that the window has put off, so that pages of one app do not call at once.
/// Chosen.
const CALL_JITTER_MS: u64 = 10_000;

/// The client gets a fresh token before an attempt if less than this is left, ms. Source: browser
/// facts, refresh before a reconnect.
const FRESH_MS: u64 = 60_000;

/// While connected, the client replaces a token this long before its end, ms, give or take
/// [`RENEW_JITTER_MS`]. Source: as [`FRESH_MS`].
const RENEW_MS: u64 = 30_000;

const RENEW_JITTER_MS: u64 = 10_000;

/// Why the app has given no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFailure {
    /// The app refused.
    Refused,
    /// The app could not ask its endpoint, or has not answered.
    Unreachable,
}

/// How an attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearance {
    /// At once.
    Go,
    /// When the app has given the token, but no later than this.
    Await(Time),
    /// The client may not call the app again before this.
    NotBefore(Time),
}

#[derive(Debug)]
pub(crate) struct Tokens {
    /// Whether the app gives tokens at all.
    is_used: bool,
    token: Option<Token>,
    /// When the client made a call that has no answer yet.
    asked: Option<Time>,
    /// The last calls, the newest first.
    calls: [Option<Time>; CALLS_MAX],
    /// The hub's refusals since the last welcome.
    refusals: u32,
    /// Calls in a row that the app refused.
    failures: u32,
    /// The last call found no network.
    is_cut_off: bool,
}

#[derive(Debug)]
struct Token {
    text: String,
    /// When an attempt needs another one, and when a connection does.
    stale: Option<Time>,
    renew: Option<Time>,
    is_refused: bool,
}

impl Tokens {
    pub(crate) fn new(is_used: bool) -> Self {
        Self {
            is_used,
            token: None,
            asked: None,
            calls: [None; CALLS_MAX],
            refusals: 0,
            failures: 0,
            is_cut_off: false,
        }
    }

    /// The token that the hub gets.
    pub(crate) fn current(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.text.as_str())
    }

    /// Asks for a fresh token before an attempt, if it needs one.
    pub(crate) fn clear(&mut self, context: &mut Context<'_>) -> Clearance {
        let now = context.now;
        let reason = match &self.token {
            _ if !self.is_used => return Clearance::Go,
            None => TokenReason::Initial,
            Some(token) if token.is_refused => TokenReason::Rejected,
            Some(token) if token.stale.is_some_and(|stale| now >= stale) => TokenReason::Expiring,
            Some(_) => return Clearance::Go,
        };
        match self.ask(context, reason) {
            // The hub's clock decides: the old token may still be valid.
            Clearance::NotBefore(_) if reason == TokenReason::Expiring => Clearance::Go,
            clearance => clearance,
        }
    }

    /// Asks for a fresh token while connected, when it is time.
    pub(crate) fn renew(&mut self, context: &mut Context<'_>) {
        if self.deadline().is_some_and(|renew| context.now >= renew) {
            let asked = self.ask(context, TokenReason::Expiring);
            if let Some(token) = &mut self.token {
                token.renew = match asked {
                    Clearance::NotBefore(at) => Some(at),
                    // The answer, whatever it is, sets it again.
                    Clearance::Await(_) | Clearance::Go => None,
                };
            }
        }
    }

    /// When the client replaces the token of a connection.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.token.as_ref().and_then(|token| token.renew)
    }

    fn ask(&mut self, context: &mut Context<'_>, reason: TokenReason) -> Clearance {
        let now = context.now;
        let until = now.plus(CALL_MS_MAX);
        if self
            .asked
            .is_some_and(|asked| now < asked.plus(CALL_FORGOTTEN_MS))
        {
            return Clearance::Await(until);
        }
        let next = self.next_call();
        if let Some(next) = next.filter(|next| now < *next) {
            return Clearance::NotBefore(next);
        }
        self.calls.rotate_right(1);
        if let Some(newest) = self.calls.first_mut() {
            *newest = Some(now);
        }
        self.asked = Some(now);
        context.effects.push(Effect::AskToken { reason });
        Clearance::Await(until)
    }

    /// The client must not call the app before this.
    fn next_call(&self) -> Option<Time> {
        self.calls
            .last()
            .copied()
            .flatten()
            .map(|call| call.plus(CALLS_WINDOW_MS))
    }

    /// When to ask again after the app or the hub has refused.
    pub(crate) fn retry_at(&self, now: Time, rng: &mut fastrand::Rng) -> Time {
        let soonest = now.plus(CALLS_WINDOW_MS / 2);
        let allowed = self.next_call().map_or(soonest, |next| next.max(soonest));
        allowed.plus(rng.u64(0..=CALL_JITTER_MS))
    }

    /// The app has given a token, valid for `lives_ms` if it said so. The client uses it for at
    /// least half of that time, however short.
    pub(crate) fn given(
        &mut self,
        now: Time,
        text: &str,
        lives_ms: Option<u64>,
        rng: &mut fastrand::Rng,
    ) {
        let before_end = |ms: u64| {
            lives_ms.map(|lives_ms| now.plus(lives_ms.saturating_sub(ms).max(lives_ms / 2)))
        };
        self.asked = None;
        self.failures = 0;
        self.is_cut_off = false;
        self.token = Some(Token {
            text: text.to_owned(),
            stale: before_end(FRESH_MS),
            renew: before_end(RENEW_MS - RENEW_JITTER_MS + rng.u64(0..=2 * RENEW_JITTER_MS)),
            is_refused: false,
        });
    }

    /// The app has given no token.
    pub(crate) fn failed(&mut self, now: Time, failure: TokenFailure, rng: &mut fastrand::Rng) {
        let is_refusal = failure == TokenFailure::Refused;
        self.asked = None;
        self.failures = self.failures.saturating_add(u32::from(is_refusal));
        self.is_cut_off = !is_refusal;
        let at = self.retry_at(now, rng);
        if let Some(token) = &mut self.token {
            token.renew = token.stale.is_some().then_some(at);
        }
    }

    /// The hub has refused the token. Returns whether a fresh one may help at once: only for the
    /// first refusal since a welcome.
    pub(crate) fn refused(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        if let Some(token) = &mut self.token {
            token.is_refused = true;
        }
        self.is_used && self.refusals == 1
    }

    /// The hub has accepted the token.
    pub(crate) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// Whether the user has to do something, probably sign in.
    pub(crate) fn is_stuck(&self) -> bool {
        self.refusals > 0 || self.failures > 1
    }

    /// The client's clock stood still for `ms` while the tokens aged.
    pub(crate) fn slept(&mut self, ms: u64) {
        if let Some(token) = &mut self.token {
            for time in [&mut token.stale, &mut token.renew].into_iter().flatten() {
                *time = Time(time.0.saturating_sub(ms));
            }
        }
    }

    /// The browser reports a network. Calls that found none reached no endpoint.
    pub(crate) fn back_online(&mut self) {
        if std::mem::take(&mut self.is_cut_off) {
            self.calls = [None; CALLS_MAX];
        }
    }

    /// The user wants an attempt now, whatever the limits on calls say.
    pub(crate) fn forget(&mut self) {
        self.asked = None;
        self.calls = [None; CALLS_MAX];
        self.refusals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::TestTurns;
    use proptest::prelude::*;

    const T0: Time = Time(1_000_000);
    const HOUR_MS: u64 = 3_600_000;

    fn asks(tokens: &mut Tokens, now: Time) -> Option<TokenReason> {
        let mut turns = TestTurns::with_seed(7);
        tokens.clear(&mut turns.at(now));
        turns.effects.first().map(|effect| match effect {
            Effect::AskToken { reason } => *reason,
            other => unreachable!("{other:?}"),
        })
    }

    fn with_token(lives_ms: Option<u64>) -> Tokens {
        let mut tokens = Tokens::new(true);
        assert_eq!(asks(&mut tokens, T0), Some(TokenReason::Initial));
        tokens.given(T0, "t", lives_ms, &mut fastrand::Rng::with_seed(7));
        tokens
    }

    #[test]
    fn an_app_without_tokens_is_never_asked() {
        let mut tokens = Tokens::new(false);
        assert_eq!(asks(&mut tokens, T0), None);
        assert!(!tokens.refused());
        assert_eq!(asks(&mut tokens, T0), None);
    }

    #[test]
    fn a_token_with_less_than_a_minute_left_is_replaced_before_an_attempt() {
        let mut tokens = with_token(Some(HOUR_MS));
        assert_eq!(asks(&mut tokens, T0.plus(HOUR_MS - 60_001)), None);
        let late = T0.plus(HOUR_MS - 60_000);
        assert_eq!(asks(&mut tokens, late), Some(TokenReason::Expiring));
        assert_eq!(asks(&mut tokens, late), None, "one call at a time");
    }

    #[test]
    fn a_connections_token_is_replaced_some_thirty_seconds_before_its_end() {
        let renew = with_token(Some(HOUR_MS)).deadline().unwrap().since(T0);
        assert!(
            (HOUR_MS - 40_000..=HOUR_MS - 20_000).contains(&renew),
            "{renew}"
        );
        assert_eq!(with_token(None).deadline(), None, "it may live for ever");
    }

    #[test]
    fn a_token_that_lives_for_seconds_is_used_for_half_of_them() {
        let mut tokens = with_token(Some(8_000));
        assert_eq!(asks(&mut tokens, T0), None);
        assert_eq!(
            asks(&mut tokens, T0.plus(4_000)),
            Some(TokenReason::Expiring)
        );
    }

    #[test]
    fn s53_sleep_makes_a_token_older() {
        let mut tokens = with_token(Some(HOUR_MS));
        tokens.slept(2 * HOUR_MS);
        assert_eq!(asks(&mut tokens, T0.plus(1)), Some(TokenReason::Expiring));
    }

    proptest! {
        #[test]
        fn s56_whatever_happens_the_app_is_asked_at_most_twice_a_minute(
            seed: u64, steps in proptest::collection::vec((0..7, 0_u64..40_000), 1..200),
        ) {
            let mut turns = TestTurns::with_seed(seed);
            let mut tokens = Tokens::new(true);
            let mut now = T0;
            let mut calls: Vec<Time> = Vec::new();
            for (what, number) in steps {
                match what {
                    0 => drop(tokens.clear(&mut turns.at(now))),
                    1 => tokens.renew(&mut turns.at(now)),
                    2 => tokens.given(now, "t", Some(number), &mut turns.rng),
                    3 if number % 2 == 0 => tokens.failed(now, TokenFailure::Refused, &mut turns.rng),
                    3 => tokens.failed(now, TokenFailure::Unreachable, &mut turns.rng),
                    4 => drop(tokens.refused()),
                    5 => tokens.accepted(),
                    _ => now = now.plus(number),
                }
                calls.extend(turns.effects.drain(..).map(|_| now));
            }
            for three in calls.windows(3) {
                prop_assert!(three[2].since(three[0]) >= CALLS_WINDOW_MS, "{calls:?}");
            }
        }
    }
}
