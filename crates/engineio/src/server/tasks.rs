//! Starts tasks, and counts those of sessions, so that a shutdown can wait for them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Starts a task. The one place that does: a bare `tokio::spawn` elsewhere is refused by a lint.
#[expect(clippy::disallowed_methods, reason = "everybody else comes here")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// How many sessions run.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: AtomicUsize,
    none_left: Notify,
}

impl Tasks {
    pub(super) fn enter(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_waiters();
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    pub(super) async fn wait_until_none(&self) {
        loop {
            let notified = self.none_left.notified(); // before the look, so that no leave is missed
            if self.running() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// Counts one session from here until it is dropped.
pub(super) struct Running<F: super::Factory>(Arc<super::Server<F>>);

impl<F: super::Factory> Running<F> {
    pub(super) fn new(server: Arc<super::Server<F>>) -> Self {
        server.tasks.enter();
        Self(server)
    }
}

impl<F: super::Factory> std::ops::Deref for Running<F> {
    type Target = super::Server<F>;

    fn deref(&self) -> &super::Server<F> {
        &self.0
    }
}

impl<F: super::Factory> Drop for Running<F> {
    fn drop(&mut self) {
        self.0.tasks.leave();
    }
}
