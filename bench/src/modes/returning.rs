//! Clients that were cut and come back, each with the back-off of a stock client when it is turned away. Does not know:
//! why they were cut, and what is reported.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::meter::Meter;
use super::storm::Storm;
use super::{ModeError, TICK};
use crate::args::StormArgs;
use crate::clock;
use crate::crowd::{Crowd, CrowdError, End, News, Progress, What, backoff, chance};
use crate::handshake::HandshakeError;
use crate::ledger::Violation;
use crate::session::{Session, SessionEnd};
use crate::stats::{Latency, micros_u32};

/// The clients that return.
pub(super) struct Returning {
    began: Instant,
    /// When each client tried for the first time; `None` for one that was never cut.
    first: Vec<Option<Instant>>,
    tries: Vec<u32>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    latencies: Vec<u32>,
    storm: Storm,
}

impl Returning {
    /// Spreads the first tries of whoever is not there.
    pub(super) fn new(crowd: &Crowd, args: &StormArgs) -> Self {
        let began = clock::now();
        let mut returning = Self {
            began,
            first: vec![None; crowd.seats()],
            tries: vec![0; crowd.seats()],
            due: BinaryHeap::new(),
            latencies: Vec::new(),
            storm: Storm::default(),
        };
        for index in (0..crowd.seats()).filter(|&index| crowd.session(index).is_none()) {
            let at = began + args.within_ms.mul_f64(chance(index, 0));
            returning.first[index] = Some(at);
            returning.due.push(Reverse((at, index)));
            returning.storm.cut += 1;
        }
        returning
    }

    pub(super) fn run(
        mut self,
        crowd: &mut Crowd,
        args: &StormArgs,
        meter: Meter,
    ) -> Result<Storm, ModeError> {
        let before = meter.read()?;
        let mut progress = Progress::new(self.began, "returning");
        let mut settled = 0;
        let mut last_look = self.began;
        let (mut last_ready, mut peak) = (self.began, 0);
        while settled < self.storm.cut {
            let now = clock::now();
            if now > self.began + args.patience {
                break;
            }
            self.try_those_due(now, crowd)?;
            for News { index, at, what } in crowd.turn(TICK)? {
                match what {
                    What::Ready(_) => {
                        last_ready = at;
                        self.note_ready(index, at);
                    }
                    What::Settled => settled += 1,
                    What::Ended { end, settled: true, .. } => {
                        crowd.ledger().note(Violation::EndedEarly, index, end);
                        // As good as it gets for this one.
                    }
                    What::Ended { end, .. } => settled += usize::from(!self.turn_away(index, end, crowd)),
                    _ => {}
                }
            }
            if now - last_look > LOOK {
                last_look = now;
                for index in crowd.overdue(ATTEMPT_MAX, Session::is_ready) {
                    crowd.hang_up(index);
                    self.storm.turned_away.late += 1;
                    self.schedule(index);
                }
                peak = peak.max(meter.read()?.map_or(0, |usage| usage.resident_bytes));
            }
            if progress.is_due(now) {
                progress.say(now, settled, self.storm.cut);
            }
        }
        // Not each `ready` that came: one who was ready and then was lost is not there, or comes twice.
        let is_ready = |crowd: &Crowd, index| crowd.session(index).is_some_and(Session::is_ready);
        for index in 0..crowd.seats() {
            if self.first[index].is_none() {
                continue;
            }
            if is_ready(crowd, index) {
                self.storm.ready += 1;
            } else {
                let tries = self.tries[index];
                crowd.ledger().note(Violation::NotReadyAgain, index, format_args!("{tries} tries"));
            }
        }
        self.storm.seconds = (last_ready - self.began).as_secs_f64();
        self.storm.to_ready = Latency::of(&mut self.latencies);
        self.storm.cpu_micros_per_return = meter.micros_each(before, self.storm.to_ready.count as u64)?;
        self.storm.resident_peak_bytes = before.map(|_| peak);
        Ok(self.storm)
    }

    fn try_those_due(&mut self, now: Instant, crowd: &mut Crowd) -> Result<(), ModeError> {
        while let Some(&Reverse((at, index))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            self.tries[index] += 1;
            self.storm.tries += 1;
            match crowd.open(index) {
                Ok(()) => {}
                Err(CrowdError::Refused(_)) => {
                    self.storm.turned_away.broken += 1;
                    self.schedule(index);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn note_ready(&mut self, index: usize, at: Instant) {
        if let Some(first) = self.first[index] {
            self.latencies.push(micros_u32(at.saturating_duration_since(first)));
        }
    }

    /// Counts why a try came to nothing; `false` when a stock client would not try again.
    fn turn_away(&mut self, index: usize, end: End, crowd: &mut Crowd) -> bool {
        let count = &mut self.storm.turned_away;
        match Fate::of(&end) {
            Fate::Shed => count.shed += 1,
            Fate::Told => count.told += 1,
            Fate::Broken => count.broken += 1,
            Fate::Other => count.other += 1,
            Fate::Final => {
                crowd.ledger().note(Violation::NotReadyAgain, index, end);
                self.first[index] = None;
                return false;
            }
        }
        self.schedule(index);
        true
    }

    fn schedule(&mut self, index: usize) {
        // The first try was number 1; the wait behind it is the first of the back-off.
        let at = clock::now() + backoff(index, self.tries[index].saturating_sub(1));
        self.due.push(Reverse((at, index)));
    }
}

/// What a stock client makes of an end before `ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Shed,
    Told,
    Broken,
    Other,
    /// It does not come back by itself.
    Final,
}

impl Fate {
    fn of(end: &End) -> Self {
        let by_status = |status| if matches!(status, 429 | 503) { Self::Shed } else { Self::Other };
        match end {
            End::Handshake(HandshakeError::Status { code, .. }) => by_status(*code),
            End::Status { status, .. } => by_status(*status),
            End::Session(SessionEnd::Refused { code, .. }) => match code.as_str() {
                "rate_limited" | "unavailable" | "server_shutdown" => Self::Told,
                _ => Self::Final,
            },
            End::Session(_) | End::Token(_) | End::Message(_) => Self::Final,
            End::Socket(_) | End::Closed | End::ClosedWith(_) => Self::Broken,
            End::Handshake(_) | End::Frame(_) | End::Http(_) | End::ShortWrite(..) | End::TimedOut(_) => {
                Self::Other
            }
        }
    }
}

/// Between two looks at who is late and at the server's memory.
const LOOK: Duration = Duration::from_millis(250);
/// `timeout` of `socket.io-client`.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_back_unless_it_was_told_not_to() {
        let status = |code| {
            let (status, body) = (format!("HTTP/1.1 {code} X"), String::new());
            End::Handshake(HandshakeError::Status { code, status, body })
        };
        let refused =
            |code: &str| End::Session(SessionEnd::Refused { code: code.into(), message: String::new() });
        let check = |end: End, fate| assert_eq!(Fate::of(&end), fate, "{end}");
        check(status(503), Fate::Shed);
        check(status(429), Fate::Shed);
        check(status(502), Fate::Other);
        check(End::Status { status: 503, body: String::new() }, Fate::Shed);
        check(refused("rate_limited"), Fate::Told);
        check(refused("token_invalid"), Fate::Final);
        check(End::Session(SessionEnd::Disconnected), Fate::Final);
        check(End::Closed, Fate::Broken);
        check(End::ClosedWith(1006), Fate::Broken);
    }
}
