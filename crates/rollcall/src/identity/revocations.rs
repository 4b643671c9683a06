//! The live revocations of all issuers, in memory: what a token is asked last, at each connect and refresh.
//! Does not know: where they are kept for ever, sockets, the time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use super::{IssuerId, Login, Principal};

/// What is refused although its token is good. A value with all of it; inserting one twice changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Revocation {
    /// One login, or one token.
    Login {
        /// Whose tokens.
        issuer: IssuerId,
        /// Only when it is this user's; `None` for a login whose user the one who ends it did not name.
        subject: Option<Box<str>>,
        /// Which.
        login: Login,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
    /// All tokens of a user up to a second.
    User {
        /// Whose tokens.
        issuer: IssuerId,
        /// Which user.
        subject: Box<str>,
        /// The `iat` of the last that are refused, in seconds since the epoch. Tokens without `iat` are not refused.
        issued_before: u64,
        /// A login that stays.
        except: Option<Login>,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
    /// All tokens of all users of all issuers up to a second: when nobody knows any more what was revoked.
    Everyone {
        /// The `iat` of the last that are refused, in seconds since the epoch. Tokens without `iat` are not refused.
        issued_before: u64,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
}

/// All live revocations. Share it by reference: readers meet a lock only while there is a revocation at all, and a
/// writer holds it for the time of one insertion.
#[derive(Debug, Default)]
pub struct Revocations {
    /// How many rules there are.
    count: AtomicUsize,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By [`IssuerId`].
    issuers: Vec<Rules>,
    everyone: Option<EveryoneRule>,
}

/// All that were ever made in one, on the safe side.
#[derive(Clone, Copy, Debug)]
struct EveryoneRule {
    issued_before: u64,
    until: u64,
}

#[derive(Debug, Default)]
struct Rules {
    logins: HashMap<Login, Vec<LoginRule>>,
    users: HashMap<Box<str>, UserRule>,
}

/// Most logins have one: two users share one only where an issuer says no unique session ids.
#[derive(Debug)]
struct LoginRule {
    subject: Option<Box<str>>,
    until: u64,
}

/// All user-wide revocations of one user in one, however many there were. A later one leaves of an earlier one only
/// what that says of the one login that the later one spares.
#[derive(Debug)]
struct UserRule {
    issued_before: u64,
    spared: Option<Spared>,
    until: u64,
}

#[derive(Debug)]
struct Spared {
    login: Login,
    /// Up to here its tokens are refused all the same.
    issued_before: Option<u64>,
}

impl Revocations {
    /// Adds one. From the moment that this returns [`Self::refuses`] knows it, on every thread.
    pub fn insert(&self, revocation: Revocation) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let added = match revocation {
            Revocation::Login { issuer, subject, login, until } => {
                known.rules_of(issuer).add_login(login, LoginRule { subject, until })
            }
            Revocation::User { issuer, subject, issued_before, except, until } => {
                known.rules_of(issuer).add_user(subject, issued_before, except, until)
            }
            Revocation::Everyone { issued_before, until } => {
                let rule = EveryoneRule { issued_before, until };
                let earlier = known.everyone;
                known.everyone = Some(rule.merged(earlier));
                earlier.is_none()
            }
        };
        self.count.fetch_add(usize::from(added), Ordering::Release);
    }

    /// Whether it holds already: to add it would refuse nothing more.
    pub fn holds(&self, revocation: &Revocation) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let rules = |issuer: &IssuerId| known.issuers.get(usize::from(issuer.0));
        match revocation {
            Revocation::Login { issuer, subject, login, until } => {
                let of_login = rules(issuer).and_then(|rules| rules.logins.get(login));
                of_login.is_some_and(|rules| {
                    rules.iter().any(|rule| rule.subject == *subject && rule.until >= *until)
                })
            }
            Revocation::User { issuer, subject, issued_before, until, .. } => {
                let of_user = rules(issuer).and_then(|rules| rules.users.get(subject));
                of_user.is_some_and(|rule| rule.issued_before >= *issued_before && rule.until >= *until)
            }
            Revocation::Everyone { issued_before, until } => known
                .everyone
                .is_some_and(|rule| rule.issued_before >= *issued_before && rule.until >= *until),
        }
    }

    /// Forgets those that no token is left for, at this second since the epoch.
    pub fn forget_expired(&self, now: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.everyone = known.everyone.filter(|rule| rule.until >= now);
        for rules in &mut known.issuers {
            rules.logins.retain(|_, rules| {
                rules.retain(|rule| rule.until >= now);
                !rules.is_empty()
            });
            rules.users.retain(|_, rule| rule.until >= now);
            shrink(&mut rules.logins);
            shrink(&mut rules.users);
        }
        self.count.store(known.len(), Ordering::Release);
    }

    /// Whether this one's token is not to be taken any more.
    pub fn refuses(&self, principal: &Principal) -> bool {
        if self.is_empty() {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let as_everyone = known
            .everyone
            .is_some_and(|rule| principal.issued_at.is_some_and(|issued_at| issued_at <= rule.issued_before));
        let rules = known.issuers.get(usize::from(principal.issuer.0));
        as_everyone || rules.is_some_and(|rules| rules.refuse(principal))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Known {
    fn rules_of(&mut self, issuer: IssuerId) -> &mut Rules {
        let place = usize::from(issuer.0);
        if self.issuers.len() <= place {
            self.issuers.resize_with(place + 1, Rules::default);
        }
        &mut self.issuers[place]
    }

    fn len(&self) -> usize {
        usize::from(self.everyone.is_some()) + self.issuers.iter().map(Rules::len).sum::<usize>()
    }
}

impl EveryoneRule {
    fn merged(self, earlier: Option<Self>) -> Self {
        match earlier {
            None => self,
            Some(earlier) => Self {
                issued_before: self.issued_before.max(earlier.issued_before),
                until: self.until.max(earlier.until),
            },
        }
    }
}

impl Rules {
    /// Whether there is one more than before.
    fn add_login(&mut self, login: Login, new: LoginRule) -> bool {
        let rules = self.logins.entry(login).or_default();
        match rules.iter_mut().find(|rule| rule.subject == new.subject) {
            Some(rule) => {
                rule.until = rule.until.max(new.until);
                false
            }
            None => {
                rules.reserve_exact(1);
                rules.push(new);
                true
            }
        }
    }

    fn add_user(&mut self, subject: Box<str>, issued_before: u64, except: Option<Login>, until: u64) -> bool {
        match self.users.entry(subject) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().merge(issued_before, except, until);
                false
            }
            Entry::Vacant(entry) => {
                let spared = except.map(|login| Spared { login, issued_before: None });
                entry.insert(UserRule { issued_before, spared, until });
                true
            }
        }
    }

    fn refuse(&self, principal: &Principal) -> bool {
        let Principal { subject, login, issued_at, .. } = principal;
        let by_login = self.logins.get(login).is_some_and(|rules| {
            rules.iter().any(|rule| rule.subject.as_ref().is_none_or(|of| of == subject))
        });
        by_login
            || issued_at.is_some_and(|issued_at| {
                let last = self.users.get(subject).and_then(|rule| rule.last_refused(login));
                last.is_some_and(|last| issued_at <= last)
            })
    }

    fn len(&self) -> usize {
        self.logins.values().map(Vec::len).sum::<usize>() + self.users.len()
    }
}

impl UserRule {
    /// The `iat` of the last tokens of this login that are refused.
    fn last_refused(&self, login: &Login) -> Option<u64> {
        match &self.spared {
            Some(spared) if spared.login == *login => spared.issued_before,
            Some(_) | None => Some(self.issued_before),
        }
    }

    fn merge(&mut self, issued_before: u64, except: Option<Login>, until: u64) {
        self.until = self.until.max(until);
        if issued_before >= self.issued_before {
            self.spared = except.map(|login| Spared { issued_before: self.last_refused(&login), login });
            self.issued_before = issued_before;
        } else if let Some(spared) = &mut self.spared
            && except.as_ref() != Some(&spared.login)
        {
            spared.issued_before = spared.issued_before.max(Some(issued_before));
        }
    }
}

/// Gives back what a map does not need any more: revocations come in bursts.
fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > SMALL_MAP && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len().max(SMALL_MAP));
    }
}

/// Entries below which shrinking is not worth the work.
const SMALL_MAP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(capacity <= 2 * SMALL_MAP, "{capacity}");
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
}
