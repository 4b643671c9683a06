//! Every metric, its name and its meaning, once. Written in the OpenMetrics text format for `/metrics`.
//!
//! On the hot path a count is one relaxed atomic addition: counters of the labels that are known beforehand are made at
//! start and found by a short scan. Does not know: when anything happens.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use engineio::CloseReason;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::limit_metrics::LimitMetrics;
use super::process::Process;
use super::registry_metrics::RegistryMetrics;
use super::telling_metrics::{HistoryMetrics, WebhookMetrics};
use super::tls_metrics::TlsMetrics;

/// All metrics of the process. Labels are `&'static str`, so that no client can make a new one.
pub struct Metrics {
    root: Registry,
    database_up: Gauge,
    sessions: Gauge,
    connections: Family<[(&'static str, &'static str); 1], Gauge>,
    websocket_connections: Gauge,
    polling_connections: Gauge,
    connects: Labelled,
    session_ends: Labelled,
    closes: Labelled,
    event_errors: Labelled,
    refused_requests: Labelled,
    update_seconds: Histogram,
    revocation_lag: Histogram,
    slow_consumers: Counter,
    /// Of a node that meets others.
    pub cluster: RegistryMetrics,
    /// Of the limits that hold for the whole process.
    pub limits: LimitMetrics,
    /// Of what is written down of sessions.
    pub history: HistoryMetrics,
    /// Of what webhooks are told.
    pub webhooks: WebhookMetrics,
    /// Of listeners that speak TLS.
    pub tls: TlsMetrics,
}

/// Engine.IO connections of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open over WebSocket.
    pub websocket: u64,
    /// Open over polling.
    pub polling: u64,
    /// Closed since the start.
    pub closed: u64,
}

