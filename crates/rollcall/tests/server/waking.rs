//! What a fetch of keys costs those who do not wait for it: nothing, not even a look.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engineio::server::{
    Application, CloseCode, Cut, Factory, Flow, Mailbox, Opening, Outbox, Rejection, Server, ServerConfig,
    spawn,
};
use engineio::{CloseReason, Message};
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::{Config, Secret, Setting};
use rollcall::gateway::connection::Client;
use rollcall::gateway::{Clients, Gateway};
use serde_json::json;

use crate::issuer::{Answering, Key, Stub, set};
use crate::live::wire::Wire;
use crate::live::{WEBSOCKET, event};
use crate::support::SECRET;

/// How often one socket's task has looked at its session, and how often it was told that what it waits for is there.
#[derive(Debug, Default)]
struct Counts {
    looks: AtomicUsize,
    messages: AtomicUsize,
    wakes: AtomicUsize,
}

impl Counts {
    fn read(&self) -> (usize, usize) {
        (self.looks.load(Ordering::SeqCst), self.wakes.load(Ordering::SeqCst))
    }
}

/// The gateway's own clients, counted in the order in which they came.
struct Counting {
    clients: Clients,
    counts: Arc<Mutex<Vec<Arc<Counts>>>>,
}

struct Counted {
    client: Client,
    counts: Arc<Counts>,
}

impl Factory for Counting {
    type Application = Counted;

    fn open(
        &self,
        now: Instant,
        opening: &Opening<'_>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Counted, Rejection> {
        let client = self.clients.open(now, opening, mailbox)?;
        let counts = Arc::<Counts>::default();
        self.counts.lock().unwrap().push(counts.clone());
        Ok(Counted { client, counts })
    }

    fn on_refused(&self, why: &'static str) {
        panic!("{why}");
    }
}

impl Application for Counted {
    fn on_message(&mut self, now: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        let flow = self.client.on_message(now, message, out);
        self.counts.messages.fetch_add(1, Ordering::SeqCst);
        flow
    }

    fn on_wake(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow {
        self.counts.wakes.fetch_add(1, Ordering::SeqCst);
        self.client.on_wake(now, out)
    }

    fn on_close_request(&mut self, now: Instant, code: CloseCode, out: &mut Outbox<'_>) -> Flow {
        self.client.on_close_request(now, code, out)
    }

    fn on_timeout(&mut self, now: Instant, out: &mut Outbox<'_>) -> Flow {
        self.client.on_timeout(now, out)
    }

    /// Asked at each look that the driver takes.
    fn next_timeout(&self) -> Option<Instant> {
        self.counts.looks.fetch_add(1, Ordering::SeqCst);
        self.client.next_timeout()
    }

    fn on_cut(&mut self, now: Instant, cut: Cut, out: &mut Outbox<'_>) {
        self.client.on_cut(now, cut, out);
    }

    fn on_closed(&mut self, now: Instant, reason: CloseReason) {
        self.client.on_closed(now, reason);
    }
}

struct World {
    app: Arc<App>,
    address: SocketAddr,
    counts: Arc<Mutex<Vec<Arc<Counts>>>>,
}

impl World {
    /// Keys are fetched once `app.watch` runs; until then whoever needs them waits.
    async fn new(config: Config) -> Self {
        let app = App::open(config, Clock::system()).await.unwrap();
        let counts = Arc::<Mutex<Vec<Arc<Counts>>>>::default();
        let counting = Counting { clients: Clients(Gateway::new(app.clone())), counts: counts.clone() };
        let server = Server::new(ServerConfig::default(), counting);
        let listener = rollcall::listen(&app.config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                assert!(server.open_at_once(stream, peer, 16 * 1024, |_| true).await.is_none());
            }
        });
        Self { app, address, counts }
    }

    /// A socket, and what is counted of it.
    async fn socket(&self) -> (Wire, Arc<Counts>) {
        let mut wire = Wire::websocket(self.address, WEBSOCKET).await;
        assert!(wire.text().await.starts_with('0'));
        let counts = self.counts.lock().unwrap().last().unwrap().clone();
        (wire, counts)
    }

    /// A socket whose CONNECT has been looked at.
    async fn connect(&self, token: &str) -> (Wire, Arc<Counts>) {
        let (mut wire, counts) = self.socket().await;
        wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
        while counts.messages.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (wire, counts)
    }
}

async fn check_ready(wire: &mut Wire) {
    assert!(wire.text().await.starts_with("40/sessions,"));
    let (name, arguments) = event(&wire.text().await).unwrap();
    assert_eq!(name, "sessions:ready", "{arguments:?}");
    let (name, _) = event(&wire.text().await).unwrap();
    assert_eq!(name, "sessions:update");
}

#[tokio::test]
async fn a_fetch_that_ends_wakes_the_sockets_that_wait_for_it_once_and_no_other() {
    let key = Key::p256();
    let good = Answering::Body(set(&[key.published("one", json!({}))]));
    let (answers, silent) = (Stub::start(good).await, Stub::start(Answering::Silence).await);
    let folder = tempfile::tempdir().unwrap();
    let entry = |name: &str, stub: &Stub| json!({"name": name, "issuer": format!("https://{name}"), "audience": "api", "jwks_url": stub.url()});
    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    let entries = json!([entry("fast", &answers), entry("slow", &silent)]);
    config.identity.issuers = serde_json::from_value(entries).unwrap();
    let world = World::new(config).await;
    let now = world.app.clock.unix_seconds();
    let of = |issuer: &str, user: usize| {
        let claims = json!({"iss": format!("https://{issuer}"), "aud": "api", "sub": format!("{user}"), "exp": now + 600});
        key.sign_as("one", &claims)
    };

    let mut others = Vec::new();
    for user in 0..5 {
        let subject = format!("built-in {user}");
        let token = world.app.identity.mint(&subject, None, now, Duration::from_secs(600)).unwrap();
        let (mut joined, counts) = world.connect(&token).await;
        check_ready(&mut joined).await;
        others.push((joined, counts));
        others.push(world.socket().await);
        others.push(world.connect(&of("slow", user)).await);
    }
    let mut waiting = Vec::new();
    for user in 0..3 {
        waiting.push(world.connect(&of("fast", user)).await);
    }
    let before: Vec<_> = others.iter().map(|(_, counts)| counts.read()).collect();
    let app = world.app.clone();
    spawn(async move { app.watch().await });
    for (wire, _) in &mut waiting {
        check_ready(wire).await;
    }
    // What is woken with them has its turn within this time, or the test has missed it and says nothing.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let woken: Vec<_> = waiting.iter().map(|(_, counts)| counts.read().1).collect();
    assert_eq!(woken, [1; 3], "each of those who wait, once");
    let after: Vec<_> = others.iter().map(|(_, counts)| counts.read()).collect();
    assert_eq!(before, after, "looks and wakes of those who do not wait for it");
    assert_eq!((answers.requests(), silent.requests()), (1, 1), "both were asked for, once");
}
