//! Reaping one dead id at a time: read its set of users, drop its fields of each, remove each from the set.
//! Any node may die half-way: what it has not removed from the set, the others find. Does not know: users here, lists.

use std::collections::VecDeque;
use std::time::Duration;

use crate::call::{Call, NodeId};
use crate::peers::Peers;

#[derive(Debug)]
pub(crate) struct Reaper<U> {
    lease: Duration,
    job: Option<Job<U>>,
}

#[derive(Debug)]
struct Job<U> {
    node: NodeId,
    /// Where to go on; `None` at the end.
    cursor: Option<u64>,
    page: VecDeque<U>,
    in_flight: usize,
    /// The set was not empty.
    has_found: bool,
}

impl<U: Clone> Reaper<U> {
    pub(crate) fn new(lease: Duration) -> Self {
        Self { lease, job: None }
    }

    /// The next call. `random` picks the id: nodes that start with different ones rarely do the same work.
    pub(crate) fn poll<S, I>(
        &mut self,
        now: Duration,
        peers: &mut Peers,
        random: u64,
    ) -> Option<Call<U, S, I>> {
        if self.job.is_none() {
            let due = peers.to_look_at(now);
            let node = *due.get((random % due.len().max(1) as u64) as usize)?;
            self.job =
                Some(Job { node, cursor: Some(0), page: VecDeque::new(), in_flight: 0, has_found: false });
        }
        let job = self.job.as_mut()?;
        if job.in_flight >= IN_FLIGHT {
            return None;
        }
        if let Some(user) = job.page.pop_front() {
            job.in_flight += 1;
            return Some(Call::Reap { node: job.node, user });
        }
        if job.in_flight > 0 {
            return None;
        }
        if let Some(cursor) = job.cursor {
            job.in_flight += 1;
            return Some(Call::UsersOf { node: job.node, cursor });
        }
        let job = self.job.take()?;
        self.finish(now, &job, peers).then_some(Call::Forget { node: job.node })
    }

    /// A page was read.
    pub(crate) fn handle_page(&mut self, node: NodeId, page: Option<(Vec<U>, u64)>, random: u64) {
        let Some(job) = self.job.as_mut().filter(|job| job.node == node) else {
            return;
        };
        job.in_flight = job.in_flight.saturating_sub(1);
        match page {
            Some((mut users, cursor)) => {
                job.cursor = (cursor != 0).then_some(cursor);
                job.has_found |= !users.is_empty();
                let start = (random % users.len().max(1) as u64) as usize;
                users.rotate_left(start);
                job.page = users.into();
            }
            None => {
                // Not read is not empty.
                job.cursor = None;
                job.has_found = true;
            }
        }
    }

    /// The fields of a user were dropped; gives the call that takes it from the set. When they were not, it stays there
    /// and is found again.
    pub(crate) fn handle_reaped<S, I>(
        &mut self,
        node: NodeId,
        user: U,
        is_done: bool,
    ) -> Option<Call<U, S, I>> {
        let job = self.job.as_mut().filter(|job| job.node == node)?;
        if is_done {
            return Some(Call::RemoveUser { node, user, seq: u64::MAX });
        }
        job.in_flight = job.in_flight.saturating_sub(1);
        None
    }

    /// A user was taken from the set, or not.
    pub(crate) fn handle_removed(&mut self, node: NodeId) {
        if let Some(job) = self.job.as_mut().filter(|job| job.node == node) {
            job.in_flight = job.in_flight.saturating_sub(1);
        }
    }

    /// Gives up what is under way: the connection is gone. Without the right to reap a job only waits, since an id once
    /// known to be dead stays so.
    pub(crate) fn stop(&mut self) {
        self.job = None;
    }

    pub(crate) fn is_working(&self) -> bool {
        self.job.is_some()
    }

    /// Whether the id may leave the table.
    fn finish(&self, now: Duration, job: &Job<U>, peers: &mut Peers) -> bool {
        let Some(peer) = peers.peer(job.node) else {
            return false;
        };
        if job.has_found {
            peer.empty_since = None;
            peer.look_at = now + LOOK_AGAIN;
            return false;
        }
        let since = *peer.empty_since.get_or_insert(now);
        peer.look_at = now + self.lease / 2;
        now >= since + self.lease * EMPTY_LEASES
    }
}

/// Of all calls in flight those that clean up after others; the rest is for the users here.
const IN_FLIGHT: usize = 16;
/// Also when all was read and removed: between two looks something may have arrived. No busy loop when reads fail.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// So long a write of a dead id may still arrive and be found.
const EMPTY_LEASES: u32 = 2;
