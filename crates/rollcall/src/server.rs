//! Serves: which request goes where.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use engineio::server::{HttpStream, Server, ServerConfig, Stream, spawn};
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::accepting::accept;
use crate::admin::Visitors;
use crate::app::App;
use crate::config::{Config, SocketPath};
use crate::drain::{LAST_WORDS, drain};
use crate::gateway::codes::SERVER_SHUTDOWN;
use crate::gateway::{Clients, Gateway};
use crate::http::PeerAddress;
use crate::lifecycle::Phase;
use crate::overload::Arrival;
use crate::shutdown::Shutdown;
use crate::tls::Tls;

type Answer = Response<Either<Full<bytes::Bytes>, Body>>;

/// What one listener serves: the socket path, if it has one, and its routes.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) sockets: Option<Arc<Server<Clients>>>,
    /// The socket path of operators, on a listener that has none for clients.
    pub(crate) admin: Option<Arc<Server<Visitors>>>,
    /// What the listener speaks TLS with, if it does.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Becomes true when each connection is to end with the answer that is under way.
    pub(crate) ending: watch::Receiver<bool>,
}

/// The Engine.IO server of a gateway.
pub(crate) fn sockets(app: &App, gateway: &Arc<Gateway>) -> Arc<Server<Clients>> {
    Server::new(config(app), Clients(gateway.clone()))
}

/// The Engine.IO server of `ops.listen`, when somebody may look at all sockets.
fn admin(app: &Arc<App>) -> Option<Arc<Server<Visitors>>> {
    app.config.ops.listen.and(app.admin.as_ref())?;
    Some(Server::new(config(app), Visitors::new(app.clone())))
}

fn config(app: &App) -> ServerConfig {
    let Config { http, heartbeat, limits, .. } = &app.config;
    ServerConfig {
        protocol: engineio::Config {
            ping_interval: heartbeat.interval(),
            ping_timeout: heartbeat.timeout(),
            max_payload: limits.max_payload.get(),
            transports: http.transports,
            ..engineio::Config::default()
        },
        origins: http.allowed_origins.0.clone(),
        node_tag: app.node_tag.clone(),
        mailbox_bytes: limits.mailbox.get(),
        packets_per_second: limits.packets_per_second.get(),
        packets_burst: limits.packets_burst.get(),
        body_timeout: http.body_timeout,
        waiting: app.overload.waiting.clone(),
        incomplete: app.overload.incomplete.clone(),
        ..ServerConfig::default()
    }
}

/// Serves until the end is asked for, then drains. `ops` is the second listener, if one is configured.
pub(crate) async fn serve_until(
    app: Arc<App>,
    listener: TcpListener,
    ops: Option<TcpListener>,
    mut shutdown: Shutdown,
) {
    let gateway = Gateway::new(app.clone());
    let sockets = sockets(&app, &gateway);
    let router = crate::http::router(app.clone());
    let (end, ending) = watch::channel(false);
    let main = Services {
        app: app.clone(),
        router,
        sockets: Some(sockets.clone()),
        admin: None,
        tls: app.tls.clone(),
        ending: ending.clone(),
    };
    let ops_router = crate::http::ops_router(app.clone());
    let ops_tls = app.tls.clone().filter(|_| app.config.ops.tls);
    let admin = admin(&app);
    let ops_services = Services {
        app: app.clone(),
        router: ops_router,
        sockets: None,
        admin: admin.clone(),
        tls: ops_tls,
        ending,
    };
    if let Some(cluster) = &app.cluster {
        spawn(cluster.clone().run(app.clone()));
    }
    app.lifecycle.advance(Phase::Serving);
    let deadline = tokio::select! {
        () = accept(listener, main) => app.clock.now(),
        () = accept_for_operators(ops, ops_services) => app.clock.now(),
        () = app.watch() => app.clock.now(),
        () = gateway.watch() => app.clock.now(),
        deadline = async {
            shutdown.requested().await;
            drain(&app, &gateway, &sockets).await
        } => deadline,
    };
    if let Some(admin) = &admin {
        end_pages(admin).await;
    }
    app.presence.abandon();
    if let Some(cluster) = &app.cluster {
        cluster.leave().await;
    }
    // Answers that are under way, such as to somebody who is just being registered, are still given.
    end.send_replace(true);
    let left = deadline.saturating_duration_since(app.clock.now()).max(LAST_WORDS);
    if tokio::time::timeout(left, end.closed()).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
}

/// Pages come back by themselves, to whoever is there then.
async fn end_pages(admin: &Server<Visitors>) {
    admin.mailboxes().iter().for_each(|mailbox| mailbox.close(SERVER_SHUTDOWN));
    let _ = tokio::time::timeout(LAST_WORDS, admin.wait_until_empty()).await; // they end with the process
}

