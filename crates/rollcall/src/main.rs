//! The `rollcall` command: parse, configuration, logs, runtime, [`rollcall::run`], exit status.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Failure};

/// Its settings are compiled in, see `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // A reader that goes away early, as `head` does, is no failure.
    match Cli::parse().execute() {
        Ok(text) => say(&text, ExitCode::SUCCESS),
        Err(Failure::Found(text, status)) => say(&text, ExitCode::from(status)),
        Err(Failure::Configuration(error)) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str, status: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) | Err(_) => status,
    }
}

/// One line on standard error; when even that is closed, the exit status is all there is.
fn complain(error: &str) {
    let _ = writeln!(std::io::stderr(), "rollcall: {error}");
}
