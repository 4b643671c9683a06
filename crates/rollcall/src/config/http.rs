//! Section `http`: the main listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use engineio::config::Transports;
use serde::{Deserialize, Serialize, Serializer};

use super::setting::{self, Setting};
use super::{AllowedOrigins, TrustedProxies};

/// The main listener and what it believes of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port; port 0 lets the system choose. Default `127.0.0.1:3000`: nothing is open to the network
    /// until somebody says so.
    #[serde(with = "setting")]
    pub listen: SocketAddr,
    /// Where Socket.IO answers. Default `/socket.io/`, which every stock client uses.
    #[serde(with = "setting")]
    pub socket_path: SocketPath,
    /// Which Engine.IO transports are served: `both`, `polling` or `websocket`. Default `both`, as stock clients expect;
    /// with `websocket` alone no load balancer has to be sticky, and clients must be told `transports: ['websocket']`.
    #[serde(with = "setting")]
    pub transports: Transports,
    /// Whether `/` answers with a page for people: their own devices, or how to connect when that page was not built
    /// into the program. Default true.
    #[serde(with = "setting")]
    pub page: bool,
    /// Which web origins may connect and log in. Default `*`: no cookie is ever read, so a foreign page gains nothing.
    pub allowed_origins: AllowedOrigins,
    /// Whose forwarded headers are believed. Default none: anybody can write such a header.
    pub trusted_proxies: TrustedProxies,
    /// The first part of every Engine.IO `sid`, by which a balancer can route. Default: made at start.
    #[serde(with = "setting")]
    pub node_tag: Option<NodeTag>,
    /// From the first byte awaited to the end of the headers. Default 10s: a slow phone needs 2, a slowloris all of it.
    #[serde(with = "setting")]
    pub header_timeout: Duration,
    /// For a whole request body. Default 10s, for the same reason.
    #[serde(with = "setting")]
    pub body_timeout: Duration,
    /// How long a client may take no byte of what it is sent before the system gives its connection up
    /// (TCP_USER_TIMEOUT); `heartbeat.timeout_ms` when that is longer. Default 30s.
    #[serde(with = "setting")]
    pub write_timeout: Duration,
    /// PEM, the server's certificate first, then those that lead to the authority's; with it the listener speaks TLS and
    /// nothing else. Read again when the file changes. Default: none, a proxy in front ends TLS.
    #[serde(with = "setting")]
    pub tls_certificate_file: Option<PathBuf>,
    /// PEM, the private key of that certificate, which only its owner may read. Needed with it.
    #[serde(with = "setting")]
    pub tls_key_file: Option<PathBuf>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            socket_path: SocketPath("/socket.io/".into()),
            transports: Transports::Both,
            page: true,
            allowed_origins: AllowedOrigins::default(),
            trusted_proxies: TrustedProxies::default(),
            node_tag: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            tls_certificate_file: None,
            tls_key_file: None,
        }
    }
}

/// A path that begins and ends with `/`, made of characters that need no escaping, and not one of the server's own.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketPath(Box<str>);

impl SocketPath {
    /// The path, with both slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for SocketPath {
    const ALLOWED: &'static str = "a path like /socket.io/: a slash at both ends, letters, digits, - . _ between, not one of api, assets, auth, docs, livez, readyz, metrics in front";

    fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('/')?.strip_suffix('/')?;
        let plain = inner.split('/').all(|part| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(known)
        });
        let first = inner.split('/').next().unwrap_or_default();
        let own = OWN_PATHS.contains(&first);
        (plain && !own).then(|| Self(text.into()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

setting::word_setting!(Transports, "both, polling or websocket", {
    "both" => Transports::Both,
    "polling" => Transports::Polling,
    "websocket" => Transports::WebSocket,
});

/// Where the server answers itself.
const OWN_PATHS: [&str; 7] = ["api", "assets", "auth", "docs", "livez", "readyz", "metrics"];

/// 1 to 32 letters, digits and hyphens; no dot, which ends it inside a `sid`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTag(Box<str>);

impl NodeTag {
    /// The tag without the dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for NodeTag {
    const ALLOWED: &'static str = "1 to 32 letters, digits and hyphens";

    fn parse(text: &str) -> Option<Self> {
        let allowed = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        allowed.then(|| Self(text.into()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
