//! The end of a process in order: nobody new is taken, and each socket is told, spread over the drain time.
//! Does not know: listeners, HTTP, what the other nodes are told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::server::{Mailbox, Server};

use crate::app::App;
use crate::gateway::codes::SERVER_SHUTDOWN;
use crate::gateway::{Clients, Gateway};
use crate::lifecycle::Phase;

/// Ends everything in order: `/readyz` says no at once; after the delay nobody new is taken; then the sockets are told.
/// Gives the end of the drain time.
pub(crate) async fn drain(app: &App, gateway: &Gateway, sockets: &Server<Clients>) -> Instant {
    let config = &app.config.shutdown;
    app.lifecycle.advance(Phase::Draining);
    tokio::time::sleep(config.delay).await;
    gateway.close();
    let deadline = app.clock.now() + config.drain;
    let turns = turns(app, sockets);
    let count: usize = turns.iter().map(Vec::len).sum();
    tracing::info!(sockets = count, "draining");
    // The last to be told needs time to take its last words too.
    let spread = config.drain.saturating_sub(LAST_WORDS).max(config.drain / 2);
    let begin = app.clock.now();
    let mut told = 0;
    for turn in turns {
        let at = begin + spread.mul_f64(told as f64 / count as f64);
        if at > app.clock.now() {
            tokio::time::sleep_until(at.into()).await;
        }
        told += turn.len();
        for mailbox in turn {
            mailbox.close(SERVER_SHUTDOWN);
        }
    }
    for mailbox in sockets.mailboxes() {
        mailbox.close(SERVER_SHUTDOWN); // who came in while the others were told
    }
    let left = deadline.saturating_duration_since(app.clock.now());
    if tokio::time::timeout(left, sockets.wait_until_empty()).await.is_err() {
        tracing::warn!(sockets = sockets.open_sessions(), "some sockets did not end in time");
    }
    deadline
}

/// All sockets, in the order in which they are told. Those of one user have one turn, so that the user's other sessions,
/// here and on other nodes, are told once that all of them have left; a user of very many has several.
fn turns(app: &App, sockets: &Server<Clients>) -> Vec<Vec<Arc<Mailbox>>> {
    let mut turns = Vec::new();
    let mut seen = HashSet::new();
    for user in app.presence.users() {
        let mailboxes = user.roster().mailboxes();
        seen.extend(mailboxes.iter().map(Arc::as_ptr));
        turns.extend(mailboxes.chunks(MOST_AT_ONCE).map(<[_]>::to_vec));
    }
    // Those that have not joined.
    let others = sockets.mailboxes().into_iter().filter(|mailbox| !seen.contains(&Arc::as_ptr(mailbox)));
    turns.extend(others.map(|mailbox| vec![mailbox]));
    turns
}

/// Sockets of one user that are told in one moment, and come back in another second than the rest.
const MOST_AT_ONCE: usize = 100;
/// As long as `engineio` waits for a client to take its last words, and some slots of its timer.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(1250);
