//! Five hundred who log in at once: a bounded number of hashes, everybody else told when to come back, and the sockets
//! that are there notice nothing.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

#[path = "support/live.rs"]
mod live;
#[path = "support/namespace.rs"]
mod namespace;
mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use databases::start;
use live::Live;
use live::databases;
use live::wire::{Wire, request};
use namespace::Tab;
use rollcall::clock::Clock;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_is_shed_and_sockets_go_on() {
    let live = Live::start(|config| {
        config.accounts.logins_per_minute = NonZeroU32::new(10_000).unwrap();
    })
    .await;
    let mut bystander = Tab::join(&live, "bystander").await;
    let headers = "content-type: application/json\r\n";
    let logins: Vec<_> = (0..500)
        .map(|number| {
            let body = format!(r#"{{"email":"u{number}@example.org","password":"correct horse"}}"#);
            let address = live.address;
            start(async move {
                let mut wire = Wire::connect(address).await;
                wire.send(request("POST", "/auth/login", headers, &body)).await;
                wire.answer().await
            })
        })
        .collect();

    // While they wait, somebody who is connected is answered as ever: each time within a second.
    let clock = Clock::system();
    let mut slowest = Duration::ZERO;
    let mut asked = 0;
    while logins.iter().any(|login| !login.is_finished()) {
        let begun = clock.now();
        // What nobody knows is answered however often it is asked.
        assert_eq!(bystander.ask("sessions:none", "").await["code"], "event_unknown");
        slowest = slowest.max(clock.now() - begun);
        asked += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
    assert!(asked > 5 && slowest < Duration::from_secs(1), "{asked} times, {slowest:?} at worst");
}
