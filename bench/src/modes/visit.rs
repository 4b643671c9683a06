//! One visit: sessions connect, are looked at, stay for a while, and leave. Does not know: how often.

use std::time::Duration;

use super::meter::{Meter, micros};
use super::{LEAVE_MAX, LISTS_MAX, ModeError};
use crate::crowd::{Crowd, Ramp};
use crate::process::Usage;
use crate::report::{Hold, Server, Visit};
use crate::stats::percentile;

/// How a visit goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// From 1, for the report.
    pub(super) number: u32,
    pub(super) sessions: u32,
    pub(super) in_flight: u32,
    pub(super) settle: Duration,
    pub(super) hold: Duration,
}

/// Makes a visit. Memory is counted from `first`, before any session: what a visit leaves behind counts in the next.
pub(super) fn visit(
    crowd: &mut Crowd,
    plan: Plan,
    meter: Meter,
    first: Option<Usage>,
) -> Result<Visit, ModeError> {
    let (before, tally) = (meter.read()?, crowd.tally());
    let Ramp { took, latencies } = crowd.ramp(0..plan.sessions as usize, plan.in_flight)?;
    crowd.compare_lists(LISTS_MAX)?;
    let connected = meter.read()?;
    let updates = crowd.tally().updates - tally.updates;
    let update_bytes = crowd.tally().update_bytes - tally.update_bytes;
    crowd.hold(plan.settle, "settling")?;
    let idle = meter.read()?;
    let hold = hold(crowd, plan, meter, first)?;
    let not_let_go = crowd.leave_all(LEAVE_MAX)?;
    crowd.hold(plan.settle, "settling")?;
    let left = meter.read()?;

    let sessions = f64::from(plan.sessions);
    let server = match (first, before, connected, idle, left) {
        (Some(first), Some(before), Some(connected), Some(idle), Some(left)) => Some(Server {
            cpu_micros_per_connect: micros(connected.cpu.saturating_sub(before.cpu)) / sessions,
            resident_before_bytes: before.resident_bytes,
            resident_connected_bytes: idle.resident_bytes,
            resident_left_bytes: left.resident_bytes,
            resident_bytes_per_session: difference(first.resident_bytes, idle.resident_bytes) / sessions,
            anonymous_bytes_per_session: difference(first.anonymous_bytes, idle.anonymous_bytes) / sessions,
        }),
        _ => None,
    };
    let millis = |percent| percentile(&latencies, percent).map_or(0.0, |micros| f64::from(micros) / 1e3);
    Ok(Visit {
        number: plan.number,
        sessions: plan.sessions,
        connects_per_second: sessions / took.as_secs_f64(),
        ready_p50_ms: millis(50),
        ready_p90_ms: millis(90),
        ready_p99_ms: millis(99),
        bytes_per_update: (updates > 0).then(|| update_bytes as f64 / updates as f64),
        server,
        hold,
        not_let_go,
    })
}

/// Stays as long as planned; `None` if that is nothing.
fn hold(
    crowd: &mut Crowd,
    plan: Plan,
    meter: Meter,
    first: Option<Usage>,
) -> Result<Option<Hold>, ModeError> {
    if plan.hold.is_zero() {
        return Ok(None);
    }
    let (before, pings) = (meter.read()?, crowd.tally().pings);
    crowd.hold(plan.hold, "holding")?;
    let seconds = plan.hold.as_secs_f64();
    let cpu = meter.micros_each(before, u64::from(plan.sessions))?;
    let resident = first
        .zip(meter.read()?)
        .map(|(first, now)| difference(first.resident_bytes, now.resident_bytes) / f64::from(plan.sessions));
    Ok(Some(Hold {
        seconds,
        pings: crowd.tally().pings - pings,
        sessions_at_end: crowd.live(),
        cpu_micros_per_session_second: cpu.map(|micros| micros / seconds),
        resident_bytes_per_session: resident,
    }))
}

fn difference(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}
