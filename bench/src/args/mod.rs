//! The command line. Does not know: what the modes do with it.

mod values;
#[cfg(test)]
mod tests;

pub(crate) use self::values::Target;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use self::values::{millis, path, seconds};

/// Connects many sessions to a Rollcall gateway, or to a server that speaks the same, and measures what they cost it.
///
/// Exit code 0: measured, and every session was told what it must be told. 1: violations were found. 2: the run could
/// not be made.
#[derive(Debug, Parser)]
#[command(name = "rollcall-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// A few sessions whose lists are read field by field: is what the server says right?
    Check(CheckArgs),
    /// Sessions that connect and leave: CPU per connect, connects a second, memory per session.
    Connect(ConnectArgs),
    /// Sessions that connect, stay and answer pings: CPU per connect, memory per session, CPU while idle.
    Idle(IdleArgs),
    /// Sessions that leave and come again at a rate, among others that stay.
    Churn(ChurnArgs),
    /// All sessions are cut and return at once, with the back-off of stock clients.
    Storm(StormArgs),
    /// One change told to many sockets of a user: CPU per delivered frame, against a bare write of the same bytes.
    Fanout(FanoutArgs),
    /// From what one session does to another session of the user hearing it.
    Relay(RelayArgs),
    /// The server that `fanout` compares with: canned frames, written and nothing else. It is started by that mode.
    #[command(hide = true)]
    Bare(BareArgs),
}

/// How many sessions, to what.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// The server, an address of 127.0.0.0/8 with a port; `http://` before it is allowed.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) url: Target,
    /// The path of Socket.IO on it.
    #[arg(long, default_value = "/socket.io/", value_parser = path)]
    pub(crate) path: String,
    /// What the sessions are carried by.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) transport: Transport,
    /// Sessions held at once.
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) sessions: u32,
    /// Sessions of each user.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) per_user: u32,
    /// The number of the first user, so that several clients can share a server.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_user: u32,
    /// Sessions between their connect and their first update at one time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// The HS256 secret that tokens are signed with, the one of the server.
    #[arg(long, env = "ROLLCALL_IDENTITY__SECRET", hide_env_values = true)]
    pub(crate) secret: String,
    /// The server's process on this machine; without it nothing is said about CPU and memory.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// The server says the same to everybody, so ids and lists are not looked at.
    #[arg(long)]
    pub(crate) canned: bool,
    /// Also write the figures to this file, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// What Engine.IO runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// A WebSocket from the first byte on.
    #[default]
    Websocket,
    /// HTTP long-polling over a connection that is kept alive.
    Polling,
}

/// Of the mode `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) load: Load,
}

/// Of the mode `connect`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Measure at each of these numbers of sessions, one after the other, instead of at `--sessions`.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) levels: Vec<u32>,
    /// Sessions that come and go before anything is measured, so that a server that compiles while it runs has done so.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) warm_up: u32,
    /// Milliseconds to wait before memory is read, so that an allocator has given back what it does not need.
    #[arg(long, default_value = "1500", value_parser = millis)]
    pub(crate) settle_ms: Duration,
}

/// Of the mode `idle`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Seconds to stay connected in the first round; another number than a multiple of the server's ping interval counts
    /// a ping too many or too few for the time.
    #[arg(long, default_value = "50", value_parser = seconds)]
    pub(crate) hold: Duration,
    /// Rounds of connect and leave.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Milliseconds to wait before memory is read, so that an allocator has given back what it does not need.
    #[arg(long, default_value = "1500", value_parser = millis)]
    pub(crate) settle_ms: Duration,
}

/// Of the mode `churn`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChurnArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Sessions that leave in a second; each comes again as soon as the server has let it go.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// For how many seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
}

/// Of the mode `storm`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Who ends the sessions. `server`: the client prints `standing`, and once a line with `go` or `go PID` comes on
    /// standard input, whoever was cut by then returns; PID is the new process of a server that was restarted.
    /// `client`: it hangs up on all of them.
    #[arg(long, value_enum, default_value_t = Cut::Server)]
    pub(crate) cut: Cut,
    /// Milliseconds over which the first tries are spread.
    #[arg(long, default_value = "1000", value_parser = millis)]
    pub(crate) within_ms: Duration,
    /// Seconds until those that are not ready are given up.
    #[arg(long, default_value = "120", value_parser = seconds)]
    pub(crate) patience: Duration,
}

/// Who ends the sessions of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    /// The server, on its own or because it is restarted.
    Server,
    /// The load client.
    Client,
}

/// Of the mode `fanout`.
#[derive(Clone, Debug, Args)]
pub(crate) struct FanoutArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// For how many seconds one more session of each user comes and goes.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Sockets of one further user that join within a second; 0 leaves it out. The server must allow a user as many.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) burst: u32,
    /// Leaves out the bare write.
    #[arg(long)]
    pub(crate) no_bare: bool,
}

/// Of the mode `relay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RelayArgs {
    #[command(flatten)]
    pub(crate) load: Load,
    /// What is done in a second: joins in the first half of the time, `sessions:send` in the second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// For how many seconds each half lasts.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Another node of the same cluster, at which the sessions that come and go do so; over WebSocket only.
    #[arg(long)]
    pub(crate) other_url: Option<Target>,
}

/// Of the mode `bare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BareArgs {
    /// Connections that are waited for.
    #[arg(long)]
    pub(crate) sockets: usize,
    /// Connections that are written to one after the other.
    #[arg(long)]
    pub(crate) at_once: usize,
    /// Bytes of each update.
    #[arg(long)]
    pub(crate) bytes: usize,
    /// Microseconds from one burst of writes to the next.
    #[arg(long)]
    pub(crate) pause_us: u64,
}
