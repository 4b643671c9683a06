//! Five hundred who log in at once: a bounded number of hashes, everybody else told when to come back, and the sockets
//! that are there notice nothing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use databases::start;

use crate::live::Live;
use crate::live::databases;
use crate::live::wire::{Wire, request};
use crate::namespace::Tab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_is_shed_and_sockets_go_on() {
    let live = Live::start(|config| {
        config.accounts.logins_per_minute = NonZeroU32::new(10_000).unwrap();
    })
    .await;
    let mut bystander = Tab::join(&live, "bystander").await;
    let headers = "content-type: application/json\r\n";
    let hashed = Arc::<AtomicUsize>::default();
    let logins: Vec<_> = (0..500)
        .map(|number| {
            let body = format!(r#"{{"email":"u{number}@example.org","password":"correct horse"}}"#);
            let (address, hashed) = (live.address, hashed.clone());
            start(async move {
                let mut wire = Wire::connect(address).await;
                wire.send(request("POST", "/auth/login", headers, &body)).await;
                let answer = wire.answer().await;
                hashed.fetch_add(usize::from(answer.status == 401), Ordering::SeqCst);
                answer
            })
        })
        .collect();

    // While they wait, somebody who is connected is answered as ever: never do many passwords go before.
    let (mut most, mut waits) = (0, Vec::new());
    while logins.iter().any(|login| !login.is_finished()) {
        let before = hashed.load(Ordering::SeqCst);
        let asked_at = live.clock.now();
        // What nobody knows is answered however often it is asked.
        assert_eq!(bystander.ask("sessions:none", "").await["code"], "event_unknown");
        waits.push(live.clock.now() - asked_at);
        most = most.max(hashed.load(Ordering::SeqCst) - before);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    waits.sort();
    let asked = waits.len();
    assert!(asked > 5 && most <= BEFORE_AN_ANSWER, "{asked} times, behind {most} hashes at worst");
    let slowest = waits[(asked * 99).div_ceil(100) - 1];
    assert!(slowest <= Duration::from_secs(1), "an answer took {slowest:?} (p99 of {asked})");
    let (mut judged, mut shed) = (0, 0);
    for login in logins {
        let answer = login.await.unwrap();
        match answer.status {
            401 => judged += 1,
            503 => {
                assert!(answer.head.to_ascii_lowercase().contains("retry-after: 2"), "{}", answer.head);
                assert!(answer.body.contains("overloaded"), "{}", answer.body);
                shed += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert_eq!(judged + shed, 500);
    assert!(shed > 0 && judged > 0, "{judged} judged, {shed} shed");
}

/// Hashes that end while one question is answered: on the threads that serve sockets it would be most of those that may
/// wait (`accounts.hash_queue`).
const BEFORE_AN_ANSWER: usize = 16;
