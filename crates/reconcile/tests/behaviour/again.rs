//! What is said again, when, and who goes first.

use std::time::Duration;

use reconcile::{Call, Message, Reply};

use super::node::{LEASE, Node, OTHER, local, synced};

/// Seen failing with one queue for all.
#[test]
fn who_joins_goes_before_those_that_are_said_again() {
    let mut node = Node::new();
    for user in 1..=100 {
        node.reconciler.handle_sessions(node.now, user, vec![local(user, "a", None)]);
        node.settle();
        node.done(500);
    }
    node.calls.clear();
    node.reconciler.handle_channel_down(node.now);
    node.reconciler.handle_channel_up(node.now);
    node.settle();
    node.answer_vital();
    let syncs = node.calls.iter().filter(|(_, call)| matches!(call, Call::Sync(_))).count();
    assert!((32..100).contains(&syncs), "{syncs} are under way, and some wait");
    node.reconciler.handle_sessions(node.now, 200, vec![local(200, "a", None)]);
    node.settle();
    for _ in 0..2 {
        let (id, sync) = node.sync();
        node.reply(id, Ok(Reply::Synced(synced(sync.held, 500, Vec::new()))));
    }
    assert!(node.calls.iter().any(|(_, call)| matches!(call, Call::Sync(sync) if sync.user == 200)));
}

/// Seen failing with every change kept until Redis has taken it.
#[test]
fn users_that_come_and_go_while_redis_is_away_are_forgotten() {
    let mut node = Node::new();
    node.reconciler.handle_disconnected(node.now);
    for user in 1..=200 {
        node.reconciler.handle_sessions(node.now, user, vec![local(user, "a", None)]);
        node.reconciler.handle_sessions(node.now, user, Vec::new());
        node.settle();
    }
    node.run_for(LEASE * 2);
    assert_eq!((node.reconciler.users(), node.reconciler.dirty_users()), (0, 0));
}

/// Seen failing with a loss that is over after one lease.
#[test]
fn after_a_loss_a_node_that_lives_is_waited_for_and_asked() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    assert!(node.last().2);
    node.reconciler.handle_message(node.now, Message::Loss { from: OTHER });
    node.settle();
    node.done(600);
    let mut asked = 0;
    for _ in 0..60 {
        node.now += Duration::from_millis(500);
        node.reconciler.handle_tick(node.now, 1000);
        node.settle();
        asked += node.calls.iter().filter(|(_, call)| is_ask(call)).count();
        node.answer_vital();
    }
    assert!(!node.last().2, "the other node has not said that it has said everything");
    assert!(asked > 5, "{asked}");
    node.reconciler.handle_message(node.now, Message::Said { nodes: vec![OTHER] });
    node.settle();
    assert!(node.last().2);
}

fn is_ask(call: &Call<u8, u8, u8>) -> bool {
    matches!(call, Call::Announce(Message::Ask { nodes, .. }) if nodes == &[OTHER])
}

/// Seen failing with questions that nobody answers.
#[test]
fn who_is_asked_says_what_it_has_not_said_yet_and_that_it_has() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    let own = node.reconciler.node();
    for round in 0..2 {
        let age = Duration::from_secs(6);
        node.reconciler.handle_message(node.now, Message::Ask { nodes: vec![OTHER, own], age });
        node.settle();
        if round == 0 {
            node.done(600); // it had not heard of that loss
        }
        let is_said = |(_, call): &(_, Call<u8, u8, u8>)| matches!(call, Call::Announce(Message::Said { nodes }) if nodes == &[own]);
        assert!(node.calls.iter().any(is_said), "{:?}", node.calls);
        node.answer_vital();
    }
    assert!(!node.calls.iter().any(|(_, call)| matches!(call, Call::Sync(_))), "said once");
}

/// Seen failing with a loss that is none (`is_lost`).
#[test]
fn a_revision_that_redis_does_not_have_is_a_loss_and_no_endless_question() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_message(node.now, Message::Changed { user: 1, revision: 9999 });
    node.settle();
    node.answer_vital();
    node.done(500);
    let has_lost = |(_, call): &(_, Call<u8, u8, u8>)| matches!(call, Call::Announce(Message::Loss { .. }));
    assert!(node.calls.iter().any(has_lost), "{:?}", node.calls);
    node.done(500);
    node.run_for(Duration::from_secs(1));
    assert!(!node.calls.iter().any(|(_, call)| matches!(call, Call::Sync(_))), "{:?}", node.calls);
}
