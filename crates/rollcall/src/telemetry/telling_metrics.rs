//! What is measured of sessions on their way to the history, and of events on their way to webhooks. Does not know: when
//! anything happens.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::metrics::Labelled;

/// The metrics of the history.
pub struct HistoryMetrics {
    queue: Gauge,
    rows: Counter,
    dropped: Counter,
}

/// The metrics of webhooks.
pub struct WebhookMetrics {
    deliveries: Labelled,
    owed: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    dropped: Counter,
}

impl HistoryMetrics {
    /// All at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let queue = Gauge::<i64>::default();
        registry.register(
            "history_queue",
            "Starts and ends of sessions that wait to be written down",
            queue.clone(),
        );
        let rows = Counter::default();
        registry.register("history_rows", "Ended sessions that were written into the history", rows.clone());
        let dropped = Counter::default();
        let help = "Starts and ends of sessions that were not written down, since too many waited or the database refused them";
        registry.register("history_dropped", help, dropped.clone());
        Self { queue, rows, dropped }
    }

    /// `rollcall_history_queue`.
    pub fn waiting(&self, notes: usize) {
        self.queue.set(i64::try_from(notes).unwrap_or(i64::MAX));
    }

    /// `rollcall_history_rows_total`.
    pub fn written(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    /// `rollcall_history_dropped_total`.
    pub fn dropped(&self, notes: u64) {
        self.dropped.inc_by(notes);
    }
}

impl WebhookMetrics {
    /// All at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let deliveries = Labelled::new("result", &RESULTS);
        let help = "Tries to deliver an event to a webhook by result";
        registry.register("webhook_deliveries", help, deliveries.family.clone());
        let owed = Gauge::<i64>::default();
        registry.register(
            "webhook_owed",
            "Events in the database that webhooks are still owed",
            owed.clone(),
        );
        let oldest = Gauge::<f64, AtomicU64>::default();
        let help = "Seconds since the oldest event that a webhook is still owed, 0 without one";
        registry.register("webhook_oldest_seconds", help, oldest.clone());
        let dropped = Counter::default();
        let help =
            "Events that no webhook is told of: it was owed too many, or has not taken them within a week";
        registry.register("webhook_dropped", help, dropped.clone());
        Self { deliveries, owed, oldest, dropped }
    }

    /// `rollcall_webhook_deliveries_total{result}`.
    pub fn tried(&self, result: &'static str) {
        self.deliveries.add_one(result);
    }

    /// `rollcall_webhook_owed` and `rollcall_webhook_oldest_seconds`.
    pub fn owed(&self, events: u64, oldest: Duration) {
        self.owed.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.oldest.set(oldest.as_secs_f64());
    }

    /// `rollcall_webhook_dropped_total`.
    pub fn dropped(&self, events: u64) {
        self.dropped.inc_by(events);
    }
}

const RESULTS: [&str; 4] = ["delivered", "refused", "timed_out", "unreachable"];

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn every_metric_is_written_under_its_documented_name() {
        let mut registry = Registry::with_prefix("rollcall");
        let (history, webhooks) = (HistoryMetrics::new(&mut registry), WebhookMetrics::new(&mut registry));
        history.waiting(3);
        history.written(4);
        history.dropped(5);
        webhooks.tried("delivered");
        webhooks.owed(6, Duration::from_millis(1500));
        webhooks.dropped(7);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let page = include_str!("../../../../docs/operate.md");
        for line in [
            "rollcall_history_queue 3",
            "rollcall_history_rows_total 4",
            "rollcall_history_dropped_total 5",
            "rollcall_webhook_deliveries_total{result=\"delivered\"} 1",
            "rollcall_webhook_deliveries_total{result=\"refused\"} 0",
            "rollcall_webhook_owed 6",
            "rollcall_webhook_oldest_seconds 1.5",
            "rollcall_webhook_dropped_total 7",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(page.contains(&format!("`{name}")), "{name} is not in operate.md");
        }
    }
}
