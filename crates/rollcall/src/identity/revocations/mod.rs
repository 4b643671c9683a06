//! The live revocations of all issuers, in memory: what a token is asked last, at each connect and refresh.
//! Does not know: where they are kept for ever, sockets, the time.

mod revocation;
mod rules;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

pub use revocation::Revocation;

use super::{IssuerId, Principal};
use rules::{LoginRule, Rules, UpTo};

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
    everyone: Option<UpTo>,
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
            Revocation::Nameless { issuer, subject, issued_before, until } => {
                known.rules_of(issuer).add_nameless(subject, UpTo { issued_before, until })
            }
            Revocation::Everyone { issued_before, until } => {
                let rule = UpTo { issued_before, until };
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
                rules(issuer).is_some_and(|rules| rules.holds_login(login, subject.as_deref(), *until))
            }
            Revocation::User { issuer, subject, issued_before, except, until } => rules(issuer)
                .is_some_and(|rules| rules.holds_user(subject, *issued_before, except.as_ref(), *until)),
            Revocation::Nameless { issuer, subject, issued_before, until } => {
                let rule = UpTo { issued_before: *issued_before, until: *until };
                rules(issuer).is_some_and(|rules| rules.holds_nameless(subject, rule))
            }
            Revocation::Everyone { issued_before, until } => {
                let rule = UpTo { issued_before: *issued_before, until: *until };
                known.everyone.is_some_and(|known| known.holds(rule))
            }
        }
    }

    /// Forgets those that no token is left for, at this second since the epoch.
    pub fn forget_expired(&self, now: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.everyone = known.everyone.filter(|rule| rule.until >= now);
        known.issuers.iter_mut().for_each(|rules| rules.forget_expired(now));
        self.count.store(known.len(), Ordering::Release);
    }

    /// Whether this one's token is not to be taken any more.
    pub fn refuses(&self, principal: &Principal) -> bool {
        if self.is_empty() {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let as_everyone = known.everyone.is_some_and(|rule| rule.refuses(principal));
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

#[cfg(test)]
mod tests;
