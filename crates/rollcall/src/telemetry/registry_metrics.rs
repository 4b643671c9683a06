//! What a node that meets others in Redis measures of that. A node alone is always up, and the rest stays at zero.
//! Does not know: when anything happens.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The metrics of the registry.
pub struct RegistryMetrics {
    is_up: Gauge,
    call_seconds: Histogram,
    reconcile_seconds: Histogram,
    dropped_revisions: Counter,
    dirty_users: Gauge,
    lease_age: Gauge<f64, AtomicU64>,
}

impl RegistryMetrics {
    /// Up, and else at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let is_up = Gauge::<i64>::default();
        is_up.set(1);
        let help = "1 while lists hold the sessions of all nodes, 0 while they may not";
        registry.register("registry_up", help, is_up.clone());
        let call_seconds = Histogram::new(CALL_BUCKETS);
        let help = "Seconds from when calls leave for Redis until their answers are there";
        registry.register("registry_call_seconds", help, call_seconds.clone());
        let reconcile_seconds = Histogram::new(RECONCILE_BUCKETS);
        let help = "Seconds from when lists may not have been whole until all are again";
        registry.register("registry_reconcile_seconds", help, reconcile_seconds.clone());
        let dropped_revisions = Counter::default();
        let help = "Lists from Redis that were older than what was known, or not to be trusted, and were asked for again";
        registry.register("registry_dropped_revisions", help, dropped_revisions.clone());
        let dirty_users = Gauge::<i64>::default();
        let help = "Users of whom this node has something to say to Redis that it has not said yet";
        registry.register("dirty_users", help, dirty_users.clone());
        let lease_age = Gauge::<f64, AtomicU64>::default();
        let help = "Seconds since the lease of this node was renewed, 0 without a lease";
        registry.register("registry_lease_age_seconds", help, lease_age.clone());
        Self { is_up, call_seconds, reconcile_seconds, dropped_revisions, dirty_users, lease_age }
    }

    /// `rollcall_registry_up`: whether lists hold the sessions of all nodes.
    pub fn set_up(&self, is_up: bool) {
        self.is_up.set(is_up.into());
    }

    /// `rollcall_registry_call_seconds`: Redis has answered.
    pub fn answered(&self, took: Duration) {
        self.call_seconds.observe(took.as_secs_f64());
    }

    /// `rollcall_registry_reconcile_seconds`: all lists are whole again.
    pub fn reconciled(&self, took: Duration) {
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// `rollcall_registry_dropped_revisions_total`: so many since the process began.
    pub fn dropped_revisions(&self, total: u64) {
        self.dropped_revisions.inc_by(total.saturating_sub(self.dropped_revisions.get()));
    }

    /// `rollcall_dirty_users`.
    pub fn dirty_users(&self, users: usize) {
        self.dirty_users.set(i64::try_from(users).unwrap_or(i64::MAX));
    }

    /// `rollcall_registry_lease_age_seconds`.
    pub fn lease_age(&self, age: Option<Duration>) {
        self.lease_age.set(age.unwrap_or_default().as_secs_f64());
    }
}

/// Seconds: from a Redis beside this node to one that is as good as away.
const CALL_BUCKETS: [f64; 8] = [0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.5, 1.0];
/// Seconds: from one lost connection to a Redis that was away for long.
const RECONCILE_BUCKETS: [f64; 8] = [0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0];

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn every_metric_is_written_under_its_documented_name() {
        let mut registry = Registry::with_prefix("rollcall");
        let metrics = RegistryMetrics::new(&mut registry);
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        assert!(text().contains("\nrollcall_registry_up 1\n"), "a node alone is up: {}", text());
        metrics.set_up(false);
        metrics.answered(Duration::from_millis(2));
        metrics.reconciled(Duration::from_secs(2));
        metrics.dropped_revisions(2);
        metrics.dropped_revisions(3);
        metrics.dirty_users(4);
        metrics.lease_age(Some(Duration::from_millis(1500)));
        let text = text();
        for line in [
            "rollcall_registry_up 0",
            "rollcall_registry_call_seconds_bucket{le=\"0.001\"} 0",
            "rollcall_registry_call_seconds_bucket{le=\"0.0025\"} 1",
            "rollcall_registry_reconcile_seconds_bucket{le=\"1.0\"} 0",
            "rollcall_registry_reconcile_seconds_bucket{le=\"5.0\"} 1",
            "rollcall_registry_dropped_revisions_total 3",
            "rollcall_dirty_users 4",
            "rollcall_registry_lease_age_seconds 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
    }
}
