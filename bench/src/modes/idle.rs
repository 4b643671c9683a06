//! The mode `idle`: rounds of connect, stay and leave. Does not know: what a round is made of.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::ModeError;
use super::meter::Meter;
use super::visit::{Plan, visit};
use crate::args::IdleArgs;
use crate::crowd::Crowd;
use crate::report::{Report, Visit, line};
use crate::stats::growth_percent;

/// All rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) rounds: Vec<Visit>,
    /// Resident bytes per session, last round against first; absent of one round. The whole process would hide in its
    /// own size what a session has come to cost more.
    pub(crate) growth_percent: Option<f64>,
}

/// Makes all rounds. What was connected is gone when it returns, whatever happened.
pub(crate) fn run(args: &IdleArgs) -> Result<Report<Idle>, ModeError> {
    let load = &args.load;
    let mut crowd = Crowd::new(load, load.sessions, load.per_user)?;
    let meter = Meter(load.server_pid);
    let first = meter.read()?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let hold = if number == 1 { args.hold } else { Duration::ZERO };
        let (sessions, in_flight) = (load.sessions, load.in_flight);
        let plan = Plan { number, sessions, in_flight, settle: args.settle_ms, hold };
        rounds.push(visit(&mut crowd, plan, meter, first)?);
    }
    let growth_percent = growth(&rounds);
    Ok(Report::new("idle", load, Idle { rounds, growth_percent }, crowd.ledger()))
}

fn growth(rounds: &[Visit]) -> Option<f64> {
    let [first, .., last] = rounds else { return None };
    let (first, last) = (first.server.as_ref()?, last.server.as_ref()?);
    growth_percent(first.resident_bytes_per_session, last.resident_bytes_per_session)
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for round in &self.rounds {
            write!(f, "{round}")?;
        }
        match self.growth_percent {
            Some(growth) => line(f, "growth of bytes a session", growth, "%"),
            None => Ok(()),
        }
    }
}