impl Metrics {
    /// All at zero; the registry counts as up.
    pub fn new() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(Process));
        let registry = root.sub_registry_with_prefix("rollcall");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release that runs", build);
        let database_up = Gauge::<i64>::default();
        database_up.set(1);
        registry.register("database_up", "1 while the database takes writes", database_up.clone());
        let sessions = Gauge::default();
        registry.register("sessions", "Sessions that are live on this node", sessions.clone());
        let connections = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        registry.register("connections", "Open Engine.IO connections by transport", connections.clone());
        let connects = Labelled::new("result", &CONNECT_RESULTS);
        registry.register(
            "connects",
            "Requests to join the sessions namespace by result",
            connects.family.clone(),
        );
        let session_ends = Labelled::new("reason", &[]);
        registry.register("session_ends", "Sessions that ended by reason", session_ends.family.clone());
        let closes = Labelled::new("reason", &CloseReason::WORDS);
        registry.register("closes", "Engine.IO connections that closed by reason", closes.family.clone());
        let event_errors = Labelled::new("code", &EVENT_ERRORS);
        registry.register(
            "event_errors",
            "Events of clients that were refused by code",
            event_errors.family.clone(),
        );
        let refused_requests = Labelled::new("reason", &[]);
        let help = "Requests to the socket path that were refused by reason";
        registry.register("refused_requests", help, refused_requests.family.clone());
        let update_seconds = Histogram::new(UPDATE_BUCKETS);
        let help = "Seconds from a change until its update is in the mailboxes of the user's sockets";
        registry.register("update_seconds", help, update_seconds.clone());
        let revocation_lag = Histogram::new(LAG_BUCKETS);
        let help = "Seconds from when another process has revoked something until it holds here";
        registry.register("revocation_lag_seconds", help, revocation_lag.clone());
        let slow_consumers = Counter::default();
        registry.register(
            "slow_consumers",
            "Sockets cut because they did not keep up",
            slow_consumers.clone(),
        );
        let cluster = RegistryMetrics::new(registry);
        let limits = LimitMetrics::new(registry);
        let history = HistoryMetrics::new(registry);
        let webhooks = WebhookMetrics::new(registry);
        let tls = TlsMetrics::new(registry);

        Self {
            websocket_connections: connections.get_or_create_owned(&[("transport", "websocket")]),
            polling_connections: connections.get_or_create_owned(&[("transport", "polling")]),
            root,
            database_up,
            sessions,
            connections,
            connects,
            session_ends,
            closes,
            event_errors,
            refused_requests,
            update_seconds,
            revocation_lag,
            slow_consumers,
            cluster,
            limits,
            history,
            webhooks,
            tls,
        }
    }

    /// `rollcall_sessions` goes up by one.
    pub fn session_started(&self) {
        self.sessions.inc();
    }

    /// `rollcall_sessions` goes down by one, `rollcall_session_ends_total{reason}` up.
    pub fn session_ended(&self, reason: &'static str) {
        self.sessions.dec();
        self.session_ends.add_one(reason);
    }

    /// `rollcall_sessions`, for what this node says of itself.
    pub fn sessions(&self) -> u64 {
        u64::try_from(self.sessions.get()).unwrap_or_default()
    }

    /// `rollcall_connections{transport}` goes up by one; `transport` is `websocket` or `polling`.
    pub fn connection_opened(&self, transport: &'static str) {
        self.transport(transport, |gauge| gauge.inc());
    }

    /// `rollcall_connections` moves by one from polling to WebSocket.
    pub fn connection_upgraded(&self) {
        self.polling_connections.dec();
        self.websocket_connections.inc();
    }

    /// `rollcall_connections{transport}` goes down by one, `rollcall_closes_total{reason}` up.
    pub fn connection_closed(&self, transport: &'static str, reason: &'static str) {
        self.transport(transport, |gauge| gauge.dec());
        self.closes.add_one(reason);
    }

    /// What this process has of Engine.IO connections.
    pub fn connections(&self) -> Connections {
        let open = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or_default();
        Connections {
            websocket: open(&self.websocket_connections),
            polling: open(&self.polling_connections),
            closed: self.closes.known.iter().map(|(_, counter)| counter.get()).sum(),
        }
    }

    /// `rollcall_connects_total{result}`: `accepted`, or the code that was sent.
    pub fn connect(&self, result: &'static str) {
        self.connects.add_one(result);
    }

    /// `rollcall_event_errors_total{code}`.
    pub fn event_error(&self, code: &'static str) {
        self.event_errors.add_one(code);
    }

    /// `rollcall_refused_requests_total{reason}`.
    pub fn request_refused(&self, reason: &'static str) {
        self.refused_requests.add_one(reason);
    }

    /// `rollcall_update_seconds`: from a change until its update was given to the mailboxes.
    pub fn update_told(&self, elapsed: Duration) {
        self.update_seconds.observe(elapsed.as_secs_f64());
    }

    /// `rollcall_revocation_lag_seconds`.
    pub fn revocation_learned(&self, lag: Duration) {
        self.revocation_lag.observe(lag.as_secs_f64());
    }

    /// `rollcall_database_up`: whether it takes writes.
    pub fn set_database_up(&self, is_up: bool) {
        self.database_up.set(is_up.into());
    }

    /// `rollcall_slow_consumers_total`.
    pub fn slow_consumer(&self) {
        self.slow_consumers.inc();
    }

    /// All metrics in the OpenMetrics text format 1.0.0.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.root)?;
        Ok(text)
    }

    fn transport<T>(&self, transport: &'static str, change: impl FnOnce(&Gauge) -> T) -> T {
        match transport {
            "websocket" => change(&self.websocket_connections),
            "polling" => change(&self.polling_connections),
            other => change(&self.connections.get_or_create(&[("transport", other)])),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// A counter with one label.
pub(super) struct Labelled {
    name: &'static str,
    pub(super) family: Family<[(&'static str, &'static str); 1], Counter>,
    /// Of the labels known at start: also what makes them appear with 0 before anything has happened.
    known: Box<[(&'static str, Counter<u64, AtomicU64>)]>,
}

impl Labelled {
    pub(super) fn new(name: &'static str, labels: &[&'static str]) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let known =
            labels.iter().map(|label| (*label, family.get_or_create_owned(&[(name, *label)]))).collect();
        Self { name, family, known }
    }

    pub(super) fn add_one(&self, label: &'static str) {
        match self.known.iter().find(|(known, _)| *known == label) {
            Some((_, counter)) => counter.inc(),
            None => self.family.get_or_create(&[(self.name, label)]).inc(),
        };
    }
}

const CONNECT_RESULTS: [&str; 7] = [
    "accepted",
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "context_invalid",
    "too_many_sessions",
];

const EVENT_ERRORS: [&str; 5] =
    ["event_unknown", "payload_invalid", "payload_too_large", "rate_limited", "session_not_found"];

/// An update that is coalesced takes 25 ms on purpose; a second is far too long.
const UPDATE_BUCKETS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// Processes look every two seconds.
const LAG_BUCKETS: [f64; 8] = [0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overload::Limit;

    #[test]
    fn every_metric_is_written_under_its_documented_name() {
        let metrics = Metrics::new();
        metrics.session_started();
        metrics.session_started();
        metrics.session_ended("ping_timeout");
        metrics.connection_opened("polling");
        metrics.connection_opened("polling");
        metrics.connection_upgraded();
        metrics.connection_closed("polling", "transport_closed");
        metrics.connect("accepted");
        metrics.connect("unavailable");
        metrics.event_error("event_unknown");
        metrics.request_refused("draining");
        metrics.update_told(Duration::from_millis(2));
        metrics.slow_consumer();
        metrics.revocation_learned(Duration::from_millis(1500));
        metrics.limits.refused(Limit::Handshakes);
        metrics.limits.set(Limit::Handshakes, Some(3), 16384);
        assert_eq!(metrics.connections(), Connections { websocket: 1, polling: 0, closed: 1 });
        let text = metrics.encode().unwrap();
        for line in [
            "rollcall_sessions 1",
            "rollcall_session_ends_total{reason=\"ping_timeout\"} 1",
            "rollcall_connections{transport=\"websocket\"} 1",
            "rollcall_connections{transport=\"polling\"} 0",
            "rollcall_closes_total{reason=\"transport_closed\"} 1",
            "rollcall_closes_total{reason=\"overloaded\"} 0",
            "rollcall_connects_total{result=\"accepted\"} 1",
            "rollcall_connects_total{result=\"token_invalid\"} 0",
            "rollcall_connects_total{result=\"unavailable\"} 1",
            "rollcall_event_errors_total{code=\"event_unknown\"} 1",
            "rollcall_refused_requests_total{reason=\"draining\"} 1",
            "rollcall_update_seconds_bucket{le=\"0.005\"} 1",
            "rollcall_update_seconds_bucket{le=\"0.001\"} 0",
            "rollcall_revocation_lag_seconds_bucket{le=\"1.0\"} 0",
            "rollcall_revocation_lag_seconds_bucket{le=\"2.5\"} 1",
            "rollcall_registry_up 1",
            "rollcall_slow_consumers_total 1",
            "rollcall_limit_refusals_total{limit=\"handshakes\"} 1",
            "rollcall_limit_refusals_total{limit=\"descriptors\"} 0",
            "rollcall_limit_used{limit=\"handshakes\"} 3",
            "rollcall_limit_max{limit=\"handshakes\"} 16384",
            "rollcall_database_up 1",
            concat!("rollcall_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
        }
    }
}
