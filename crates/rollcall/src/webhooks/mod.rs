//! Tells receivers what they are owed, each in a loop of its own, so that one that is dead holds up nobody else. What it
//! takes leaves the database; the rest is tried again, by this node or another. Reading order: `receiver` (what is tried
//! when), `delivery` (one try), `signature`. Does not know: why something is owed.

mod receiver;
mod delivery;
mod signature;

use std::time::Duration;

use futures_util::future::join_all;

use crate::app::App;
use receiver::Receiver;

/// Delivers for ever. To be polled by one; drop it to end it: what is under way then is tried again by somebody.
pub(crate) async fn deliver(app: &App) {
    let entries = app.config.webhooks.as_slice();
    if entries.is_empty() {
        return std::future::pending().await;
    }
    let receivers = entries.iter().enumerate().map(|(place, entry)| Receiver::new(app, place, entry).run());
    tokio::join!(join_all(receivers), measure(app));
}

/// How much is owed, for the metrics and so that it stays bounded.
async fn measure(app: &App) {
    loop {
        let (mut events, mut oldest) = (0, None);
        for place in 0..app.config.webhooks.as_slice().len() {
            // While the database is away the last known numbers stand.
            let Ok(debt) = app.store.debt(place).await else { continue };
            events += debt.events;
            oldest = oldest.into_iter().chain(debt.oldest).min();
        }
        let age = oldest.map_or(0, |at| app.clock.unix_millis().saturating_sub(at));
        app.metrics.webhooks.owed(events, Duration::from_millis(age));
        tokio::time::sleep(MEASURE_INTERVAL).await;
    }
}

/// A count of at most a hundred thousand rows each.
const MEASURE_INTERVAL: Duration = Duration::from_secs(10);
