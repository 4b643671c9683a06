//! `rollcall serve`: logs, threads, the port, signals; then the server until it is asked to stop.

use rollcall::config::Config;
use rollcall::shutdown::{Shutdown, Signals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

use super::Failure;

pub(super) fn execute(config: Config) -> Result<String, Failure> {
    super::start_logs(&config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(note) = super::config::missing_page(&config) {
        tracing::info!("{note}");
    }
    raise_descriptors();
    let mut builder = match config.runtime.workers() {
        // One thread needs none of what several need to hand work to each other.
        1 => Builder::new_current_thread(),
        several => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(several);
            builder
        }
    };
    let runtime = builder.enable_all().build().map_err(Failure::because)?;
    let ended = runtime.block_on(serve(config));
    // What still runs beside, a hash that nobody waits for any more, must not hold up the end.
    runtime.shutdown_background();
    ended.map(|()| String::new())
}

/// The soft limit is low for the sake of programs that use `select`; this one takes what the hard limit allows.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return; // a call that a hardened unit may forbid
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of descriptors stays where it is");
    }
}

async fn serve(config: Config) -> Result<(), Failure> {
    let signals = Signals::install().map_err(Failure::because)?;
    let address = config.http.listen;
    let taken = |problem| {
        Failure::Failed(format!("http.listen {address}: {problem}; allowed: an address that is free"))
    };
    let listener = rollcall::listen(&config, address).map_err(taken)?;
    let (trigger, shutdown) = Shutdown::new();
    tokio::select! {
        ended = rollcall::run(config, listener, shutdown) => ended.map_err(Failure::because),
        () = signals.obey(trigger) => Ok(()),
    }
}
