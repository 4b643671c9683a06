//! Fetches one issuer's keys, again and again: at start, when they are old, when a token asks for one that is not here.
//! Does not know: how a fetch is done.

use std::time::{Duration, Instant};

use super::Jwks;
use super::fetch::{FetchError, Fetched};
use crate::clock::Clock;
use crate::jose::{IgnoredKey, JwkSet};

/// What the log was told last, so that nothing is said twice.
#[derive(Debug, Default)]
struct Told {
    failing: bool,
    ids: Vec<String>,
}

impl Jwks {
    /// For ever. `name` is the entry's.
    pub(in crate::identity) async fn keep<F: Future<Output = Result<Fetched, FetchError>>>(
        &self,
        name: &str,
        clock: &Clock,
        cooldown: Duration,
        fetch: impl Fn() -> F,
    ) -> std::convert::Infallible {
        let mut told = Told::default();
        loop {
            let outcome = fetch().await.and_then(usable);
            told.tell(name, &outcome, self.keys().len());
            let next = match outcome {
                Ok((keys, _, max_age)) => {
                    self.end_fetch(Some(keys));
                    refresh_after(max_age).max(cooldown)
                }
                Err(_) => {
                    self.end_fetch(None);
                    cooldown
                }
            };
            // From its end, so that the cooldown holds however long a bad answer took.
            let ended = clock.now();
            sleep_until(ended + cooldown).await;
            self.rest();
            tokio::select! {
                () = self.wanted.notified() => {}
                () = sleep_until(ended + next) => {}
            }
            self.begin_fetch();
        }
    }
}

impl Told {
    fn tell(
        &mut self,
        issuer: &str,
        outcome: &Result<(JwkSet, Vec<IgnoredKey>, Option<u64>), FetchError>,
        kept: usize,
    ) {
        match outcome {
            Err(problem) if !self.failing => {
                self.failing = true;
                tracing::warn!(issuer, %problem, kept, "cannot fetch an issuer's keys; those that are known stay good");
            }
            Err(problem) => tracing::debug!(issuer, %problem, "still cannot fetch an issuer's keys"),
            Ok((keys, ignored, _)) => {
                let ids: Vec<String> = keys.ids().map(str::to_owned).collect();
                if self.failing || ids != self.ids {
                    let (count, ids) = (keys.len(), ids.join(" "));
                    tracing::info!(issuer, keys = count, ids, ?ignored, "fetched an issuer's keys");
                }
                *self = Self { failing: false, ids };
            }
        }
    }
}

/// A set without a key that can be used is as good as none: it must not take the place of keys that are good.
fn usable(fetched: Fetched) -> Result<(JwkSet, Vec<IgnoredKey>, Option<u64>), FetchError> {
    let (keys, ignored) = JwkSet::parse(&fetched.body).ok_or(FetchError::NoSet)?;
    if keys.is_empty() { Err(FetchError::NoKey(ignored)) } else { Ok((keys, ignored, fetched.max_age)) }
}

/// When keys of this `max-age`, in seconds, are fetched again.
fn refresh_after(max_age: Option<u64>) -> Duration {
    max_age.map_or(REFRESH_DEFAULT, Duration::from_secs).clamp(REFRESH_SOONEST, REFRESH_LATEST)
}

async fn sleep_until(instant: Instant) {
    tokio::time::sleep_until(instant.into()).await;
}

/// Without a word from the issuer: how long a key that it takes out of its set may still be believed.
const REFRESH_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Many issuers say `no-cache`, and mean no harm by it.
const REFRESH_SOONEST: Duration = Duration::from_secs(60);
/// Some say a day; a stolen key must not be good for as long.
const REFRESH_LATEST: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_says_when_its_keys_are_old_within_bounds() {
        let check = |max_age, seconds| assert_eq!(refresh_after(max_age), Duration::from_secs(seconds));
        check(None, 600);
        check(Some(0), 60);
        check(Some(300), 300);
        check(Some(86_400), 3600);
        check(Some(u64::MAX), 3600);
    }
}
