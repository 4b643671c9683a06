//! Many clients that come and go around the moment at which their time to say something runs out.

#![cfg(feature = "server")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engineio::{CloseReason, Violation};
use support::wire::{Wire, client_frame, request, upgrade_headers};
use support::{Echoes, Served, WEBSOCKET, unhurried};
use tokio::task::JoinSet;

/// Time that a client has; the timer looks each 100 ms.
const TIME: Duration = Duration::from_millis(200);
const CLIENTS: u64 = 2000;
/// Two descriptors each, of both ends.
const AT_ONCE: u64 = 200;

// Seen failing: a poll that comes to a session that is closing makes its task panic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_at_the_moment_of_their_timeout_end_once_each_and_without_a_panic() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, hook) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, Ordering::Relaxed);
        hook(panic);
    }));
    let echoes = Echoes { patience: Some(TIME), ..Echoes::default() };
    let served = Arc::new(Served::with(unhurried(), echoes).await);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        if clients.len() as u64 >= AT_ONCE {
            clients.join_next().await.unwrap().unwrap();
        }
        let served = served.clone();
        clients.spawn(async move {
            let leave_after = Duration::from_millis(match number {
                0..50 => 0,
                50..100 => 1000,
                _ => 170 + number * 7 % 160, // 170 to 330 ms, in no order
            });
            match number % 5 {
                0 => websocket(&served, leave_after, |wire| wire.reset()).await,
                1 => websocket(&served, leave_after, drop).await,
                2 => polling(&served, leave_after, "1").await,
                3 => polling(&served, leave_after, "4hello").await,
                _ => upgrading(&served, leave_after).await,
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let ends = served.ends().await; // each that was opened has ended, and once
    assert_eq!((ends.len() as u64, panics.load(Ordering::Relaxed)), (CLIENTS, 0));
    for reason in &ends {
        assert!(
            matches!(
                reason,
                CloseReason::Violation(Violation::Application)
                    | CloseReason::TransportClosed
                    | CloseReason::ClientClosed
            ),
            "{reason:?}"
        );
    }
    assert!(ends.contains(&CloseReason::Violation(Violation::Application)), "nobody ran out of time");
    assert!(ends.contains(&CloseReason::ClientClosed), "nobody left before it");
}

async fn websocket(served: &Served, leave_after: Duration, leave: impl FnOnce(Wire)) {
    let mut wire = served.connect().await;
    wire.send(request("GET", WEBSOCKET, &upgrade_headers(), "")).await;
    assert_eq!(wire.answer().await.status, 101);
    tokio::time::sleep(leave_after).await;
    leave(wire);
}

async fn polling(served: &Served, leave_after: Duration, last_word: &str) {
    let (mut wire, target) = served.open().await;
    tokio::time::sleep(leave_after).await;
    assert!(matches!(wire.post(&target, last_word).await.status, 200 | 400));
    assert!(matches!(wire.get(&target).await.status, 200 | 400));
    assert!(matches!(wire.post(&target, "1").await.status, 200 | 400)); // who has spoken in time may stay
}

async fn upgrading(served: &Served, leave_after: Duration) {
    let (_wire, target) = served.open().await;
    tokio::time::sleep(leave_after.saturating_sub(Duration::from_millis(20))).await;
    let mut candidate = served.connect().await;
    let head = request("GET", &target.replace("polling", "websocket"), &upgrade_headers(), "");
    candidate.send(head).await;
    if candidate.answer().await.status == 101 {
        // It may be gone already: whatever comes of it, comes.
        let _ = candidate.try_send([client_frame(0x81, b"2probe"), client_frame(0x81, b"5")].concat()).await;
        let _ = candidate.try_send(client_frame(0x81, b"1")).await;
        candidate.end().await;
    }
}
