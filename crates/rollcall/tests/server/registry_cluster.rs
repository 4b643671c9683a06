//! The registry of one of several nodes: who waits to be listed, how a list of all nodes is taken over, who is let go.

use std::sync::Arc;

use bytes::Bytes;
use engineio::server::Mailbox;
use rollcall::identity::{IssuerId, Login, Tag};
use rollcall::registry::session::{Activity, State};
use rollcall::registry::{
    Agent, Amendment, Caps, Changes, Entered, Grant, Interner, Joining, Listed, NotJoined, Registry, Session,
    SocketId, TakenOver, User, UserKey, Which, record,
};

const OWN: u64 = 1;
const OTHER: u64 = 2;

struct Node {
    registry: Registry,
    changes: Arc<Changes>,
    agents: Interner,
}

impl Node {
    fn new(caps: Caps) -> Self {
        let changes = Arc::<Changes>::default();
        Self { registry: Registry::cluster(caps, changes.clone()), changes, agents: Interner::default() }
    }

    fn session(&self, number: usize, login: &str) -> Session {
        let agent = || Agent { user_agent: "\"Firefox\"".into(), device: "".into() };
        Session {
            id: id(number),
            connected_at: number as u64,
            ip: None,
            agent: self.agents.intern("Firefox", agent),
            context: None,
            grant: Grant::of(Login::Session(login.into()), Tag::from([login.len() as u8; 6]), 1, Some(1), 1),
            details: None,
            mailbox: Some(Arc::new(Mailbox::new(1))),
        }
    }

    fn enter(&self, number: usize, login: &str) -> Arc<User> {
        self.try_enter(number, login).unwrap()
    }

    fn try_enter(&self, number: usize, login: &str) -> Result<Arc<User>, NotJoined> {
        let joining = Joining { session: self.session(number, login), replaces: None };
        let note = |user: &Arc<User>, roster: &mut rollcall::registry::Roster<'_>| {
            self.changes.note(engineio::server::clock::now(), user, roster);
        };
        self.registry.enter(&ada(), joining, |_| true, note).map_err(|refused| refused.1)
    }

    /// What a session of another node looks like in the list.
    fn elsewhere(&self, number: usize, login: &str) -> Listed {
        let mut session = self.session(number, login);
        session.mailbox = None;
        let record = Bytes::from(record::encode(&session));
        self.agents.release(session.agent);
        Listed { id: id(number), node: OTHER, record }
    }

    /// All sessions of this node, as the list says them back.
    fn own(user: &User) -> Vec<Listed> {
        let locals = user.roster().locals();
        locals.into_iter().map(|local| Listed { id: local.id, node: OWN, record: local.record }).collect()
    }

    fn take_over(&self, user: &User, revision: u64, list: Vec<Listed>) -> TakenOver {
        let decode = |listed: &Listed| record::decode(listed.id, &listed.record, &self.agents);
        user.roster().take_over(revision, true, list, OWN, decode)
    }
}

fn ada() -> UserKey {
    UserKey { issuer: IssuerId(0), subject: "ada".into() }
}

fn id(number: usize) -> SocketId {
    SocketId::parse(&format!("{number:020}")).unwrap()
}

/// The list, whether it is whole, and its revision.
fn told(user: &User) -> (Vec<usize>, bool, u64) {
    let sessions = listed(user);
    let roster = user.roster();
    (sessions, roster.is_complete(), roster.revision())
}

fn listed(user: &User) -> Vec<usize> {
    user.roster().sessions().iter().map(|session| session.id.as_str().parse().unwrap()).collect()
}

#[test]
fn a_session_is_in_no_list_until_all_nodes_know_it_and_then_waits_for_its_greeting() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(5, "desk");
    assert_eq!(told(&user), (vec![], false, 0));
    assert!(matches!(user.roster().greet(&id(5)), Entered::NotYet));
    let mut list = Node::own(&user);
    list.push(node.elsewhere(3, "phone"));
    let TakenOver { dropped, to_wake, .. } = node.take_over(&user, 40, list);
    assert_eq!((dropped.len(), to_wake.len()), (0, 1));
    assert_eq!(told(&user), (vec![3, 5], true, 40));
    assert!(user.roster().sessions().iter().all(|session| session.mailbox.is_none()), "nobody is told yet");
    assert!(matches!(user.roster().greet(&id(5)), Entered::Listed { is_first_of_login: true }));
    assert!(user.roster().find(&id(5)).unwrap().mailbox.is_some());
    assert!(matches!(user.roster().greet(&id(5)), Entered::Gone), "once");
    assert_eq!(user.roster().node_of(&id(3)), Some(OTHER));
    assert_eq!(user.roster().node_of(&id(5)), None);
    assert_eq!(user.roster().other_nodes(), [OTHER]);
    assert_eq!(node.registry.sessions(), 1);
}

#[test]
fn what_is_here_is_known_better_than_the_list_says() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(1, "desk");
    let old = Node::own(&user);
    let _ = node.take_over(&user, 10, old);
    user.roster().greet(&id(1));
    let idle = Activity { state: State::Idle, last_active_at: None };
    assert!(node.registry.amend(&user, &Amendment::Activity(id(1), idle), |_| {}));
    assert_eq!(user.roster().revision(), 10, "the list of all nodes brings the next one");
    // A list that was made before: the session keeps what it has, and its mailbox.
    let before = Listed { id: id(1), node: OWN, record: Bytes::from_static(b"{}") };
    let _ = node.take_over(&user, 11, vec![before]);
    let roster = user.roster();
    let session = roster.find(&id(1)).unwrap();
    assert!(session.mailbox.is_some());
    assert_eq!(session.details.as_ref().unwrap().activity, Some(idle));
    drop(roster);
    // One that is in the list, and has left since it was made, is not taken for one of another node.
    let gone = Listed { id: id(9), node: OWN, record: node.elsewhere(9, "desk").record };
    let _ = node.take_over(&user, 12, vec![gone]);
    assert_eq!(listed(&user), [1], "and one that is here does not go for being left out");
}

