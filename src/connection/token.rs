//! The token that the hub is shown: whether a fresh one is needed, and when the app is asked for it.
//!
//! Owns how often that may be: one call at a time, two a minute, whatever the hub and the app's own endpoint say. Never
//! reads a token; how long it lives comes with it.

use crate::interface::effect::{Effect, TokenReason};
use crate::time::Time;

/// How long an attempt waits for a token, ms. Chosen: as long as for a transport to open.
const CALL_MS_MAX: u64 = 10_000;

/// A call that has no answer for so long, ms, is not waited for any more: another one may be made.
const CALL_FORGOTTEN_MS: u64 = 60_000;

/// The app is asked at most [`CALLS_MAX`] times in this time, ms. Source: an endpoint that refuses or is down must not be hammered (S56).
const CALLS_WINDOW_MS: u64 = 60_000;

const CALLS_MAX: usize = 2;

/// Spread over calls that the window has put off, so that pages of one app do not come at once. Chosen.
const CALL_SPREAD_MS: u64 = 10_000;

/// No attempt is made with a token that has less than this left, ms. Source: browser facts, refresh before a reconnect.
const FRESH_MS: u64 = 60_000;

/// A connection's token is replaced so long before its end, ms, give or take [`RENEW_SPREAD_MS`]. Source: as [`FRESH_MS`].
const RENEW_MS: u64 = 30_000;

const RENEW_SPREAD_MS: u64 = 10_000;

/// How an attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearance {
    /// At once.
    Go,
    /// When the token is there, but no later than this.
    Await(Time),
    /// The app may not be asked again before this.
    NotBefore(Time),
}

#[derive(Debug)]
pub(crate) struct Tokens {
    /// Whether the app gives tokens at all.
    is_given: bool,
    token: Option<Token>,
    /// Since when the app has owed an answer.
    asked: Option<Time>,
    /// The last calls, the newest first.
    calls: [Option<Time>; CALLS_MAX],
    /// Since the last welcome.
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
    pub(crate) fn new(is_given: bool) -> Self {
        Self {
            is_given,
            token: None,
            asked: None,
            calls: [None; CALLS_MAX],
            refusals: 0,
            failures: 0,
            is_cut_off: false,
        }
    }

