//! A node that Redis cannot be reached from, while clients come, go and sign each other out on both sides.

use std::time::Duration;

use serde_json::json;

use crate::book::SLOWNESS;
use crate::fleet::{Dice, Fleet, LEASE, wait_for};
use crate::forwarder::Way;

/// Each user has one session of a common login on each node, and one of another login.
async fn fleet_with_a_way() -> Fleet {
    let mut fleet = Fleet::start(2).await;
    fleet.start_node_behind().await;
    for user in 0..USERS {
        let user = format!("u{user}");
        fleet.join_many((0..3).map(|node| (node, user.clone()))).await;
        for node in 0..3 {
            fleet.join(node, &user).await;
        }
    }
    fleet.settle(Duration::from_secs(10)).await;
    fleet
}

/// A session of the common login, or of the other one, ends because one of the common login on another node wants it.
async fn sign_out(fleet: &Fleet, user: &str, by: usize, of: usize, is_own_login: bool) {
    let find = |node, is_common| {
        let mut those = fleet.visitors.iter().filter(|visitor| visitor.is_open() && visitor.user == user);
        those.find(|visitor| visitor.node == node && (visitor.login == "same") == is_common).unwrap()
    };
    let (own, other) = (find(by, true), find(of, is_own_login));
    let number = own.emit("sessions:revoke", &json!({"socketId": other.id}));
    let answer = own.answer(number, Duration::from_secs(2) + SLOWNESS).await;
    let answer =
        answer.unwrap_or_else(|| panic!("node {by} does not answer who wants {} of {of} to end", other.id));
    assert_eq!((&answer["ok"], &answer["revoked"]), (&true.into(), &1.into()), "{answer}");
    fleet.book.revoke(&other.id);
}

async fn is_right_after(way: Way) {
    let mut fleet = fleet_with_a_way().await;
    fleet.book.begin_trouble();
    fleet.way(2).set(way);
    // On each side they still have the others in their lists.
    sign_out(&fleet, "u0", 0, 2, true).await;
    sign_out(&fleet, "u1", 0, 2, false).await;
    sign_out(&fleet, "u2", 2, 0, true).await;
    sign_out(&fleet, "u3", 2, 1, false).await;
    // Longer than a lease: the others take it for dead.
    fleet.churn(&mut Dice(way as u64), USERS - 2, LEASE * 2).await;
    fleet.way(2).set(Way::Open);
    fleet.book.end_trouble();
    let took = fleet.settle(LEASE + Duration::from_secs(1) + SLOWNESS).await;
    println!("{way:?}: right {took:?} after its end");
    let ended = fleet.forget_closed();
    let codes: Vec<_> = ended.iter().map(|visitor| visitor.look(|told| told.code.clone())).collect();
    assert!(codes.iter().all(|code| code.as_deref() == Some("session_revoked")), "{codes:?}");
    fleet.wait_for_no_remains(LEASE * 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_reach_redis_catches_up() {
    is_right_after(Way::Cut).await;
}

/// Seen failing with what was asked to end not asked again (`Ends::fail` and `Ends::say_again` emptied).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_packets_are_lost_catches_up_and_its_late_writes_are_not_taken() {
    is_right_after(Way::Blocked).await;
}

/// It keeps both connections, and finds out that it hears nothing: each time it reads everything over a new one. Seen
/// failing with echoes that are not missed (`Echo::is_unheard` false).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hears_nothing_notices() {
    let mut fleet = fleet_with_a_way().await;
    fleet.book.begin_trouble();
    fleet.way(2).set(Way::Deaf);
    fleet.churn(&mut Dice(11), USERS, Duration::from_secs(1)).await;
    let took = fleet.settle(LEASE + Duration::from_secs(1) + SLOWNESS).await;
    println!("deaf, and right after {took:?}");
    // Everybody may be told the right thing before it has missed its own voice for long enough.
    wait_for(LEASE + Duration::from_secs(1) + SLOWNESS, "a node that says why", async || {
        fleet.served(2).log().contains("not even what this node says to itself")
    })
    .await;
    fleet.way(2).set(Way::Open);
    fleet.book.end_trouble();
    fleet.settle(LEASE).await;
}

const USERS: u64 = 6;