async fn accept_for_operators(listener: Option<TcpListener>, services: Services) {
    match listener {
        Some(listener) => accept(listener, services).await,
        None => std::future::pending().await,
    }
}

/// A listener at `address`, whose accepted sockets inherit what each of them needs (Linux copies both options), so that
/// no accept costs a call more. Without the first each handshake waits for a delayed acknowledgement; without the second
/// a client that takes no byte of an answer holds its connection for ever.
///
/// # Errors
/// The address is taken, or not one of this machine's.
pub fn listen(config: &Config, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let patience = config.http.write_timeout.max(config.heartbeat.timeout());
    socket.set_reuseaddr(true)?; // a restart does not wait for the connections of the process before it
    socket.set_nodelay(true)?;
    socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(patience))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Opens the session that a connection begins with, or serves the connection over HTTP.
pub(crate) async fn welcome(
    mut services: Services,
    stream: TcpStream,
    peer: SocketAddr,
    arrival: Option<Arrival>,
) {
    let stream = match &services.tls {
        None => Stream::from(stream),
        // Boxed: what only TLS needs weighs nothing elsewhere.
        Some(tls) => match Box::pin(shake_hands(&services, tls, stream)).await {
            Some(stream) => stream,
            None => return,
        },
    };
    let stream = match &services.sockets {
        Some(sockets) => {
            let config = &services.app.config.http;
            let ours = |path: &str| is_at(&config.socket_path, path);
            let first = sockets.open_at_once(stream, peer, HEADER_BYTES, ours);
            tokio::select! {
                biased;
                first = tokio::time::timeout(config.header_timeout, first) => first.ok().flatten(),
                // A connection that has asked for nothing is owed nothing.
                _ = services.ending.wait_for(|ending| *ending) => None,
            }
        }
        None => Some(HttpStream::new(stream)),
    };
    if let Some(stream) = stream {
        // A task of its own: what HTTP needs is no part of what a socket begins with.
        spawn(serve(services, stream, peer, arrival));
    }
}

/// The connection when its TLS handshake is done, for which a client has as long as for the head of a request.
async fn shake_hands(services: &Services, tls: &Tls, stream: TcpStream) -> Option<Stream> {
    let patience = services.app.config.http.header_timeout;
    let mut ending = services.ending.clone();
    let shaken = tokio::select! {
        biased;
        shaken = tokio::time::timeout(patience, Stream::accept_tls(stream, tls.config())) => shaken,
        // A connection that has asked for nothing is owed nothing.
        _ = ending.wait_for(|ending| *ending) => return None,
    };
    let metrics = &services.app.metrics.tls;
    match shaken {
        Ok(Ok(stream)) => {
            metrics.handshake("done");
            Some(stream)
        }
        Ok(Err(error)) => {
            metrics.handshake("failed");
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            metrics.handshake("timeout");
            None
        }
    }
}

async fn serve(services: Services, stream: HttpStream, peer: SocketAddr, _arrival: Option<Arrival>) {
    let config = &services.app.config.http;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new()) // without one the next line does nothing
        .header_read_timeout(config.header_timeout)
        .max_buf_size(HEADER_BYTES);
    let mut ending = services.ending.clone();
    let service = service_fn(|request| {
        let services = services.clone();
        async move { Ok::<_, Infallible>(services.answer(peer, request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // A client that breaks its connection is its own affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = async { drop(ending.wait_for(|ending| *ending).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

impl Services {
    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let is_at_sockets = is_at(&self.app.config.http.socket_path, request.uri().path());
        match (&self.sockets, &self.admin) {
            (Some(sockets), _) if is_at_sockets => sockets.handle(peer, request).await.map(Either::Left),
            (None, Some(admin)) if is_at_sockets => admin.handle(peer, request).await.map(Either::Left),
            _ => {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(PeerAddress(peer));
                let answered: Result<_, Infallible> = self.router.clone().oneshot(request).await;
                match answered {
                    Ok(response) => response.map(Either::Right),
                }
            }
        }
    }
}

/// Whether a request's path is the configured one or below it, as the reference server takes it; also without its last
/// slash.
fn is_at(configured: &SocketPath, path: &str) -> bool {
    let configured = configured.as_str();
    path.starts_with(configured) || configured.strip_suffix('/') == Some(path)
}

/// Bytes of a request's head: a token of 8 KB and what surrounds it.
const HEADER_BYTES: usize = 16 * 1024;
/// Connections that wait to be accepted: a whole crowd returns at once after a restart. The system has a bound of its
/// own (`net.core.somaxconn`, 4096 on Linux).
pub(crate) const BACKLOG: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_inherit_what_their_listener_was_told() {
        let config = Config::default();
        let listener = listen(&config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(config.http.write_timeout));
    }
}
