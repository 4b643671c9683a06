//! What every registry promises, whatever it is made of. Does not know: which one it tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use engineio::server::Mailbox;
use rollcall::identity::{IssuerId, Login, Tag};
use rollcall::registry::session::{Activity, DeviceId, Labelled, State};
use rollcall::registry::{
    Agent, Amendment, Caps, Details, Grant, Interner, Joining, NotJoined, Policy, Registry, Regrant, Session,
    SocketId, User, UserKey, Which,
};

use super::open;

fn key(issuer: u16, subject: &str) -> UserKey {
    UserKey { issuer: IssuerId(issuer), subject: subject.into() }
}

fn id(number: usize) -> SocketId {
    SocketId::parse(&format!("{number:020}")).unwrap()
}

fn sid(name: &str) -> Login {
    Login::Session(name.into())
}

fn grant(login: &str, issued_at: Option<u32>) -> Grant {
    let mut tag = [0; 6];
    for (byte, of) in tag.iter_mut().zip(login.bytes()) {
        *byte = of;
    }
    Grant::of(sid(login), Tag::from(tag), 1, issued_at, 100)
}

/// Of a token that was brought at this second.
fn brought(session: Session, issued_at: Option<u32>, at: u32) -> Session {
    let Grant { login, tag, expires_at, .. } = session.grant.clone();
    Session { grant: Grant::of(login, tag, expires_at, issued_at, at), ..session }
}

/// A session of the login `login`, the other things as they may be.
fn session_of(login: &str, number: usize, connected_at: u64) -> Session {
    Session {
        id: id(number),
        connected_at,
        ip: None,
        agent: Interner::default().intern("test", Agent::default),
        context: None,
        grant: grant(login, Some(100)),
        details: None,
        mailbox: Some(Arc::new(Mailbox::new(1))),
    }
}

fn session(number: usize, connected_at: u64) -> Session {
    session_of("login", number, connected_at)
}

fn on_device(device: u8, mut session: Session) -> Session {
    let device = DeviceId { tag: Tag::from([device; 8]), key: [device; 16] };
    session.details = Some(Box::new(Details { device: Some(device), ..Details::default() }));
    session
}

fn join(registry: &Registry, key: &UserKey, session: Session) -> Arc<User> {
    let joining = Joining { session, replaces: None };
    registry.join(key, joining, |_| true, |_, _| {}).unwrap().user
}

fn leave(registry: &Registry, user: &Arc<User>, id: &SocketId) -> Option<Session> {
    registry.leave(user, id, |_| {}).map(|left| left.session)
}

/// The numbers of the sessions of a list.
fn numbers(sessions: &[Session]) -> Vec<usize> {
    sessions.iter().map(|session| session.id.as_str().parse().unwrap()).collect()
}

fn present(user: &User) -> Vec<usize> {
    numbers(user.roster().sessions())
}

#[test]
fn joins_and_leaves_raise_the_revision_and_keep_the_list_in_order() {
    let registry = open(Caps::NONE);
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
    let registry = open(Caps::NONE);
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
    let registry = open(Caps::NONE);
    let before = join(&registry, &key(0, "ada"), session(1, 1));
    leave(&registry, &before, &id(1)).unwrap();
    let after = join(&registry, &key(0, "ada"), session(2, 2));
    assert_eq!(after.roster().sessions().len(), 1);
    assert!(leave(&registry, &before, &id(2)).is_none(), "the old one is gone for good");
    assert_eq!(registry.sessions(), 1);
}

