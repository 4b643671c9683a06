//! Section `registry`: where several nodes meet.

use std::num::NonZeroU32;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo};
use serde::{Deserialize, Serialize, Serializer};

use super::setting::{self, Setting};

/// One node alone, or one of several that show one list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// The Redis or Valkey where the nodes meet, see `RedisUrl`. Default: none, one node alone.
    #[serde(with = "setting")]
    pub redis_url: Option<RedisUrl>,
    /// Milliseconds: a node that has died is out of every list within this and one second. Default 10000: shorter costs
    /// more when Redis or a node stands still for a moment.
    #[serde(with = "setting")]
    pub lease_ms: NonZeroU32,
    /// Milliseconds that a client waits for the list of all nodes when Redis does not answer; then it gets what is known
    /// here, with `complete: false`. Default 1000.
    #[serde(with = "setting")]
    pub ready_timeout_ms: NonZeroU32,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            redis_url: None,
            lease_ms: NonZeroU32::MIN.saturating_add(9_999),
            ready_timeout_ms: NonZeroU32::MIN.saturating_add(999),
        }
    }
}

impl RegistryConfig {
    /// `lease_ms` as a duration.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.get().into())
    }

    /// `ready_timeout_ms` as a duration.
    pub fn ready_timeout(&self) -> Duration {
        Duration::from_millis(self.ready_timeout_ms.get().into())
    }
}

/// Where Redis is and as whom to speak to it. May hold a password: `Debug`, `config print` and error messages show `***`
/// in its place.
#[derive(Clone, PartialEq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The URL itself, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it names servers of a Redis Cluster.
    pub fn is_cluster(&self) -> bool {
        self.0.split_once("://").is_some_and(|(scheme, _)| scheme.ends_with("+cluster"))
    }

    /// A URL for each server that it names, as whoever connects takes them.
    pub fn addresses(&self) -> Vec<String> {
        let Some((scheme, rest)) = self.0.split_once("://") else { return Vec::new() };
        let Some(scheme) = scheme.strip_suffix("+cluster") else { return vec![self.0.clone()] };
        let (who, places) = match rest.rsplit_once('@') {
            Some((who, places)) => (format!("{who}@"), places),
            None => (String::new(), rest),
        };
        places.split(',').map(|place| format!("{scheme}://{who}{place}")).collect()
    }

    /// For people: `***` instead of a password.
    pub fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return "redis://***".to_owned() };
        match rest.rsplit_once('@') {
            Some((who, place)) => {
                let user = who.split_once(':').map_or("", |(user, _)| user);
                format!("{scheme}://{user}:***@{place}")
            }
            None => format!("{scheme}://{rest}"),
        }
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Setting for RedisUrl {
    const ALLOWED: &'static str = "redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// with TLS, or redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT of a Redis Cluster, rediss+cluster:// with TLS";

    fn parse(text: &str) -> Option<Self> {
        let url = Self(text.to_owned());
        let (scheme, rest) = text.split_once("://")?;
        let is_meant = matches!(scheme, "redis" | "rediss" | "redis+cluster" | "rediss+cluster");
        // A cluster has one database only. What follows `?` would be one more place for a password.
        let is_plain = !rest.contains('?') && (!url.is_cluster() || !rest.contains('/'));
        // Everything that is wrong with it is found here, and not when somebody connects. What follows `#` would switch
        // the check of certificates off.
        let is_safe = !text.contains('#') && !text.contains(char::is_control);
        let is_understood = |address: String| {
            address.into_connection_info().is_ok_and(|info| matches!(info.addr(), ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } if !host.is_empty()))
        };
        let is_good = is_meant && is_plain && is_safe && url.addresses().into_iter().all(is_understood);
        is_good.then_some(url)
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
    /// It may hold a password: only its scheme is shown.
    fn given(text: &str) -> String {
        match text.split_once("://") {
            Some((scheme, _)) => format!("\"{scheme}://***\""),
            None => "\"***\"".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_shown_nowhere() {
        let check = |text: &str, masked: &str| {
            let url = RedisUrl::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((url.masked().as_str(), format!("{url:?}").as_str()), (masked, masked));
            assert_eq!(url.expose(), text);
        };
        check("redis://cache.example", "redis://cache.example");
        check("redis://cache.example:6380/2", "redis://cache.example:6380/2");
        check("rediss://ada:s%40:x@cache.example:6380", "rediss://ada:***@cache.example:6380");
        check("redis://:secret@[::1]:6379/0", "redis://:***@[::1]:6379/0");
        check("redis+cluster://ada:s@a:1,b:2", "redis+cluster://ada:***@a:1,b:2");
        for text in [
            "redis+cluster://ada:secret@a:1,",
            "redis+cluster://ada:secret@a:1,b:2/1",
            "redis://ada:secret@a:1,b:2",
            "redis://ada:secret@cache:port",
            "redis://ada:secret@cache/one",
            "rediss://ada:secret@cache/#insecure",
            "redis://cache?db=1&pass=secret",
            "unix:///run/redis.sock",
            "http://ada:secret@cache",
            "cache:6379",
            "",
        ] {
            assert_eq!(RedisUrl::parse(text), None, "{text}");
            assert!(!RedisUrl::given(text).contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_cluster_is_an_address_for_each_of_its_servers() {
        let addresses = |text: &str| RedisUrl::parse(text).map(|url| (url.is_cluster(), url.addresses()));
        assert_eq!(addresses("redis://a:1/2"), Some((false, vec!["redis://a:1/2".to_owned()])));
        let two = ["rediss://ada:s%40@a:1", "rediss://ada:s%40@[::1]:2"].map(str::to_owned);
        assert_eq!(addresses("rediss+cluster://ada:s%40@a:1,[::1]:2"), Some((true, two.to_vec())));
    }
}
