//! The command line. Does not know: what the modes do with it.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Connects many sessions to a Rollcall gateway and measures what they cost it.
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
    /// Sessions that connect, stay and answer pings: CPU per connect, memory per session, CPU while idle.
    Idle(IdleArgs),
}

/// How many sessions, to what, for how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleArgs {
    /// The gateway, an address of 127.0.0.0/8 with a port; `http://` before it is allowed.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub(crate) url: Target,
    /// The path of Socket.IO on it.
    #[arg(long, default_value = "/socket.io/", value_parser = path)]
    pub(crate) path: String,
    /// Sessions held at once.
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) sessions: u32,
    /// Sessions of each user.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) per_user: u32,
    /// The number of the first user, so that several clients can share a gateway.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_user: u32,
    /// Sessions between their connect and their first update at one time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
    /// The HS256 secret that tokens are signed with, the one of the gateway.
    #[arg(long, env = "ROLLCALL_IDENTITY__SECRET", hide_env_values = true)]
    pub(crate) secret: String,
    /// The gateway's process on this machine; without it nothing is said about CPU and memory.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// Seconds to stay connected in the first round; less than the gateway's ping interval shows nothing.
    #[arg(long, default_value = "30", value_parser = seconds)]
    pub(crate) hold: Duration,
    /// Rounds of connect and leave.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Milliseconds to wait before memory is read, so that an allocator has given back what it does not need.
    #[arg(long, default_value = "1500", value_parser = millis)]
    pub(crate) settle_ms: Duration,
    /// Also write the figures to this file, as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// An address that load may go to: one of the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target(pub(crate) SocketAddrV4);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.strip_prefix("http://").unwrap_or(text);
        match address.strip_suffix('/').unwrap_or(address).parse::<SocketAddrV4>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self(address)),
            _ => Err("allowed is an address of 127.0.0.0/8 with a port, like 127.0.0.1:3000: load stays on its own \
                      machine"
                .to_owned()),
        }
    }
}

fn path(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_graphic() && c != '?' && c != '#');
    match text.starts_with('/') && plain {
        true => Ok(text.to_owned()),
        false => Err("allowed is a path without a query, like /socket.io/".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    duration(text, 1_000).ok_or_else(|| format!("allowed are whole seconds, at most {}", HOLD_MAX.as_secs()))
}

fn millis(text: &str) -> Result<Duration, String> {
    duration(text, 1)
        .ok_or_else(|| format!("allowed are whole milliseconds, at most {}", HOLD_MAX.as_millis()))
}

fn duration(text: &str, unit_ms: u64) -> Option<Duration> {
    let duration = Duration::from_millis(text.parse::<u64>().ok()?.checked_mul(unit_ms)?);
    (duration <= HOLD_MAX).then_some(duration)
}

/// Nothing here runs for ever. A day shows the slowest leak that is worth a name.
const HOLD_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_goes_to_the_own_machine_only() {
        let check = |text: &str, allowed| assert_eq!(text.parse::<Target>().is_ok(), allowed, "{text}");
        check("127.0.0.1:3000", true);
        check("http://127.8.9.10:80/", true);
        check("10.0.0.1:3000", false);
        check("localhost:3000", false);
        check("127.0.0.1", false);
        check("https://127.0.0.1:443", false);
    }

    #[test]
    fn a_bad_value_is_refused_with_what_is_allowed() {
        let check = |flag: &str, value: &str, part: &str| {
            let given = ["rollcall-bench", "idle", "--secret", "s", flag, value];
            let error = Cli::try_parse_from(given).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(value) && error.contains(part), "{error}");
        };
        check("--sessions", "0", "1..=4000000");
        check("--path", "socket.io", "/socket.io/");
        check("--path", "/x?y", "without a query");
        check("--hold", "90000", "at most 86400");
        check("--url", "example.org:80", "127.0.0.0/8");
    }
}
