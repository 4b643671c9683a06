//! The configuration: one struct a section, each key with its meaning, its default and the reason for it.
//!
//! Precedence: defaults < file < environment < flags ([`Sources`]). Whatever is not a known key with an allowed value
//! is a [`ConfigError`], before any port is bound. Does not know: who uses a value.

mod error;
mod load;
mod tables;
mod secret;
mod setting;

mod accounts;
mod admin;
mod audit;
mod database;
mod heartbeat;
mod history;
mod http;
mod identity;
mod issuers;
mod jwks_url;
mod key_pem;
mod limits;
mod log;
mod ops;
mod origins;
mod privacy;
mod proxies;
mod registry;
mod runtime;
mod shutdown;
mod web_address;
mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use accounts::AccountsConfig;
pub use admin::{AdminConfig, AdminPassword};
pub use audit::AuditConfig;
pub use database::{DatabaseConfig, DatabaseUrl, PostgresUrl};
pub use error::ConfigError;
pub use heartbeat::HeartbeatConfig;
pub use history::HistoryConfig;
pub use http::{HttpConfig, NodeTag, SocketPath};
pub use identity::{IdentityConfig, TokenPlace, TokenPlaces};
pub use issuers::{BUILT_IN_NAME, IssuerConfig, Issuers, KeySource, RequiredClaims};
pub use jwks_url::JwksUrl;
pub use key_pem::{SigningKeyPem, VerifyingKeysPem};
pub use limits::LimitsConfig;
pub use load::Sources;
pub use log::{LogConfig, LogFormat, LogLevel};
pub use ops::OpsConfig;
pub use origins::AllowedOrigins;
pub use privacy::{IpPrivacy, PrivacyConfig, UserAgentPrivacy};
pub use proxies::{ProxyRange, TrustedProxies};
pub use registry::{RedisUrl, RegistryConfig};
pub use runtime::RuntimeConfig;
pub(crate) use runtime::cores;
pub use secret::{Secret, read_private_file};
pub use setting::{Setting, format_duration, parse_duration};
pub use shutdown::ShutdownConfig;
pub use webhooks::{WebhookConfig, WebhookEvent, WebhookSecret, WebhookUrl, Webhooks};

/// Everything that can be set. `Config::default()` is what an empty file means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder for the database and the first-start secret, made with mode 0700. Default `./data`.
    #[serde(with = "setting")]
    pub data_dir: PathBuf,
    /// Who is told of what happens. Default nobody.
    pub webhooks: Webhooks,
    /// The main listener and what it believes of a request.
    pub http: HttpConfig,
    /// A listener of its own for health and metrics.
    pub ops: OpsConfig,
    /// Who may look at all sockets.
    pub admin: AdminConfig,
    /// Where accounts are kept.
    pub database: DatabaseConfig,
    /// Which tokens are good.
    pub identity: IdentityConfig,
    /// The built-in accounts.
    pub accounts: AccountsConfig,
    /// Who did what to whom.
    pub audit: AuditConfig,
    /// Which sessions have ended, and why.
    pub history: HistoryConfig,
    /// Where several nodes meet.
    pub registry: RegistryConfig,
    /// How a dead connection is noticed.
    pub heartbeat: HeartbeatConfig,
    /// What one client may ask of the server.
    pub limits: LimitsConfig,
    /// How the server leaves.
    pub shutdown: ShutdownConfig,
    /// What of a person's data is kept at all.
    pub privacy: PrivacyConfig,
    /// What the log looks like.
    pub log: LogConfig,
    /// Threads.
    pub runtime: RuntimeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            webhooks: Webhooks::default(),
            http: HttpConfig::default(),
            ops: OpsConfig::default(),
            admin: AdminConfig::default(),
            database: DatabaseConfig::default(),
            identity: IdentityConfig::default(),
            accounts: AccountsConfig::default(),
            audit: AuditConfig::default(),
            history: HistoryConfig::default(),
            registry: RegistryConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            limits: LimitsConfig::default(),
            shutdown: ShutdownConfig::default(),
            privacy: PrivacyConfig::default(),
            log: LogConfig::default(),
            runtime: RuntimeConfig::default(),
        }
    }
}

