//! `rollcall doctor`: looks at everything that a server of this configuration needs, and says what to do about it. It
//! changes nothing, and works beside a server that runs or without one. Does not know: how a finding is shown.

mod machine;
mod folder;
mod database;
mod redis;
mod clocks;
mod issuers;
mod tls;
mod network;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::outgoing::Outgoing;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it has to be.
    Ok,
    /// It works, and is probably not meant like this.
    Warning,
    /// A server would not start, or not serve everybody.
    Failed,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for the thing.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen, in a sentence or less.
    pub found: String,
    /// What to do; there unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// It is as it has to be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }

    /// It works, and is probably not meant like this.
    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    /// A server would not start, or not serve everybody.
    pub fn failed(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Failed, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything, in the order in which a start needs it. Takes some seconds at most for each thing that does not
/// answer.
pub async fn examine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let outgoing = Outgoing::new();
    let ((database, database_time), (redis, redis_time), (issuers, issuer_times), listeners) = tokio::join!(
        database::examine(config, clock),
        redis::examine(config, clock),
        issuers::examine(config, clock),
        network::listeners(config, &outgoing),
    );
    let mut findings: Vec<Finding> = config
        .warnings()
        .into_iter()
        .map(|warning| Finding::warning("configuration", warning, "see rollcall.example.toml at this key"))
        .collect();
    findings.extend(folder::examine(config));
    findings.extend(database);
    findings.extend(redis);
    findings.extend(issuers);
    let others: Vec<clocks::Other> =
        database_time.into_iter().chain(redis_time).chain(issuer_times).collect();
    findings.push(clocks::compare(config, clock, &others));
    findings.extend(machine::examine());
    findings.extend(listeners);
    findings.extend(tls::examine(config, clock));
    findings.extend(network::proxies(config));
    findings
}
