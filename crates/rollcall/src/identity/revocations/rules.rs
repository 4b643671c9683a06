//! The revocations of one issuer, and those of everyone, put together as far as they say the same. Does not know: locks,
//! other issuers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::identity::{Login, Principal};

/// Tokens up to a second: all such revocations of the same tokens in one, on the safe side.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpTo {
    pub(super) issued_before: u64,
    pub(super) until: u64,
}

/// What is refused of one issuer.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) logins: HashMap<Login, Vec<LoginRule>>,
    users: HashMap<Box<str>, UserRule>,
    /// Of a user's tokens those that name no login.
    nameless: HashMap<Box<str>, UpTo>,
}

/// Most logins have one: two users share one only where an issuer says no unique session ids.
#[derive(Debug)]
pub(super) struct LoginRule {
    pub(super) subject: Option<Box<str>>,
    pub(super) until: u64,
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

impl UpTo {
    /// Both in one.
    pub(super) fn merged(self, earlier: Option<Self>) -> Self {
        match earlier {
            None => self,
            Some(earlier) => Self {
                issued_before: self.issued_before.max(earlier.issued_before),
                until: self.until.max(earlier.until),
            },
        }
    }

    /// Whether it refuses as much already.
    pub(super) fn holds(self, new: Self) -> bool {
        self.issued_before >= new.issued_before && self.until >= new.until
    }

    /// Whether this one's token is not to be taken, if it is among those that are meant.
    pub(super) fn refuses(self, principal: &Principal) -> bool {
        principal.issued_at.is_some_and(|issued_at| issued_at <= self.issued_before)
    }
}

impl Rules {
    /// Whether there is one more than before.
    pub(super) fn add_login(&mut self, login: Login, new: LoginRule) -> bool {
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

    /// The same.
    pub(super) fn add_user(
        &mut self,
        subject: Box<str>,
        issued_before: u64,
        except: Option<Login>,
        until: u64,
    ) -> bool {
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

    /// The same.
    pub(super) fn add_nameless(&mut self, subject: Box<str>, new: UpTo) -> bool {
        let earlier = self.nameless.get(&subject).copied();
        self.nameless.insert(subject, new.merged(earlier));
        earlier.is_none()
    }

    /// Whether this login, of this user, is refused as long already.
    pub(super) fn holds_login(&self, login: &Login, subject: Option<&str>, until: u64) -> bool {
        let rules = self.logins.get(login).map(Vec::as_slice).unwrap_or_default();
        rules.iter().any(|rule| rule.subject.as_deref() == subject && rule.until >= until)
    }

    /// Whether this user's tokens are refused up to this second, all but those of `except`, as long already.
    pub(super) fn holds_user(
        &self,
        subject: &str,
        issued_before: u64,
        except: Option<&Login>,
        until: u64,
    ) -> bool {
        self.users.get(subject).is_some_and(|rule| {
            let spares_more = rule.spared.as_ref().is_some_and(|spared| {
                except != Some(&spared.login) && spared.issued_before < Some(issued_before)
            });
            rule.issued_before >= issued_before && rule.until >= until && !spares_more
        })
    }

    /// Whether this user's tokens that name no login are refused as long already.
    pub(super) fn holds_nameless(&self, subject: &str, rule: UpTo) -> bool {
        self.nameless.get(subject).is_some_and(|known| known.holds(rule))
    }

    /// Forgets those that no token is left for.
    pub(super) fn forget_expired(&mut self, now: u64) {
        self.logins.retain(|_, rules| {
            rules.retain(|rule| rule.until >= now);
            !rules.is_empty()
        });
        self.users.retain(|_, rule| rule.until >= now);
        self.nameless.retain(|_, rule| rule.until >= now);
        shrink(&mut self.logins);
        shrink(&mut self.users);
        shrink(&mut self.nameless);
    }

    /// Whether this one's token is not to be taken.
    pub(super) fn refuse(&self, principal: &Principal) -> bool {
        let Principal { subject, login, issued_at, .. } = principal;
        let by_login = self.logins.get(login).is_some_and(|rules| {
            rules.iter().any(|rule| rule.subject.as_ref().is_none_or(|of| of == subject))
        });
        let as_nameless =
            !login.is_named() && self.nameless.get(subject).is_some_and(|rule| rule.refuses(principal));
        by_login
            || as_nameless
            || issued_at.is_some_and(|issued_at| {
                let last = self.users.get(subject).and_then(|rule| rule.last_refused(login));
                last.is_some_and(|last| issued_at <= last)
            })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.logins.values().map(Vec::len).sum::<usize>() + self.users.len() + self.nameless.len()
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
pub(super) const SMALL_MAP: usize = 256;
