//! Limits of the whole process: who is turned away when they are reached, that every end gives its place back, and that
//! whoever is there stays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall::config::{Config, Setting, TrustedProxies};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::live::wire::{Answer, PATIENCE, Wire, client_frame, request, upgrade_headers};
use crate::live::{Live, POLL, WEBSOCKET, event};
use crate::support;

/// Waits for something that is about to become true.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// A metric of the server.
async fn metric(live: &Live, name: &str) -> u64 {
    let metrics = live.wire().await.get("/metrics").await.body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_else(|| panic!("{name}: {metrics}"));
    line.trim().parse().unwrap()
}

async fn used(live: &Live, limit: &str) -> u64 {
    metric(live, &format!("rollcall_limit_used{{limit=\"{limit}\"}}")).await
}

async fn refusals(live: &Live, limit: &str) -> u64 {
    metric(live, &format!("rollcall_limit_refusals_total{{limit=\"{limit}\"}}")).await
}

/// Asks for a socket over this transport, as a client behind a proxy may.
async fn ask(live: &Live, target: &str, forwarded_for: Option<&str>) -> (Answer, Wire) {
    let mut headers = if target == WEBSOCKET { upgrade_headers() } else { String::new() };
    if let Some(address) = forwarded_for {
        headers += &format!("x-forwarded-for: {address}\r\n");
    }
    let mut wire = live.wire().await;
    let answer = wire.request("GET", target, &headers, "").await;
    (answer, wire)
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, retry_after: u32, limit: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.head.contains(&format!("retry-after: {retry_after}\r\n")), "{answer:?}");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    assert_eq!(answer.body, format!(r#"{{"code":"{limit}","message":"No session can be opened now"}}"#));
}

async fn check_turned_away(live: &Live, status: u16, retry_after: u32, limit: &str) {
    for target in [POLL, WEBSOCKET] {
        check_refused(&ask(live, target, None).await.0, status, retry_after, limit);
    }
}

/// Joins over an open WebSocket, up to its first update.
async fn join(live: &Live, wire: &mut Wire, user: &str) {
    wire.say(&live.connect_packet(user)).await;
    loop {
        let packet = wire.text().await;
        if event(&packet).is_some_and(|(name, _)| name == "sessions:update") {
            return;
        }
    }
}

/// Answers pings for as long as something else goes on; gives what came of that, and how many pings came.
async fn stay_during<T>(wire: &mut Wire, other: impl Future<Output = T>) -> (T, usize) {
    let mut pings = 0;
    let staying = async {
        loop {
            if wire.text().await == "2" {
                pings += 1;
                wire.say("3").await;
            }
        }
    };
    let done = tokio::select! {
        biased;
        done = other => done,
        () = staying => unreachable!(),
    };
    (done, pings)
}

#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Close,
    Token,
    Upgraded,
    Posted,
    Forgotten,
}

