//! The lease of this node's id: claimed once, renewed in time, never taken up again after a gap.
//! Does not know: users, other nodes, how a call is made.

use std::time::Duration;

use crate::call::NodeId;

/// wanted --take--> fresh --claim--> claiming --yes--> held --end, or "no"--> wanted
#[derive(Debug)]
pub(crate) struct Lease {
    node: NodeId,
    /// Ids that were held before and whose fields may still be there.
    pub(crate) former: Vec<NodeId>,
    /// The id before this was held, so something may have been said under it.
    was_held: bool,
    /// When the last one that was held ended, until another one is.
    ended: Option<Duration>,
    ttl: Duration,
    state: State,
    /// A claim or a renewal is not made before this.
    next: Duration,
}

#[derive(Debug)]
enum State {
    Wanted,
    Fresh,
    Claiming,
    Held { since: Duration, until: Duration, is_renewing: bool },
}

/// What a reply means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing new.
    Same,
    /// The lease is held from now on.
    Claimed {
        /** When the one before it ended. */
        ended: Option<Duration>,
    },
    /// It was renewed in time, and is gone: Redis has lost it.
    Lost {
        /** When the last renewal that was made was sent. */
        confirmed: Duration,
    },
}

impl Lease {
    pub(crate) fn new(node: NodeId, ttl: Duration) -> Self {
        Self {
            node,
            former: Vec::new(),
            was_held: false,
            ended: None,
            ttl,
            state: State::Fresh,
            next: Duration::ZERO,
        }
    }

    /// A lease that has ended by this node's own clock has ended, whatever Redis says later.
    pub(crate) fn handle_time(&mut self, now: Duration) {
        if matches!(self.state, State::Held { until, .. } if now >= until) {
            self.end(now);
        }
    }

    /// Whether to claim (`true`) or to renew (`false`) now.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<bool> {
        match &mut self.state {
            State::Fresh if now >= self.next => {
                self.state = State::Claiming;
                Some(true)
            }
            State::Held { is_renewing, .. } if !*is_renewing && now >= self.next => {
                *is_renewing = true;
                Some(false)
            }
            _ => None,
        }
    }

    /// The reply of the claim or renewal made at `sent`; `None` when there was none.
    pub(crate) fn handle_reply(&mut self, now: Duration, sent: Duration, is_held: Option<bool>) -> Outcome {
        // Counted from when it was sent, so it ends here before it ends in Redis.
        let until = sent + self.ttl;
        match (&mut self.state, is_held) {
            (State::Claiming, Some(true)) if now < until => {
                self.state = State::Held { since: now, until, is_renewing: false };
                self.next = sent + self.ttl / 3;
                Outcome::Claimed { ended: self.ended.take() }
            }
            (State::Claiming, _) => {
                // It may have been made, or be made later: the id is burnt. Nothing was written under it.
                self.state = State::Wanted;
                self.next = now + self.ttl / 40;
                Outcome::Same
            }
            (State::Held { until: end, is_renewing, .. }, Some(true)) => {
                *is_renewing = false;
                *end = until.max(*end);
                self.next = sent + self.ttl / 3;
                Outcome::Same
            }
            (State::Held { until: end, .. }, Some(false)) => {
                let confirmed = end.saturating_sub(self.ttl);
                self.end(now);
                Outcome::Lost { confirmed }
            }
            (State::Held { is_renewing, .. }, None) => {
                *is_renewing = false;
                self.next = now + self.ttl / 40;
                Outcome::Same
            }
            _ => Outcome::Same,
        }
    }

    /// Another id is needed.
    pub(crate) fn wants_id(&self, now: Duration) -> bool {
        matches!(self.state, State::Wanted) && now >= self.next
    }

    /// Takes another id; gives whether one was held before, so that all has to be said under this one.
    pub(crate) fn take(&mut self, node: NodeId) -> bool {
        self.node = node;
        self.state = State::Fresh;
        std::mem::take(&mut self.was_held)
    }

    /// Ends it from this side, once more if it has ended already. Its fields are dropped by the syncs under the next id.
    pub(crate) fn end(&mut self, now: Duration) {
        match self.state {
            State::Held { until, .. } => {
                self.former.push(self.node);
                self.was_held = true;
                self.ended = Some(until.min(now));
            }
            _ => self.ended = self.ended.map(|_| now),
        }
        self.state = State::Wanted;
        self.next = Duration::ZERO;
    }

    /// Asks Redis now whether it is still there.
    pub(crate) fn hurry(&mut self, now: Duration) {
        self.next = self.next.min(now);
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// This id, or one that this node had.
    pub(crate) fn is_own(&self, node: NodeId) -> bool {
        node == self.node || self.former.contains(&node)
    }

    pub(crate) fn is_held(&self, now: Duration) -> bool {
        matches!(self.state, State::Held { until, .. } if now < until)
    }

    /// Since when it is held without a gap.
    pub(crate) fn held_since(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Held { since, until, .. } if now < until => Some(since),
            _ => None,
        }
    }

    /// How long ago it was said that it goes on.
    pub(crate) fn age(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Held { until, .. } => Some((now + self.ttl).saturating_sub(until)),
            State::Wanted | State::Fresh | State::Claiming => None,
        }
    }

    /// When it wants to be looked at.
    pub(crate) fn next_timeout(&self, is_connected: bool) -> Option<Duration> {
        match self.state {
            State::Held { until, is_renewing: false, .. } if is_connected => Some(until.min(self.next)),
            State::Held { until, .. } => Some(until),
            State::Wanted | State::Fresh => is_connected.then_some(self.next),
            State::Claiming => None,
        }
    }
}