#[test]
fn the_same_subject_of_two_issuers_is_two_people() {
    let registry = open(Caps::NONE);
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
    let registry = open(Caps::NONE);
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
    let registry = open(Caps::NONE);
    let ada = key(0, "ada");
    let anchor = join(&registry, &ada, session(0, 0));
    let told = Mutex::new(vec![anchor.roster().revision()]);
    thread::scope(|scope| {
        for place in 0..4 {
            let (registry, ada, told) = (&registry, &ada, &told);
            scope.spawn(move || {
                for round in 0..500 {
                    let number = 1 + place * 500 + round;
                    let joining = Joining { session: session(number, 1), replaces: None };
                    let joined = registry.join(
                        ada,
                        joining,
                        |_| true,
                        |_, roster| {
                            assert!(roster.sessions().iter().any(|session| session.id == id(number)));
                            told.lock().unwrap().push(roster.revision());
                        },
                    );
                    let user = joined.unwrap().user;
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
    let registry = open(Caps::NONE);
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

/// Joins a session that may be refused; gives the numbers of those that ended for it.
fn try_join(registry: &Registry, session: Session, replaces: Option<usize>) -> Result<Vec<usize>, NotJoined> {
    let joining = Joining { session, replaces: replaces.map(id) };
    match registry.join(&key(0, "ada"), joining, |_| true, |_, _| {}) {
        Ok(joined) => Ok(numbers(&joined.ended)),
        Err(refused) => Err(refused.1),
    }
}

#[test]
fn one_too_many_is_refused_and_changes_nothing() {
    let registry = open(Caps { per_user: 3, per_login: 2, policy: Policy::Deny });
    let user = join(&registry, &key(0, "ada"), session_of("a", 1, 1));
    join(&registry, &key(0, "ada"), session_of("a", 2, 2));
    let revision = user.roster().revision();
    assert_eq!(try_join(&registry, session_of("a", 3, 3), None), Err(NotJoined::TooMany), "of one login");
    assert_eq!(user.roster().revision(), revision);
    assert_eq!(try_join(&registry, session_of("b", 4, 4), None), Ok(vec![]));
    assert_eq!(try_join(&registry, session_of("c", 5, 5), None), Err(NotJoined::TooMany), "of one user");
    assert_eq!(present(&user), [1, 2, 4]);
    assert!(leave(&registry, &user, &id(1)).is_some());
    assert_eq!(try_join(&registry, session_of("c", 5, 5), None), Ok(vec![]));
    let bob = join(&registry, &key(0, "bob"), session_of("a", 6, 6));
    assert_eq!(present(&bob), [6], "somebody else's cap");
}

#[test]
fn one_too_many_takes_the_place_of_the_oldest_of_the_login_that_has_most() {
    let registry = open(Caps { per_user: 4, per_login: 3, policy: Policy::EvictOldest });
    let user = join(&registry, &key(0, "ada"), session_of("b", 1, 1));
    for (number, login) in [(2, "a"), (3, "a"), (4, "a")] {
        join(&registry, &key(0, "ada"), session_of(login, number, number as u64));
    }
    let revision = user.roster().revision();
    assert_eq!(try_join(&registry, session_of("a", 5, 5), None), Ok(vec![2]), "its own login is full");
    assert_eq!(user.roster().revision(), revision + 1, "one change");
    assert_eq!(try_join(&registry, session_of("b", 6, 6), None), Ok(vec![3]), "the user is full: a has most");
    assert_eq!(present(&user), [1, 4, 5, 6]);
    assert_eq!(
        try_join(&registry, session_of("c", 7, 7), None),
        Ok(vec![1]),
        "two have most: the older one goes"
    );
}

#[test]
fn the_session_that_is_replaced_ends_in_the_same_change_and_is_not_counted() {
    let registry = open(Caps { per_user: 2, per_login: 2, policy: Policy::Deny });
    let user = join(&registry, &key(0, "ada"), session_of("a", 1, 1));
    join(&registry, &key(0, "ada"), session_of("b", 2, 2));
    let revision = user.roster().revision();
    assert_eq!(try_join(&registry, session_of("a", 3, 3), Some(1)), Ok(vec![1]));
    assert_eq!((present(&user), user.roster().revision()), (vec![2, 3], revision + 1));
}

#[test]
fn nobody_replaces_a_session_of_another_login_or_user() {
    let registry = open(Caps::NONE);
    let user = join(&registry, &key(0, "ada"), session_of("a", 1, 1));
    let bob = join(&registry, &key(0, "bob"), session_of("a", 2, 2));
    for (number, login, replaces) in [(3, "b", 1), (4, "a", 2), (5, "a", 9)] {
        assert_eq!(try_join(&registry, session_of(login, number, number as u64), Some(replaces)), Ok(vec![]));
    }
    assert_eq!((present(&user), present(&bob)), (vec![1, 3, 4, 5], vec![2]));
}

#[test]
fn who_is_not_admitted_leaves_no_trace() {
    let registry = open(Caps::NONE);
    let ada = key(0, "ada");
    let refused = registry.join(
        &ada,
        Joining { session: session(1, 1), replaces: None },
        |_| false,
        |_, _| panic!("nothing is told"),
    );
    assert_eq!(refused.map(|_| ()).map_err(|refused| refused.1), Err(NotJoined::NotAdmitted));
    assert!(registry.find(&ada).is_none(), "a user without sessions stays behind");
    assert!(registry.users().is_empty());
}

#[test]
fn each_way_of_ending_ends_those_that_it_says_in_one_change() {
    let check = |which: &Which, ended: &[usize]| {
        let registry = open(Caps::NONE);
        let ada = key(0, "ada");
        let user = join(&registry, &ada, session_of("a", 1, 1));
        join(&registry, &ada, session_of("a", 2, 2));
        join(&registry, &ada, session_of("b", 3, 3));
        // When it has joined says nothing: it may have got another token since.
        join(&registry, &ada, brought(session_of("c", 4, 4), None, 100));
        for (number, at) in [(5, 100), (7, 99)] {
            join(&registry, &ada, brought(session_of("d", number, 5), Some(101), at));
        }
        join(&registry, &key(0, "bob"), session_of("a", 6, 6));
        let revision = user.roster().revision();
        let mut told = 0;
        let (found, _) = registry.end(&user, which, |roster| {
            told += 1;
            assert_eq!(roster.revision(), revision + 1);
        });
        let mut found = numbers(&found);
        found.sort_unstable();
        assert_eq!(found, ended, "{which:?}");
        assert_eq!(told, usize::from(!ended.is_empty()), "{which:?}");
        assert_eq!(registry.sessions(), 7 - ended.len());
        assert_eq!(registry.find(&ada).is_none(), ended.len() == 6, "{which:?}");
    };
    check(&Which::One(id(2)), &[2]);
    check(&Which::One(id(6)), &[]);
    check(&Which::Login(sid("a"), None), &[1, 2]);
    check(&Which::Login(sid("a"), Some(id(3))), &[1, 2, 3]);
    check(&Which::Login(sid("z"), None), &[]);
    check(&Which::AllBut(sid("a"), None), &[3, 4, 5, 7]);
    check(&Which::AllBut(sid("a"), Some(id(5))), &[3, 4, 7]);
    check(&Which::All, &[1, 2, 3, 4, 5, 7]);
    let up_to = |second, written_at, except: Option<&str>| Which::IssuedUpTo {
        second,
        written_at,
        except: except.map(sid),
    };
    check(&up_to(100, 100, None), &[1, 2, 3, 4, 7]);
    check(&up_to(100, 100, Some("a")), &[3, 4, 7]);
    check(&up_to(0, 100, None), &[]);
    // Said late, or by a clock that is ahead: who came after it stays.
    check(&up_to(99, 200, None), &[]);
    check(&up_to(100, 98, None), &[1, 2, 3]);
    check(&up_to(125, 99, Some("d")), &[1, 2, 3]);
}

#[test]
fn those_that_name_no_login_end_by_the_age_of_their_tokens() {
    let check = |second, written_at, ended: &[usize]| {
        let registry = open(Caps::NONE);
        let ada = key(0, "ada");
        let user = join(&registry, &ada, session_of("a", 1, 1));
        let nameless = |number: usize, login: Login, issued_at| {
            let session = session_of("", number, 1);
            let Grant { tag, expires_at, .. } = session.grant.clone();
            Session { grant: Grant::of(login, tag, expires_at, issued_at, 100), ..session }
        };
        let by_id = |id: &str| Login::TokenId(id.into());
        join(&registry, &ada, nameless(2, by_id("a"), Some(100)));
        join(&registry, &ada, nameless(3, Login::Digest([3; 16]), Some(100)));
        join(&registry, &ada, nameless(4, by_id("b"), None));
        join(&registry, &ada, nameless(5, by_id("c"), Some(101)));
        join(&registry, &key(0, "bob"), nameless(6, by_id("a"), Some(100)));
        let which = Which::NamelessUpTo { second, written_at };
        let mut found = numbers(&registry.end(&user, &which, |_| {}).0);
        found.sort_unstable();
        assert_eq!(found, ended, "{which:?}");
    };
    check(100, 100, &[2, 3, 4]);
    check(100, 99, &[2, 3]);
    check(101, 100, &[2, 3, 4, 5]);
    check(99, 200, &[]);
}

#[test]
fn a_label_is_that_of_a_device_and_of_whoever_comes_later_on_it() {
    let registry = open(Caps::NONE);
    let ada = key(0, "ada");
    let user = join(&registry, &ada, on_device(1, session_of("a", 1, 1)));
    join(&registry, &ada, on_device(1, session_of("b", 2, 2)));
    join(&registry, &ada, on_device(2, session_of("a", 3, 3)));
    join(&registry, &ada, session_of("a", 4, 4));
    let labels = || -> Vec<Option<String>> {
        let label = |session: &Session| session.details.as_ref()?.label.as_deref().map(str::to_owned);
        user.roster().sessions().iter().map(label).collect()
    };
    let name = |of: Labelled, label: Option<&str>| {
        registry.amend(&user, &Amendment::Label(of, label.map(Arc::from)), |_| {})
    };
    let some = |label: &str| Some(label.to_owned());
    let revision = user.roster().revision();
    assert!(name(Labelled::Device([1; 16]), Some("phone")));
    assert_eq!(
        (labels(), user.roster().revision()),
        (vec![some("phone"), some("phone"), None, None], revision + 1)
    );
    assert!(!name(Labelled::Device([1; 16]), Some("phone")), "nothing has changed");
    assert!(name(Labelled::Login(sid("a")), Some("laptop")));
    assert_eq!(labels(), [some("phone"), some("phone"), None, some("laptop")]);

    let mut looked_up_before = on_device(1, session_of("c", 5, 5));
    looked_up_before.details_mut().label = Some("an older name".into());
    join(&registry, &ada, looked_up_before);
    join(&registry, &ada, session_of("a", 6, 6));
    join(&registry, &ada, session_of("b", 7, 7));
    assert_eq!(labels()[4..], [some("phone"), some("laptop"), None]);
    assert!(name(Labelled::Device([1; 16]), None));
    assert_eq!(labels(), [None, None, None, some("laptop"), None, some("laptop"), None]);
}

#[test]
fn what_a_user_does_is_said_of_one_session() {
    let registry = open(Caps::NONE);
    let user = join(&registry, &key(0, "ada"), session(1, 1));
    join(&registry, &key(0, "ada"), session(2, 2));
    let idle = Activity { state: State::Idle, last_active_at: Some(7) };
    let revision = user.roster().revision();
    assert!(registry.amend(&user, &Amendment::Activity(id(2), idle), |_| {}));
    let roster = user.roster();
    let activity =
        |place: usize| roster.sessions()[place].details.as_ref().and_then(|details| details.activity);
    assert_eq!((activity(0), activity(1), roster.revision()), (None, Some(idle), revision + 1));
    drop(roster);
    assert!(!registry.amend(&user, &Amendment::Activity(id(9), idle), |_| panic!("nobody is told")));
}

#[test]
fn another_token_counts_from_then_on_and_is_told_when_its_login_is_another() {
    let registry = open(Caps::NONE);
    let user = join(&registry, &key(0, "ada"), session_of("a", 1, 1));
    let mut told = 0;
    let mut regrant = |number: usize, login: &str, admit: bool| {
        let revision = user.roster().revision();
        let found = registry.regrant(&user, &id(number), grant(login, Some(200)), || admit, |_| told += 1);
        (found, user.roster().revision() - revision)
    };
    assert_eq!(regrant(1, "a", true), (Regrant::Done, 0));
    assert_eq!(regrant(1, "b", false), (Regrant::NotAdmitted, 0));
    assert_eq!(regrant(1, "b", true), (Regrant::Changed, 1));
    assert_eq!(regrant(2, "b", true), (Regrant::Gone, 0));
    assert_eq!(told, 1);
    let roster = user.roster();
    let grant = &roster.sessions()[0].grant;
    assert_eq!((&grant.login, grant.issued_at()), (&sid("b"), Some(200)));
}

/// Whoever ends all sessions after it has forbidden new ones leaves none behind, however many join meanwhile.
#[test]
fn joins_and_new_tokens_that_race_with_a_revocation_lose() {
    for _ in 0..200 {
        let registry = open(Caps::NONE);
        let ada = key(0, "ada");
        let is_revoked = AtomicBool::new(false);
        let admit = || !is_revoked.load(Ordering::SeqCst);
        let user = join(&registry, &ada, session_of("good", 0, 0));
        let survivor = join(&registry, &ada, session_of("kept", 999, 0));
        thread::scope(|scope| {
            for place in 0..2 {
                let (registry, ada, user) = (&registry, &ada, &user);
                scope.spawn(move || {
                    for round in 0..20 {
                        let number = 1 + place * 20 + round;
                        let joining = Joining { session: session_of("bad", number, 1), replaces: None };
                        let _ = registry.join(ada, joining, |_| admit(), |_, _| {});
                        registry.regrant(user, &id(0), grant("bad", None), admit, |_| {});
                    }
                });
            }
            scope.spawn(|| {
                is_revoked.store(true, Ordering::SeqCst);
                let user = registry.find(&ada).unwrap();
                registry.end(&user, &Which::Login(sid("bad"), None), |_| {});
            });
        });
        let roster = survivor.roster();
        assert!(roster.sessions().iter().all(|session| session.grant.login != sid("bad")), "one got through");
        assert!(roster.find(&id(999)).is_some());
    }
}

#[test]
fn sessions_of_one_login_hold_one_copy_of_its_text() {
    let registry = open(Caps::NONE);
    let user = join(&registry, &key(0, "ada"), session_of("a", 1, 1));
    join(&registry, &key(0, "ada"), session_of("a", 2, 2));
    let roster = user.roster();
    let text = |place: usize| match &roster.sessions()[place].grant.login {
        Login::Session(text) => text.clone(),
        login => panic!("{login:?}"),
    };
    assert!(Arc::ptr_eq(&text(0), &text(1)));
}
