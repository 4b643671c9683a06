//! The hot paths without their sockets, for an instruction count: `instructions PATH TIMES`. Run twice with different
//! TIMES under callgrind, the difference is what one time costs; `make instructions` does so and compares with the
//! committed counts. What a client says goes in as the frame, or the polling body, that it is; what the server says is
//! encoded into the buffer and the mailboxes that the driver would write from.

use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::fragments::{Assembler, Item};
use engineio::handshake::TransportName;
use engineio::payload::Payload;
use engineio::server::{Application, Factory, Mailbox, Opening, Outbox};
use engineio::{CloseReason, Packet, Session};
use http::HeaderMap;
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::{Config, Secret, Setting};
use rollcall::gateway::connection::Client;
use rollcall::gateway::{Clients, Gateway};

/// What can go wrong, said once at the end.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "instructions: {error}; usage: instructions heartbeat|payload|event|join|history|update TIMES"
            );
            ExitCode::from(2)
        }
    }
}

fn run() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("PATH is missing")?;
    let times: u32 = arguments.next().ok_or("TIMES is missing")?.parse()?;
    // The gateway starts tasks for what it tells later; one thread, so that the counts repeat.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match path.as_str() {
            "heartbeat" => heartbeats(times),
            "payload" => payloads(times),
            "event" => events(times).await,
            "join" => joins(times, 1, Kept::No).await,
            "history" => joins(times, 1, Kept::Yes).await,
            "update" => joins(times, 100, Kept::No).await,
            other => Err(format!("{other:?} is no path").into()),
        }
    })
}

/// A ping that is due, and its pong as a masked frame.
fn heartbeats(times: u32) -> Outcome<()> {
    let config = engineio::Config::default();
    let mut now = Clock::system().now();
    let mut session = Session::new(&config, now, TransportName::WebSocket);
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    for _ in 0..times {
        now += config.ping_interval;
        out.clear();
        let closed = session.handle_timeout(&config, now, &mut out);
        let mut pong = masked("3");
        let text = next_item(&mut assembler, &mut pong, &config)?;
        let event = session.handle_packet(&config, now, packet(text)?);
        if closed.is_some() || event.is_some() || out.is_empty() {
            return Err("a ping was due, and its pong came in time".into());
        }
        black_box(&out);
    }
    Ok(())
}

/// A polling body of three packets.
fn payloads(times: u32) -> Outcome<()> {
    let body = format!("{EVENT}\u{1e}3\u{1e}{EVENT}");
    let mut scratch = Vec::new();
    for _ in 0..times {
        let mut payload = Payload::new(black_box(&body));
        let mut packets = 0;
        while let Some(packet) = payload.next_packet(&mut scratch) {
            packets += usize::from(packet.is_ok());
        }
        if packets != 3 {
            return Err("a body of three packets".into());
        }
    }
    Ok(())
}

/// An event with an acknowledgement that says `event_unknown`.
async fn events(times: u32) -> Outcome<()> {
    let mut crowd = Crowd::open(1, Kept::No).await?;
    let config = engineio::Config::default();
    let mut assembler = Assembler::default();
    let mut out = Vec::new();
    for _ in 0..times {
        let mut frame = masked(EVENT);
        let text = next_item(&mut assembler, &mut frame, &config)?;
        let Packet::Message(message) = packet(text)? else {
            return Err("a message".into());
        };
        crowd.now += PAUSE;
        let mut outbox = Outbox::new(&mut out);
        let client = crowd.clients.first_mut().ok_or("a client")?;
        client.on_message(crowd.now, message, &mut outbox);
        if outbox.is_empty() {
            return Err("an acknowledgement was asked for".into());
        }
        black_box(&out);
    }
    Ok(())
}

/// Whether ended sessions are written into the history, which other threads do, in batches.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    No,
    Yes,
}

/// A session joins, which its user's other sessions are told, and leaves, which they are told too.
async fn joins(times: u32, others: usize, kept: Kept) -> Outcome<()> {
    let mut crowd = Crowd::open(others, kept).await?;
    for _ in 0..times {
        let mut client = crowd.join()?;
        crowd.now += PAUSE;
        client.on_closed(crowd.now, CloseReason::ClientClosed);
        crowd.now += PAUSE;
    }
    Ok(())
}

