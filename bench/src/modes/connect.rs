//! The mode `connect`: how much a connect costs at each number of sessions. Does not know: what a visit is made of.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::meter::Meter;
use super::visit::{Plan, visit};
use super::{LEAVE_MAX, ModeError};
use crate::args::{ConnectArgs, Load};
use crate::crowd::Crowd;
use crate::report::{Report, Visit};

/// A visit at each level.
#[derive(Debug, Serialize)]
pub(crate) struct Connect {
    pub(crate) warm_up: u32,
    pub(crate) levels: Vec<Visit>,
}

/// Warms up, then visits with each number of sessions.
pub(crate) fn run(args: &ConnectArgs) -> Result<Report<Connect>, ModeError> {
    let levels = if args.levels.is_empty() { vec![args.load.sessions] } else { args.levels.clone() };
    let most = levels.iter().copied().max().unwrap_or_default();
    let load = &Load { sessions: most, ..args.load.clone() };
    let mut crowd = Crowd::new(load, most.max(args.warm_up), load.per_user)?;
    let meter = Meter(load.server_pid);
    let first = meter.read()?;
    crowd.ramp(0..args.warm_up as usize, load.in_flight)?;
    crowd.leave_all(LEAVE_MAX)?;
    let mut visits = Vec::new();
    for (number, &sessions) in (1..).zip(&levels) {
        let (in_flight, settle, hold) = (load.in_flight, args.settle_ms, Duration::ZERO);
        visits.push(visit(&mut crowd, Plan { number, sessions, in_flight, settle, hold }, meter, first)?);
    }
    let figures = Connect { warm_up: args.warm_up, levels: visits };
    Ok(Report::new("connect", load, figures, crowd.ledger()))
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.levels.iter().try_for_each(|level| write!(f, "{level}"))
    }
}