    /// What the hub is shown.
    pub(crate) fn shown(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.text.as_str())
    }

    /// Before an attempt: asks for a fresh token if one is needed.
    pub(crate) fn clear(&mut self, now: Time, effects: &mut Vec<Effect>) -> Clearance {
        let reason = match &self.token {
            _ if !self.is_given => return Clearance::Go,
            None => TokenReason::Initial,
            Some(token) if token.is_refused => TokenReason::Rejected,
            Some(token) if token.stale.is_some_and(|stale| now >= stale) => TokenReason::Expiring,
            Some(_) => return Clearance::Go,
        };
        match self.ask(now, reason, effects) {
            // The hub's clock decides: the old one may still do.
            Clearance::NotBefore(_) if reason == TokenReason::Expiring => Clearance::Go,
            clearance => clearance,
        }
    }

    /// While connected: asks for a fresh token when it is time.
    pub(crate) fn renew(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.deadline().is_some_and(|renew| now >= renew) {
            let asked = self.ask(now, TokenReason::Expiring, effects);
            if let Some(token) = &mut self.token {
                token.renew = match asked {
                    Clearance::NotBefore(at) => Some(at),
                    // Set again by the answer, whatever it is.
                    Clearance::Await(_) | Clearance::Go => None,
                };
            }
        }
    }

    /// When a connection's token is to be replaced.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.token.as_ref().and_then(|token| token.renew)
    }

    fn ask(&mut self, now: Time, reason: TokenReason, effects: &mut Vec<Effect>) -> Clearance {
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
        effects.push(Effect::AskToken { reason });
        Clearance::Await(until)
    }

    /// The app must not be asked before this.
    fn next_call(&self) -> Option<Time> {
        self.calls
            .last()
            .copied()
            .flatten()
            .map(|call| call.plus(CALLS_WINDOW_MS))
    }

    /// When to ask again after the app or the hub has said no.
    pub(crate) fn retry_at(&self, now: Time, rng: &mut fastrand::Rng) -> Time {
        let soonest = now.plus(CALLS_WINDOW_MS / 2);
        let allowed = self.next_call().map_or(soonest, |next| next.max(soonest));
        allowed.plus(rng.u64(0..=CALL_SPREAD_MS))
    }

    /// The app gave one that lives for so long, where it said so. It is used for half of that at least, however short.
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
            renew: before_end(RENEW_MS - RENEW_SPREAD_MS + rng.u64(0..=2 * RENEW_SPREAD_MS)),
            is_refused: false,
        });
    }

    /// The app gave none: it refused, or could not ask.
    pub(crate) fn failed(&mut self, now: Time, is_refusal: bool, rng: &mut fastrand::Rng) {
        self.asked = None;
        self.failures = self.failures.saturating_add(u32::from(is_refusal));
        self.is_cut_off = !is_refusal;
        let at = self.retry_at(now, rng);
        if let Some(token) = &mut self.token {
            token.renew = token.stale.is_some().then_some(at);
        }
    }

    /// The hub did not accept it. True if a fresh one may help at once: the first time since a welcome.
    pub(crate) fn refused(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        if let Some(token) = &mut self.token {
            token.is_refused = true;
        }
        self.is_given && self.refusals == 1
    }

    /// The hub did.
    pub(crate) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// Whether the user has to do something: sign in, most likely.
    pub(crate) fn is_stuck(&self) -> bool {
        self.refusals > 0 || self.failures > 1
    }

    /// The clock that we are given stood still for so long while tokens grew older.
    pub(crate) fn slept(&mut self, ms: u64) {
        if let Some(token) = &mut self.token {
            for time in [&mut token.stale, &mut token.renew].into_iter().flatten() {
                *time = Time(time.0.saturating_sub(ms));
            }
        }
    }

    /// The browser says that there is a network again: calls that found none reached nobody.
    pub(crate) fn back_online(&mut self) {
        if std::mem::take(&mut self.is_cut_off) {
            self.calls = [None; CALLS_MAX];
        }
    }

    /// The user wants an attempt now, however often the app has been asked, and whether or not it has answered.
    pub(crate) fn forget(&mut self) {
        self.asked = None;
        self.calls = [None; CALLS_MAX];
        self.refusals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: Time = Time(1_000_000);
    const HOUR_MS: u64 = 3_600_000;

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    fn asks(tokens: &mut Tokens, now: Time) -> Option<TokenReason> {
        let mut effects = Vec::new();
        tokens.clear(now, &mut effects);
        effects.first().map(|effect| match effect {
            Effect::AskToken { reason } => *reason,
            other => unreachable!("{other:?}"),
        })
    }

    fn with_token(lives_ms: Option<u64>) -> Tokens {
        let mut tokens = Tokens::new(true);
        assert_eq!(asks(&mut tokens, T0), Some(TokenReason::Initial));
        tokens.given(T0, "t", lives_ms, &mut rng());
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
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut tokens = Tokens::new(true);
            let mut now = T0;
            let mut calls: Vec<Time> = Vec::new();
            for (what, number) in steps {
                let mut effects = Vec::new();
                match what {
                    0 => drop(tokens.clear(now, &mut effects)),
                    1 => tokens.renew(now, &mut effects),
                    2 => tokens.given(now, "t", Some(number), &mut rng),
                    3 => tokens.failed(now, number % 2 == 0, &mut rng),
                    4 => drop(tokens.refused()),
                    5 => tokens.accepted(),
                    _ => now = now.plus(number),
                }
                calls.extend(effects.iter().map(|_| now));
            }
            for three in calls.windows(3) {
                prop_assert!(three[2].since(three[0]) >= CALLS_WINDOW_MS, "{calls:?}");
            }
        }
    }
}
