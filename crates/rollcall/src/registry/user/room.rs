//! Whether there is room for one more session, and who goes for it: the rule of one node alone. Where nodes meet, the same
//! rule stands in `reconcile`. Does not know: who is told.

use super::Roster;
use crate::identity::Login;
use crate::registry::change::{Caps, Joining, Policy};
use crate::registry::{Session, SocketId};

impl Roster<'_> {
    /// Who has to go for a session that joins: the one that it replaces, and those that are too many. `None` when it may
    /// not join.
    pub(super) fn make_room(&self, joining: &Joining, caps: &Caps) -> Option<Vec<SocketId>> {
        let login = &joining.session.grant.login;
        let sessions = &self.state.sessions;
        let mut leaving = Vec::new();
        if let Some(replaced) = joining.replaces
            && sessions.iter().any(|session| session.id == replaced && session.grant.login == *login)
        {
            leaving.push(replaced);
        }
        if sessions.len() < caps.per_user.min(caps.per_login) {
            return Some(leaving);
        }
        loop {
            let staying = || sessions.iter().filter(|session| !leaving.contains(&session.id));
            let too_many_of_login =
                staying().filter(|session| session.grant.login == *login).count() >= caps.per_login;
            let too_many = staying().count() >= caps.per_user;
            let crowded = match (too_many_of_login, too_many, caps.policy) {
                (false, false, _) => return Some(leaving),
                (_, _, Policy::Deny) => return None,
                (true, _, Policy::EvictOldest) => login,
                (false, true, Policy::EvictOldest) => largest_login(staying())?,
            };
            let oldest = staying().find(|session| session.grant.login == *crowded)?;
            leaving.push(oldest.id);
        }
    }
}

/// The login that has most sessions; of several the one that has the oldest.
fn largest_login<'s>(sessions: impl Iterator<Item = &'s Session>) -> Option<&'s Login> {
    let mut counts: Vec<(&Login, usize)> = Vec::new();
    for session in sessions {
        match counts.iter_mut().find(|(login, _)| *login == &session.grant.login) {
            Some((_, count)) => *count += 1,
            None => counts.push((&session.grant.login, 1)),
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(login, _)| login)
}
