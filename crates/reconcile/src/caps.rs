//! The rule of the caps: whether a session may join, and who goes for it, with one node or with many. `sync.lua` says the
//! same in its own words. Does not know: where a session is, how one ends.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::config::Caps;
use crate::session::Why;

/// A session that is there when another one joins.
#[derive(Debug)]
pub struct Present<'a, S, L> {
    /// Which.
    pub session: &'a S,
    /// What its token belongs to.
    pub login: &'a L,
    /// When it joined.
    pub order: u64,
    /// It can be made to go. While Redis is away, those of other nodes count but stay.
    pub may_go: bool,
}

/// Who has to go for a session of this login: the one that it replaces, and those that are too many. `None` when it may
/// not join.
pub fn make_room<S: Clone + Ord, L: Ord>(
    mut present: Vec<Present<'_, S, L>>,
    login: &L,
    replaces: Option<&S>,
    caps: &Caps,
) -> Option<Vec<(S, Why)>> {
    present.sort_unstable_by_key(|one| (one.order, one.session));
    let mut leaving = Vec::new();
    let replaced = |one: &Present<'_, S, L>| Some(one.session) == replaces && one.login == login;
    if let Some(place) = present.iter().position(replaced) {
        leaving.push((present.remove(place).session.clone(), Why::Replaced));
    }
    loop {
        let of_login = present.iter().filter(|one| one.login == login).count();
        let crowded = match (of_login >= caps.per_login, present.len() >= caps.per_user) {
            (false, false) => return Some(leaving),
            _ if !caps.evict_oldest => return None,
            (true, _) => login,
            (false, true) => largest_login(&present)?,
        };
        if leaving.len() >= MOST_LEAVING {
            return Some(leaving);
        }
        let oldest = present.iter().position(|one| one.may_go && one.login == crowded)?;
        leaving.push((present.remove(oldest).session.clone(), Why::Evicted));
    }
}

/// So many go for one session at the most, the one that it replaces among them: a cap that was lowered is reached with the
/// next joins, and none of them holds up Redis for long.
pub const MOST_LEAVING: usize = 16;

/// Of the logins of which somebody may go the one that has most sessions; of several the one that has the oldest.
fn largest_login<'s, S, L: Ord>(present: &[Present<'s, S, L>]) -> Option<&'s L> {
    let mut logins: BTreeMap<&L, (usize, Reverse<usize>, bool)> = BTreeMap::new();
    for (place, one) in present.iter().enumerate() {
        let (count, _, may_go) = logins.entry(one.login).or_insert((0, Reverse(place), false));
        *count += 1;
        *may_go |= one.may_go;
    }
    logins.retain(|_, (.., may_go)| *may_go);
    logins.into_iter().max_by_key(|(_, size)| *size).map(|(login, _)| login)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Login;

    /// Sessions in order, `login` or `login-` if it may not go.
    fn check(
        present: &[&str],
        (login, replaces): (&str, Option<u64>),
        (per_user, per_login, evict_oldest): (usize, usize, bool),
        expected: Option<&[(u64, Why)]>,
    ) {
        let logins: Vec<_> = present.iter().map(|name| Login(name.trim_end_matches('-').into())).collect();
        let sessions: Vec<u64> = (0..present.len() as u64).collect();
        let all = present.iter().enumerate().rev().map(|(place, name)| Present {
            session: &sessions[place],
            login: &logins[place],
            order: place as u64 / 2,
            may_go: !name.ends_with('-'),
        });
        let caps = Caps { per_user, per_login, evict_oldest };
        let leaving = make_room(all.collect(), &Login(login.into()), replaces.as_ref(), &caps);
        assert_eq!(leaving.as_deref(), expected, "{present:?} {login} {caps:?}");
    }

    const MANY: usize = usize::MAX;

    #[test]
    fn one_too_many_is_refused() {
        check(&["a", "b"], ("a", None), (3, 2, false), Some(&[]));
        check(&["a", "b"], ("a", None), (2, MANY, false), None);
        check(&["a", "b"], ("a", None), (MANY, 1, false), None);
        check(&["a", "b"], ("c", None), (MANY, 1, false), Some(&[]));
        check(&[], ("a", None), (0, MANY, true), None);
        check(&["b"], ("a", None), (MANY, 0, true), None);
    }

    #[test]
    fn one_too_many_ends_the_oldest_of_its_login_or_of_the_largest() {
        check(&["b", "a", "a"], ("a", None), (9, 2, true), Some(&[(1, Why::Evicted)]));
        check(&["b", "a", "a"], ("c", None), (3, 9, true), Some(&[(1, Why::Evicted)]));
        check(&["b", "a", "a", "b"], ("c", None), (4, 9, true), Some(&[(0, Why::Evicted)]));
        check(&["b", "b", "b", "a"], ("a", None), (4, 1, true), Some(&[(3, Why::Evicted)]));
        check(&["b", "b", "a"], ("a", None), (2, 1, true), Some(&[(2, Why::Evicted), (0, Why::Evicted)]));
    }

    #[test]
    fn replaced_session_leaves_its_place() {
        check(&["a", "b"], ("a", Some(0)), (2, 1, false), Some(&[(0, Why::Replaced)]));
        check(&["a", "b"], ("a", Some(1)), (9, 9, false), Some(&[]));
        check(&["a", "a", "a"], ("a", Some(0)), (2, 9, false), None);
        check(&["a", "a", "a"], ("a", Some(2)), (2, 9, true), Some(&[(2, Why::Replaced), (0, Why::Evicted)]));
    }

    #[test]
    fn a_cap_that_was_lowered_is_reached_step_by_step() {
        let many = ["a"; 100];
        let leaving: Vec<(u64, Why)> =
            (0..MOST_LEAVING as u64).map(|number| (number, Why::Evicted)).collect();
        check(&many, ("a", None), (5, MANY, true), Some(&leaving));
        check(&many, ("a", None), (MANY, 5, true), Some(&leaving));
        check(&many, ("a", None), (5, MANY, false), None);
    }

    #[test]
    fn those_that_cannot_be_reached_count_and_stay() {
        check(&["a-", "a"], ("a", None), (9, 2, true), Some(&[(1, Why::Evicted)]));
        check(&["a-", "a-", "b"], ("c", None), (3, 9, true), Some(&[(2, Why::Evicted)]));
        check(&["a-", "a-"], ("a", None), (9, 2, true), None);
    }
}
