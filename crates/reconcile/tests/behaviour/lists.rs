//! What is told, said and published, and when.

use std::time::Duration;

use reconcile::{Call, Message, Reply, Synced};

use super::node::{LEASE, Node, OTHER, entry, synced};

#[test]
fn join_is_told_with_the_whole_list_and_published_to_the_nodes_that_hold_the_user() {
    let mut node = Node::new();
    node.join(1);
    assert!(node.told.is_empty());
    node.done(500);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
    let is_published = node
        .calls
        .iter()
        .any(|(_, call)| matches!(call, Call::Publish { to, user: 1, revision: 500, .. } if to == &[OTHER]));
    assert!(is_published, "{:?}", node.calls);
}

#[test]
fn join_without_a_reply_is_told_once_when_its_time_is_up() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(Duration::from_millis(950));
    assert!(node.told.is_empty());
    node.run_for(Duration::from_millis(2000));
    assert_eq!(node.told.len(), 1);
    assert_eq!(node.last(), (vec![1], 1, false));
    node.done(500);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
}

#[test]
fn session_that_was_told_is_not_refused_any_more() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(Duration::from_millis(1500));
    let sync = node.answer(|synced| synced.refused = vec![1]);
    assert!(sync.fields[0].is_join);
    assert_eq!(node.refused, []);
    assert!(!node.sync().1.fields[0].is_join);
}

#[test]
fn refused_join_is_never_told() {
    let mut node = Node::new();
    node.join(1);
    node.answer(|synced| synced.refused = vec![1]);
    assert_eq!(node.refused, [1]);
    assert!(node.told.is_empty());
}

#[test]
fn changes_are_told_at_once_while_redis_is_away_and_revisions_go_on() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.join(2);
    assert_eq!(node.last(), (vec![1, 2, 200], 501, false));
    node.leave(1);
    assert_eq!(node.last(), (vec![2, 200], 502, false));
    node.reconciler.handle_connected(node.now, 7);
    node.settle();
    let (_, sync) = node.sync();
    assert_eq!((sync.held, sync.highest, sync.fields.len()), (500, 502, 1));
}

#[test]
fn short_cut_is_not_told_to_those_who_have_no_change() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    let told = node.told.len();
    node.reconciler.handle_disconnected(node.now);
    node.reconciler.handle_connected(node.now + Duration::from_millis(300), 7);
    node.settle();
    node.done(500);
    assert_eq!(node.told.len(), told);
    node.reconciler.handle_disconnected(node.now);
    node.run_for(Duration::from_millis(1500));
    assert_eq!(node.told.len(), told + 1);
    assert_eq!(node.last(), (vec![1, 200], 501, false));
}

#[test]
fn lower_revision_than_the_one_held_is_a_loss() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.join(2);
    let (id, sync) = node.sync();
    assert_eq!(sync.held, 500);
    node.reply(id, Ok(Reply::Synced(synced(0, 600, Vec::new()))));
    assert!(node.calls.iter().any(|(_, call)| matches!(call, Call::Announce(Message::Loss { .. }))));
    assert_eq!(node.last(), (vec![1, 200], 501, false));
    node.done(700);
    assert_eq!(node.last(), (vec![1, 2, 200], 700, false));
    node.reconciler.handle_message(node.now, Message::Said { nodes: vec![OTHER] });
    node.settle();
    assert_eq!(node.last(), (vec![1, 2, 200], 701, true));
}

#[test]
fn reply_after_the_end_of_the_lease_counts_as_not_made() {
    let mut node = Node::new();
    node.join(1);
    let before = node.reconciler.node();
    let (id, sync) = node.sync();
    node.now += LEASE;
    node.reply(id, Ok(Reply::Synced(synced(0, 500, vec![entry(1, before)]))));
    assert_eq!(sync.node, before);
    assert_eq!(node.last(), (vec![1], 1, false), "told for its time was up, not for the reply");
    node.run_for(Duration::from_millis(500));
    let (_, sync) = node.sync();
    assert_ne!(sync.node, before);
    assert_eq!(sync.dead, [before]);
    assert!(!sync.fields[0].is_join, "was told when its time was up");
}

#[test]
fn idle_session_causes_no_call() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.answer_vital();
    node.calls.clear();
    for _ in 0..600 {
        node.run_for(Duration::from_millis(100));
        assert!(node.calls.is_empty(), "{:?}", node.calls);
    }
}

#[test]
fn dead_node_is_reaped_only_by_one_that_has_held_its_lease_for_a_whole_one() {
    let mut node = Node::new();
    node.other_lives = false;
    node.run_for(LEASE - Duration::from_millis(500));
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    node.run_for(Duration::from_secs(1));
    assert!(matches!(node.calls[..], [(_, Call::UsersOf { node: OTHER, cursor: 0 })]), "{:?}", node.calls);
}

#[test]
fn nobody_is_reaped_within_one_lease_after_redis_was_away() {
    let mut node = Node::new();
    node.run_for(2 * LEASE);
    node.reconciler.handle_disconnected(node.now);
    node.reconciler.handle_connected(node.now, 7);
    node.other_lives = false;
    node.run_for(LEASE - Duration::from_millis(500));
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    node.run_for(Duration::from_secs(1));
    assert!(!node.calls.is_empty());
}

#[test]
fn list_that_was_asked_for_before_a_death_is_asked_for_again() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(2 * LEASE);
    node.other_lives = false;
    node.run_for(Duration::from_secs(1));
    node.done(500);
    assert_eq!(node.sync().1.dead, [OTHER]);
}

#[test]
fn whose_node_has_died_is_told_whatever_else_the_reply_is_worth_and_own_ones_are_not() {
    let mut node = Node::new();
    node.join(1);
    let own = node.reconciler.node();
    node.answer(|synced| synced.lost = vec![entry(200, OTHER), entry(1, own)]);
    assert_eq!(node.lost, [200]);
    node.join(2);
    let (id, _) = node.sync();
    node.now += LEASE; // too late to count
    let lost = vec![entry(201, OTHER), entry(1, own)];
    node.reply(id, Ok(Reply::Synced(Synced { lost, ..synced(500, 600, Vec::new()) })));
    assert_eq!(node.lost, [200, 201]);
}

#[test]
fn what_redis_has_forgotten_while_this_node_was_cut_off_for_long_is_no_loss() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.run_for(10 * LEASE);
    node.reconciler.handle_connected(node.now, 7);
    node.run_for(Duration::from_millis(200));
    let sync = node.answer(|synced| synced.before = 0);
    assert_eq!((sync.held, sync.highest), (0, 501));
    let is_loss = |call: &Call<u8, u8, u8>| matches!(call, Call::Announce(Message::Loss { .. }));
    assert!(!node.calls.iter().any(|(_, call)| is_loss(call)), "{:?}", node.calls);
    assert_eq!(node.last().0, [1, 200]);
}
