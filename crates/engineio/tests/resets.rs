//! Clients that vanish with a reset at any step: nothing of their sessions stays behind.

#![cfg(feature = "server")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod support;

use engineio::CloseReason;
use support::wire::{Wire, request, upgrade_headers};
use support::{POLL, Served, WEBSOCKET, brisk, unhurried};

#[tokio::test]
async fn a_reset_at_any_step_of_a_connection_leaves_no_session() {
    // A reset takes requests along that the server has not read: such a session ends by its heartbeat.
    let served = Served::start(brisk()).await;
    let mut neighbour = served.websocket().await;
    let whole = request("GET", WEBSOCKET, &upgrade_headers(), "");
    for part in [0, 1, whole.len() / 2, whole.len() - 1] {
        let mut wire = served.connect().await;
        wire.send(&whole[..part]).await;
        wire.reset();
    }
    Wire::websocket(served.address, WEBSOCKET).await.reset(); // right behind the 101
    let mut wire = served.websocket().await;
    wire.send([0x81]).await; // half a frame
    wire.reset();
    let (mut wire, target) = served.open().await;
    wire.send(request("GET", &target, "", "")).await; // a poll that waits
    wire.reset();
    let (mut wire, target) = served.open().await;
    wire.send(format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n4")).await;
    wire.reset();

    neighbour.say("4there?").await;
    assert_eq!(neighbour.text().await, "4there?");
    neighbour.say("1").await;
    served.ends().await;
}

// Seen failing: a lost candidate takes its session along.
#[tokio::test]
async fn a_reset_at_any_step_of_an_upgrade_leaves_the_session_to_its_polling() {
    for step in 0..4 {
        let served = Served::start(unhurried()).await;
        let (mut wire, target) = served.open().await;
        let upgrade = request("GET", &target.replace("polling", "websocket"), &upgrade_headers(), "");
        match step {
            0 => {
                let mut half = served.connect().await;
                half.send(&upgrade[..upgrade.len() / 2]).await;
                half.reset();
            }
            1 => served.candidate(&target).await.reset(),
            2 => {
                let mut candidate = served.candidate(&target).await;
                candidate.say("2probe").await;
                candidate.reset();
            }
            _ => {
                let mut candidate = served.candidate(&target).await;
                candidate.say("2probe").await;
                assert_eq!(candidate.text().await, "3probe");
                candidate.reset();
            }
        }
        // A new candidate is taken as soon as the loss of the old one is known.
        let mut tries = 0;
        let mut another = loop {
            tries += 1;
            assert!(tries < 1000, "step {step}: no other candidate is taken");
            let mut another = served.candidate(&target).await;
            if another.try_send(support::wire::client_frame(0x81, b"2probe")).await.is_ok()
                && another.frame().await.is_some_and(|frame| frame.payload == b"3probe")
            {
                break another;
            }
        };
        wire.post(&target, "4one").await.check(200, "ok");
        wire.get(&target).await.check(200, "4one");
        another.say("5").await;
        another.say("4two").await;
        assert_eq!(another.text().await, "4two", "step {step}");
        another.reset();
        assert_eq!(served.ends().await, [CloseReason::TransportClosed], "step {step}");
    }
}

// Seen failing: that a poll was given up is not looked for.
#[tokio::test]
async fn polls_and_posts_that_are_reset_again_and_again_leave_nothing() {
    let served = Served::start(brisk()).await;
    for _ in 0..200 {
        let (mut wire, target) = served.open().await;
        wire.send(request("GET", &target, "", "")).await;
        for _ in 0..10 {
            tokio::task::yield_now().await; // the server reads it, most times
        }
        wire.reset();
    }
    let ends = served.ends().await;
    assert_eq!(ends.len(), 200);
    assert!(ends.contains(&CloseReason::TransportClosed), "none was found before its heartbeat");
    assert_eq!(served.connect().await.get(POLL).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_while_the_session_is_being_opened_closes_its_application() {
    let (opened, is_opened) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let hook = move || {
        opened.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
    };
    let echoes = support::Echoes { on_open: Some(Box::new(hook)), ..support::Echoes::default() };
    let served = Served::with(unhurried(), echoes).await;
    let mut wire = served.connect().await;
    wire.send(request("GET", WEBSOCKET, &upgrade_headers(), "")).await;
    let is_opened =
        tokio::task::spawn_blocking(move || is_opened.recv_timeout(support::wire::PATIENCE)).await;
    is_opened.unwrap().unwrap();
    wire.reset();
    go_on.send(()).unwrap();
    let begun = std::time::Duration::from_secs(2);
    let closed = tokio::time::timeout(begun, async {
        while served.book().lock().unwrap().closed.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(closed.await.is_ok(), "opened, and never closed: {:?}", served.book());
}
