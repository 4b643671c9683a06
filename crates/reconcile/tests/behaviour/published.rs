//! A list that another node has published, and when it is taken over without asking Redis.

use reconcile::{Call, Entry, Message, NodeId};

use super::node::{LEASE, Node, OTHER, entry};

const THIRD: NodeId = NodeId(98);

/// A node at rest with session 1, and 200 elsewhere, at revision 500.
fn at_rest() -> Node {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.answer_vital();
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    node
}

/// Whether a list was taken over; otherwise Redis is asked.
fn is_taken(node: &mut Node, revision: u64, list: &[Entry<u8, u8>]) -> bool {
    let told = node.told.len();
    hear(node, revision, list);
    let is_asked = node.calls.iter().any(|(_, call)| matches!(call, Call::Sync(_)));
    assert_ne!(is_asked, node.told.len() > told, "{:?}", node.calls);
    !is_asked
}

fn hear(node: &mut Node, revision: u64, list: &[Entry<u8, u8>]) {
    node.reconciler.handle_list(node.now, 1, revision, list);
    node.settle();
}

fn own(node: &Node, session: u8) -> Entry<u8, u8> {
    entry(session, node.reconciler.node())
}

#[test]
fn later_list_is_told_as_it_is_and_is_the_measure_of_a_loss() {
    let mut node = at_rest();
    let list = [own(&node, 1), entry(201, THIRD), entry(200, OTHER)];
    assert!(is_taken(&mut node, 510, &list));
    assert_eq!(node.last(), (vec![1, 200, 201], 510, true));
    node.join(2);
    assert_eq!(node.sync().1.held, 510);
}

#[test]
fn list_that_is_no_later_one_is_dropped() {
    let mut node = at_rest();
    let list = [own(&node, 1), entry(201, OTHER)];
    hear(&mut node, 500, &list);
    hear(&mut node, 499, &list);
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
}

#[test]
fn list_without_a_session_of_this_node_is_no_list_to_tell() {
    let mut node = at_rest();
    assert!(!is_taken(&mut node, 510, &[entry(200, OTHER)]));
}

#[test]
fn list_with_a_session_that_is_not_here_any_more_is_no_list_to_tell() {
    let mut node = at_rest();
    let list = [own(&node, 1), own(&node, 2), entry(200, OTHER)];
    assert!(!is_taken(&mut node, 510, &list));
}

#[test]
fn list_that_says_something_else_of_a_session_here_is_no_list_to_tell() {
    let mut node = at_rest();
    let other = Entry { item: 7, ..own(&node, 1) };
    assert!(!is_taken(&mut node, 510, &[other, entry(200, OTHER)]));
}

#[test]
fn while_redis_is_asked_its_answer_is_waited_for() {
    let mut node = at_rest();
    node.reconciler.handle_message(node.now, Message::Changed { user: 1, revision: 505 });
    node.settle();
    let list = [own(&node, 1), entry(200, OTHER), entry(201, OTHER)];
    hear(&mut node, 510, &list);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
    node.done(505);
    node.done(510);
    assert_eq!(node.last(), (vec![1, 200], 510, true));
    assert_eq!(node.reconciler.dropped_revisions(), 0);
}

#[test]
fn while_a_change_here_is_under_way_redis_is_asked() {
    let mut node = at_rest();
    node.join(2);
    let list = [own(&node, 1), entry(200, OTHER), entry(201, OTHER)];
    hear(&mut node, 510, &list);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
    node.done(505);
    node.done(510);
    assert_eq!(node.last(), (vec![1, 2, 200], 510, true));
}

#[test]
fn while_lists_are_not_complete_redis_is_asked() {
    let mut node = at_rest();
    node.reconciler.handle_channel_down(node.now);
    node.settle();
    let list = [own(&node, 1), entry(201, OTHER)];
    assert!(!is_taken(&mut node, 510, &list));
}

#[test]
fn list_with_a_dead_node_is_no_list_to_tell() {
    let mut node = at_rest();
    node.run_for(2 * LEASE);
    node.other_lives = false;
    node.run_for(LEASE / 10);
    while node.calls.iter().any(|(_, call)| matches!(call, Call::Sync(_))) {
        node.answer(|synced| {
            synced.revision = 505;
            synced.list = vec![entry(1, NodeId(1)), entry(201, THIRD)];
        });
    }
    node.answer_vital();
    let list = [own(&node, 1), entry(200, OTHER)];
    assert!(!is_taken(&mut node, 510, &list));
}

#[test]
fn nobody_here_wants_to_know_of_a_user_without_sessions() {
    let mut node = at_rest();
    node.leave(1);
    node.done(505);
    node.answer_vital();
    hear(&mut node, 510, &[entry(200, OTHER), entry(201, OTHER)]);
    assert!(node.calls.is_empty(), "{:?}", node.calls);
}
