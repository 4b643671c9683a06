//! `rollcall-bench`, the load client: connects many sessions to a gateway, checks what each is told, and measures what
//! they cost the server. It speaks Engine.IO v4 and Socket.IO v5 by itself over bare sockets, since a usual client
//! would cost more than the server that it measures.
//!
//! In reading order: `args` · `idle` (the rounds) · `crowd` (all connections on one thread) · `session` (one, without
//! its socket) · `message`, `frame`, `handshake` (the wire) · `cast` (who they are) · `ledger`, `stats`, `process`,
//! `report`.

mod args;
mod cast;
mod clock;
mod crowd;
mod frame;
mod handshake;
mod idle;
mod ledger;
mod message;
mod process;
mod report;
mod session;
mod stats;

use std::fs;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, IdleArgs, Mode};

fn main() -> ExitCode {
    let Cli { mode } = Cli::parse();
    let outcome = match mode {
        Mode::Idle(args) => idle(&args),
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("rollcall-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and shows; gives the number of violations.
fn idle(args: &IdleArgs) -> Result<u64, Box<dyn std::error::Error>> {
    let report = idle::run(args)?;
    print!("{report}");
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_vec_pretty(&report)?).map_err(|error| {
            format!("--json: given {}, allowed is a file to write: {error}", file.display())
        })?;
    }
    Ok(report.violations_total)
}
