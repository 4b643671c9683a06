//! The judge of a fault: a server as a process, bystanders of another user who must not notice anything, and what has to
//! be so afterwards, whatever was done to it. Does not know: the fault.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rollcall::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::live::wire::Wire;
use crate::live::{WEBSOCKET, event};
use crate::served::Served;
use crate::support::{SECRET, token};

/// For a server that is judged: short, so that tests are.
pub const HEARTBEAT: [(&str, &str); 2] =
    [("HEARTBEAT__INTERVAL_MS", "1000"), ("HEARTBEAT__TIMEOUT_MS", "2000")];
const INTERVAL: Duration = Duration::from_secs(1);
/// Twice interval and timeout.
const SETTLED: Duration = Duration::from_secs(6);
/// What a loaded machine may take beside.
const SLOWNESS: Duration = Duration::from_secs(2);
/// Memory of a debug build and its allocator wanders by less.
const GROWTH_BYTES: u64 = 10 << 20;
/// Connections to the database that come and go with what is asked of it.
const OWN_DESCRIPTORS: usize = 12;

/// Watches from before the fault until it is judged.
pub struct Oracle {
    before: Held,
    bystander: JoinSet<Notes>,
    stop: oneshot::Sender<()>,
    token: String,
}

/// What the process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub descriptors: usize,
    pub resident_bytes: u64,
    pub sessions: u64,
}

/// What the bystanders have noticed.
#[derive(Debug, Default)]
struct Notes {
    /// Messages from one to the other, numbered from 0; the first that did not come is the end of it.
    messages: u64,
    longest_silence: Duration,
    ended: Option<String>,
}

impl Oracle {
    /// Two tabs of a user of their own, of which one writes to the other all the time.
    pub async fn watch(served: &Served) -> Self {
        let token = token("bystander", "bystander");
        let mut tabs = Vec::new();
        for _ in 0..2 {
            tabs.push(join(served.address, &token).await.expect("let in before the fault"));
        }
        let before = held(served).await;
        let (stop, stopped) = oneshot::channel();
        let (there, here) = (tabs.pop().unwrap(), tabs.pop().unwrap());
        let mut bystander = JoinSet::new();
        bystander.spawn(stand_by(here, there, stopped));
        Self { before, bystander, stop, token }
    }

    /// Panics unless all is well: the process is the same one, answers, has no panic and no secret in its log, and is back
    /// at what it held; the bystanders missed no message and no heartbeat for longer than `excused` explains.
    pub async fn assert_healthy(mut self, served: &mut Served, excused: Duration) {
        assert!(!served.has_ended(), "the process is gone: {}", served.log());
        let alive = timeout(Duration::from_secs(1), async {
            Wire::connect(served.address).await.get("/livez").await
        });
        assert_eq!(alive.await.expect("/livez within a second").status, 200);
        let mut after = held(served).await;
        let until = Clock::system().now() + SETTLED + SLOWNESS;
        while !after.is_like(&self.before) && Clock::system().now() < until {
            sleep(Duration::from_millis(100)).await;
            after = held(served).await;
        }
        let _ = self.stop.send(()); // it may have ended, which shows now
        let notes = self.bystander.join_next().await.unwrap().unwrap();
        assert!(
            after.is_like(&self.before),
            "before {:?}, after {after:?}, {notes:?}\n{}",
            self.before,
            tail(served)
        );
        assert_eq!(notes.ended, None, "{notes:?}\n{}", tail(served));
        assert!(notes.messages > 0, "{notes:?}");
        assert!(notes.longest_silence <= INTERVAL + excused + SLOWNESS, "{notes:?}");
        let log = served.log();
        assert!(!log.contains("panicked at"), "{log}");
        for secret in [SECRET, &self.token] {
            assert!(!log.contains(secret), "a secret in the log: {log}");
        }
    }
}

impl Held {
    fn is_like(&self, before: &Self) -> bool {
        self.sessions == before.sessions
            && self.descriptors <= before.descriptors + OWN_DESCRIPTORS
            && self.resident_bytes <= before.resident_bytes + GROWTH_BYTES
    }
}

/// Descriptors and memory by the kernel, sessions by the metrics.
pub async fn held(served: &Served) -> Held {
    let metrics = Wire::connect(served.address).await.get("/metrics").await.body;
    let sessions = metrics.lines().find_map(|line| line.strip_prefix("rollcall_sessions ")).unwrap();
    let (descriptors, resident_bytes) = (served.descriptors(), served.resident_bytes());
    Held { descriptors, resident_bytes, sessions: sessions.parse().unwrap() }
}

/// A WebSocket in the namespace, its `ready` read; else the code of its refusal.
pub async fn join(address: SocketAddr, token: &str) -> Result<Wire, String> {
    let mut wire = Wire::websocket(address, WEBSOCKET).await;
    wire.say(&format!(r#"40/sessions,{{"token":"{token}"}}"#)).await;
    loop {
        match event(&wire.text().await) {
            Some((name, _)) if name == "sessions:ready" => return Ok(wire),
            Some((_, arguments)) => return Err(arguments[0]["code"].as_str().unwrap().to_owned()),
            None => {}
        }
    }
}

async fn stand_by(mut here: Wire, mut there: Wire, mut stopped: oneshot::Receiver<()>) -> Notes {
    let clock = Clock::system();
    let mut notes = Notes::default();
    let mut heard: [Instant; 2] = [clock.now(); 2];
    let mut sent = 0_u64;
    // So slow that what waits for a server that stands still is not too much at once for its limits.
    let mut send = tokio::time::interval(Duration::from_millis(500));
    while notes.ended.is_none() {
        let (side, frame) = tokio::select! {
            _ = &mut stopped => break,
            _ = send.tick() => {
                let packet = json!(["sessions:send", {"to": "others", "event": "note", "data": sent}]);
                here.say(&format!("42/sessions,{packet}")).await;
                sent += 1;
                continue;
            }
            frame = here.frame() => (0, frame),
            frame = there.frame() => (1, frame),
        };
        let text = match frame {
            Some(frame) if frame.first == 0x81 => String::from_utf8(frame.payload).unwrap(),
            other => {
                notes.ended = Some(format!("tab {side}: {other:?}"));
                break;
            }
        };
        if text == "2" {
            let now = clock.now();
            notes.longest_silence = notes.longest_silence.max(now - heard[side]);
            heard[side] = now;
            if side == 0 { &mut here } else { &mut there }.say("3").await;
        } else if let Some((name, arguments)) = event(&text)
            && name == "sessions:message"
        {
            let data: &Value = &arguments[0]["data"];
            if *data != notes.messages {
                notes.ended = Some(format!("message {data} instead of {}", notes.messages));
            }
            notes.messages += 1;
        }
    }
    for last in heard {
        notes.longest_silence = notes.longest_silence.max(clock.now() - last);
    }
    notes
}

/// The end of the log.
fn tail(served: &Served) -> String {
    let log = served.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
