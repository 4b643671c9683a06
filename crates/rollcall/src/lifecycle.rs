//! Where the process is between its start and its end. Does not know: what anybody does about it.

use tokio::sync::watch;

/// The phases, in the only order that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not ready yet.
    Starting,
    /// Ready.
    Serving,
    /// About to end: `/readyz` says no, live connections are served until their turn.
    Draining,
}

/// The phase of this process, to be read and to be waited for.
#[derive(Debug)]
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
}

impl Lifecycle {
    /// Starting.
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Starting) }
    }

    /// Goes on to a later phase; an earlier one is ignored, so that nothing becomes ready again while it drains.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = (*phase).max(to);
            later
        });
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Sees every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_go_on_and_can_be_waited_for() {
        let lifecycle = Lifecycle::new();
        let mut changes = lifecycle.subscribe();
        lifecycle.advance(Phase::Draining);
        lifecycle.advance(Phase::Serving);
        assert_eq!(lifecycle.phase(), Phase::Draining);
        assert_eq!(*changes.wait_for(|phase| *phase == Phase::Draining).await.unwrap(), Phase::Draining);
    }
}
