//! `rollcall serve`: logs, threads, the port, signals; then the server until it is asked to stop.

use rollcall::config::Config;
use rollcall::shutdown::{Shutdown, Signals};
use tokio::net::TcpListener;

use super::Failure;

pub(super) fn execute(config: Config) -> Result<String, Failure> {
    super::start_logs(&config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.runtime.workers())
        .enable_all()
        .build()
        .map_err(Failure::because)?;
    let ended = runtime.block_on(serve(config));
    // What still runs beside, a hash that nobody waits for any more, must not hold up the end.
    runtime.shutdown_background();
    ended.map(|()| String::new())
}

async fn serve(config: Config) -> Result<(), Failure> {
    let signals = Signals::install().map_err(Failure::because)?;
    let address = config.http.listen;
    let taken = |problem| {
        Failure::Failed(format!("http.listen {address}: {problem}; allowed: an address that is free"))
    };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let (trigger, shutdown) = Shutdown::new();
    tokio::select! {
        ended = rollcall::run(config, listener, shutdown) => ended.map_err(Failure::because),
        () = signals.obey(trigger) => Ok(()),
    }
}
