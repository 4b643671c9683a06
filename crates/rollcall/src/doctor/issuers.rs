//! The issuers whose tokens are taken: whether the keys that they publish can be had.

use futures_util::future::join_all;

use super::Finding;
use super::clocks::Other;
use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::identity::fetch_keys;

pub(super) async fn examine(config: &Config, clock: &Clock) -> (Vec<Finding>, Vec<Other>) {
    let published = config.identity.issuers.as_slice().iter().filter_map(|entry| match &entry.keys {
        KeySource::Jwks(url) => Some((entry, url)),
        KeySource::Pem(_) => None,
    });
    let looked = join_all(published.map(|(entry, url)| async move {
        let asked = clock.unix_millis();
        let fetched = fetch_keys(config.identity.jwks_timeout, url).await;
        let answered = clock.unix_millis();
        match fetched {
            Ok(fetched) => {
                // A date is of whole seconds, rounded down.
                let other = fetched.date.map(|seconds| {
                    Other::new(format!("issuer {:?}", entry.name), asked, seconds * 1000 + 500, answered, 500)
                });
                let ignored = match fetched.ignored {
                    0 => String::new(),
                    ignored => format!(", {ignored} more cannot be used"),
                };
                let found = format!("{:?} publishes {} keys{ignored}", entry.name, fetched.keys);
                (Finding::ok(CHECK, found), other)
            }
            Err(problem) => {
                let found = format!("{:?}: {}: {problem}", entry.name, url.as_str());
                let advice = "until its keys can be had its users get `unavailable`: see whether jwks_url is right and can \
                              be reached from here; certificates are checked against the machine's, or SSL_CERT_FILE";
                (Finding::failed(CHECK, found, advice), None)
            }
        }
    }))
    .await;
    let (findings, others): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
    (findings, others.into_iter().flatten().collect())
}

const CHECK: &str = "issuer";
