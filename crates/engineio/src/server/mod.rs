//! Serves Engine.IO over real sockets: one task a session, on tokio and hyper.
//!
//! Reading order: [`application`] (what a server provides), `shortcut` and [`requests`] (how requests become sessions),
//! `driver` (the life of one socket: the only loop), `transport` (polling, WebSocket), [`mailbox`] (the one way in
//! from other tasks), `wheel` (the one timer of the process), `sids`, [`budget`] (what all sessions hold together).

pub mod application;
mod shortcut;
pub mod requests;
mod switch;
mod stream;
mod http_stream;
mod driver;
mod transport;
pub mod outbox;
pub mod mailbox;
mod slot;
mod wheel;
pub mod pace;
pub mod budget;
mod sids;
pub mod origins;
pub mod clock;
mod ids;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

pub use application::{Application, Cut, Factory, Flow, Goodbye, Opening, Rejection};
pub use budget::Budget;
pub use http_stream::HttpStream;
pub use mailbox::{CloseCode, Mailbox};
pub use origins::Origins;
pub use outbox::Outbox;
pub use stream::{SecureStream, Stream};
pub use switch::{accept_websocket, wants_upgrade};
pub use tasks::spawn;

use crate::Config;
use sids::Sids;
use wheel::Wheel;

/// What the server part can be told, with each default and its reason.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Settings of the protocol itself.
    pub protocol: Config,
    /// Which browsers' origins may use the server.
    pub origins: Origins,
    /// First part of each `sid`, so that a load balancer can route polling by it. Of base64url characters; made at
    /// random when empty.
    pub node_tag: String,
    /// Bytes that may wait for one slow client before it is cut; a single larger frame may. 256 KiB: some hundred
    /// updates of a large list.
    pub mailbox_bytes: usize,
    /// Time after which a client that takes no byte at all is cut. 10 s, as other brokers do.
    pub stall_timeout: Duration,
    /// Time that a client has to take the last words and close. 1 s.
    pub closing_wait: Duration,
    /// Packets and frames of any kind a second that one client may send. 200: no person makes more.
    pub packets_per_second: u32,
    /// The same at once. 1,000: a tab that comes back from a sleep says much.
    pub packets_burst: u32,
    /// Time that the body of a `POST` may take. 10 s.
    pub body_timeout: Duration,
    /// Bytes that wait for all clients together. While it is full each may have a sixteenth of `mailbox_bytes` waiting, and is
    /// cut when it takes no byte for a second. Unbounded.
    pub waiting: Arc<Budget>,
    /// Bytes of messages whose end has not come yet, of all clients together; half of it for those that are not
    /// [established](Application::is_established). Who needs more than is left is cut. Unbounded.
    pub incomplete: Arc<Budget>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            protocol: Config::default(),
            origins: Origins::Any,
            node_tag: String::new(),
            mailbox_bytes: 256 * 1024,
            stall_timeout: Duration::from_secs(10),
            closing_wait: Duration::from_secs(1),
            packets_per_second: 200,
            packets_burst: 1000,
            body_timeout: Duration::from_secs(10),
            waiting: Budget::unbounded(),
            incomplete: Budget::unbounded(),
        }
    }
}

/// An Engine.IO server. Hand it the requests of its path with [`Server::handle`].
#[derive(Debug)]
pub struct Server<F: Factory> {
    config: ServerConfig,
    factory: F,
    wheel: Wheel,
    sids: Sids,
    tasks: tasks::Tasks,
    rate: pace::Rate,
}

impl<F: Factory> Server<F> {
    /// Bytes that one session's task holds, the application's part included: to be asserted by whoever counts sessions
    /// in millions. Its mailbox and the runtime's own share come on top.
    pub const SESSION_BYTES: usize = size_of::<driver::Driver<F>>();

    /// A server whose sessions drive what `factory` makes. To be called inside a tokio runtime: the timer starts.
    pub fn new(config: ServerConfig, factory: F) -> Arc<Self> {
        let sids = Sids::new(&config.node_tag);
        let now = clock::now();
        let server = Arc::new(Self {
            wheel: Wheel::new(now),
            rate: pace::Rate::new(config.packets_per_second, config.packets_burst, now),
            sids,
            tasks: tasks::Tasks::default(),
            config,
            factory,
        });
        spawn(wheel::run(Arc::downgrade(&server)));
        server
    }

    /// What makes the applications.
    pub fn factory(&self) -> &F {
        &self.factory
    }

    /// The mailbox of every open session, in no order: to close them all.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.wheel.mailboxes()
    }

    /// Sessions that are open or closing.
    pub fn open_sessions(&self) -> usize {
        self.tasks.running()
    }

    /// Bytes that may wait for one client now.
    fn mailbox_bytes(&self) -> usize {
        match self.config.waiting.is_full() {
            true => self.config.mailbox_bytes / MAILBOX_SHARE,
            false => self.config.mailbox_bytes,
        }
    }

    /// How long a client may take no byte of what it is owed, now.
    fn stall_timeout(&self) -> Duration {
        match self.config.waiting.is_full() {
            true => driver::PRESSED.min(self.config.stall_timeout),
            false => self.config.stall_timeout,
        }
    }

    /// Bytes that incomplete messages may hold in all when it is this client's that grows.
    fn incomplete_max(&self, is_established: bool) -> usize {
        let max = self.config.incomplete.max();
        if is_established { max } else { max / 2 }
    }

    /// How fast one client may send.
    fn rate(&self) -> &pace::Rate {
        &self.rate
    }

    /// Waits until no session is left.
    pub async fn wait_until_empty(&self) {
        self.tasks.wait_until_none().await;
    }
}

/// Of what may wait for one client, while too much waits for all of them together.
const MAILBOX_SHARE: usize = 16;
