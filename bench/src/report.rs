//! The figures of a run, for people and as JSON. Does not know: how they were measured.

use std::fmt;

use serde::Serialize;

use crate::ledger::Entry;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) sessions: u32,
    pub(crate) per_user: u32,
    pub(crate) in_flight: u32,
    pub(crate) rounds: Vec<Round>,
    /// Resident memory with all connected, last round against first; absent of one round.
    pub(crate) growth_percent: Option<f64>,
    pub(crate) violations: Vec<Entry>,
    pub(crate) violations_total: u64,
    /// The first few violations, each with what was seen.
    pub(crate) examples: Vec<String>,
}

/// One round of connect and leave.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) connects_per_second: f64,
    /// From connect to `sessions:ready`, as the client sees it.
    pub(crate) ready_p50_ms: f64,
    pub(crate) ready_p99_ms: f64,
    /// Absent when no process was named.
    pub(crate) server: Option<Server>,
    /// Of the first round.
    pub(crate) hold: Option<Hold>,
    /// Sessions that said goodbye and whose connection the server had not closed when the client gave up.
    pub(crate) not_let_go: usize,
}

/// What a round cost the server.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// User and kernel time from the first connect until every list was right, over the sessions.
    pub(crate) cpu_micros_per_connect: f64,
    pub(crate) resident_before_bytes: u64,
    pub(crate) resident_connected_bytes: u64,
    pub(crate) resident_left_bytes: u64,
    /// Against the server before the first round, as the next.
    pub(crate) resident_bytes_per_session: f64,
    pub(crate) anonymous_bytes_per_session: f64,
}

/// What idle sessions cost.
#[derive(Debug, Serialize)]
pub(crate) struct Hold {
    pub(crate) seconds: f64,
    /// Engine.IO pings that were answered.
    pub(crate) pings: u64,
    pub(crate) sessions_at_end: usize,
    /// Absent when no process was named.
    pub(crate) cpu_micros_per_session_second: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, per_user, in_flight, .. } = self;
        writeln!(f, "{sessions} sessions, {per_user} a user, {in_flight} handshakes in flight")?;
        for round in &self.rounds {
            write!(f, "{round}")?;
        }
        if let Some(growth) = self.growth_percent {
            writeln!(f, "growth over {} rounds        {growth:>10.1} %", self.rounds.len())?;
        }
        writeln!(f, "violations                  {:>10}", self.violations_total)?;
        for Entry { violation, count } in &self.violations {
            writeln!(f, "  {count:>6} × {violation}")?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "round {}", self.number)?;
        let mut line = |name: &str, value: f64, unit: &str| writeln!(f, "  {name:<24}{value:>12.1} {unit}");
        line("connects", self.connects_per_second, "/s")?;
        line("connect to ready, p50", self.ready_p50_ms, "ms")?;
        line("connect to ready, p99", self.ready_p99_ms, "ms")?;
        if let Some(server) = &self.server {
            line("server CPU", server.cpu_micros_per_connect, "µs a connect")?;
            line("resident", server.resident_bytes_per_session, "bytes a session")?;
            line("anonymous", server.anonymous_bytes_per_session, "bytes a session")?;
            line("resident, before", mebibytes(server.resident_before_bytes), "MiB")?;
            line("resident, connected", mebibytes(server.resident_connected_bytes), "MiB")?;
            line("resident, after leaving", mebibytes(server.resident_left_bytes), "MiB")?;
        }
        if let Some(hold) = &self.hold {
            if let Some(cpu) = hold.cpu_micros_per_session_second {
                writeln!(f, "  {:<24}{cpu:>12.3} µs a session and second", "idle CPU")?;
            }
            writeln!(f, "  {:<24}{:>12} in {:.0} s", "pings answered", hold.pings, hold.seconds)?;
        }
        match self.not_let_go {
            0 => Ok(()),
            held => writeln!(f, "  {held} connections were not closed by the server after the goodbye"),
        }
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
