//! A server for the official protocol test suites: on port 3000, with a heartbeat of 300 + 200 ms, on the very driver
//! and transports that Rollcall uses. `/engine.io/` echoes messages; `/socket.io/` serves the namespaces `/` and
//! `/custom`; `/echo` is a plain WebSocket that echoes, for suites of RFC 6455. How to run the suites against it:
//! docs/conformance.md.

mod echo;
mod events;
mod plain;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::server::{HttpStream, Server, ServerConfig, spawn};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

struct Servers {
    echo: Arc<Server<echo::Echoes>>,
    events: Arc<Server<events::Namespaces>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    listen(listener).await?;
    Ok(())
}

/// Serves whoever connects.
pub(crate) async fn listen(listener: TcpListener) -> io::Result<()> {
    let servers = Arc::new(Servers {
        echo: Server::new(config(), echo::Echoes),
        events: Server::new(config(), events::Namespaces::default()),
    });
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn(serve(servers.clone(), stream, peer));
    }
}

fn config() -> ServerConfig {
    ServerConfig {
        protocol: engineio::Config {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            max_payload: 1_000_000,
            ..engineio::Config::default()
        },
        packets_per_second: 1_000_000, // a suite may send as fast as it can
        packets_burst: 1_000_000,
        ..ServerConfig::default()
    }
}

async fn serve(servers: Arc<Servers>, stream: TcpStream, peer: SocketAddr) {
    let service = service_fn(move |request: Request<Incoming>| {
        let servers = servers.clone();
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                "/engine.io/" => servers.echo.handle(peer, request).await,
                "/socket.io/" => servers.events.handle(peer, request).await,
                "/echo" => plain::open(request),
                _ => refusal(StatusCode::NOT_FOUND, "not found\n"),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(HttpStream::new(stream)), service)
        .with_upgrades();
    // A client that breaks its connection is its own affair.
    let _ = connection.await;
}

/// Says what is wrong with a request.
fn refusal(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    response
}
