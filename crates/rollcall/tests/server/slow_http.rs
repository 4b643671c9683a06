//! Clients that say too little, too slowly: each connection ends at its own deadline while others are served.

use std::time::Duration;

use tokio::time::{interval, timeout};

use crate::live::wire::Wire;
use crate::live::{self, Live, POLL};
use crate::support::SECRET;

/// The configured deadlines are one second; this much more is the machine's.
const ENDED_BY: Duration = Duration::from_secs(8);

async fn start() -> Live {
    Live::start(|config| {
        config.http.header_timeout = Duration::from_secs(1);
        config.http.body_timeout = Duration::from_secs(1);
    })
    .await
}

/// Sends `head`, then a byte of `rest` each 300 ms, which takes far longer than is allowed; gives what came back.
async fn drip(mut wire: Wire, head: &str, rest: &str) -> String {
    wire.send(head).await;
    let slowly = async {
        let mut beat = interval(Duration::from_millis(300));
        for byte in rest.bytes() {
            beat.tick().await;
            if wire.try_send([byte]).await.is_err() {
                break;
            }
        }
        wire.end().await
    };
    let answer = timeout(ENDED_BY, slowly).await.expect("closed at its deadline");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_slow_client_is_closed_at_its_deadline_and_others_are_served() {
    let live = start().await;
    let (_wire, target) = live.poll().await;
    let post = |target: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        )
    };
    let endless = "x".repeat(60);
    let slow = async {
        let login = post("/auth/login");
        let polling = post(&target).replace("application/json", "text/plain");
        tokio::join!(
            drip(live.wire().await, "", ""),
            drip(live.wire().await, "", "GET / HTTP/1.1\r\nx-endless: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            drip(live.wire().await, "GET / HTTP/1.1\r\n", &endless),
            drip(live.wire().await, &polling, &endless),
            drip(live.wire().await, &login, &endless),
        )
    };
    let other = async {
        for _ in 0..10 {
            assert_eq!(live.wire().await.get("/livez").await.status, 200);
            assert_eq!(live.wire().await.get(POLL).await.status, 200);
        }
    };
    let ((nothing, first_line, header, polled, login), ()) = tokio::join!(slow, other);
    for silent in [nothing, first_line, header] {
        assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 408"), "{silent}");
    }
    for late in [polled, login] {
        assert!(late.starts_with("HTTP/1.1 408"), "{late}");
        assert!(late.to_ascii_lowercase().contains("connection: close"), "{late}");
    }
    let gone = live.wire().await.get(&target).await;
    assert_eq!(gone.status, 400, "a session whose post was cut has lost some of what its client said");
}

#[tokio::test]
async fn an_idle_connection_is_closed_between_two_requests() {
    let live = start().await;
    let mut wire = live.wire().await;
    assert_eq!(wire.get("/livez").await.status, 200);
    assert_eq!(wire.get("/livez").await.status, 200, "it is kept for a while");
    let rest = timeout(ENDED_BY, wire.end()).await.expect("closed while idle");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn a_poll_may_wait_longer_than_a_header_may_take() {
    let live = start().await;
    let (mut wire, target) = live.poll().await;
    wire.send(live::wire::request("GET", &target, "", "")).await;
    tokio::time::sleep(Duration::from_secs(2)).await; // two deadlines of a header
    live.wire().await.post(&target, &live.connect_packet("ada")).await.check(200, "ok");
    assert!(wire.answer().await.body.contains("sessions:ready"));
}

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_lines_is_refused() {
    let live = start().await;
    assert!(!SECRET.is_empty());
    for headers in ["x: y\r\n".repeat(2000), format!("x: {}\r\n", "y".repeat(64 * 1024))] {
        let mut wire = live.wire().await;
        // The server may close before it has read all of it.
        let sent = wire.try_send(live::wire::request("GET", "/livez", &headers, "")).await;
        let status = wire.try_answer().await.map(|answer| answer.status);
        assert!(matches!(status, Some(400 | 431)) || sent.is_err() || status.is_none(), "{status:?}");
        assert_ne!(status, Some(200));
    }
    assert_eq!(live.wire().await.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_client_that_takes_no_byte_of_its_answers_is_given_up() {
    let live = Live::start(|config| {
        config.http.write_timeout = Duration::from_secs(1);
        config.heartbeat.timeout_ms = 1000.try_into().unwrap();
    })
    .await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(live.address).await.unwrap();
    let request = live::wire::request("GET", "/", "", "");
    let given_up = async {
        loop {
            match stream.try_write(request.as_bytes()) {
                Ok(_) => {}
                // The server reads no further: its answers have nowhere to go.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(_) => return,
            }
        }
    };
    timeout(Duration::from_secs(30), given_up).await.expect("given up");
    assert_eq!(live.wire().await.get("/livez").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_is_not_lost() {
    let live = Live::start(|_| {}).await;
    let length = 300_000;
    for (target, content_type, status) in [
        ("/auth/login", "text/plain", 415),
        ("/auth/login", "application/json", 413),
        ("/auth/me", "application/json", 405),
        ("/nowhere", "application/json", 404),
    ] {
        let mut wire = live.wire().await;
        wire.send(format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        // The server knows its answer long before the body has come.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.send("x".repeat(length / 3)).await;
        }
        assert_eq!(wire.answer().await.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_head_of_many_lines_has_no_more_time_than_another() {
    let live = Live::start(|config| config.http.header_timeout = Duration::from_secs(2)).await;
    let mut wire = live.wire().await;
    wire.send(format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(60))).await;
    tokio::time::sleep(Duration::from_millis(1700)).await;
    wire.send("x: y\r\n".repeat(10)).await;
    // Two seconds after its beginning, and not two after these lines.
    timeout(Duration::from_millis(1300), wire.end()).await.expect("closed at its deadline");
}
