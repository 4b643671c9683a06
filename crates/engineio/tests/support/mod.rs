//! An Engine.IO server on a port of its own that sends every message back, and counts its sessions.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

pub mod wire;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engineio::server::outbox::encode_text;
use engineio::server::{
    Application, CloseCode, Cut, Factory, Flow, Goodbye, HttpStream, Mailbox, Opening, Outbox, Rejection,
    Server, ServerConfig, spawn,
};
use engineio::{CloseReason, Message};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use wire::{PATIENCE, Wire};

pub const POLL: &str = "/?EIO=4&transport=polling";
pub const WEBSOCKET: &str = "/?EIO=4&transport=websocket";

pub struct Served {
    pub server: Arc<Server<Echoes>>,
    pub address: SocketAddr,
}

/// What has become of the sessions.
#[derive(Debug, Default)]
pub struct Book {
    pub opened: usize,
    pub closed: Vec<CloseReason>,
}

type Hook = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub struct Echoes {
    pub book: Arc<Mutex<Book>>,
    /// Called while a session is being opened.
    pub on_open: Option<Hook>,
    /// How long a session may say nothing to the application before that closes it.
    pub patience: Option<Duration>,
}

pub struct Echo {
    book: Arc<Mutex<Book>>,
    deadline: Option<Instant>,
}

impl Factory for Echoes {
    type Application = Echo;

    fn open(&self, now: Instant, _: &Opening<'_>, _: &Arc<Mailbox>) -> Result<Echo, Rejection> {
        self.book.lock().unwrap().opened += 1;
        if let Some(hook) = &self.on_open {
            hook();
        }
        Ok(Echo { book: self.book.clone(), deadline: self.patience.map(|patience| now + patience) })
    }

    fn on_refused(&self, _: &'static str) {}
}

impl Application for Echo {
    fn on_message(&mut self, _: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        self.deadline = None;
        match message {
            Message::Text(text) => out.text(|out| out.extend_from_slice(text.as_bytes())),
            Message::Binary(data) => out.binary(data),
        }
        Flow::Continue
    }

    fn on_wake(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_close_request(&mut self, _: Instant, _: CloseCode, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_timeout(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Close(Goodbye::Violation)
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_cut(&mut self, _: Instant, _: Cut, _: &mut Outbox<'_>) {}

    fn on_closed(&mut self, _: Instant, reason: CloseReason) {
        self.book.lock().unwrap().closed.push(reason);
    }
}

impl Served {
    pub async fn start(config: ServerConfig) -> Self {
        Self::with(config, Echoes::default()).await
    }

    pub async fn with(config: ServerConfig, echoes: Echoes) -> Self {
        Self::serving(config, echoes, serve).await
    }

    /// Every connection is hyper's from its first byte.
    pub async fn behind_hyper(config: ServerConfig) -> Self {
        let serve = |server, stream, peer| serve_over_http(server, HttpStream::new(stream), peer);
        Self::serving(config, Echoes::default(), serve).await
    }

    async fn serving<S: Future<Output = ()> + Send + 'static>(
        config: ServerConfig,
        echoes: Echoes,
        serve: impl Fn(Arc<Server<Echoes>>, TcpStream, SocketAddr) -> S + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(config, echoes);
        let accepting = server.clone();
        spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                spawn(serve(accepting.clone(), stream, peer));
            }
        });
        Self { server, address }
    }

    pub async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Opens by polling: the connection, and the target of its further requests.
    pub async fn open(&self) -> (Wire, String) {
        let mut wire = self.connect().await;
        let opened = wire.get(POLL).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        (wire, format!("{POLL}&sid={}", sid_of(&opened.body)))
    }

    /// A WebSocket for the session of this polling target.
    pub async fn candidate(&self, target: &str) -> Wire {
        Wire::websocket(self.address, &target.replace("polling", "websocket")).await
    }

    /// A session that began as a WebSocket; its open packet is taken.
    pub async fn websocket(&self) -> Wire {
        let mut wire = Wire::websocket(self.address, WEBSOCKET).await;
        assert!(wire.text().await.starts_with(r#"0{"sid":""#));
        wire
    }

    /// Waits until no session is left and gives why they ended; all that were opened have ended.
    pub async fn ends(&self) -> Vec<CloseReason> {
        let empty = self.server.wait_until_empty();
        assert!(
            tokio::time::timeout(PATIENCE, empty).await.is_ok(),
            "{} are left",
            self.server.open_sessions()
        );
        let book = self.book();
        let book = book.lock().unwrap();
        assert_eq!(book.closed.len(), book.opened);
        book.closed.clone()
    }

    pub fn book(&self) -> Arc<Mutex<Book>> {
        self.server.factory().book.clone()
    }

    /// Says something to the only session.
    pub fn tell(&self, text: &str) {
        let mut frame = Vec::new();
        encode_text(&mut frame, |out| out.extend_from_slice(text.as_bytes()));
        let mailboxes = self.server.mailboxes();
        assert_eq!(mailboxes.len(), 1);
        mailboxes[0].post(frame.into());
    }
}

async fn serve(server: Arc<Server<Echoes>>, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true);
    if let Some(stream) = server.open_at_once(stream, peer, HEAD_MAX, |_| true).await {
        serve_over_http(server, stream, peer).await;
    }
}

async fn serve_over_http(server: Arc<Server<Echoes>>, stream: HttpStream, peer: SocketAddr) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.handle(peer, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(HEAD_MAX);
    let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// Bytes of a head.
const HEAD_MAX: usize = 16 * 1024;

/// The `sid` of an open packet.
pub fn sid_of(open: &str) -> String {
    let (_, rest) = open.split_once(r#""sid":""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// No limit on packets that a test could meet by accident.
pub fn unhurried() -> ServerConfig {
    ServerConfig { packets_per_second: 1_000_000, packets_burst: 1_000_000, ..ServerConfig::default() }
}

pub fn with_upgrade_timeout(timeout: Duration) -> ServerConfig {
    let mut config = unhurried();
    config.protocol.upgrade_timeout = timeout;
    config
}

/// A heartbeat that soon ends whoever has gone without a word.
pub fn brisk() -> ServerConfig {
    let mut config = unhurried();
    config.protocol.ping_interval = Duration::from_secs(1);
    config.protocol.ping_timeout = Duration::from_secs(1);
    config
}