/// The text of one whole frame.
fn next_item<'a>(
    assembler: &'a mut Assembler,
    frame: &'a mut [u8],
    config: &engineio::Config,
) -> Outcome<&'a str> {
    match assembler.next_item(frame, config.max_payload) {
        Ok(Some((Item::Text(text), _))) => Ok(text),
        other => Err(format!("one text frame was sent and not {other:?}").into()),
    }
}

fn packet(text: &str) -> Outcome<Packet<'_>> {
    Packet::decode(text).map_err(|violation| format!("{violation:?}").into())
}

/// A gateway and the sessions of one user.
struct Crowd {
    factory: Clients,
    connect: String,
    clients: Vec<Client>,
    now: Instant,
    out: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Crowd {
    async fn open(sessions: usize, kept: Kept) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.identity.secret = Secret::parse(SECRET);
        if kept == Kept::No {
            config.history.keep_days = 0;
        }
        config.limits.connections_per_address = NonZeroU32::MAX;
        config.limits.sessions_per_user = ALL_OF_THEM;
        config.limits.sessions_per_login = ALL_OF_THEM;
        let clock = Clock::system();
        let app = App::open(config, clock.clone()).await?;
        let token = app.identity.mint("ada", None, clock.unix_seconds(), Duration::from_secs(3600))?;
        let connect = format!(r#"40/sessions,{{"token":"{token}","context":"dashboard-tab-1"}}"#);
        let factory = Clients(Gateway::new(app));
        let (clients, now, out) = (Vec::new(), clock.now(), Vec::new());
        let mut crowd = Self { factory, connect, clients, now, out, _folder: folder };
        for _ in 0..sessions {
            let client = crowd.join()?;
            crowd.clients.push(client);
        }
        Ok(crowd)
    }

    fn join(&mut self) -> Outcome<Client> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::USER_AGENT, USER_AGENT.parse()?);
        let opening = Opening {
            headers: &headers,
            query: "EIO=4&transport=websocket",
            peer: ([127, 0, 0, 1], 40_000).into(),
            transport: TransportName::WebSocket,
        };
        self.now += PAUSE;
        let mailbox = Arc::new(Mailbox::new(256 * 1024));
        let opened = self.factory.open(self.now, &opening, &mailbox);
        let mut client = opened.map_err(|rejection| rejection.why)?;
        let mut frame = masked(&self.connect);
        let mut assembler = Assembler::default();
        let text = next_item(&mut assembler, &mut frame, &engineio::Config::default())?;
        let Packet::Message(message) = packet(text)? else {
            return Err("a message".into());
        };
        let mut outbox = Outbox::new(&mut self.out);
        client.on_message(self.now, message, &mut outbox);
        // It stands at the beginning; to read the whole list would cost as much as to write it.
        let begin = &self.out[..self.out.len().min(128)];
        let told = String::from_utf8_lossy(begin).contains("sessions:ready");
        if told { Ok(client) } else { Err("the session was not taken".into()) }
    }
}

/// A client's text frame of an Engine.IO message or packet (RFC 6455, section 5.2), of less than 64 KiB.
fn masked(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let length = text.len() as u16;
    let mut frame = match length {
        0..126 => vec![0x81, 0x80 | length as u8],
        _ => [&[0x81, 0x80 | 126][..], &length.to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&MASK);
    frame.extend(text.bytes().enumerate().map(|(place, byte)| byte ^ MASK[place % 4]));
    frame
}

/// An event that nobody knows.
const EVENT: &str = r#"42/sessions,7["sessions:none",{"key":"value","number":1}]"#;
/// More than any path opens: the caps are not what is counted.
const ALL_OF_THEM: NonZeroUsize = NonZeroUsize::MAX;
/// Longer than a burst, so that every change is told at once.
const PAUSE: Duration = Duration::from_millis(200);
const SECRET: &str = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