impl Config {
    /// The configuration as TOML with secrets masked; keys without a value are left out.
    pub fn to_masked_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// What is allowed but probably not meant, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.accounts.registration && self.identity.secret.is_some() {
            warnings.push(
                "accounts.registration is on together with identity.secret: whoever registers here gets a token \
                 that every other service with this secret trusts"
                    .to_owned(),
            );
        }
        if self.admin.password.is_some() && self.ops.listen.is_none() {
            warnings.push(
                "admin.password is set without ops.listen: /admin is on the main listener, where everybody may try \
                 passwords"
                    .to_owned(),
            );
        }
        warnings.extend(self.http.trusted_proxies.warning());
        warnings.extend(self.identity.issuers.warnings());
        warnings
    }

    /// Nodes that meet must believe the same tokens and remember the same things.
    fn missing_of_a_cluster(&self) -> Option<String> {
        self.registry.redis_url.as_ref()?;
        let has_key = self.identity.secret.is_some() || self.identity.key.is_some();
        let is_shared = matches!(self.database.url, Some(DatabaseUrl::Postgres(_)));
        let missing = match (has_key, is_shared) {
            (true, true) => return None,
            (false, true) => "identity.secret or identity.key",
            (true, false) => "database.url with postgres://",
            (false, false) => "identity.secret or identity.key, and database.url with postgres://",
        };
        Some(format!("given without {missing}; all nodes of a cluster need the same ones"))
    }

    /// A certificate is nothing without its key.
    fn half_of_tls(&self) -> Option<(&'static str, String)> {
        let (certificate, key) = ("http.tls_certificate_file", "http.tls_key_file");
        match (&self.http.tls_certificate_file, &self.http.tls_key_file) {
            (Some(_), None) => Some((certificate, format!("given without {key}; allowed: both, or neither"))),
            (None, Some(_)) => Some((key, format!("given without {certificate}; allowed: both, or neither"))),
            (None, None) if self.ops.tls => {
                Some(("ops.tls", format!("given true without {certificate} and {key}; allowed: with both")))
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// Values that are fine alone and impossible together: the key to blame and what to do.
    fn contradiction(&self) -> Option<(&'static str, String)> {
        if self.ops.listen == Some(self.http.listen) && self.http.listen.port() != 0 {
            let why = format!("given {}, which is http.listen; allowed: another address", self.http.listen);
            return Some(("ops.listen", why));
        }
        if let Some(found) = self.limits.contradiction() {
            return Some(found);
        }
        for (key, given) in [
            ("accounts.refresh_ttl", self.accounts.refresh_ttl),
            ("accounts.longest_delay", self.accounts.longest_delay),
            ("http.header_timeout", self.http.header_timeout),
            ("http.body_timeout", self.http.body_timeout),
            ("http.write_timeout", self.http.write_timeout),
            ("identity.jwks_cooldown", self.identity.jwks_cooldown),
            ("identity.jwks_timeout", self.identity.jwks_timeout),
        ] {
            if given.is_zero() {
                return Some((key, "given 0s; allowed: more than nothing, such as 10s".to_owned()));
            }
        }
        if self.identity.access_ttl > self.identity.max_token_ttl || self.identity.access_ttl.as_secs() == 0 {
            let why = format!(
                "given {}; allowed: 1s to identity.max_token_ttl ({})",
                format_duration(self.identity.access_ttl),
                format_duration(self.identity.max_token_ttl)
            );
            return Some(("identity.access_ttl", why));
        }
        let leeway = self.identity.leeway;
        if leeway > LONGEST_LEEWAY || leeway.subsec_nanos() != 0 {
            let why = format!("given {}; allowed: whole seconds, 0s to 5m", format_duration(leeway));
            return Some(("identity.leeway", why));
        }
        if let Some(contradiction) = self.half_of_tls() {
            return Some(contradiction);
        }
        if let Some(why) = self.missing_of_a_cluster() {
            return Some(("registry.redis_url", why));
        }
        if self.registry.lease_ms.get() < LEAST_LEASE_MS {
            let why = format!(
                "given {}; allowed: {LEAST_LEASE_MS} or more, since a node is looked for four times a second",
                self.registry.lease_ms
            );
            return Some(("registry.lease_ms", why));
        }
        let built_in = &self.identity.issuer;
        if let Some(entry) = self.identity.issuers.as_slice().iter().find(|entry| entry.issuer == *built_in) {
            let why = format!(
                "entry {:?} has issuer {built_in:?}, which is identity.issuer; allowed: an issuer of its own for each",
                entry.name
            );
            return Some(("identity.issuers", why));
        }
        None
    }
}

/// Clocks that differ by more are wrong, and a token is good for this long after its end.
const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// Milliseconds of a lease: what detection, reaping and a slow machine need.
const LEAST_LEASE_MS: u32 = 1000;

#[cfg(test)]
mod tests;
