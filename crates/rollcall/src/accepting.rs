//! The accept loop: connections come in as long as there are descriptors for them, and each address has its share.
//! Does not know: what a connection asks for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use engineio::server::spawn;
use tokio::net::TcpListener;

use crate::app::App;
use crate::overload::{Arrival, Limit, descriptors};
use crate::server::{Services, welcome};

/// Accepts connections for ever. To be dropped when nothing more is to be served.
///
/// Before the process has no descriptor left connections wait in the listener's queue, until some have ended. Those of
/// operators are accepted all the same, from what is spared for them and others.
pub(crate) async fn accept(listener: TcpListener, services: Services) {
    let app = services.app.clone();
    let is_for_clients = services.sockets.is_some();
    let mut complaint = Complaint::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let is_last = is_for_clients && descriptors::is_last(&stream);
                match arrive(&app, is_for_clients, peer) {
                    Ok(arrival) => spawn(welcome(services.clone(), stream, peer, arrival)),
                    Err(limit) => app.metrics.limits.refused(limit), // dropped, which closes it
                }
                if is_last {
                    wait_for_descriptors(&app, &listener, &mut complaint).await;
                }
            }
            Err(error) if descriptors::is_exhausted(&error) => {
                wait_for_descriptors(&app, &listener, &mut complaint).await;
            }
            Err(error) if is_the_listeners_own(&error) => {
                if complaint.is_due(app.clock.now()) {
                    tracing::error!(%error, "cannot accept connections");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => {}
        }
    }
}

/// Counts a connection of a client's by its address. A trusted proxy brings many clients, which are told apart when they have
/// said who they are.
fn arrive(app: &App, is_for_clients: bool, peer: SocketAddr) -> Result<Option<Arrival>, Limit> {
    let address = peer.ip().to_canonical();
    if !is_for_clients || app.config.http.trusted_proxies.contains(address) {
        return Ok(None);
    }
    Arrival::of(&app.overload, address).map(Some).ok_or(Limit::ConnectionsPerAddress)
}

async fn wait_for_descriptors(app: &App, listener: &TcpListener, complaint: &mut Complaint) {
    app.metrics.limits.refused(Limit::Descriptors);
    loop {
        if complaint.is_due(app.clock.now()) {
            let max = descriptors::max();
            tracing::error!(
                max,
                "nearly all file descriptors are used: no connections are accepted until some have ended; raise the limit \
                 (LimitNOFILE, ulimit -n)"
            );
        }
        tokio::time::sleep(PAUSE).await;
        if descriptors::are_left(listener.as_fd()) {
            return;
        }
    }
}

/// When it was last said that connections are not accepted: not more often than once a second.
#[derive(Default)]
struct Complaint(Option<Instant>);

impl Complaint {
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// Not of one connection that was gone before it was accepted.
fn is_the_listeners_own(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Between two looks whether there are descriptors again.
const PAUSE: Duration = Duration::from_millis(100);
const INTERVAL: Duration = Duration::from_secs(1);
