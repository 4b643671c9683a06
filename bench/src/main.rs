//! `rollcall-bench`, the load client: connects many sessions to a server, checks what each is told, and measures what
//! they cost. It speaks Engine.IO v4 and Socket.IO v5 by itself over bare sockets, since a usual client would cost more
//! than the server that it measures.
//!
//! In reading order: `args` · `modes` (what is measured) · `crowd` (all connections on one thread) · `session` (one,
//! without its socket) · `message`, `frame`, `handshake`, `http` (the wire) · `cast` (who they are) · `ledger`,
//! `stats`, `process`, `report`.

mod args;
mod cast;
mod clock;
mod crowd;
mod frame;
mod handshake;
mod http;
mod ledger;
mod message;
mod modes;
mod process;
mod report;
mod session;
mod stats;

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::args::{Cli, Load, Mode};
use crate::report::Report;

fn main() -> ExitCode {
    match run(Cli::parse().mode) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("rollcall-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and shows; gives the number of violations.
fn run(mode: Mode) -> Result<u64, Box<dyn Error>> {
    match mode {
        Mode::Check(args) => show(&args.load, &modes::check(&args)?),
        Mode::Connect(args) => show(&args.load, &modes::connect(&args)?),
        Mode::Idle(args) => show(&args.load, &modes::idle(&args)?),
        Mode::Churn(args) => show(&args.load, &modes::churn(&args)?),
        Mode::Storm(args) => show(&args.load, &modes::storm(&args)?),
        Mode::Fanout(args) => show(&args.load, &modes::fanout(&args)?),
        Mode::Relay(args) => show(&args.load, &modes::relay(&args)?),
        Mode::Bare(args) => {
            modes::bare(&args)?;
            Ok(0)
        }
    }
}

fn show<F: Display + Serialize>(load: &Load, report: &Report<F>) -> Result<u64, Box<dyn Error>> {
    print!("{report}");
    if let Some(file) = &load.json {
        fs::write(file, serde_json::to_vec_pretty(report)?).map_err(|error| {
            format!("--json: given {}, allowed is a file to write: {error}", file.display())
        })?;
    }
    Ok(report.violations_total)
}
