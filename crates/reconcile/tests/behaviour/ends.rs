//! Sessions that end because of others: by the caps, for the one that replaces them, or because a node asks.

use std::time::Duration;

use reconcile::{Call, Caps, Failed, Message, Reply, Why};

use super::node::{LEASE, Node, OTHER, local, synced};

const TWO: Caps = Caps { per_user: 2, per_login: usize::MAX, evict_oldest: false };
const EVICT: Caps = Caps { evict_oldest: true, ..TWO };

fn ask(node: &mut Node, session: u8) {
    node.reconciler.handle_end(node.now, 1, session);
    node.settle();
}

#[test]
fn ended_session_stays_gone_while_the_caller_still_names_it() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.join(2);
    node.answer(|synced| synced.ended = vec![(1, Why::Evicted)]);
    assert_eq!(node.ended, [(1, Why::Evicted)]);
    assert_eq!(node.last().0, [2, 200]);
    node.join(3);
    let sync = node.answer(|synced| synced.ended = vec![(1, Why::Evicted)]);
    assert_eq!(sync.fields.iter().map(|field| field.session).collect::<Vec<_>>(), [2]);
    let sync = node.answer(|_| ());
    assert_eq!(sync.fields.iter().map(|field| field.session).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(node.ended, [(1, Why::Evicted)], "told once");
    node.leave(1);
    assert!(node.calls.iter().all(|(_, call)| !matches!(call, Call::Sync(_))), "that was known");
}

#[test]
fn ended_session_is_remembered_as_long_as_it_is_named() {
    let mut node = Node::new();
    node.join(1);
    node.answer(|synced| synced.ended = vec![(1, Why::Asked)]);
    node.answer(|_| ());
    node.run_for(5 * LEASE);
    node.join(2);
    let sync = node.sync().1;
    assert_eq!(sync.fields.iter().map(|field| field.session).collect::<Vec<_>>(), [2]);
}

#[test]
fn owner_of_an_ended_session_is_told_although_it_is_in_no_list_any_more() {
    let mut node = Node::new();
    node.join(1);
    node.answer(|synced| {
        synced.list.clear();
        synced.owners = vec![OTHER];
    });
    let is_published =
        node.calls.iter().any(|(_, call)| matches!(call, Call::Publish { to, .. } if to == &[OTHER]));
    assert!(is_published, "{:?}", node.calls);
}

/// Found by the simulation: the last write of a node that has died ended a session elsewhere, and nobody told the others.
#[test]
fn end_that_was_asked_for_is_told_to_the_others_by_the_owner_too() {
    let mut node = Node::new();
    node.join(1);
    node.join(2);
    node.done(500);
    node.done(500);
    node.answer_vital();
    node.reconciler.handle_message(node.now, Message::Changed { user: 1, revision: 510 });
    node.settle();
    node.answer(|synced| {
        (synced.before, synced.revision) = (510, 510); // nothing has changed by this
        synced.ended = vec![(1, Why::Asked)];
    });
    let is_told =
        |call: &Call<u8, u8, u8>| matches!(call, Call::Publish { to, revision: 510, .. } if to == &[OTHER]);
    assert!(node.calls.iter().any(|(_, call)| is_told(call)), "{:?}", node.calls);
}

#[test]
fn node_without_sessions_of_a_user_asks_for_an_end_until_redis_has_taken_it() {
    let mut node = Node::new();
    node.reconciler.handle_disconnected(node.now);
    ask(&mut node, 200);
    node.run_for(3 * LEASE);
    node.reconciler.handle_connected(node.now, 7);
    node.run_for(LEASE / 20);
    let (id, sync) = node.sync();
    assert_eq!((sync.fields.len(), sync.ends), (0, vec![200]));
    node.reply(id, Err(Failed::Error));
    node.run_for(LEASE / 20);
    assert_eq!(node.answer(|synced| synced.list.clear()).ends, [200]);
    ask(&mut node, 200);
    assert_eq!(node.answer(|synced| synced.list.clear()).ends, [200], "who asks again is heard");
    node.run_for(5 * LEASE);
    assert_eq!(node.reconciler.users(), 0);
}

#[test]
fn end_that_was_taken_is_asked_for_again_when_redis_has_lost_data() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    ask(&mut node, 200);
    assert_eq!(node.answer(|synced| synced.list.clear()).ends, [200]);
    node.join(2);
    let (id, sync) = node.sync();
    assert_eq!(sync.ends, [], "it has been taken");
    node.reply(id, Ok(Reply::Synced(synced(0, 600, Vec::new()))));
    assert_eq!(node.sync().1.ends, [200]);
}

#[test]
fn end_of_a_session_here_needs_no_redis() {
    let mut node = Node::new();
    node.join(1);
    node.join(2);
    node.done(500);
    node.done(501);
    node.reconciler.handle_disconnected(node.now);
    ask(&mut node, 1);
    assert_eq!(node.ended, [(1, Why::Asked)]);
    assert_eq!(node.last().0, [2, 200]);
}

#[test]
fn join_over_the_cap_is_refused_by_what_is_known_while_redis_is_away() {
    let mut node = Node::with(TWO);
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.join(2);
    assert_eq!(node.refused, [2], "there is one here and one elsewhere");
    assert_eq!(node.last().0, [1, 200]);
}

#[test]
fn join_over_the_cap_ends_one_of_this_node_while_redis_is_away() {
    let mut node = Node::with(EVICT);
    node.join(201);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.join(202);
    assert_eq!(node.ended, [(201, Why::Evicted)], "the older one is elsewhere, and cannot be reached");
    assert_eq!(node.last().0, [202, 200]);
}

#[test]
fn what_a_join_replaces_is_said_until_redis_has_heard() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.locals.push(local(2, "a", Some(1)));
    node.say();
    assert_eq!(node.ended, [(1, Why::Replaced)]);
    node.leave(1);
    node.locals.push(local(3, "a", Some(200)));
    node.say();
    assert_eq!(node.ended.len(), 1, "the other one is elsewhere");
    node.reconciler.handle_connected(node.now, 7);
    node.settle();
    let replaces = |sync: &reconcile::Sync<u8, u8, u8>| -> Vec<_> {
        sync.fields.iter().map(|field| (field.session, field.is_join, field.replaces)).collect()
    };
    let sync = node.answer(|synced| synced.list.clear());
    assert_eq!(replaces(&sync), [(2, false, Some(1)), (3, false, Some(200))]);
    node.join(4);
    assert_eq!(replaces(&node.sync().1), [(2, false, None), (3, false, None), (4, true, None)]);
}

#[test]
fn session_of_another_login_is_not_replaced() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.locals.push(local(2, "b", Some(1)));
    node.say();
    assert_eq!(node.ended, []);
    assert_eq!(node.last().0, [1, 2, 200]);
}

#[test]
fn end_that_arrives_after_the_time_of_a_join_is_up_ends_it() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(Duration::from_millis(1500));
    assert_eq!(node.last().0, [1]);
    node.answer(|synced| synced.ended = vec![(1, Why::Evicted)]);
    assert_eq!(node.ended, [(1, Why::Evicted)]);
}
