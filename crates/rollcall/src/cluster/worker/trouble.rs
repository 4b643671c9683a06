//! What the worker does, and says, when Redis does not answer or says no. Does not know: what was asked.

use std::sync::PoisonError;
use std::time::Duration;

use super::Worker;
use crate::cluster::place::Trouble;

impl Worker {
    pub(super) fn on_trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Refused(why) => self.complain(&why),
            Trouble::Demoted(why) => {
                self.complain(&why);
                // Not at each refusal: the same server may take writes again in a moment.
                let now = self.app.clock.now();
                if self.opened_at.is_none_or(|at| now.saturating_duration_since(at) >= DEMOTED_PATIENCE) {
                    self.close_link(&why);
                }
            }
            Trouble::Slow => {
                self.slow += 1;
                if self.slow >= SLOW_BATCHES {
                    self.close_link("no answer in time");
                }
            }
            Trouble::Broken(why) => self.close_link(&why),
        }
    }

    pub(super) fn close_link(&mut self, why: &str) {
        if self.link.open().is_some() {
            self.link.close(self.app.clock.now());
            // The reconciler counts them as failed, and what they say of the old connection is no reason to give up the next.
            self.in_flight.clear();
            *self.cluster.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.reconciler.handle_disconnected(self.now());
            self.is_away(why);
        }
    }

    pub(super) fn close_channel(&mut self, why: &str) {
        if self.channel.open().is_some() {
            self.channel.close(self.app.clock.now());
            self.subscribing.clear();
            self.reconciler.handle_channel_down(self.now());
            self.complain(why);
        }
    }

    /// Once, until it is back; another reason is said too. What comes and goes for the same reason is said now and then.
    pub(super) fn is_away(&mut self, why: &str) {
        let now = self.app.clock.now();
        let (last, is_recent) = match &self.said_away {
            Some((last, at)) => (last.as_str(), now.saturating_duration_since(*at) < COMPLAINT_INTERVAL),
            None => ("", false),
        };
        let is_news = match self.is_said_away {
            true => last != why && !is_recent,
            false => last != why || !is_recent,
        };
        if is_news {
            self.is_said_away = true;
            self.said_away = Some((why.to_owned(), now));
            tracing::warn!(why, "Redis is away: sessions go on, lists hold what is known here");
        }
    }

    pub(super) fn is_back(&mut self) {
        if std::mem::take(&mut self.is_said_away) {
            tracing::info!("Redis is back");
        }
    }

    pub(super) fn complain(&mut self, why: &str) {
        let now = self.app.clock.now();
        if self.complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT_INTERVAL) {
            self.complained_at = Some(now);
            tracing::warn!(why, "Redis does not do what it is asked; it is tried again");
        }
    }
}

/// Batches in a row without an answer after which the connection is given up: it may be one that nobody is behind.
const SLOW_BATCHES: u32 = 2;
/// How old a connection is at the least that is given up since its server takes no writes.
const DEMOTED_PATIENCE: Duration = Duration::from_secs(2);
/// Between two complaints of what Redis says.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
