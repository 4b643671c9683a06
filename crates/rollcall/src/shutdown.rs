//! When to stop: a future that a signal, or a test, makes ready. Does not know: how the server stops.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Waits for the wish to stop; any number of clones wait for the same one.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
}

/// Makes every clone of its [`Shutdown`] ready. Dropping it does so too: nobody is left who could ask.
#[derive(Debug)]
pub struct Trigger {
    ask: watch::Sender<bool>,
}

impl Shutdown {
    /// One to wait with and one to ask with.
    pub fn new() -> (Trigger, Self) {
        let (ask, asked) = watch::channel(false);
        (Trigger { ask }, Self { asked })
    }

    /// Ready as soon as somebody has asked, and from then on.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which is a wish to stop as well.
        let _ = self.asked.wait_for(|asked| *asked).await;
    }

    /// Whether somebody has asked.
    pub fn is_requested(&self) -> bool {
        *self.asked.borrow()
    }
}

impl Trigger {
    /// Asks for the end.
    pub fn shut_down(&self) {
        self.ask.send_replace(true);
    }
}

/// Signals that this process listens to, taken over from the system by [`Signals::install`].
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    /// A write beyond the limit of a file's size would kill the process; taken over, it is an error like a full disk.
    _file_size: tokio::signal::unix::Signal,
}

impl Signals {
    /// From here on no signal ends the process by itself. Needs a runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// The first SIGTERM or Ctrl-C asks for the end, the second one ends the process at once; SIGHUP does nothing,
    /// since the configuration is read at start only.
    pub async fn obey(mut self, trigger: Trigger) {
        while let Some(status) = self.next_stop().await {
            if *trigger.ask.borrow() {
                tracing::warn!("asked to stop a second time: ending at once");
                std::process::exit(status);
            }
            tracing::info!("stopping: a second signal ends at once");
            trigger.shut_down();
        }
    }

    /// The exit status that belongs to the next signal that asks for the end; `None` when none can come any more.
    async fn next_stop(&mut self) -> Option<i32> {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => return Some(STATUS_TERMINATED),
                Some(()) = self.interrupt.recv() => return Some(STATUS_INTERRUPTED),
                Some(()) = self.hang_up.recv() => {
                    tracing::info!("SIGHUP is ignored: a change of the configuration needs a restart");
                }
                else => return None,
            }
        }
    }
}

/// The number is the same on every Linux; tokio has no name for it.
const SIGXFSZ: i32 = 25;

/// As a shell reports a process that a signal has ended: 128 and the signal's number.
const STATUS_TERMINATED: i32 = 128 + 15;
const STATUS_INTERRUPTED: i32 = 128 + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_told_before_and_after() {
        let (trigger, mut shutdown) = Shutdown::new();
        let mut early = shutdown.clone();
        assert!(!shutdown.is_requested());
        trigger.shut_down();
        early.requested().await;
        shutdown.requested().await;
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_trigger_that_is_gone_counts_as_a_wish_to_stop() {
        let (trigger, mut shutdown) = Shutdown::new();
        drop(trigger);
        shutdown.requested().await;
    }
}
