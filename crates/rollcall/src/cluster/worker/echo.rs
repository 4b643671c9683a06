//! Whether the connection for messages still carries any: a connection that nobody is behind says nothing, as one on which
//! nothing is said does. So a node speaks to itself with each renewal of its lease. Does not know: connections.

use std::time::Duration;

/// What was said to oneself, and what was heard of it.
#[derive(Debug, Default)]
pub(super) struct Echo {
    said: u64,
    heard: u64,
    /// The oldest that Redis has passed on and that was not heard, and when that was.
    passed_on: Option<(u64, Duration)>,
}

impl Echo {
    /// The next number to say.
    pub(super) fn say(&mut self) -> u64 {
        self.said += 1;
        self.said
    }

    pub(super) fn handle_passed_on(&mut self, now: Duration, number: u64) {
        if self.passed_on.is_none_or(|(oldest, _)| oldest <= self.heard) {
            self.passed_on = Some((number, now));
        }
    }

    pub(super) fn handle_heard(&mut self, number: u64) {
        self.heard = self.heard.max(number);
    }

    /// The connection is another one, or listens elsewhere: what was said before need not have been heard.
    pub(super) fn begin(&mut self) {
        self.passed_on = None;
    }

    /// Something that Redis has passed on was not heard in time.
    pub(super) fn is_unheard(&self, now: Duration) -> bool {
        self.passed_on.is_some_and(|(number, at)| number > self.heard && now >= at + PATIENCE)
    }
}

/// Redis passes on at once what it is told; a busy node may read it later.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_heard_in_time_is_noticed() {
        let second = Duration::from_secs(1);
        let mut echo = Echo::default();
        let number = echo.say();
        assert!(!echo.is_unheard(9 * second), "not passed on yet");
        echo.handle_passed_on(second, number);
        assert!(!echo.is_unheard(second));
        let later = echo.say();
        echo.handle_passed_on(second * 3 / 2, later);
        assert!(echo.is_unheard(2 * second), "however often one speaks");
        echo.handle_heard(later);
        assert!(!echo.is_unheard(9 * second));
        let number = echo.say();
        echo.handle_passed_on(10 * second, number);
        echo.begin();
        assert!(!echo.is_unheard(20 * second), "said to another connection");
    }
}
