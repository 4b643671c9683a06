//! The rule of the caps: whether a session may join, and who goes for it. It is that of sessions in memory, and
//! `sync.lua` says the same in its own words. Does not know: where a session is, how one ends.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::config::Caps;
use crate::session::{Login, Why};

/// A session that is there when another one joins.
#[derive(Debug)]
pub struct Present<'a, S> {
    /// Which.
    pub session: &'a S,
    /// What its token belongs to.
    pub login: &'a Login,
    /// When it joined.
    pub order: u64,
    /// It can be made to go. While Redis is away, those of other nodes count but stay.
    pub may_go: bool,
}

/// Who has to go for a session of this login: the one that it replaces, and those that are too many. `None` when it may
/// not join.
pub fn make_room<S: Clone + Ord>(
    mut present: Vec<Present<'_, S>>,
    login: &Login,
    replaces: Option<&S>,
    caps: &Caps,
) -> Option<Vec<(S, Why)>> {
    present.sort_unstable_by_key(|one| (one.order, one.session));
    let mut leaving = Vec::new();
    let replaced = |one: &Present<'_, S>| Some(one.session) == replaces && one.login == login;
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
        let oldest = present.iter().position(|one| one.may_go && one.login == crowded)?;
        leaving.push((present.remove(oldest).session.clone(), Why::Evicted));
    }
}

/// Of the logins of which somebody may go the one that has most sessions; of several the one that has the oldest.
fn largest_login<'s, S>(present: &[Present<'s, S>]) -> Option<&'s Login> {
    let mut logins: BTreeMap<&Login, (usize, Reverse<usize>, bool)> = BTreeMap::new();
    for (place, one) in present.iter().enumerate() {
        let (count, _, may_go) = logins.entry(one.login).or_insert((0, Reverse(place), false));
        *count += 1;
        *may_go |= one.may_go;
    }
    logins.retain(|_, (.., may_go)| *may_go);
    logins.into_iter().max_by_key(|(_, size)| *size).map(|(login, _)| login)
}
