//! The mode `churn`: some sessions leave and come again all the time, the others hear of it. Does not know: sockets.

use std::fmt;

use serde::Serialize;

use super::meter::Meter;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, STEP_MAX, TICK};
use crate::args::ChurnArgs;
use crate::clock;
use crate::crowd::{Crowd, News, Progress, What};
use crate::report::{Report, line, mebibytes};
use crate::stats::{Latency, micros_u32};

/// What the coming and going was like.
#[derive(Debug, Serialize)]
pub(crate) struct Churn {
    pub(crate) seconds: f64,
    /// Asked for.
    pub(crate) rate: u32,
    /// Had: sessions that left and were there again, a second.
    pub(crate) returns_per_second: f64,
    pub(crate) returns: u64,
    pub(crate) ready: Latency,
    /// Of a leave and a return together; absent when no process was named, as the next two.
    pub(crate) cpu_micros_per_return: Option<f64>,
    pub(crate) resident_before_bytes: Option<u64>,
    pub(crate) resident_after_bytes: Option<u64>,
}

/// Connects all, lets some leave and return for a while, and compares the lists at the end.
pub(crate) fn run(args: &ChurnArgs) -> Result<Report<Churn>, ModeError> {
    let load = &args.load;
    let mut crowd = Crowd::new(load, load.sessions, load.per_user)?;
    let meter = Meter(load.server_pid);
    crowd.ramp(0..crowd.seats(), load.in_flight)?;
    crowd.compare_lists(LISTS_MAX)?;
    let before = meter.read()?;

    let began = clock::now();
    let mut progress = Progress::new(began, "coming and going");
    let mut order = Order::new(crowd.seats());
    let (mut left, mut away, mut returns) = (0, 0, 0u64);
    let mut latencies = Vec::new();
    loop {
        let now = clock::now();
        let passed = now - began;
        let over = passed >= args.seconds;
        if over && (away == 0 || passed >= args.seconds + STEP_MAX) {
            break;
        }
        let due = (passed.as_secs_f64() * f64::from(args.rate)) as u64;
        while !over && left < due && away < load.in_flight {
            let index = order.next();
            if crowd.session(index).is_some_and(|session| session.is_settled()) {
                crowd.leave(index);
                (left, away) = (left + 1, away + 1);
            } else {
                break;
            }
        }
        for News { index, what, .. } in crowd.watch(TICK)? {
            match what {
                What::Ended { left: true, .. } => crowd.open(index)?,
                What::Ready(took) => latencies.push(micros_u32(took)),
                What::Settled => (returns, away) = (returns + 1, away - 1),
                _ => {}
            }
        }
        if progress.is_due(now) {
            progress.say(now, returns as usize, left as usize);
        }
    }
    let took = clock::now() - began;
    crowd.compare_lists(LISTS_MAX)?;
    let cpu = meter.micros_each(before, returns)?;
    let after = meter.read()?;
    crowd.leave_all(LEAVE_MAX)?;
    let figures = Churn {
        seconds: took.as_secs_f64(),
        rate: args.rate,
        returns_per_second: returns as f64 / took.as_secs_f64(),
        returns,
        ready: Latency::of(&mut latencies),
        cpu_micros_per_return: cpu,
        resident_before_bytes: before.map(|usage| usage.resident_bytes),
        resident_after_bytes: after.map(|usage| usage.resident_bytes),
    };
    Ok(Report::new("churn", load, figures, crowd.ledger()))
}

/// Goes round all seats in steps, so that the ones that leave together are not of one user.
struct Order {
    seats: usize,
    step: usize,
    at: usize,
}

impl Order {
    fn new(seats: usize) -> Self {
        let step = (seats * 5 / 8..).find(|step| greatest_common_divisor(*step, seats) == 1).unwrap_or(1);
        Self { seats, step, at: 0 }
    }

    fn next(&mut self) -> usize {
        self.at = (self.at + self.step) % self.seats;
        self.at
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl fmt::Display for Churn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "left and returned", self.returns_per_second, "/s")?;
        writeln!(f, "  connect to ready: {}", self.ready)?;
        if let Some(cpu) = self.cpu_micros_per_return {
            line(f, "server CPU", cpu, "µs a leave and return")?;
        }
        if let (Some(before), Some(after)) = (self.resident_before_bytes, self.resident_after_bytes) {
            line(f, "resident, before", mebibytes(before), "MiB")?;
            line(f, "resident, after", mebibytes(after), "MiB")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn everybody_has_a_turn_before_anybody_has_a_second_one() {
        for seats in [1, 2, 3, 10, 1_000, 8_000] {
            let mut order = Order::new(seats);
            let turns: HashSet<usize> = (0..seats).map(|_| order.next()).collect();
            assert_eq!(turns.len(), seats);
        }
    }
}
