//! Single values of the command line: what is allowed, and what is said about anything else.

use std::net::SocketAddrV4;
use std::str::FromStr;
use std::time::Duration;

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

/// The path of a URL, without a query.
pub(super) fn path(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_graphic() && c != '?' && c != '#');
    match text.starts_with('/') && plain {
        true => Ok(text.to_owned()),
        false => Err("allowed is a path without a query, like /socket.io/".to_owned()),
    }
}

/// Whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    duration(text, 1_000)
        .ok_or_else(|| format!("allowed are whole seconds, at most {}", DURATION_MAX.as_secs()))
}

/// Whole milliseconds.
pub(super) fn millis(text: &str) -> Result<Duration, String> {
    duration(text, 1)
        .ok_or_else(|| format!("allowed are whole milliseconds, at most {}", DURATION_MAX.as_millis()))
}

fn duration(text: &str, unit_ms: u64) -> Option<Duration> {
    let duration = Duration::from_millis(text.parse::<u64>().ok()?.checked_mul(unit_ms)?);
    (duration <= DURATION_MAX).then_some(duration)
}

/// Nothing here runs for ever. A day shows the slowest leak that is worth a name.
const DURATION_MAX: Duration = Duration::from_secs(86_400);
