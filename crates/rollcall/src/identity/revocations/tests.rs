//! Which tokens are refused by what, and for how long.

use super::*;
use crate::identity::Login;
use proptest::prelude::*;

fn sid(name: &str) -> Login {
    Login::Session(name.into())
}

fn principal(issuer: u16, subject: &str, login: Login, issued_at: Option<u64>) -> Principal {
    Principal { issuer: IssuerId(issuer), subject: subject.into(), login, expires_at: 0, issued_at }
}

fn login(issuer: u16, subject: Option<&str>, login: Login, until: u64) -> Revocation {
    Revocation::Login { issuer: IssuerId(issuer), subject: subject.map(Box::from), login, until }
}

fn user(subject: &str, issued_before: u64, except: Option<Login>) -> Revocation {
    let (issuer, until) = (IssuerId::BUILT_IN, issued_before + 100);
    Revocation::User { issuer, subject: subject.into(), issued_before, except, until }
}

#[test]
fn a_login_is_refused_for_its_issuer_and_user_only() {
    let revocations = Revocations::default();
    assert!(!revocations.refuses(&principal(0, "ada", sid("1"), None)));
    revocations.insert(login(0, Some("ada"), sid("1"), 10));
    assert!(revocations.refuses(&principal(0, "ada", sid("1"), None)));
    for other in [
        principal(0, "bob", sid("1"), None),
        principal(1, "ada", sid("1"), None),
        principal(0, "ada", sid("2"), None),
        principal(0, "ada", Login::TokenId("1".into()), None),
    ] {
        assert!(!revocations.refuses(&other), "{other:?}");
    }
}

#[test]
fn a_login_without_a_user_is_refused_whoever_has_it() {
    let revocations = Revocations::default();
    revocations.insert(login(2, None, sid("1"), 10));
    revocations.insert(login(2, Some("ada"), sid("1"), 10));
    assert!(revocations.refuses(&principal(2, "ada", sid("1"), None)));
    assert!(revocations.refuses(&principal(2, "bob", sid("1"), None)));
    assert_eq!(revocations.len(), 2);
}

#[test]
fn a_user_is_refused_up_to_a_second_save_one_login() {
    let revocations = Revocations::default();
    revocations.insert(user("ada", 50, Some(sid("mine"))));
    let refused = |login: &str, iat| revocations.refuses(&principal(0, "ada", sid(login), iat));
    assert!(refused("other", Some(50)) && refused("other", Some(1)));
    assert!(!refused("other", Some(51)) && !refused("mine", Some(50)) && !refused("other", None));
    assert!(!revocations.refuses(&principal(0, "bob", sid("other"), Some(1))));
    assert!(!revocations.refuses(&principal(1, "ada", sid("other"), Some(1))));
}

#[test]
fn inserting_twice_changes_nothing_and_the_later_end_counts() {
    let revocations = Revocations::default();
    for until in [10, 30, 20] {
        revocations.insert(login(0, None, sid("1"), until));
        revocations.insert(user("ada", 5, None));
    }
    assert_eq!(revocations.len(), 2);
    revocations.forget_expired(30);
    assert!(revocations.refuses(&principal(0, "bob", sid("1"), None)));
    revocations.forget_expired(31);
    assert_eq!(revocations.len(), 1);
    revocations.forget_expired(106);
    assert!(revocations.is_empty() && !revocations.refuses(&principal(0, "ada", sid("2"), Some(1))));
}

#[test]
fn what_spares_a_login_more_does_not_hold_one_that_spares_it_not() {
    let revocations = Revocations::default();
    revocations.insert(user("ada", 50, Some(sid("mine"))));
    let holds = |second, except: Option<&str>| revocations.holds(&user("ada", second, except.map(sid)));
    assert!(holds(50, Some("mine")) && holds(40, Some("mine")));
    assert!(!holds(50, None) && !holds(40, Some("other")) && !holds(51, Some("mine")));
    revocations.insert(user("ada", 45, None));
    assert!(holds(45, None) && holds(45, Some("other")) && !holds(46, None));
}

