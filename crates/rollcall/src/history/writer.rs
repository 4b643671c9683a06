//! Writes down what waits, many at a time: a transaction for each thousand, or for what has come in a tenth of a second.
//! While the database is away everything waits. Does not know: what the notes say.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::History;
use crate::store::{Noted, SessionNote, StorageError, Store, Unrecorded};

/// What is not written yet.
pub(super) struct Pending {
    receiver: Receiver<SessionNote>,
    /// Kept here and not in a task: whoever stops the task loses nothing.
    batch: Vec<SessionNote>,
}

impl Pending {
    pub(super) fn new(receiver: Receiver<SessionNote>) -> Self {
        Self { receiver, batch: Vec::new() }
    }
}

impl History {
    /// Writes for ever. To be polled by one; drop it to end it.
    pub(crate) async fn watch(&self, store: &Store) {
        let mut pending = self.pending.lock().await;
        let mut refused = 0;
        loop {
            pending.collect().await;
            self.metrics.history.waiting(self.waiting() + pending.batch.len());
            match self.write(store, &mut pending.batch).await {
                Ok(()) => refused = 0,
                Err(error) => {
                    // While it is away, which was logged, all wait: it comes back.
                    if store.health().away_since().is_none() {
                        refused += 1;
                    }
                    if refused == TRIES {
                        tracing::warn!(%error, "what has happened to sessions could not be written down: only the number is kept");
                        self.give_up(&mut pending.batch);
                        refused = 0;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The process is about to end: what still waits is written now, if the database takes it in time.
    pub(crate) async fn finish(&self, store: &Store) {
        let mut pending = self.pending.lock().await;
        let written = async {
            loop {
                pending.take_what_is_there();
                if pending.batch.is_empty() && self.lock_unrecorded().is_none() {
                    return Ok::<(), StorageError>(());
                }
                self.write(store, &mut pending.batch).await?;
            }
        };
        let done = tokio::time::timeout(FINISHING, written).await;
        let left = pending.batch.len() + self.waiting();
        if left > 0 || !matches!(done, Ok(Ok(()))) {
            tracing::warn!(left, "some ends of sessions could not be written down before the end");
        }
    }

    async fn write(&self, store: &Store, batch: &mut Vec<SessionNote>) -> Result<(), StorageError> {
        let before = batch.len();
        batch.retain(SessionNote::is_storable);
        if batch.len() < before {
            self.miss(true, self.clock.unix_millis(), (before - batch.len()) as u64);
        }
        let unrecorded = *self.lock_unrecorded();
        if batch.is_empty() && unrecorded.is_none() {
            return Ok(());
        }
        let Noted { rows, untold } = store.note_sessions(self.keeps, batch, unrecorded).await?;
        batch.clear();
        self.metrics.history.written(rows);
        self.metrics.webhooks.dropped(untold);
        if let Some(written) = unrecorded {
            let mut left = self.lock_unrecorded();
            *left = left
                .map(|left| Unrecorded { sessions: left.sessions.saturating_sub(written.sessions), ..left })
                .filter(|left| left.sessions > 0);
        }
        self.metrics.history.waiting(self.waiting());
        Ok(())
    }

    fn give_up(&self, batch: &mut Vec<SessionNote>) {
        for note in batch.drain(..) {
            self.miss(note.end.is_some(), note.at, 1);
        }
    }

    fn lock_unrecorded(&self) -> std::sync::MutexGuard<'_, Option<Unrecorded>> {
        self.unrecorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Pending {
    /// Until there are as many as one transaction takes, or nobody has to wait any longer. What could not be written
    /// before is there already.
    async fn collect(&mut self) {
        if self.batch.is_empty() {
            // Its sender lives as long as this.
            self.batch.extend(self.receiver.recv().await);
            let longest = tokio::time::sleep(BATCH_TIME);
            let more = async {
                while self.batch.len() < BATCH_ROWS {
                    let room = BATCH_ROWS - self.batch.len();
                    self.receiver.recv_many(&mut self.batch, room).await;
                }
            };
            tokio::select! { () = more => {}, () = longest => {} }
        }
        self.take_what_is_there();
    }

    fn take_what_is_there(&mut self) {
        while self.batch.len() < BATCH_ROWS
            && let Ok(note) = self.receiver.try_recv()
        {
            self.batch.push(note);
        }
    }
}

/// Rows of one transaction at most: some 20 ms of SQLite's one writer.
const BATCH_ROWS: usize = 1000;
/// Nobody waits longer for others to come.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// Times that a database which is there, as far as is known, may refuse one batch: what it refuses for good must not keep
/// the others waiting.
const TRIES: u32 = 5;
/// Until the database is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// What the database is given to take the rest in when the process ends.
const FINISHING: Duration = Duration::from_secs(5);
