//! A line a second on stderr, for whoever waits. Does not know: what is waited for.

use std::time::{Duration, Instant};

/// When the next line is due.
pub(crate) struct Progress {
    what: &'static str,
    began: Instant,
    due: Instant,
}

impl Progress {
    /// Silent for the first two seconds.
    pub(crate) fn new(now: Instant, what: &'static str) -> Self {
        Self { what, began: now, due: now + SILENCE }
    }

    /// Whether a line is due; the next one then is a second later.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + Duration::from_secs(1);
        }
        is_due
    }

    /// `done` of `all`, and how fast.
    pub(crate) fn say(&self, now: Instant, done: usize, all: usize) {
        let rate = done as f64 / (now - self.began).as_secs_f64();
        eprintln!("{}: {done} of {all}, {rate:.0}/s", self.what);
    }

    /// How long it still takes, with `live` sessions.
    pub(crate) fn say_left(&self, left: Duration, live: usize) {
        eprintln!("{}: {live} sessions, {} s left", self.what, left.as_secs());
    }
}

/// A run shorter than this needs no line.
const SILENCE: Duration = Duration::from_secs(2);
