//! The gateway: what a socket's life means. Reading order: [`connection`] (what the driver drives), `sessions` (the
//! namespace), `admission` (who may in), `judging` (who has to wait for that), `entering` (who waits for the other nodes), `stay` (a session that is in), `events`
//! (what its client may do), [`revoking`], `obeying` and `issuer_logout` (the end of logins), [`presence`] (who is there, and
//! that all are told), [`messaging`] (what other servers send), `fanout` (how a change or a message reaches the others),
//! `codes` (how an error ends a socket).

pub mod connection;
mod sessions;
mod admission;
mod judging;
mod entering;
mod greeting;
mod device;
mod naming;
mod newcomers;
mod stay;
mod lifetime;
mod events;
pub mod strict;
pub mod presence;
pub mod revoking;
mod obeying;
mod issuer_logout;
pub mod visit;
pub mod messaging;
pub(crate) mod fanout;
mod frames;
pub mod items;
mod farewell;
pub mod codes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engineio::server::{Factory, Mailbox, Opening, Rejection};
use socketio::Connection;

use crate::app::App;
use crate::overload::Limit;
use connection::Client;
use greeting::Greeting;
use lifetime::Lifetimes;
use naming::Naming;
use newcomers::Newcomers;
use sessions::Sessions;

/// What all sockets share.
#[derive(Debug)]
pub struct Gateway {
    app: Arc<App>,
    socketio: socketio::Config,
    /// For those who come while many have not been let in yet.
    hurried: socketio::Config,
    lifetimes: Lifetimes,
    naming: Naming,
    newcomers: Newcomers,
    /// `/admin` is on the main listener too: it is configured, and there is no other listener.
    shows_admin: bool,
    /// Nobody new is taken: the process is about to end.
    closed: AtomicBool,
    /// When it was last said that requests come to the wrong node.
    complained_at: Mutex<Option<Instant>>,
}

impl Gateway {
    /// A gateway over the presence of `app`.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        device::warm_up();
        let socketio = socketio::Config {
            namespaces: &[sessions::NAMESPACE],
            max_attachment_bytes: app.config.limits.max_payload.get(),
            ..socketio::Config::default()
        };
        Arc::new(Self {
            lifetimes: Lifetimes::new(&app.config.identity, &app.clock),
            naming: Naming::new(),
            newcomers: Newcomers::new(),
            hurried: socketio::Config { connect_timeout: HURRIED_CONNECT, ..socketio.clone() },
            socketio,
            shows_admin: app.admin.is_some() && app.config.ops.listen.is_none(),
            closed: AtomicBool::new(false),
            complained_at: Mutex::default(),
            app,
        })
    }

    /// From here on nobody new is taken.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Live sessions of this node.
    pub fn sessions(&self) -> usize {
        self.app.presence.sessions()
    }

    /// What runs beside the sockets, for ever. To be polled by somebody; drop it to end it.
    pub async fn watch(&self) {
        let clocks = async {
            loop {
                tokio::time::sleep(CLOCKS_READ_EVERY).await;
                self.lifetimes.read_clocks(&self.app.clock);
            }
        };
        tokio::join!(clocks, self.newcomers.watch(&self.app));
    }

    /// Polls that come to the wrong node lose their sessions: once a minute whoever runs this is told why.
    fn complain_of_balancer(&self) {
        let now = self.app.clock.now();
        let mut complained_at = self.complained_at.lock().unwrap_or_else(PoisonError::into_inner);
        if complained_at.is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT_INTERVAL) {
            *complained_at = Some(now);
            tracing::warn!(
                node_tag = self.app.node_tag,
                "a request names a sid of another node: the load balancer is not sticky, or this node was restarted \
                 without http.node_tag set"
            );
        }
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
        let (app, overload) = (&gateway.app, &gateway.app.overload);
        let address = app.client_addresses.find(opening.peer, opening.headers);
        let place = overload.enter(address).map_err(rejection)?;
        let greeting = Greeting::read(app, opening, address);
        let sessions = Sessions::new(mailbox.clone(), greeting);
        let config = if overload.is_in_a_hurry() { &gateway.hurried } else { &gateway.socketio };
        let connection = Connection::new(config, now);
        Ok(Client::new(gateway.clone(), connection, sessions, opening.transport, place))
    }

    fn on_refused(&self, why: &'static str) {
        self.0.app.metrics.request_refused(why);
        if let Some(limit) = Limit::ALL.into_iter().find(|limit| limit.as_str() == why) {
            self.0.app.metrics.limits.refused(limit);
        }
        if why == "foreign_sid" {
            self.0.complain_of_balancer();
        }
    }
}

/// How a client that finds no place is told to come back.
fn rejection(limit: Limit) -> Rejection {
    let (status, retry_after) = match limit {
        // One that is there already has to go first.
        Limit::ConnectionsPerAddress => (429, RETRY_AFTER_ADDRESS),
        Limit::Handshakes
        | Limit::MailboxesTotal
        | Limit::IncompleteTotal
        | Limit::Descriptors
        | Limit::HashQueue => (503, RETRY_AFTER_OVERLOAD),
    };
    Rejection { status, retry_after, close_connection: true, why: limit.as_str() }
}

/// Time to join a namespace while half of all handshakes that may be are under way: some round trips of a phone, and one to
/// whoever gives it a token.
const HURRIED_CONNECT: Duration = Duration::from_secs(5);
/// Seconds: sockets of an address come and go slowly.
const RETRY_AFTER_ADDRESS: u32 = 10;
/// Seconds: those who were there first are let in, or gone, by then.
const RETRY_AFTER_OVERLOAD: u32 = 5;
/// Seconds: another node, or this one after its restart, is there by then.
const RETRY_AFTER_SHUTDOWN: u32 = 2;
/// Between two complaints of one kind.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// A step of the wall clock shows by the next ping of each socket.
const CLOCKS_READ_EVERY: Duration = Duration::from_secs(1);

/// What a session costs besides its registration, its mailbox and its entry in the registry: 32 bytes more are the next
/// step of the allocator. Growing this is a decision, not an accident.
const _: () = assert!(engineio::server::Server::<Clients>::SESSION_BYTES <= 224);
