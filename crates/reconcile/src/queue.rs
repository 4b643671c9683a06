//! Which user is said next. Those of whom something has changed come before those that are only said again, but not
//! always: neither waits for all of the others.
//! Does not know: what there is to say.

use std::collections::{BTreeMap, VecDeque};

/// Users that wait to be said.
#[derive(Debug)]
pub(crate) struct Queue<U> {
    changed: VecDeque<U>,
    again: VecDeque<U>,
    /// Users that wait, each counted once.
    waiting: usize,
    turn: u32,
}

/// How a user waits. One that waits as `Again` and changes gets a second place; the place that is left is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    None,
    Changed,
    Again,
}

impl<U: Clone + Ord> Queue<U> {
    pub(crate) fn new() -> Self {
        Self { changed: VecDeque::new(), again: VecDeque::new(), waiting: 0, turn: 0 }
    }

    /// Gives this user, who has `place`, the place that is wanted, if it is a better one.
    pub(crate) fn push(&mut self, user: &U, place: &mut Place, wanted: Place) {
        match (*place, wanted) {
            (_, Place::None) | (Place::Changed, _) | (Place::Again, Place::Again) => return,
            (Place::None, Place::Again) => self.again.push_back(user.clone()),
            (_, Place::Changed) => self.changed.push_back(user.clone()),
        }
        self.waiting += usize::from(*place == Place::None);
        *place = wanted;
    }

    /// The next place, which may be one that was left.
    pub(crate) fn pop(&mut self) -> Option<U> {
        self.turn = self.turn.wrapping_add(1);
        match self.turn.is_multiple_of(AGAIN_EVERY) {
            true => self.again.pop_front().or_else(|| self.changed.pop_front()),
            false => self.changed.pop_front().or_else(|| self.again.pop_front()),
        }
    }

    /// A user waits no more: its turn has come, or it is forgotten. `false` when it did not wait.
    pub(crate) fn leave(&mut self, place: &mut Place) -> bool {
        let has_waited = std::mem::replace(place, Place::None) != Place::None;
        self.waiting -= usize::from(has_waited);
        has_waited
    }

    /// Throws away places that were left, once they are most of what is there.
    pub(crate) fn tidy<T>(&mut self, users: &BTreeMap<U, T>, place: impl Fn(&T) -> Place) {
        if self.changed.len() + self.again.len() <= 2 * self.waiting + LEFT_MAX {
            return;
        }
        let waits = |user: &U| users.get(user).is_some_and(|known| place(known) != Place::None);
        self.changed.retain(waits);
        self.again.retain(waits);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }
}

/// Of so many users one is said that has not changed, though others have.
const AGAIN_EVERY: u32 = 4;
/// Places that were left are not worth a look before there are so many.
const LEFT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_comes_first_and_the_rest_is_not_kept_waiting() {
        let (mut queue, mut places) = (Queue::new(), [Place::None; 10]);
        for (user, place) in places.iter_mut().enumerate() {
            queue.push(&user, place, if user < 5 { Place::Again } else { Place::Changed });
        }
        queue.push(&2, &mut places[2], Place::Changed);
        queue.push(&2, &mut places[2], Place::Again);
        assert_eq!(queue.len(), 10);
        let mut served = Vec::new();
        while let Some(user) = queue.pop() {
            if queue.leave(&mut places[user]) {
                served.push(user);
            }
        }
        assert_eq!(served, [5, 6, 7, 0, 8, 9, 2, 1, 3, 4]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn users_that_were_forgotten_leave_nothing() {
        let mut queue = Queue::new();
        let mut users = BTreeMap::new();
        for user in 0..10_000 {
            let mut place = Place::None;
            queue.push(&user, &mut place, Place::Changed);
            if user % 100 == 0 {
                users.insert(user, place);
            } else {
                queue.leave(&mut place);
            }
            queue.tidy(&users, |place| *place);
        }
        assert_eq!(queue.len(), 100);
        assert!(queue.changed.len() <= 2 * 100 + LEFT_MAX, "{}", queue.changed.len());
    }
}
