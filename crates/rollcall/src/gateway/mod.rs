//! The gateway: what a socket's life means. Reading order: [`connection`] (what the driver drives), `sessions` (the
//! namespace), `admission` (who may in), `judging` (who has to wait for that), `events` (what a client may do), `fanout`
//! (how a change or a message reaches the others), `codes` (how an error ends a socket).

pub mod connection;
mod sessions;
mod admission;
mod judging;
mod greeting;
mod events;
mod fanout;
mod items;
pub mod codes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use engineio::server::pace::Rate;
use engineio::server::{Factory, Mailbox, Opening, Rejection};
use socketio::Connection;

use crate::app::App;
use crate::registry::{Interner, Registry};
use connection::Client;
use fanout::Fanout;
use greeting::Greeting;
use sessions::Sessions;

/// What all sockets share.
#[derive(Debug)]
pub struct Gateway {
    app: Arc<App>,
    registry: Registry,
    fanout: Arc<Fanout>,
    user_agents: Interner,
    socketio: socketio::Config,
    /// How often one user may send to their own sessions.
    sends_rate: Rate,
    /// Nobody new is taken: the process is about to end.
    closed: AtomicBool,
}

impl Gateway {
    /// A gateway over an empty registry.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        Arc::new(Self {
            fanout: Arc::new(Fanout::new(app.clone())),
            registry: Registry::memory(),
            user_agents: Interner::default(),
            socketio: socketio::Config {
                namespaces: &[sessions::NAMESPACE],
                max_attachment_bytes: app.config.limits.max_payload.get(),
                ..socketio::Config::default()
            },
            sends_rate: {
                let per_second = app.config.limits.sends_per_second.get();
                Rate::new(per_second, per_second, app.clock.now())
            },
            closed: AtomicBool::new(false),
            app,
        })
    }

    /// From here on nobody new is taken.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Live sessions of this node.
    pub fn sessions(&self) -> usize {
        self.registry.sessions()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Makes a [`Client`] for each socket.
#[derive(Debug, Clone)]
pub struct Clients(pub Arc<Gateway>);

impl Factory for Clients {
    type Application = Client;

    fn open(&self, now: Instant, opening: &Opening<'_>, mailbox: &Arc<Mailbox>) -> Result<Client, Rejection> {
        let gateway = &self.0;
        if gateway.is_closed() {
            return Err(Rejection {
                status: 503,
                retry_after: RETRY_AFTER_SHUTDOWN,
                close_connection: true,
                why: "server_shutdown",
            });
        }
        let greeting = Greeting::read(&gateway.app, &gateway.user_agents, opening);
        let sessions = Sessions::new(mailbox.clone(), greeting);
        let connection = Connection::new(&gateway.socketio, now);
        Ok(Client::new(gateway.clone(), connection, sessions, opening.transport))
    }

    fn on_refused(&self, why: &'static str) {
        self.0.app.metrics.request_refused(why);
    }
}

/// Seconds: another node, or this one after its restart, is there by then.
const RETRY_AFTER_SHUTDOWN: u32 = 2;
