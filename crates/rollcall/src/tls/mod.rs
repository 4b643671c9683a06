//! TLS of the listeners: the certificate and its key as they are in their files now, and what a client may ask for. Files
//! that change are read again; connections that are open go on as they are. Does not know: sockets.

mod pair;
mod validity;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::clock::{Clock, to_iso8601};
use crate::config::HttpConfig;
use crate::telemetry::metrics::Metrics;
pub use pair::TlsError;
use pair::{Pair, Stamp};

/// What the listeners that speak TLS share.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    /// Outlives a change of certificate, so that clients come back with a short handshake.
    tickets: Arc<dyn ProducesTickets>,
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// Of the files that it was made of.
    stamp: Option<Stamp>,
    /// The end of the certificate, in seconds since the epoch.
    not_after: u64,
}

impl Tls {
    /// `None` when no certificate is configured.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn open(config: &HttpConfig) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.tls_certificate_file, &config.tls_key_file) else {
            return Ok(None);
        };
        let stamp = Stamp::of(certificate, key);
        let pair = Pair::read(certificate, key)?;
        let tickets = Ticketer::new().map_err(TlsError::Library)?;
        let current = Current { config: serve_with(pair.key, &tickets)?, stamp, not_after: pair.not_after };
        Ok(Some(Self {
            certificate: certificate.clone(),
            key: key.clone(),
            tickets,
            current: RwLock::new(current),
        }))
    }

    /// What a new connection is served with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// When the certificate ends, in seconds since the epoch.
    pub fn not_after(&self) -> u64 {
        self.current.read().unwrap_or_else(PoisonError::into_inner).not_after
    }

    /// Reads the files again whenever they have changed, for ever. Half of a change, or a pair that cannot be used, changes
    /// nothing: one line is logged, and the next look may find a good one.
    pub async fn watch(self: Arc<Self>, clock: &Clock, metrics: &Metrics) {
        metrics.tls.certificate_ends(self.not_after());
        warn_of_the_end(self.not_after(), clock);
        let mut complained_of = None;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let tls = self.clone();
            // Files may lie on a network.
            let Ok(looked) = tokio::task::spawn_blocking(move || tls.look()).await else { continue };
            match looked {
                None => {}
                Some((stamp, Ok(()))) => {
                    let ends = to_iso8601(self.not_after() * 1000);
                    tracing::info!(certificate = %self.certificate.display(), ends, "took a new TLS certificate");
                    metrics.tls.certificate_ends(self.not_after());
                    warn_of_the_end(self.not_after(), clock);
                    complained_of = stamp;
                }
                Some((stamp, Err(problem))) if complained_of != stamp => {
                    tracing::warn!(%problem, "cannot take a new TLS certificate; the one before stays");
                    complained_of = stamp;
                }
                Some((_, Err(_))) => {}
            }
        }
    }

    /// `None` when nothing has changed since the pair in use.
    fn look(&self) -> Option<(Option<Stamp>, Result<(), TlsError>)> {
        let stamp = Stamp::of(&self.certificate, &self.key);
        if stamp == self.current.read().unwrap_or_else(PoisonError::into_inner).stamp {
            return None;
        }
        let taken = Pair::read(&self.certificate, &self.key).and_then(|pair| {
            let config = serve_with(pair.key, &self.tickets)?;
            let current = Current { config, stamp: stamp.clone(), not_after: pair.not_after };
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
            Ok(())
        });
        Some((stamp, taken))
    }
}

/// When the certificate of this pair ends, in seconds since the epoch.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn not_after(certificate: &Path, key: &Path) -> Result<u64, TlsError> {
    Pair::read(certificate, key).map(|pair| pair.not_after)
}

/// TLS 1.2 and 1.3, HTTP/1.1 only.
fn serve_with(key: CertifiedKey, tickets: &Arc<dyn ProducesTickets>) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Library)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets keep nothing here; one is enough for a client that comes back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets.clone();
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn warn_of_the_end(not_after: u64, clock: &Clock) {
    if not_after <= clock.unix_seconds() {
        let ended = to_iso8601(not_after * 1000);
        tracing::warn!(ended, "the TLS certificate has expired: clients will refuse it");
    }
}

/// Between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tls({})", self.certificate.display())
    }
}