/// A socket as soon as there is room.
async fn open(live: &Live, target: &str) -> (Answer, Wire) {
    let opening = async {
        loop {
            let (answer, mut wire) = ask(live, target, None).await;
            if matches!(answer.status, 101 | 200) {
                if target == WEBSOCKET {
                    assert!(wire.text().await.starts_with('0'));
                }
                return (answer, wire);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, opening).await.expect("a place is given back")
}

/// The same by polling, with the target of its further requests.
async fn open_polling(live: &Live) -> (Wire, String) {
    let (answer, wire) = open(live, POLL).await;
    let open: Value = serde_json::from_str(&answer.body[1..]).unwrap();
    (wire, format!("{POLL}&sid={}", open["sid"].as_str().unwrap()))
}

/// Opens a socket, the last that there is room for, and ends it in this way.
async fn open_and_end(live: &Live, end: End) {
    let full = async || check_turned_away(live, 429, 10, "connections_per_address").await;
    match end {
        End::Reset | End::Close | End::Token => {
            let (_, mut wire) = open(live, WEBSOCKET).await;
            full().await;
            match end {
                End::Reset => wire.reset(),
                End::Close => wire.say("1").await,
                _ => {
                    wire.say(r#"40/sessions,{"token":"x.y.z"}"#).await;
                    wire.end().await; // a client that does not close by itself is closed
                }
            }
        }
        End::Upgraded => {
            let (_wire, target) = open_polling(live).await;
            let mut websocket = Wire::websocket(live.address, &target.replace("polling", "websocket")).await;
            websocket.say("2probe").await;
            assert_eq!(websocket.text().await, "3probe");
            websocket.say("5").await;
            join(live, &mut websocket, "cleo").await;
            full().await;
            websocket.reset();
        }
        End::Posted => {
            let (mut wire, target) = open_polling(live).await;
            full().await;
            wire.post(&target, "1").await.check(200, "ok");
        }
        End::Forgotten => {
            let _wire = open_polling(live).await; // its heartbeat ends it
            full().await;
        }
    }
}

#[tokio::test]
async fn an_address_has_its_share_of_sockets_and_every_end_gives_its_place_back() {
    let live = Live::start(|config| {
        config.limits.connections_per_address = 2.try_into().unwrap();
        config.heartbeat.interval_ms = 1000.try_into().unwrap();
        config.heartbeat.timeout_ms = 3000.try_into().unwrap();
    })
    .await;
    let mut there = live.socket().await;
    join(&live, &mut there, "ada").await;
    let begun = live.clock.now();
    let ends = async {
        for end in [End::Reset, End::Close, End::Token, End::Upgraded, End::Posted, End::Forgotten] {
            open_and_end(&live, end).await;
        }
        open(&live, WEBSOCKET).await
    };
    let (_last, pings) = stay_during(&mut there, ends).await;
    let seconds = (live.clock.now() - begun).as_secs() as usize;
    assert!(seconds >= 3 && pings + 2 >= seconds, "{pings} pings in {seconds} s");
    assert!(refusals(&live, "connections_per_address").await >= 12);
    assert_eq!(used(&live, "handshakes").await, 1);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_an_ipv6_network_is_one() {
    let live = Live::start(|config| {
        config.limits.connections_per_address = 2.try_into().unwrap();
        config.http.trusted_proxies = serde_json::from_value::<TrustedProxies>(json!(["127.0.0.1"])).unwrap();
    })
    .await;
    let mut open = Vec::new();
    for (target, address, status) in [
        (POLL, "192.0.2.1", 200),
        (WEBSOCKET, "192.0.2.1", 101),
        (POLL, "192.0.2.1", 429),
        (WEBSOCKET, "192.0.2.1", 429),
        (WEBSOCKET, "192.0.2.2", 101),
        (WEBSOCKET, "2001:db8:0:1::1", 101),
        (POLL, "2001:db8:0:1::2", 200),
        (WEBSOCKET, "2001:db8:0:1:ffff::3", 429),
        (WEBSOCKET, "2001:db8:0:2::1", 101),
    ] {
        let (answer, wire) = ask(&live, target, Some(address)).await;
        assert_eq!(answer.status, status, "{target} from {address}");
        open.push(wire);
    }
}

#[tokio::test]
async fn connections_that_ask_for_nothing_are_bounded_too() {
    let live = Live::start(|config| config.limits.connections_per_address = 2.try_into().unwrap()).await;
    let mut socket = live.socket().await;
    join(&live, &mut socket, "ada").await;
    let mut silent = Vec::new();
    for _ in 0..2 * 2 + 64 {
        silent.push(live.wire().await);
    }
    eventually("one more is closed", async || {
        let closed = timeout(Duration::from_millis(200), async { live.wire().await.end().await });
        closed.await.is_ok()
    })
    .await;
    silent.clear();
    eventually("they are forgotten", async || {
        let mut wire = live.wire().await;
        wire.try_send(request("GET", "/livez", "", "")).await.is_ok() && wire.try_answer().await.is_some()
    })
    .await;
}

#[tokio::test]
async fn handshakes_are_bounded_and_hurried_and_whoever_is_in_keeps_the_heartbeat() {
    let live = Live::start(|config| {
        config.limits.handshakes = 4.try_into().unwrap();
        config.heartbeat.interval_ms = 1000.try_into().unwrap();
        config.heartbeat.timeout_ms = 3000.try_into().unwrap();
    })
    .await;
    let mut there = live.socket().await;
    join(&live, &mut there, "ada").await;
    let flood = async {
        let begun = live.clock.now();
        let mut new = Vec::new();
        for _ in 0..4 {
            new.push(live.socket().await);
        }
        assert_eq!(used(&live, "handshakes").await, 4);
        check_turned_away(&live, 503, 5, "handshakes").await;
        join(&live, &mut new[0], "bob").await;
        // A place is free as soon as somebody is let in.
        let late = live.socket().await;
        check_turned_away(&live, 503, 5, "handshakes").await;
        // Those who came while there were many have 5 s to join, the first two the usual 45.
        let mut hurried = [new.remove(3), new.remove(2), late];
        for wire in &mut hurried {
            // They answer no ping either; that would end them after 4 s at the earliest.
            stay_until_closed(wire).await;
        }
        let took = live.clock.now() - begun;
        assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(15), "{took:?}");
        assert_eq!(refusals(&live, "handshakes").await, 4);
        open(&live, WEBSOCKET).await;
    };
    let ((), pings) = stay_during(&mut there, flood).await;
    assert!(pings >= 4, "{pings} pings");
}

/// Answers pings until the server closes.
async fn stay_until_closed(wire: &mut Wire) {
    while let Some(frame) = wire.frame().await {
        match frame.first {
            0x81 if frame.payload == b"2" => drop(wire.try_send(client_frame(0x81, b"3")).await),
            _ => {}
        }
    }
}

/// A piece of a message whose end does not come.
fn piece(bytes: usize) -> Vec<u8> {
    let mut text = br#"42/sessions,["sessions:none",""#.to_vec();
    text.resize(bytes, b'x');
    client_frame(0x01, &text)
}

#[tokio::test]
async fn begun_messages_are_bounded_in_all_and_half_is_kept_for_those_who_are_in() {
    let live = Live::start(|config| config.limits.incomplete_total = 200_000.try_into().unwrap()).await;
    let used = async |expected: u64| {
        eventually(&format!("{expected} are held"), async || {
            used(&live, "incomplete_total").await == expected
        })
        .await;
    };
    let mut joined = Vec::new();
    for user in ["ada", "bob", "cleo"] {
        let mut wire = live.socket().await;
        join(&live, &mut wire, user).await;
        joined.push(wire);
    }
    // Who is not in shares half, over both transports.
    let mut strangers = [live.socket().await, live.socket().await];
    strangers[0].send(piece(60_000)).await;
    used(60_000).await;
    strangers[1].send(piece(60_000)).await;
    assert_eq!(strangers[1].close_code().await, Some(1013));
    let (_poll, target) = live.poll().await;
    let mut posting = live.wire().await;
    posting
        .send(format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n{}",
            "x".repeat(60_000)
        ))
        .await;
    let refused = posting.answer().await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: 5"), "{refused:?}");

    // Who is in has the rest: a piece of a message, or attachments that are still to come.
    joined[0].send(piece(60_000)).await;
    used(120_000).await;
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let begun = format!(r#"452-/sessions,["sessions:none",{placeholders}]"#);
    joined[1].say(&begun).await;
    joined[1].send(client_frame(0x82, &[0; 60_000])).await;
    used(180_000 + begun.len() as u64 - 1).await;
    joined[2].send(piece(60_000)).await;
    let (name, arguments) = event(&joined[2].text().await).unwrap();
    assert_eq!((name.as_str(), &arguments[0]["code"]), ("sessions:error", &json!("unavailable")));
    assert_eq!(joined[2].close_code().await, Some(1013));

    // What has come to its end, or is gone, is held no more.
    joined[0].send(client_frame(0x80, br#""]"#)).await;
    used(120_000 + begun.len() as u64 - 1).await;
    joined[1].send(client_frame(0x82, b"")).await;
    used(60_000).await;
    strangers[0].send(client_frame(0x09, b"")).await; // no frame that may stand there
    drop(strangers);
    used(0).await;
    assert_eq!(refusals(&live, "incomplete_total").await, 3);
}

/// A socket of this user that reads nothing after its first update.
async fn slow_reader(live: &Live, user: &str) -> Wire {
    let mut wire = Wire::websocket_with_buffer(live.address, WEBSOCKET, 4096).await;
    join(live, &mut wire, user).await;
    wire
}

/// Sends a message to the others and gives how many took it.
async fn send(wire: &mut Wire, data: &str) -> u64 {
    wire.say(&format!(r#"42/sessions,1["sessions:send",{{"to":"others","event":"x","data":"{data}"}}]"#))
        .await;
    loop {
        let packet = wire.text().await;
        if let Some(ack) = packet.strip_prefix("43/sessions,1") {
            let ack: Value = serde_json::from_str(ack).unwrap();
            return ack[0]["delivered"].as_u64().unwrap_or_else(|| panic!("{ack}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_all_is_bounded_a_shared_frame_counts_once_and_slow_readers_make_room() {
    let live = Live::start(|config| {
        config.limits.mailboxes_total = 500_000.try_into().unwrap();
        config.limits.sends_per_second = 100_000.try_into().unwrap();
    })
    .await;
    let [mut ada, mut bob, mut cleo] =
        [joined(&live, "ada").await, joined(&live, "bob").await, joined(&live, "cleo").await];
    let mut pollers = Vec::new();
    for user in ["ada", "ada", "ada", "cleo"] {
        pollers.push(silent_poller(&live, user).await);
    }
    let data = "x".repeat(20_000);
    let waits = async || used(&live, "mailboxes_total").await;
    let _slow = slow_reader(&live, "bob").await;
    let lists = waits().await;
    while waits().await == lists {
        send(&mut bob, &data).await;
        tokio::time::sleep(Duration::from_millis(20)).await; // what is taken is taken by then
    }
    // Three who share each frame have the bytes of one waiting.
    let before = waits().await;
    while send(&mut ada, &data).await > 0 {}
    let shared = waits().await - before;
    assert!((200_000..270_000).contains(&shared), "{shared} bytes wait for three");
    assert_eq!(ask(&live, POLL, None).await.0.status, 200);
    // One more user, and there is no more room: who takes nothing is cut within two seconds instead of ten.
    let begun = live.clock.now();
    eventually("it is cut", async || {
        while send(&mut cleo, &data).await > 0 {}
        metric(&live, "rollcall_slow_consumers_total ").await == 1
    })
    .await;
    let took = live.clock.now() - begun;
    assert!(took < Duration::from_secs(8), "{took:?}");
    // What it had is others' by now, and nobody new is taken.
    while send(&mut cleo, &data).await > 0 {}
    let held = waits().await;
    assert!((500_000..521_000).contains(&held), "{held} bytes wait in all");
    check_turned_away(&live, 503, 5, "mailboxes_total").await;
    // Once somebody takes what waits there is room again.
    for (wire, target) in &mut pollers {
        assert!(wire.get(target).await.body.len() > 100_000);
    }
    eventually("there is room again", async || ask(&live, POLL, None).await.0.status == 200).await;
    assert!(refusals(&live, "mailboxes_total").await >= 3);
    for (wire, receivers) in [(&mut ada, 3), (&mut cleo, 1)] {
        assert_eq!(send(wire, "still here").await, receivers);
    }
    for (wire, target) in &mut pollers {
        wire.get(target).await;
    }
    eventually("nothing waits", async || used(&live, "mailboxes_total").await == 0).await;
}

/// A session of this user, up to its first update.
async fn joined(live: &Live, user: &str) -> Wire {
    let mut wire = live.socket().await;
    join(live, &mut wire, user).await;
    wire
}

/// A session of this user that has joined by polling and polls no more.
async fn silent_poller(live: &Live, user: &str) -> (Wire, String) {
    let (mut wire, target) = live.poll().await;
    wire.post(&target, &live.connect_packet(user)).await.check(200, "ok");
    while !wire.get(&target).await.body.contains("sessions:update") {}
    (wire, target)
}

#[tokio::test]
async fn a_panic_of_one_socket_gives_its_place_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    config.identity.secret = Setting::parse(support::SECRET);
    let app = rollcall::app::App::open(config, rollcall::clock::Clock::system()).await.unwrap();
    let clients = rollcall::gateway::Clients(rollcall::gateway::Gateway::new(app.clone()));
    let server = engineio::server::Server::new(engineio::server::ServerConfig::default(), Panicking(clients));
    let listener = rollcall::listen(&app.config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr().unwrap();
    engineio::server::spawn(async move {
        loop {
            let (stream, peer): (TcpStream, SocketAddr) = listener.accept().await.unwrap();
            assert!(server.open_at_once(stream, peer, 16 * 1024, |_| true).await.is_none());
        }
    });
    let mut wire = Wire::websocket(address, WEBSOCKET).await;
    assert!(wire.text().await.starts_with('0'));
    assert_eq!((app.overload.addresses(), app.overload.handshakes()), (1, 1));
    wire.say("4anything").await;
    wire.end().await;
    eventually("it is gone", async || (app.overload.addresses(), app.overload.handshakes()) == (0, 0)).await;
}

/// The gateway's own clients, which panic at the first message.
struct Panicking(rollcall::gateway::Clients);

struct Panics(rollcall::gateway::connection::Client);

impl engineio::server::Factory for Panicking {
    type Application = Panics;

    fn open(
        &self,
        now: Instant,
        opening: &engineio::server::Opening<'_>,
        mailbox: &Arc<engineio::server::Mailbox>,
    ) -> Result<Panics, engineio::server::Rejection> {
        self.0.open(now, opening, mailbox).map(Panics)
    }

    fn on_refused(&self, why: &'static str) {
        self.0.on_refused(why);
    }
}

impl engineio::server::Application for Panics {
    fn on_message(
        &mut self,
        _: Instant,
        _: engineio::Message<'_>,
        _: &mut engineio::server::Outbox<'_>,
    ) -> engineio::server::Flow {
        panic!("as a defect of one socket's task would")
    }

    fn on_wake(&mut self, now: Instant, out: &mut engineio::server::Outbox<'_>) -> engineio::server::Flow {
        self.0.on_wake(now, out)
    }

    fn on_close_request(
        &mut self,
        now: Instant,
        code: engineio::server::CloseCode,
        out: &mut engineio::server::Outbox<'_>,
    ) -> engineio::server::Flow {
        self.0.on_close_request(now, code, out)
    }

    fn on_timeout(&mut self, now: Instant, out: &mut engineio::server::Outbox<'_>) -> engineio::server::Flow {
        self.0.on_timeout(now, out)
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.0.next_timeout()
    }

    fn on_cut(&mut self, now: Instant, cut: engineio::server::Cut, out: &mut engineio::server::Outbox<'_>) {
        self.0.on_cut(now, cut, out);
    }

    fn on_closed(&mut self, now: Instant, reason: engineio::CloseReason) {
        self.0.on_closed(now, reason);
    }
}