#[test]
fn of_a_user_the_tokens_that_name_no_login_are_refused_up_to_a_second() {
    let nameless = |issued_before, until| Revocation::Nameless {
        issuer: IssuerId(1),
        subject: "ada".into(),
        issued_before,
        until,
    };
    let revocations = Revocations::default();
    for (issued_before, until) in [(50, 100), (40, 110), (50, 90)] {
        revocations.insert(nameless(issued_before, until));
    }
    assert_eq!(revocations.len(), 1);
    let refuses = |issuer, subject, login, iat| revocations.refuses(&principal(issuer, subject, login, iat));
    let (by_id, by_digest) = (Login::TokenId("1".into()), Login::Digest([1; 16]));
    for login in [by_id.clone(), by_digest] {
        assert!(refuses(1, "ada", login.clone(), Some(50)) && refuses(1, "ada", login.clone(), Some(0)));
        assert!(!refuses(1, "ada", login.clone(), Some(51)) && !refuses(1, "ada", login, None));
    }
    assert!(!refuses(1, "ada", sid("1"), Some(50)) && !refuses(1, "ada", sid("1"), Some(0)));
    assert!(!refuses(1, "bob", by_id.clone(), Some(50)) && !refuses(0, "ada", by_id.clone(), Some(50)));
    let holds = |revocation| revocations.holds(&revocation);
    assert!(holds(nameless(50, 110)) && holds(nameless(40, 90)));
    assert!(!holds(nameless(51, 110)) && !holds(nameless(50, 111)));
    revocations.forget_expired(110);
    assert!(refuses(1, "ada", by_id.clone(), Some(50)));
    revocations.forget_expired(111);
    assert!(revocations.is_empty() && !refuses(1, "ada", by_id, Some(50)));
}

#[test]
fn everyone_is_refused_up_to_a_second_of_whatever_issuer() {
    let revocations = Revocations::default();
    for (issued_before, until) in [(50, 100), (40, 110), (50, 90)] {
        revocations.insert(Revocation::Everyone { issued_before, until });
    }
    assert_eq!(revocations.len(), 1);
    for issuer in [0, 1, 7] {
        let refuses = |iat| revocations.refuses(&principal(issuer, "ada", sid("1"), iat));
        assert!(refuses(Some(50)) && refuses(Some(0)) && !refuses(Some(51)) && !refuses(None));
    }
    revocations.forget_expired(110);
    assert!(revocations.refuses(&principal(0, "ada", sid("1"), Some(50))));
    revocations.forget_expired(111);
    assert!(revocations.is_empty() && !revocations.refuses(&principal(0, "ada", sid("1"), Some(50))));
}

#[test]
fn a_thousand_sign_outs_of_one_user_take_the_room_of_one() {
    let revocations = Revocations::default();
    for second in 0..1000 {
        revocations.insert(user("ada", second, Some(sid(&format!("{}", second % 7)))));
    }
    assert_eq!(revocations.len(), 1);
}

#[test]
fn memory_comes_back_after_a_burst() {
    let revocations = Revocations::default();
    for number in 0..5000 {
        revocations.insert(login(0, None, sid(&number.to_string()), 10));
    }
    revocations.forget_expired(11);
    let known = revocations.known.read().unwrap();
    let capacity = known.issuers[0].logins.capacity();
    assert!(capacity <= 2 * rules::SMALL_MAP, "{capacity}");
}

proptest! {
    /// Whatever the order: the one rule of a user says what all of its revocations together say.
    #[test]
    fn revocations_of_a_user_add_up(
        given in prop::collection::vec((0_u64..6, prop::option::of(0_u8..3)), 1..8),
        iat in 0_u64..7,
        of in 0_u8..4,
    ) {
        let name = |number: u8| sid(&number.to_string());
        let revocations = Revocations::default();
        for (issued_before, except) in &given {
            revocations.insert(user("ada", *issued_before, except.map(name)));
        }
        let expected = given.iter().any(|(before, except)| iat <= *before && *except != Some(of));
        prop_assert_eq!(revocations.refuses(&principal(0, "ada", name(of), Some(iat))), expected);
    }
}
