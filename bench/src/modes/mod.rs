//! What is measured: a file a mode. Each makes a crowd, lets it do something, looks at the server's process before and
//! after, and gives a report. Does not know: sockets.

mod bare;
mod burst;
mod check;
mod churn;
mod connect;
mod fanout;
mod idle;
mod meter;
mod relay;
mod returning;
mod storm;
mod visit;

pub(crate) use self::{
    bare::run as bare, check::run as check, churn::run as churn, connect::run as connect,
    fanout::run as fanout, idle::run as idle, relay::run as relay, storm::run as storm,
};

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::crowd::CrowdError;
use crate::process::ProcessError;

/// Why nothing was measured.
#[derive(Debug, Error)]
pub(crate) enum ModeError {
    /// The connections.
    #[error(transparent)]
    Crowd(#[from] CrowdError),
    /// The server's process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Two numbers that do not go together.
    #[error("{0}")]
    Arguments(&'static str),
    /// The bare writer, or the word to go on.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A change that was not told.
    #[error("{0} within 15 s")]
    Stuck(&'static str),
}

/// Lists must be right long before; a server under load is given this.
const LISTS_MAX: Duration = Duration::from_secs(5);
/// A server that has not closed by then holds on to its sockets.
const LEAVE_MAX: Duration = Duration::from_secs(20);
/// Longest wait for one change to be told.
const STEP_MAX: Duration = Duration::from_secs(15);
/// Longest wait for readiness, so that schedules are kept.
const TICK: Duration = Duration::from_millis(1);
