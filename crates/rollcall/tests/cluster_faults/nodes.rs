//! Nodes that die and stand still.

use std::time::Duration;

use crate::book::SLOWNESS;
use crate::fleet::{Fleet, LEASE};

/// The promise: sessions of a node that has died are in no list after this.
const PROMISE: Duration = LEASE.saturating_add(Duration::from_secs(1));

/// 1,000 sessions of 200 users on one node, each of whom somebody watches from another.
/// Seen failing with nodes that never take another one for dead (`Peers::may_reap` false).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_is_out_of_every_list_in_time() {
    let mut fleet = Fleet::start(3).await;
    let user = |number: usize| format!("u{}", number % 200);
    fleet.join_many((0..1000).map(|number| (0, user(number)))).await;
    fleet.join_many((0..200).map(|number| (1 + number % 2, user(number)))).await;
    fleet.settle(Duration::from_secs(20)).await;
    let killed = fleet.book.now();
    fleet.kill(0);
    // The lists of clients; by HTTP and in Redis it is looked at after that.
    while !fleet.told().is_empty() {
        let took = fleet.book.now() - killed;
        assert!(took < PROMISE + SLOWNESS, "{took:?}: {:?}", fleet.told().first());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = fleet.book.now() - killed;
    println!("1,000 sessions of a killed node were out of every list after {took:?}");
    fleet.settle(Duration::from_secs(5)).await;
    fleet.forget_closed();
    fleet.join_many((0..1000).map(|number| (1 + number % 2, user(number)))).await;
    fleet.settle(Duration::from_secs(20)).await;
    fleet.wait_for_no_remains(LEASE * 8).await;
}

/// Seen failing with nodes that never take another one for dead (`Peers::may_reap` false).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_is_out_once_and_back_once() {
    let mut fleet = Fleet::start(2).await;
    for number in 0..20 {
        fleet.join(number % 2, &format!("u{}", number / 4)).await;
    }
    fleet.settle(Duration::from_secs(10)).await;
    let here: Vec<String> =
        fleet.visitors.iter().filter(|visitor| visitor.node == 0).map(|visitor| visitor.id.clone()).collect();
    let old: Vec<String> = fleet.visitors.iter().map(|visitor| visitor.id.clone()).collect();
    fleet.book.begin_trouble();
    let stopped = fleet.book.now();
    fleet.served(0).signal("-STOP"); // counted as running: it is to have everything right afterwards
    let sees_any = |fleet: &Fleet| {
        let others = fleet.visitors.iter().filter(|visitor| visitor.node == 1);
        others.into_iter().any(|visitor| visitor.look(|told| here.iter().any(|id| told.list.contains(id))))
    };
    while sees_any(&fleet) {
        assert!(fleet.book.now() - stopped < PROMISE + SLOWNESS);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "sessions of a node that stands still were out of every list after {:?}",
        fleet.book.now() - stopped
    );
    // One comes and one goes on both sides, as far as they can.
    fleet.join(1, "u0").await;
    let gone = fleet.visitors.iter().position(|visitor| visitor.node == 1).unwrap();
    fleet.leave(gone);
    let gone = fleet.visitors.iter().position(|visitor| visitor.node == 0).unwrap();
    fleet.leave(gone);
    tokio::time::sleep(LEASE).await;
    fleet.served(0).signal("-CONT");
    let took = fleet.settle(PROMISE + SLOWNESS).await;
    fleet.book.end_trouble();
    println!("and back after {took:?}");
    // Whoever was there before has seen each come, go and come again, and no more than that.
    for visitor in fleet.visitors.iter().filter(|visitor| old.contains(&visitor.id) && visitor.node == 1) {
        visitor.look(|told| {
            let came: Vec<u32> =
                told.list.iter().filter(|id| here.contains(id)).map(|id| told.came[id]).collect();
            assert!(came.iter().all(|times| *times == 2), "{} saw them come {came:?} times", visitor.id);
        });
    }
    fleet.wait_for_no_remains(LEASE * 8).await;
}

/// The sessions of one node are dropped by another, and that one is killed while it does so. Seen failing as the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_reaps_is_killed_half_way() {
    let mut fleet = Fleet::start(3).await;
    let user = |number: usize| format!("u{}", number % 200);
    fleet.join_many((0..600).map(|number| (0, user(number)))).await;
    fleet.join_many((0..400).map(|number| (1 + number / 200, user(number)))).await;
    fleet.settle(Duration::from_secs(20)).await;
    fleet.kill(0);
    let killed = fleet.book.now();
    while fleet.visitors.iter().any(|visitor| visitor.node == 0) {
        fleet.forget_closed();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wrong = fleet.told().len();
    while fleet.told().len() == wrong {
        assert!(fleet.book.now() - killed < PROMISE + SLOWNESS);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let left = fleet.told().len();
    fleet.kill(1);
    let took = fleet.settle(PROMISE + SLOWNESS).await;
    println!("killed with {left} lists still wrong, right after {took:?}");
    fleet.wait_for_no_remains(LEASE * 8).await;
}
