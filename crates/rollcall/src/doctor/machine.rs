//! What the system allows this process: descriptors, and connections that wait.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::server::BACKLOG as LISTENERS_BACKLOG;

pub(super) fn examine() -> Vec<Finding> {
    let waiting =
        fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
    [Some(descriptors(getrlimit(Resource::Nofile).maximum)), waiting.map(backlog)]
        .into_iter()
        .flatten()
        .collect()
}

/// `most` is what the server raises its limit to at start; `None` is without a bound.
fn descriptors(most: Option<u64>) -> Finding {
    match most {
        None => Finding::ok(DESCRIPTORS, "no limit"),
        Some(most @ DESCRIPTORS_WANTED..) => {
            Finding::ok(DESCRIPTORS, format!("{most}, one for each connection"))
        }
        Some(most) => {
            let found = format!("{most} at most, and each connection takes one");
            let advice = format!(
                "raise the limit: LimitNOFILE={DESCRIPTORS_ADVISED} in the systemd unit, `ulimit -Hn` in a shell, \
                 `ulimits` of a container"
            );
            match most {
                0..DESCRIPTORS_NEEDED => Finding::failed(DESCRIPTORS, found, advice),
                _ => Finding::warning(DESCRIPTORS, found, advice),
            }
        }
    }
}

fn backlog(waiting: u64) -> Finding {
    let found = format!("{waiting} connections may wait to be accepted (net.core.somaxconn)");
    match waiting {
        0..BACKLOG_WANTED => {
            let advice = format!(
                "`sysctl -w net.core.somaxconn={BACKLOG_WANTED}`: after a restart all clients return at once"
            );
            Finding::warning(BACKLOG, found, advice)
        }
        _ => Finding::ok(BACKLOG, found),
    }
}

const DESCRIPTORS: &str = "descriptors";
const BACKLOG: &str = "backlog";
/// The database, Redis and log take some.
const DESCRIPTORS_NEEDED: u64 = 256;
/// What fits into half a gigabyte.
const DESCRIPTORS_WANTED: u64 = 65_536;
const DESCRIPTORS_ADVISED: u64 = 1_048_576;
/// As many as the listener asks for.
const BACKLOG_WANTED: u64 = LISTENERS_BACKLOG as u64;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn few_descriptors_are_doubtful_and_hardly_any_are_none() {
        let check = |most, state| assert_eq!(descriptors(most).state, state, "{most:?}");
        check(Some(64), State::Failed);
        check(Some(1024), State::Warning);
        check(Some(65_536), State::Ok);
        check(None, State::Ok);
        assert!(descriptors(Some(1024)).advice.unwrap().contains("LimitNOFILE="));
    }

    #[test]
    fn a_short_queue_of_connections_is_doubtful() {
        assert_eq!((backlog(128).state, backlog(4096).state), (State::Warning, State::Ok));
    }
}
