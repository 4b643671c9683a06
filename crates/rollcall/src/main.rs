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
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) | Err(_) => ExitCode::SUCCESS,
        },
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

/// One line on standard error; when even that is closed, the exit status is all there is.
fn complain(error: &str) {
    let _ = writeln!(std::io::stderr(), "rollcall: {error}");
}
