//! Rollcall: every user sees all of their live sessions, in sync.
//!
//! Reading order: [`config`] says what can be set, [`app`] opens what is shared, `server` serves it and
//! `drain` ends it, [`gateway`] is what a socket's life means, [`registry`] who is there, [`history`] who was, [`cluster`]
//! what other nodes know of that, `webhooks` whom it is told, [`identity`] judges tokens by the signatures of [`jose`],
//! [`accounts`] keeps people, [`store`] whatever must survive, [`http`] answers all other requests, `admin` shows operators who is there.

pub mod app;
pub mod config;
pub mod tls;
mod server;
mod drain;
mod accepting;
pub mod gateway;
pub mod history;
pub mod wire;
pub mod registry;
pub mod cluster;
pub mod identity;
pub mod jose;
pub mod accounts;
pub mod store;
pub mod http;
mod admin;
pub mod overload;
pub mod lifecycle;
pub mod shutdown;
pub mod outgoing;
mod webhooks;
pub mod doctor;
pub mod telemetry;
pub mod clock;
pub mod ids;

use std::io;

use tokio::net::TcpListener;

use app::{App, StartError};
use clock::Clock;
use config::Config;
pub use server::listen;
use shutdown::Shutdown;

/// Why [`run`] ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The listener cannot be asked for its address.
    #[error("http.listen: {0}")]
    Listener(#[from] io::Error),
    /// The second listener's address cannot be had.
    #[error("ops.listen {address}: {problem}; allowed: an address that is free")]
    Ops {
        /// As it is configured.
        address: std::net::SocketAddr,
        /// What the system said.
        problem: io::Error,
    },
}

/// Serves on `listener`, one that [`listen`] has made, until `shutdown` is requested, then drains.
///
/// # Errors
/// [`RunError`]: the server did not start.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> Result<(), RunError> {
    run_by(Clock::system(), config, listener, shutdown).await
}

/// [`run`] by another clock: a test moves the time.
///
/// # Errors
/// As [`run`].
pub async fn run_by(
    clock: Clock,
    config: Config,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let ops = match config.ops.listen {
        Some(address) => {
            Some(listen(&config, address).map_err(|problem| RunError::Ops { address, problem })?)
        }
        None => None,
    };
    let app = App::open(config, clock).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    if let Some(ops) = &ops {
        tracing::info!(address = %ops.local_addr()?, "listening for operators");
    }
    server::serve_until(app.clone(), listener, ops, shutdown).await;
    app.history.finish(&app.store).await;
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
}
