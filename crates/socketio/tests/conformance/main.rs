//! The conformance server, spoken to byte by byte.
//!
//! `/echo` goes through the cases 1 to 7 and 10 of the Autobahn suite, which tries how somebody speaks WebSocket (RFC 6455),
//! as a table of our own: under the numbers that they have there, what is sent and what must come back. Limits and
//! compression, which are 9, 12 and 13 there, are not among them. `/socket.io/` is told what is no packet.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod case;
mod closing;
mod framing;
mod packets;
mod utf8;

#[allow(dead_code, reason = "it has a main of its own")]
#[path = "../../examples/conformance/main.rs"]
mod server;
#[path = "../../../engineio/tests/support/wire.rs"]
mod wire;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};

use case::Case;
use tokio::net::TcpListener;

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    engineio::server::spawn(async {
        server::listen(listener).await.unwrap();
    });
    address
}

/// Tries all, and says which ones fail.
async fn check(cases: Vec<Case>) {
    let address = serve().await;
    let mut failed = Vec::new();
    for case in cases {
        if let Err(why) = case.run(address).await {
            failed.push(format!("{}: {why}", case.number));
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

// Seen failing: reserved bits let through (3.*).
#[tokio::test]
async fn frames_are_echoed_answered_and_refused_as_rfc_6455_says() {
    check(framing::cases()).await;
}

// Seen failing: text is not looked at (6.3.1 and others up to 6.21.8).
#[tokio::test]
async fn texts_are_utf_8_or_the_end() {
    check(utf8::cases()).await;
}

// Seen failing: every close code echoed (7.9.*, 7.13.*), frames behind a close answered (7.1.3, 7.1.4).
#[tokio::test]
async fn closes_are_answered_once_and_last() {
    check(closing::cases()).await;
}

#[test]
fn none_of_the_247_cases_is_left_out() {
    let cases = [framing::cases(), utf8::cases(), closing::cases()].concat();
    let numbers: HashSet<&str> = cases.iter().map(|case| case.number.as_str()).collect();
    assert_eq!((cases.len(), numbers.len()), (247, 247));
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_refused() {
    let mut wire = wire::Wire::connect(serve().await).await;
    assert_eq!(wire.get("/echo").await.status, 400);
    assert_eq!(wire.request("GET", "/echo", "upgrade: websocket\r\n", "").await.status, 400);
    assert_eq!(wire.get("/other").await.status, 404);
}
