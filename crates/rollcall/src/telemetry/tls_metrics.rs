//! Metrics of the listeners that speak TLS. Does not know: certificates.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::metrics::Labelled;

/// Written only where TLS is spoken.
pub struct TlsMetrics {
    handshakes: Labelled,
    certificate_end: CertificateEnd,
}

/// Seconds since the epoch; 0 without a certificate.
#[derive(Clone, Debug, Default)]
struct CertificateEnd(Arc<AtomicU64>);

impl TlsMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let handshakes = Labelled::new("result", &[]);
        let help = "TLS handshakes by result";
        registry.register("tls_handshakes", help, handshakes.family.clone());
        let certificate_end = CertificateEnd::default();
        registry.register_collector(Box::new(certificate_end.clone()));
        Self { handshakes, certificate_end }
    }

    /// `rollcall_tls_handshakes_total{result}`: `done`, `failed`, or `timeout`.
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.add_one(result);
    }

    /// `rollcall_tls_certificate_not_after_seconds`: seconds since the epoch.
    pub fn certificate_ends(&self, at: u64) {
        self.certificate_end.0.store(at, Ordering::Relaxed);
    }
}

impl Collector for CertificateEnd {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ends = self.0.load(Ordering::Relaxed);
        if ends == 0 {
            return Ok(());
        }
        let help = "When the TLS certificate in use ends, in seconds since the epoch";
        let gauge = ConstGauge::new(i64::try_from(ends).unwrap_or(i64::MAX));
        let name = "tls_certificate_not_after_seconds";
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}
