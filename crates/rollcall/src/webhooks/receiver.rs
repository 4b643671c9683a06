//! One receiver: takes what is due from the database, a few at a time, and writes down what has become of it. One that
//! takes nothing is tried with one event at a time, ever less often. Does not know: what a request looks like.

use std::time::Duration;

use futures_util::future::join_all;

use super::delivery::{Failure, Sender};
use crate::app::App;
use crate::config::WebhookConfig;
use crate::ids;
use crate::store::{Outcome, Owed};

/// What one entry of the configuration stands for.
pub(super) struct Receiver<'a> {
    app: &'a App,
    place: usize,
    entry: &'a WebhookConfig,
    sender: Sender,
    /// Rounds in a row in which it took nothing.
    failures: u32,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(app: &'a App, place: usize, entry: &'a WebhookConfig) -> Self {
        Self { app, place, entry, sender: Sender::new(AT_ONCE), failures: 0 }
    }

    pub(super) async fn run(mut self) {
        loop {
            let pause = self.step().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// One round; gives how long to wait until the next.
    async fn step(&mut self) -> Duration {
        let (store, now) = (&self.app.store, self.app.clock.unix_millis());
        let limit = if self.failures == 0 { AT_ONCE } else { 1 };
        // Behind that somebody else takes them: this node is taken for dead.
        let until = now + millis(self.entry.timeout + MARGIN);
        let owed = match store.claim_owed(now, self.place, until, limit).await {
            Ok(owed) => owed,
            Err(error) => {
                tracing::debug!(%error, "what a webhook is owed could not be read");
                return POLL_INTERVAL;
            }
        };
        if owed.is_empty() {
            return POLL_INTERVAL;
        }
        let tries = owed.iter().map(|one| self.sender.send(&self.app.clock, self.entry, one));
        let results = join_all(tries).await;
        for result in &results {
            self.app.metrics.webhooks.tried(result.as_ref().map_or_else(Failure::kind, |()| "delivered"));
        }
        let pause = self.judge(&results);
        let outcomes: Vec<(Owed, Outcome)> = owed
            .into_iter()
            .zip(&results)
            .map(|(owed, result)| {
                let outcome = match result {
                    Ok(()) => Outcome::Delivered,
                    Err(failure) => {
                        let wait =
                            again_after(owed.attempts()).max(failure.retry_after().unwrap_or_default());
                        Outcome::Again(self.app.clock.unix_millis() + millis(wait))
                    }
                };
                (owed, outcome)
            })
            .collect();
        if let Err(error) = store.settle_owed(&outcomes).await {
            // Nobody has forgotten them: they are told once more when their time is over.
            tracing::debug!(%error, "it could not be written down what a webhook has taken");
        }
        pause
    }

    /// What follows for the receiver as a whole.
    fn judge(&mut self, results: &[Result<(), Failure>]) -> Duration {
        let last = results.iter().filter_map(|result| result.as_ref().err()).next_back();
        let webhook = self.entry.shown();
        match last {
            Some(failure) if results.iter().all(Result::is_err) => {
                if self.failures == 0 {
                    tracing::warn!(webhook, problem = %failure, "a webhook takes nothing: it is tried again");
                }
                self.failures = self.failures.saturating_add(1);
                let asked = failure.retry_after().unwrap_or_default();
                if failure.is_gone() { LONGEST_PAUSE } else { pause_after(self.failures).max(asked) }
            }
            Some(_) | None => {
                if self.failures > 0 {
                    tracing::info!(webhook, "a webhook takes events again");
                }
                self.failures = 0;
                Duration::ZERO
            }
        }
    }
}

/// Until an event is tried again that was tried so often: 2 s, 4 s, … up to an hour, and up to a quarter more, so that
/// what failed together does not come together.
fn again_after(attempts: u64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(11);
    jittered((FIRST_AGAIN * (1 << doublings)).min(LONGEST_PAUSE))
}

/// Until a receiver is tried again that took nothing in so many rounds: 1 s, 2 s, … up to a minute.
fn pause_after(failures: u32) -> Duration {
    jittered((FIRST_PAUSE * (1 << failures.saturating_sub(1).min(6))).min(LONGEST_PROBE))
}

fn jittered(pause: Duration) -> Duration {
    ids::duration_between(pause, pause + pause / 4)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Requests to one receiver at the same time.
const AT_ONCE: usize = 16;
/// Between two looks at the database while nothing is due.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// What the database needs to take down what has become of a round.
const MARGIN: Duration = Duration::from_secs(15);
const FIRST_AGAIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PROBE: Duration = Duration::from_secs(60);
/// Nobody is left alone for longer, whatever they ask for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_their_longest() {
        let check = |pause: Duration, shortest: u64| {
            let shortest = Duration::from_secs(shortest);
            assert!((shortest..=shortest + shortest / 4).contains(&pause), "{pause:?} for {shortest:?}");
        };
        for (attempts, seconds) in [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (u64::MAX, 3600)] {
            check(again_after(attempts), seconds);
        }
        for (failures, seconds) in [(1, 1), (2, 2), (6, 32), (7, 60), (u32::MAX, 60)] {
            check(pause_after(failures), seconds);
        }
    }
}
