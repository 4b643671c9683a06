//! Steps of a crowd that take their time: all connect, all lists are right, all stay, all go. Each is bounded. Does not
//! know: what is measured meanwhile.

use std::time::Duration;

use super::progress::Progress;
use super::{Crowd, CrowdError, End, News, What};
use crate::clock;
use crate::ledger::Violation;
use crate::session::Session;
use crate::stats::micros_u32;

/// What a ramp took.
#[derive(Debug)]
pub(crate) struct Ramp {
    /// From the first connect to the last session's own update.
    pub(crate) took: Duration,
    /// Microseconds from connect to `ready`, rising.
    pub(crate) latencies: Vec<u32>,
}

impl Crowd {
    /// Connects the clients `wanted`, with at most `in_flight` between connect and their own update. The first one that
    /// is refused ends it: so would the others be.
    pub(crate) fn ramp(
        &mut self,
        wanted: impl ExactSizeIterator<Item = usize>,
        in_flight: u32,
    ) -> Result<Ramp, CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, "connecting");
        let all = wanted.len();
        let mut wanted = wanted.peekable();
        let (mut opened, mut settled) = (0, 0);
        let mut latencies = Vec::with_capacity(all);
        while settled < all {
            while opened - settled < in_flight as usize
                && let Some(index) = wanted.next()
            {
                self.open(index)?;
                opened += 1;
            }
            for News { index, what, .. } in self.turn(TURN)? {
                match what {
                    What::Ready(took) => latencies.push(micros_u32(took)),
                    What::Settled => settled += 1,
                    What::Ended { end, settled: true, .. } => {
                        self.ledger().note(Violation::EndedEarly, index, end);
                    }
                    What::Ended { end, .. } => return Err(self.refused(index, end)),
                    _ => {}
                }
            }
            let now = clock::now();
            if progress.is_due(now) {
                progress.say(now, settled, all);
                self.check_deadlines()?;
            }
        }
        let took = clock::now() - began;
        latencies.sort_unstable();
        Ok(Ramp { took, latencies })
    }

    /// Waits until the newest list of each session is its user's sessions, at most `patience`, and notes those whose
    /// list then is not.
    pub(crate) fn compare_lists(&mut self, patience: Duration) -> Result<(), CrowdError> {
        let deadline = clock::now() + patience;
        while !self.wrong_lists().is_empty() && clock::now() < deadline {
            self.watch(TURN)?;
        }
        for (index, seen) in self.wrong_lists() {
            self.ledger().note(Violation::FinalListWrong, index, seen);
        }
        Ok(())
    }

    /// Stays connected for `duration` and answers pings; `what` stands before the progress.
    pub(crate) fn hold(&mut self, duration: Duration, what: &'static str) -> Result<(), CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, what);
        loop {
            let now = clock::now();
            let Some(left) = (began + duration).checked_duration_since(now).filter(|left| !left.is_zero())
            else {
                return Ok(());
            };
            if progress.is_due(now) {
                progress.say_left(left, self.live());
            }
            self.watch(left.min(TURN))?;
        }
    }

    /// Ends all sessions as closed tabs do; notes those that the server had not let go within `patience`, and says how
    /// many they are.
    pub(crate) fn leave_all(&mut self, patience: Duration) -> Result<usize, CrowdError> {
        let began = clock::now();
        let mut progress = Progress::new(began, "leaving");
        let all = self.live();
        // A polling client says goodbye on a second connection: not all of them at once, or descriptors run out.
        let (mut next, mut said) = (0, 0);
        while self.live() > 0 && clock::now() < began + patience {
            while next < self.seats() && (said + self.live()).saturating_sub(all) < LEAVING_MAX {
                said += usize::from(self.session(next).is_some());
                self.leave(next);
                next += 1;
            }
            self.watch(if next < self.seats() { LEAVE_TURN } else { TURN })?;
            let now = clock::now();
            if progress.is_due(now) {
                progress.say(now, all - self.live(), all);
            }
        }
        let held = self.live();
        for index in 0..self.seats() {
            if self.session(index).is_some() {
                self.ledger().note(
                    Violation::NotLetGo,
                    index,
                    format_args!("{} s later", patience.as_secs()),
                );
            }
            self.hang_up(index);
        }
        Ok(held)
    }

    fn check_deadlines(&self) -> Result<(), CrowdError> {
        match self.overdue(SETTLE_MAX, Session::is_settled).first() {
            Some(&index) => Err(CrowdError::Session { index, end: End::TimedOut(SETTLE_MAX.as_secs()) }),
            None => Ok(()),
        }
    }

    /// The sessions whose newest list is not what all sessions of their user say that they are.
    fn wrong_lists(&self) -> Vec<(usize, String)> {
        let mut wrong = Vec::new();
        if self.shared.canned {
            return wrong;
        }
        for (user, tabs) in self.tabs.chunks(self.per_user).enumerate() {
            let sessions = || tabs.iter().map(|tab| tab.as_ref().map(|tab| &tab.session));
            let there = sessions().flatten().count();
            let digest = sessions().flatten().fold(0u64, |sum, session| sum.wrapping_add(session.own()));
            for (place, session) in sessions().enumerate() {
                let Some(newest) = session.map(|session| session.newest()) else { continue };
                if (newest.len as usize, newest.digest) != (there, digest) {
                    let seen = format!("{} sessions, {there} are connected", newest.len);
                    wrong.push((user * self.per_user + place, seen));
                }
            }
        }
        wrong
    }
}

/// Longest wait for readiness, so that progress and deadlines are looked at.
pub(super) const TURN: Duration = Duration::from_millis(100);
/// A server that has not said `ready` and `update` by then does not work.
const SETTLE_MAX: Duration = Duration::from_secs(15);
/// Goodbyes that the server has not answered yet.
const LEAVING_MAX: usize = 256;
/// How long a look at what came back waits while there are more to say.
const LEAVE_TURN: Duration = Duration::from_millis(1);
