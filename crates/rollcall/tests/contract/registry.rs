//! What every registry promises, whatever it is made of. Does not know: which one it tests.

use std::sync::{Arc, Mutex};
use std::thread;

use engineio::server::Mailbox;
use rollcall::identity::IssuerId;
use rollcall::registry::{Interner, Registry, Session, SocketId, User, UserKey};

use super::open;

fn key(issuer: u16, subject: &str) -> UserKey {
    UserKey { issuer: IssuerId(issuer), subject: subject.into() }
}

fn id(number: usize) -> SocketId {
    SocketId::parse(&format!("{number:020}")).unwrap()
}

fn session(number: usize, connected_at: u64) -> Session {
    Session {
        id: id(number),
        connected_at,
        ip: None,
        user_agent: Interner::default().intern("test"),
        context: None,
        mailbox: Arc::new(Mailbox::new(1)),
    }
}

fn join(registry: &Registry, key: &UserKey, session: Session) -> Arc<User> {
    registry.join(key, session, |_, _| {})
}

fn leave(registry: &Registry, user: &Arc<User>, id: &SocketId) -> Option<Session> {
    registry.leave(user, id, |_| {})
}

#[test]
fn joins_and_leaves_raise_the_revision_and_keep_the_list_in_order() {
    let registry = open();
    let ada = key(0, "ada");
    let mut last = 0;
    let mut user = None;
    for (number, connected_at) in [(5, 30), (3, 10), (9, 20), (1, 20), (2, 20)] {
        let joined = join(&registry, &ada, session(number, connected_at));
        let revision = joined.roster().revision();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
        user = Some(joined);
    }
    let user = user.unwrap();
    let ids = || user.roster().sessions().iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(ids(), [id(3), id(1), id(2), id(9), id(5)]);
    assert_eq!(leave(&registry, &user, &id(2)).map(|session| session.connected_at), Some(20));
    assert!(user.roster().revision() > last);
    assert_eq!(ids(), [id(3), id(1), id(9), id(5)]);
    assert!(user.roster().is_complete());
    assert_eq!(registry.sessions(), 4);
}

#[test]
fn who_has_left_cannot_leave_again() {
    let registry = open();
    let user = join(&registry, &key(0, "ada"), session(1, 1));
    join(&registry, &key(0, "ada"), session(2, 2));
    assert!(leave(&registry, &user, &id(1)).is_some());
    let revision = user.roster().revision();
    assert!(leave(&registry, &user, &id(1)).is_none());
    assert!(leave(&registry, &user, &id(7)).is_none());
    assert_eq!(user.roster().revision(), revision, "nothing has changed");
    assert!(leave(&registry, &user, &id(2)).is_some());
    assert!(leave(&registry, &user, &id(2)).is_none());
    assert_eq!(registry.sessions(), 0);
}

#[test]
fn who_comes_after_the_last_has_left_begins_anew() {
    let registry = open();
    let before = join(&registry, &key(0, "ada"), session(1, 1));
    leave(&registry, &before, &id(1)).unwrap();
    let after = join(&registry, &key(0, "ada"), session(2, 2));
    assert_eq!(after.roster().sessions().len(), 1);
    assert!(leave(&registry, &before, &id(2)).is_none(), "the old one is gone for good");
    assert_eq!(registry.sessions(), 1);
}

#[test]
fn the_same_subject_of_two_issuers_is_two_people() {
    let registry = open();
    let one = join(&registry, &key(0, "ada"), session(1, 1));
    let other = join(&registry, &key(1, "ada"), session(2, 2));
    let third = join(&registry, &key(0, "Ada"), session(3, 3));
    for user in [&one, &other, &third] {
        assert_eq!(user.roster().sessions().len(), 1);
    }
    assert!(leave(&registry, &one, &id(2)).is_none(), "it is somebody else's");
    assert_eq!(registry.sessions(), 3);
}

#[test]
fn joins_that_race_with_the_last_leave_lose_nothing() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 1000;
    let registry = open();
    let ada = key(0, "ada");
    thread::scope(|scope| {
        for place in 0..THREADS {
            let (registry, ada): (&Registry, &UserKey) = (&registry, &ada);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let number = place * ROUNDS + round;
                    let user = join(registry, ada, session(number, 1));
                    let there = user.roster().sessions().iter().any(|session| session.id == id(number));
                    assert!(there, "joined, and is not in its own list");
                    let left = leave(registry, &user, &id(number));
                    assert_eq!(left.map(|session| session.id), Some(id(number)));
                }
            });
        }
    });
    assert_eq!(registry.sessions(), 0);
    let first = join(&registry, &ada, session(1, 1));
    let second = join(&registry, &ada, session(2, 2));
    assert!(Arc::ptr_eq(&first, &second), "two rosters of one user");
}

#[test]
fn each_change_is_told_once_with_its_own_revision_in_order() {
    let registry = open();
    let ada = key(0, "ada");
    let anchor = join(&registry, &ada, session(0, 0));
    let told = Mutex::new(vec![anchor.roster().revision()]);
    thread::scope(|scope| {
        for place in 0..4 {
            let (registry, ada, told) = (&registry, &ada, &told);
            scope.spawn(move || {
                for round in 0..500 {
                    let number = 1 + place * 500 + round;
                    let user = registry.join(ada, session(number, 1), |_, roster| {
                        assert!(roster.sessions().iter().any(|session| session.id == id(number)));
                        told.lock().unwrap().push(roster.revision());
                    });
                    let left = registry.leave(&user, &id(number), |roster| {
                        assert!(roster.sessions().iter().all(|session| session.id != id(number)));
                        told.lock().unwrap().push(roster.revision());
                    });
                    assert!(left.is_some());
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), 4001);
    assert!(told.is_sorted_by(|one, next| one < next), "a revision was told twice or late");
}

#[test]
fn a_crowd_comes_and_goes() {
    let registry = open();
    let users: Vec<_> = (0..20_000)
        .map(|number| (join(&registry, &key(0, &number.to_string()), session(number, 1)), number))
        .collect();
    assert_eq!(registry.sessions(), 20_000);
    for (user, number) in users {
        leave(&registry, &user, &id(number)).unwrap();
        assert_eq!(Arc::strong_count(&user), 1, "the registry holds on to who has left");
    }
    assert_eq!(registry.sessions(), 0);
}
