//! The figures of a run, for people and as JSON. Does not know: how they were measured.

use std::fmt;

use serde::Serialize;

use crate::args::{Load, Transport};
use crate::ledger::{Entry, Ledger};

/// A whole run of one mode, with what that mode measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report<F> {
    pub(crate) mode: &'static str,
    pub(crate) transport: Transport,
    pub(crate) sessions: u32,
    pub(crate) per_user: u32,
    pub(crate) in_flight: u32,
    #[serde(flatten)]
    pub(crate) figures: F,
    pub(crate) violations: Vec<Entry>,
    pub(crate) violations_total: u64,
    /// The first few violations, each with what was seen.
    pub(crate) examples: Vec<String>,
}

impl<F> Report<F> {
    /// What `mode` measured under `load`, and what was found wrong meanwhile.
    pub(crate) fn new(mode: &'static str, load: &Load, figures: F, ledger: &Ledger) -> Self {
        Self {
            mode,
            transport: load.transport,
            sessions: load.sessions,
            per_user: load.per_user,
            in_flight: load.in_flight,
            figures,
            violations: ledger.entries(),
            violations_total: ledger.total(),
            examples: ledger.examples().to_vec(),
        }
    }
}

/// One ramp of sessions, and their leaving.
#[derive(Debug, Serialize)]
pub(crate) struct Visit {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) sessions: u32,
    pub(crate) connects_per_second: f64,
    /// From connect to `sessions:ready`, as the client sees it.
    pub(crate) ready_p50_ms: f64,
    pub(crate) ready_p90_ms: f64,
    pub(crate) ready_p99_ms: f64,
    /// The mean of the `sessions:update` packets of the ramp; absent when there were none.
    pub(crate) bytes_per_update: Option<f64>,
    /// Absent when no process was named.
    pub(crate) server: Option<Server>,
    /// Absent when nobody stayed.
    pub(crate) hold: Option<Hold>,
    /// Sessions that said goodbye and whose connection the server had not closed when the client gave up.
    pub(crate) not_let_go: usize,
}

/// What a visit cost the server.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// User and kernel time from the first connect until every list was right, over the sessions.
    pub(crate) cpu_micros_per_connect: f64,
    pub(crate) resident_before_bytes: u64,
    pub(crate) resident_connected_bytes: u64,
    pub(crate) resident_left_bytes: u64,
    /// Against the server before the first visit, as the next.
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
    /// Absent when no process was named, as the next.
    pub(crate) cpu_micros_per_session_second: Option<f64>,
    /// At the end, when the garbage of the ramp is gone; against the server before the first visit.
    pub(crate) resident_bytes_per_session: Option<f64>,
}

/// One line of a report.
pub(crate) fn line(f: &mut fmt::Formatter<'_>, name: &str, value: f64, unit: &str) -> fmt::Result {
    writeln!(f, "  {name:<30}{value:>12.1} {unit}")
}

impl<F: fmt::Display> fmt::Display for Report<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, transport, sessions, per_user, in_flight, .. } = self;
        let transport = match transport {
            Transport::Websocket => "WebSocket",
            Transport::Polling => "polling",
        };
        writeln!(
            f,
            "{mode}: {sessions} sessions, {per_user} a user, {in_flight} handshakes in flight, {transport}"
        )?;
        write!(f, "{}", self.figures)?;
        writeln!(f, "violations: {}", self.violations_total)?;
        for Entry { violation, count } in &self.violations {
            writeln!(f, "  {count:>6} × {violation}")?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "round {}: {} sessions", self.number, self.sessions)?;
        line(f, "connects", self.connects_per_second, "/s")?;
        line(f, "connect to ready, p50", self.ready_p50_ms, "ms")?;
        line(f, "connect to ready, p99", self.ready_p99_ms, "ms")?;
        if let Some(server) = &self.server {
            line(f, "server CPU", server.cpu_micros_per_connect, "µs a connect")?;
            line(f, "resident", server.resident_bytes_per_session, "bytes a session")?;
            line(f, "anonymous", server.anonymous_bytes_per_session, "bytes a session")?;
            line(f, "resident, before", mebibytes(server.resident_before_bytes), "MiB")?;
            line(f, "resident, connected", mebibytes(server.resident_connected_bytes), "MiB")?;
            line(f, "resident, after leaving", mebibytes(server.resident_left_bytes), "MiB")?;
        }
        if let Some(hold) = &self.hold {
            if let Some(cpu) = hold.cpu_micros_per_session_second {
                writeln!(f, "  {:<30}{cpu:>12.3} µs a session and second", "idle CPU")?;
            }
            if let Some(resident) = hold.resident_bytes_per_session {
                line(f, "resident, at the end", resident, "bytes a session")?;
            }
            writeln!(f, "  {:<30}{:>12} in {:.0} s", "pings answered", hold.pings, hold.seconds)?;
        }
        match self.not_let_go {
            0 => Ok(()),
            held => writeln!(f, "  {held} connections were not closed by the server after the goodbye"),
        }
    }
}

/// Bytes as people read them.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
