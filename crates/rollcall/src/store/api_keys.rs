//! Keys of server-side callers: known by their SHA-256 only, in memory on every node. Does not know: routes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest;

use super::audit::{Action, Actor, Audit};
use super::texts::storable;
use super::{StorageError, Store, bounded, signed};
use crate::identity::IssuerId;

/// What one key allows.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    /// What the operator calls it.
    pub name: Box<str>,
    /// Whose users; `None`: those of every issuer.
    pub issuer: Option<IssuerId>,
    /// What for.
    pub scopes: KeyScopes,
}

/// One thing that a key may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Lists of sessions.
    Read,
    /// Ending logins and sessions; erasing users.
    Revoke,
    /// Messages to sessions.
    Send,
}

impl KeyScope {
    const ALL: [Self; 3] = [Self::Read, Self::Revoke, Self::Send];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Revoke => "revoke",
            Self::Send => "send",
        }
    }
}

/// What a key is for: at least one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyScopes(Vec<KeyScope>);

impl KeyScopes {
    /// Words with commas between them, each known, none twice; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scopes = Vec::new();
        for word in text.split(',').map(str::trim) {
            let scope = KeyScope::ALL.into_iter().find(|scope| scope.as_str() == word)?;
            if scopes.contains(&scope) {
                return None;
            }
            scopes.push(scope);
        }
        Some(Self(scopes))
    }

    /// Whether the key is for this.
    pub fn contain(&self, scope: KeyScope) -> bool {
        self.0.contains(&scope)
    }
}

/// What [`KeyScopes::parse`] takes.
impl std::fmt::Display for KeyScopes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        formatter.write_str(&words.join(","))
    }
}

/// A key as the operator sees it: all but the key itself, which nobody can show again.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct ApiKeyRow {
    /// What the operator calls it.
    pub name: String,
    /// Name of the issuer entry; `None`: all.
    pub issuer: Option<String>,
    /// As [`KeyScopes`] writes them.
    pub scopes: String,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// All keys, by their hash.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<HashMap<Vec<u8>, Arc<ApiKey>>>);

impl Store {
    /// What this key allows, if it is one; asks nobody. A key that was made or revoked elsewhere is known two seconds
    /// later. The time that this takes tells nothing about other keys: what is compared is a hash.
    pub fn api_key(&self, key: &str) -> Option<Arc<ApiKey>> {
        let hash = digest::digest(&digest::SHA256, key.as_bytes());
        let known = self.shared.api_keys.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(hash.as_ref()).map(Arc::clone)
    }

    /// Makes a key of this name; `false` when there is one already.
    pub async fn add_api_key(
        &self,
        now: u64,
        key: &str,
        allows: &ApiKey,
        by: Actor<'_>,
    ) -> Result<bool, StorageError> {
        bounded(async {
            let name = storable("the name of a key", &allows.name)?;
            let mut transaction = self.begin().await?;
            let statement = "INSERT INTO api_keys (name, hash, issuer, scopes, created_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING";
            let inserted = sqlx::query(statement)
                .bind(name)
                .bind(digest::digest(&digest::SHA256, key.as_bytes()).as_ref())
                .bind(allows.issuer.map(|issuer| self.issuer_name(issuer)))
                .bind(allows.scopes.to_string())
                .bind(signed(now))
                .execute(&mut *transaction)
                .await?;
            if inserted.rows_affected() == 0 {
                return Ok(false);
            }
            let audit = Audit { detail: Some(name), ..Audit::of(Action::ApiKeyMade, by, None) };
            self.write_audit(&mut transaction, now, &audit).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Ends a key; `false` when there is none of this name.
    pub async fn revoke_api_key(&self, now: u64, name: &str, by: Actor<'_>) -> Result<bool, StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            let deleted = sqlx::query("DELETE FROM api_keys WHERE name = $1")
                .bind(storable("the name of a key", name)?)
                .execute(&mut *transaction)
                .await?;
            if deleted.rows_affected() == 0 {
                return Ok(false);
            }
            let audit = Audit { detail: Some(name), ..Audit::of(Action::ApiKeyRevoked, by, None) };
            self.write_audit(&mut transaction, now, &audit).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// All keys by name.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, StorageError> {
        let statement = "SELECT name, issuer, scopes, created_at FROM api_keys ORDER BY name";
        bounded(async { Ok(sqlx::query_as(statement).fetch_all(self.pool()).await?) }).await
    }

    /// Learns which keys there are now.
    pub(super) async fn load_api_keys(&self) -> Result<(), StorageError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            hash: Vec<u8>,
            name: String,
            issuer: Option<String>,
            scopes: String,
        }
        let statement = "SELECT hash, name, issuer, scopes FROM api_keys";
        let rows: Vec<Row> =
            bounded(async { Ok(sqlx::query_as(statement).fetch_all(self.pool()).await?) }).await?;
        let mut known = HashMap::with_capacity(rows.len());
        for Row { hash, name, issuer, scopes } in rows {
            let issuer = match issuer {
                None => None,
                Some(issuer) => match self.issuer_id(&issuer) {
                    Some(issuer) => Some(issuer),
                    // Its entry was taken out of the configuration.
                    None => continue,
                },
            };
            // A later release may know more scopes; a key with one of those is none here.
            let Some(scopes) = KeyScopes::parse(&scopes) else { continue };
            known.insert(hash, Arc::new(ApiKey { name: name.into(), issuer, scopes }));
        }
        *self.shared.api_keys.0.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_words_none_twice() {
        let check = |text: &str, written: Option<&str>| {
            assert_eq!(
                KeyScopes::parse(text).map(|scopes| scopes.to_string()).as_deref(),
                written,
                "{text:?}"
            );
        };
        check("read", Some("read"));
        check("send, read ,revoke", Some("send,read,revoke"));
        for text in ["", "write", "read,", "read,read", "READ", "read revoke"] {
            check(text, None);
        }
        let scopes = KeyScopes::parse("read,send").unwrap();
        assert!(scopes.contain(KeyScope::Read) && scopes.contain(KeyScope::Send));
        assert!(!scopes.contain(KeyScope::Revoke));
    }
}
