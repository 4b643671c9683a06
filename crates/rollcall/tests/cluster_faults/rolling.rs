//! Nodes that are replaced one after another, as an update does, while clients come and go.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde_json::json;

use crate::book::SLOWNESS;
use crate::fleet::{Dice, Fleet, LEASE};

/// Three nodes with 90 sessions of ten users.
async fn busy_fleet() -> Fleet {
    let mut fleet = Fleet::start(3).await;
    fleet.join_many((0..90).map(|number| (number % 3, format!("u{}", number % 10)))).await;
    fleet
}

/// Each of these nodes ends, its clients go to another one, and a new node comes in its place.
async fn replace(fleet: &mut Fleet, nodes: Range<usize>, dice: &mut Dice) {
    for node in nodes {
        let there = fleet.visitors.iter().filter(|visitor| visitor.node == node);
        let there: BTreeSet<String> = there.map(|visitor| visitor.id.clone()).collect();
        fleet.drain(node);
        let asked = fleet.book.now();
        while !fleet.has_ended(node) {
            assert!(fleet.book.now() - asked < Duration::from_secs(10), "{}", fleet.served(node).log());
            fleet.churn(dice, 10, Duration::from_millis(100)).await;
            for gone in fleet.forget_closed() {
                assert_eq!(gone.look(|told| told.code.clone()).as_deref(), Some("server_shutdown"));
                let running = fleet.running();
                let next = running[dice.below(running.len() as u64) as usize];
                fleet.join_as(next, &gone.user, &gone.login).await;
            }
        }
        // It has told that they have left, and not left them to be found out.
        assert_eq!(fleet.any_in_redis(&there), [""; 0]);
        fleet.start_node().await;
    }
    fleet.forget_closed();
}

/// Clients come and go all the time, and those of the node that ends go to another. Seen failing with a drain of no time
/// and a worker that leaves without saying what is left (`Worker::has_left`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_one_after_another_under_load() {
    let mut fleet = busy_fleet().await;
    replace(&mut fleet, 0..3, &mut Dice(5)).await;
    let took = fleet.settle(Duration::from_secs(1) + SLOWNESS).await;
    println!("three nodes replaced, right {took:?} after the last");
    assert!(fleet.visitors.len() > 30, "{} are left", fleet.visitors.len());
    fleet.wait_for_no_remains(LEASE * 8).await;
}

/// A later release has migrated the database, and says what this one does not know: nodes of this release serve on, and
/// come back after it. Seen failing with columns that may not be empty, and with a schema that this release may not use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_forward_and_back_across_a_migration() {
    let mut fleet = busy_fleet().await;
    let mut dice = Dice(6);
    for table in ["labels", "revocations", "audit"] {
        fleet.database.execute(&format!("ALTER TABLE {table} ADD COLUMN later TEXT")).await;
    }
    fleet.database.execute("CREATE TABLE later (id BIGINT PRIMARY KEY)").await;
    fleet.database.execute("UPDATE rollcall_schema SET schema = schema + 1").await;
    for message in ["{\"kind\":\"later\",\"user\":\"built-in:u0\"}", "{\"kind\":\"look\",\"later\":1}"] {
        // Every node listens.
        assert_eq!(fleet.redis.ask(&format!("PUBLISH rollcall:0:all {}", quoted(message))), ":3\r\n");
    }
    write(&mut fleet, "forward").await;
    replace(&mut fleet, 0..3, &mut dice).await;
    write(&mut fleet, "there").await;
    // And back: what was added stays, as an older release finds it.
    replace(&mut fleet, 3..6, &mut dice).await;
    write(&mut fleet, "back").await;
    assert!(fleet.visitors.len() > 30, "{} are left", fleet.visitors.len());
    fleet.wait_for_no_remains(LEASE * 8).await;
}

/// What goes into SQL still does: a session gets a name and signs another one out.
async fn write(fleet: &mut Fleet, label: &str) {
    let by = fleet.join(fleet.running()[0], "u0").await.id.clone();
    let other = fleet.join(fleet.running()[1], "u0").await.id.clone();
    let by = fleet.visitors.iter().find(|visitor| visitor.id == by).unwrap();
    for (event, argument) in
        [("sessions:rename", json!({ "label": label })), ("sessions:revoke", json!({ "socketId": other }))]
    {
        let number = by.emit(event, &argument);
        let answer = by.answer(number, Duration::from_secs(2) + SLOWNESS).await;
        assert_eq!(answer.as_ref().map(|answer| &answer["ok"]), Some(&true.into()), "{event}: {answer:?}");
    }
    fleet.book.revoke(&other);
    let took = fleet.settle(Duration::from_secs(1) + SLOWNESS).await;
    println!("{label}: right after {took:?}");
    fleet.forget_closed();
}

/// As one word of a command.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
