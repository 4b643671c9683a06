//! The mode `idle`: rounds of connect, stay and leave, with a look at the server's process between the steps.
//! Does not know: sockets, and how figures are shown.

use std::time::Duration;

use thiserror::Error;

use crate::args::IdleArgs;
use crate::cast::Cast;
use crate::clock;
use crate::crowd::{Crowd, CrowdError, Ramp, Shared, Sources};
use crate::ledger::Ledger;
use crate::process::{ProcessError, Usage};
use crate::report::{Hold, Report, Round, Server};
use crate::stats::{growth_percent, percentile};

/// Why nothing was measured.
#[derive(Debug, Error)]
pub(crate) enum IdleError {
    /// The connections.
    #[error(transparent)]
    Crowd(#[from] CrowdError),
    /// The server's process.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Makes all rounds. What was connected is gone when it returns, whatever happened.
pub(crate) fn run(args: &IdleArgs) -> Result<Report, IdleError> {
    let mut sources = Sources::new(std::process::id());
    let mut ledger = Ledger::default();
    let first = usage(args)?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let (round, noted) = make_round(args, number, first, &mut sources, ledger)?;
        ledger = noted;
        rounds.push(round);
    }
    Ok(Report {
        sessions: args.sessions,
        per_user: args.per_user,
        in_flight: args.in_flight,
        growth_percent: growth(&rounds),
        rounds,
        violations: ledger.entries(),
        violations_total: ledger.total(),
        examples: ledger.examples().to_vec(),
    })
}

/// One round. Memory is counted from `first`, before any session: what a round leaves behind counts in the next.
fn make_round(
    args: &IdleArgs,
    number: u32,
    first: Option<Usage>,
    sources: &mut Sources,
    ledger: Ledger,
) -> Result<(Round, Ledger), IdleError> {
    let mut crowd = Crowd::new(args.sessions, args.per_user, shared(args, ledger))?;
    let before = usage(args)?;
    let ramp = crowd.ramp(args.in_flight, sources)?;
    crowd.compare_lists(LISTS_MAX)?;
    let connected = usage(args)?;
    crowd.hold(args.settle_ms, "settling")?;
    let idle = usage(args)?;
    let hold = if number == 1 { hold(args, &mut crowd)? } else { None };
    let not_let_go = crowd.leave(LEAVE_MAX)?;
    crowd.hold(args.settle_ms, "settling")?;
    let left = usage(args)?;

    let sessions = f64::from(args.sessions);
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
    let Ramp { took, latencies } = ramp;
    let millis = |percent| percentile(&latencies, percent).map_or(0.0, |micros| f64::from(micros) / 1e3);
    let round = Round {
        number,
        connects_per_second: sessions / took.as_secs_f64(),
        ready_p50_ms: millis(50),
        ready_p99_ms: millis(99),
        server,
        hold,
        not_let_go,
    };
    Ok((round, crowd.into_shared().ledger))
}

/// Stays for `--hold`; `None` if that is nothing.
fn hold(args: &IdleArgs, crowd: &mut Crowd) -> Result<Option<Hold>, IdleError> {
    if args.hold.is_zero() {
        return Ok(None);
    }
    let (before, pings) = (usage(args)?, crowd.pings());
    crowd.hold(args.hold, "holding")?;
    let cpu_micros_per_session_second = match (before, usage(args)?) {
        (Some(before), Some(after)) => {
            let cpu = micros(after.cpu.saturating_sub(before.cpu));
            Some(cpu / f64::from(args.sessions) / args.hold.as_secs_f64())
        }
        _ => None,
    };
    Ok(Some(Hold {
        seconds: args.hold.as_secs_f64(),
        pings: crowd.pings() - pings,
        sessions_at_end: crowd.live(),
        cpu_micros_per_session_second,
    }))
}

fn shared(args: &IdleArgs, ledger: Ledger) -> Shared {
    Shared {
        target: args.url.0,
        path: args.path.clone(),
        cast: Cast::new(clock::unix_seconds(), &args.secret, args.first_user, args.per_user),
        ledger,
        pings: 0,
        read: vec![0; READ_BUFFER],
        out: Vec::new(),
    }
}

/// Resident memory of the last round with all connected against that of the first, in percent.
fn growth(rounds: &[Round]) -> Option<f64> {
    let [first, .., last] = rounds else { return None };
    let (first, last) = (first.server.as_ref()?, last.server.as_ref()?);
    Some(growth_percent(first.resident_connected_bytes, last.resident_connected_bytes))
}

fn usage(args: &IdleArgs) -> Result<Option<Usage>, ProcessError> {
    args.server_pid.map(Usage::of).transpose()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn difference(before: u64, after: u64) -> f64 {
    after as f64 - before as f64
}

/// Lists must be right long before; a gateway under load is given this.
const LISTS_MAX: Duration = Duration::from_secs(5);
/// A server that has not closed by then holds on to its sockets.
const LEAVE_MAX: Duration = Duration::from_secs(20);
/// Sixteen times what an accepted session is told at once.
const READ_BUFFER: usize = 64 << 10;
