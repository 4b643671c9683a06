//! The two ways into a session over a WebSocket: at once, or behind hyper. A client cannot tell which one it was.

#![cfg(feature = "server")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod support;

use std::time::Duration;

use support::wire::{Wire, client_frame, request, upgrade_headers};
use support::{POLL, Served, WEBSOCKET, unhurried};

async fn check_opened(mut wire: Wire) {
    let answer = wire.answer().await;
    assert_eq!(answer.status, 101);
    assert!(answer.head.contains("access-control-allow-origin: *"), "{}", answer.head);
    assert!(wire.text().await.starts_with(r#"0{"sid":""#));
    wire.say("4there?").await;
    assert_eq!(wire.text().await, "4there?");
}

#[tokio::test]
async fn a_head_may_come_in_pieces() {
    let served = Served::start(unhurried()).await;
    let head = request("GET", WEBSOCKET, &upgrade_headers(), "");
    for cut in [1, 10, 60, head.len() - 3, head.len() - 1] {
        let mut wire = served.connect().await;
        let (first, rest) = head.split_at(cut);
        wire.send(first).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        wire.send(rest).await;
        check_opened(wire).await;
    }
}

#[tokio::test]
async fn a_session_may_open_behind_another_request() {
    let served = Served::start(unhurried()).await;
    let mut wire = served.connect().await;
    assert_eq!(wire.get(POLL).await.status, 200);
    wire.send(request("GET", WEBSOCKET, &upgrade_headers(), "")).await;
    check_opened(wire).await;
}

#[tokio::test]
async fn nothing_is_lost_of_what_comes_with_a_head() {
    let served = Served::start(unhurried()).await;
    for more in ["", "content-length: 0\r\n"] {
        for length in [10, 9_000, 20_000] {
            let text = format!("4{}", "x".repeat(length));
            let head = request("GET", WEBSOCKET, &format!("{}{more}", upgrade_headers()), "");
            let mut wire = served.connect().await;
            wire.send([head.as_bytes(), &client_frame(0x81, text.as_bytes())].concat()).await;
            assert_eq!(wire.answer().await.status, 101);
            assert!(wire.text().await.starts_with(r#"0{"sid":""#));
            assert_eq!(wire.text().await, text, "{more:?}");
        }
    }
}

#[tokio::test]
async fn whatever_opens_no_websocket_is_answered_over_http() {
    let served = Served::start(unhurried()).await;
    let (lines, too_many) = ("x: y\r\n".repeat(65), "x: y\r\n".repeat(101));
    let expecting = |more: &str| format!("{}{more}", upgrade_headers());
    for (head, status) in [
        (request("GET", POLL, "", ""), 200),
        (request("GET", POLL, &lines, ""), 200),
        (request("POST", WEBSOCKET, &upgrade_headers(), ""), 400),
        (request("GET", "/?EIO=3&transport=websocket", &upgrade_headers(), ""), 400),
        (request("GET", WEBSOCKET, &expecting("content-length: 0\r\n"), ""), 101),
        (request("GET", WEBSOCKET, &expecting(&lines), ""), 101),
        (request("GET", WEBSOCKET, &expecting(&too_many), ""), 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        for cut in [0, 3, head.len()] {
            let mut wire = served.connect().await;
            wire.send(&head[..cut]).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
            wire.send(&head[cut..]).await;
            assert_eq!(wire.answer().await.status, status, "{cut} bytes of {head}");
        }
    }
}
