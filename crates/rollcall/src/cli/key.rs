//! `rollcall key new|list|revoke`: keys of server-side callers. A server that runs obeys within a few seconds.

use std::fmt::Write as _;

use rollcall::clock::to_iso8601;
use rollcall::config::Config;
use rollcall::ids;
use rollcall::store::{Actor, ApiKey, KeyScopes};

use super::Failure;
use super::storing::with_store;

/// Makes a key and prints it, nothing else: it can never be shown again. Without an `issuer` it is for all.
pub(super) fn new(
    config: &Config,
    name: &str,
    issuer: Option<&str>,
    scopes: KeyScopes,
) -> Result<String, Failure> {
    let allowed = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !allowed {
        return Err(Failure::Failed(format!(
            "--name: given {name:?}; allowed: 1 to 64 letters, digits, `-`, `_` and `.`"
        )));
    }
    with_store(config, async |storing| {
        let issuer = match issuer {
            None => None,
            Some(name) => Some(storing.issuer("--issuer", name)?),
        };
        let key = ids::api_key();
        let allows = ApiKey { name: name.into(), issuer, scopes };
        let now = storing.clock.unix_millis();
        let added = storing.store.add_api_key(now, &key, &allows, Actor::Operator).await;
        if !added.map_err(Failure::because)? {
            return Err(Failure::Failed(format!(
                "--name: there is a key {name:?} already; revoke it first, or choose another name"
            )));
        }
        Ok(format!("{key}\n"))
    })
}

/// A line for each key, never with the key itself.
pub(super) fn list(config: &Config) -> Result<String, Failure> {
    with_store(config, async |storing| {
        let keys = storing.store.api_keys().await.map_err(Failure::because)?;
        let mut text = String::new();
        for key in keys {
            let issuer = key.issuer.as_deref().unwrap_or("(all)");
            let created = to_iso8601(key.created_at.unsigned_abs());
            writeln!(text, "{}\t{issuer}\t{}\t{created}", key.name, key.scopes).map_err(Failure::because)?;
        }
        Ok(text)
    })
}

/// Ends a key.
pub(super) fn revoke(config: &Config, name: &str) -> Result<String, Failure> {
    with_store(config, async |storing| {
        let now = storing.clock.unix_millis();
        let revoked = storing.store.revoke_api_key(now, name, Actor::Operator).await;
        if !revoked.map_err(Failure::because)? {
            return Err(Failure::Failed(format!("there is no key {name:?}; `rollcall key list` shows all")));
        }
        Ok(String::new())
    })
}
