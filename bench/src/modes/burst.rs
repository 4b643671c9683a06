//! Many sockets of one user that join within a second: how many frames tell them so? Does not know: sockets.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::meter::Meter;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, STEP_MAX, TICK};
use crate::args::Load;
use crate::clock;
use crate::crowd::{Crowd, CrowdError, News, What};
use crate::ledger::Ledger;
use crate::report::line;

/// What was told to whom.
#[derive(Debug, Serialize)]
pub(crate) struct Burst {
    pub(crate) sockets: u32,
    /// From the first connect to the last `ready`.
    pub(crate) seconds: f64,
    /// Updates that all of them got together, until nothing more came.
    pub(crate) frames: u64,
    pub(crate) frames_per_socket: f64,
    pub(crate) bytes: u64,
    /// Absent when no process was named.
    pub(crate) cpu_micros_per_frame: Option<f64>,
}

/// Lets `sockets` sessions of a user that is not among the first `users` join, spread over a second.
pub(super) fn run(load: &Load, users: u32, sockets: u32, ledger: &mut Ledger) -> Result<Burst, ModeError> {
    let load = Load { first_user: load.first_user + users, ..load.clone() };
    let mut crowd = Crowd::new(&load, sockets, sockets)?;
    crowd.count_only(true);
    let meter = Meter(load.server_pid);
    let before = meter.read()?;
    let began = clock::now();
    let (mut opened, mut ready, mut last) = (0, 0, began);
    let mut seconds = 0.0;
    while ready < sockets || clock::now() - last < QUIET {
        let due = (clock::now() - began).mul_f64(f64::from(sockets)).as_secs_f64() as u32;
        while opened < sockets.min(due + 1) {
            crowd.open(opened as usize)?;
            opened += 1;
        }
        let seen = crowd.tally().updates;
        for News { index, at, what } in crowd.watch(TICK)? {
            match what {
                What::Ready(_) => {
                    (ready, last) = (ready + 1, at);
                    seconds = (at - began).as_secs_f64();
                }
                What::Ended { end, settled: false, .. } => {
                    return Err(CrowdError::Session { index, end }.into());
                }
                _ => {}
            }
        }
        if crowd.tally().updates > seen {
            last = clock::now();
        }
        if clock::now() - began > STEP_MAX + STEP_MAX {
            return Err(ModeError::Stuck("not all sockets of one user had joined, or updates went on"));
        }
    }
    let tally = crowd.tally();
    let cpu_micros_per_frame = meter.micros_each(before, tally.updates)?;
    // Nothing was read up to here: one more change shows whether all of them are told the right list.
    crowd.count_only(false);
    crowd.leave(0);
    crowd.compare_lists(LISTS_MAX)?;
    crowd.leave_all(LEAVE_MAX)?;
    ledger.add(crowd.ledger());
    Ok(Burst {
        sockets,
        seconds,
        frames: tally.updates,
        frames_per_socket: tally.updates as f64 / f64::from(sockets),
        bytes: tally.update_bytes,
        cpu_micros_per_frame,
    })
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} sockets of one user joined in {:.2} s", self.sockets, self.seconds)?;
        line(f, "frames sent", self.frames as f64, "")?;
        line(f, "that is", self.frames_per_socket, "a socket")?;
        match self.cpu_micros_per_frame {
            Some(cpu) => line(f, "server CPU", cpu, "µs a frame"),
            None => Ok(()),
        }
    }
}

/// When nothing has been told for so long, all has been.
const QUIET: Duration = Duration::from_millis(500);