#[test]
fn sessions_elsewhere_come_change_and_go_with_the_list() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(1, "desk");
    let with = |others: Vec<Listed>| Node::own(&user).into_iter().chain(others).collect::<Vec<_>>();
    let _ = node.take_over(&user, 10, with(vec![node.elsewhere(2, "phone"), node.elsewhere(3, "phone")]));
    let same = node.take_over(&user, 11, with(vec![node.elsewhere(2, "phone"), node.elsewhere(3, "tv")]));
    assert_eq!(same.dropped.len(), 1, "only the one that is told of in other words");
    assert_eq!(user.roster().find(&id(3)).unwrap().grant.login, Login::Session("tv".into()));
    same.dropped.into_iter().for_each(|session| node.agents.release(session.agent));
    let unreadable = Listed { id: id(4), node: OTHER, record: Bytes::from_static(b"?") };
    let gone = node.take_over(&user, 12, with(vec![unreadable, node.elsewhere(3, "tv")]));
    assert_eq!((gone.dropped.len(), listed(&user)), (1, vec![1, 3]));
    gone.dropped.into_iter().for_each(|session| node.agents.release(session.agent));
    // With the last session here all that is known of the user goes, and nothing that they shared stays behind.
    let left = node.registry.leave(&user, &id(1), |_| {}).unwrap();
    assert_eq!(left.dropped.len(), 1);
    left.dropped.into_iter().chain([left.session]).for_each(|session| node.agents.release(session.agent));
    assert!(node.registry.find(&ada()).is_none() && node.agents.is_empty());
}

#[test]
fn a_session_can_end_before_it_is_listed_and_before_it_is_greeted() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(1, "desk");
    node.enter(2, "phone");
    let list: Vec<Listed> = Node::own(&user).into_iter().filter(|listed| listed.id == id(1)).collect();
    let _ = node.take_over(&user, 10, list);
    // The one is listed and not greeted, the other one in no list.
    let (ended, _) = node.registry.end(&user, &Which::All, |_| {});
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|session| session.mailbox.is_some()), "each can be told why");
    assert!(matches!(user.roster().greet(&id(1)), Entered::Gone));
    assert!(matches!(user.roster().greet(&id(2)), Entered::Gone));
    assert!(node.registry.find(&ada()).is_none());
}

#[test]
fn one_that_was_refused_is_given_back_and_leaves_no_user_behind() {
    let node = Node::new(Caps { per_user: 2, ..Caps::NONE });
    let user = node.enter(1, "desk");
    node.enter(2, "desk");
    assert_eq!(node.try_enter(3, "desk").unwrap_err(), NotJoined::TooMany, "more than may be at all wait");
    assert!(user.roster().refuse(&id(1)).is_some());
    assert!(user.roster().refuse(&id(9)).is_none());
    assert_eq!(user.roster().locals().len(), 1, "it is not said any more");
    assert!(matches!(user.roster().greet(&id(1)), Entered::Refused(session) if session.id == id(1)));
    assert!(node.registry.leave(&user, &id(2), |_| {}).is_some());
    assert!(node.registry.find(&ada()).is_none());
    let again = node.enter(4, "desk");
    assert!(again.roster().refuse(&id(4)).is_some());
    assert!(node.registry.find(&ada()).is_some(), "its task has not looked yet");
    again.roster().greet(&id(4));
    assert!(node.registry.let_go_if_empty(&again).is_empty());
    assert!(node.registry.find(&ada()).is_none());
}

#[test]
fn a_change_is_noted_once_until_somebody_looks() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(1, "desk");
    node.enter(2, "desk");
    assert_eq!(node.changes.take().len(), 1);
    assert!(node.changes.take().is_empty());
    node.changes.note(engineio::server::clock::now(), &user, &mut user.roster());
    assert_eq!(node.changes.take().len(), 1);
}

/// Seen failing with what cannot be read forgotten, and with a list that is whole without it.
#[test]
fn a_record_of_a_later_release_is_read_once_and_the_list_says_that_it_is_not_whole() {
    let node = Node::new(Caps::NONE);
    let user = node.enter(5, "desk");
    let list = |record: &'static str| {
        let mut list = Node::own(&user);
        list.push(Listed { id: id(3), node: OTHER, record: record.into() });
        list.push(node.elsewhere(4, "phone"));
        list
    };
    for (revision, record, unreadable) in [(40, "later 1", 1), (41, "later 1", 0), (42, "later 2", 1)] {
        assert_eq!(node.take_over(&user, revision, list(record)).unreadable, unreadable, "{record}");
        assert_eq!(told(&user), (vec![4, 5], false, revision));
    }
    let mut list = Node::own(&user);
    list.push(node.elsewhere(3, "phone"));
    assert_eq!(node.take_over(&user, 43, list).unreadable, 0);
    assert_eq!(told(&user), (vec![3, 5], true, 43));
}
