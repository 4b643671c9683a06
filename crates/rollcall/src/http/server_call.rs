//! A call of another server: its API key, and the user that it is about. Does not know: what is to be done.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;

use super::{Problem, bearer, query};
use crate::app::App;
use crate::identity::{IssuerId, TokenRefusal, is_subject};
use crate::registry::UserKey;
use crate::store::{ApiKey, KeyScope};

/// A call with a key that is for this.
pub(super) struct ServerCall<S> {
    /// Who it is about.
    pub(super) user: UserKey,
    /// Who calls.
    pub(super) key: Arc<ApiKey>,
    scope: PhantomData<S>,
}

/// What a key must be for.
pub(super) trait Scope {
    const SCOPE: KeyScope;
}

/// [`KeyScope::Read`].
pub(super) struct Read;

impl Scope for Read {
    const SCOPE: KeyScope = KeyScope::Read;
}

/// [`KeyScope::Revoke`].
pub(super) struct Revoke;

impl Scope for Revoke {
    const SCOPE: KeyScope = KeyScope::Revoke;
}

/// [`KeyScope::Send`].
pub(super) struct Send;

impl Scope for Send {
    const SCOPE: KeyScope = KeyScope::Send;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    user_id: String,
}

impl<S: Scope> FromRequestParts<Arc<App>> for ServerCall<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let given = bearer::token(&parts.headers)?;
        let key = app.store.api_key(&given).ok_or(TokenRefusal::Invalid)?;
        if !key.scopes.contain(S::SCOPE) {
            return Err(forbidden(format!("The key has no scope {}.", S::SCOPE.as_str())));
        }
        let issuer = issuer(&key, parts.uri.query(), app)?;
        let params: Result<Path<Params>, PathRejection> = Path::from_request_parts(parts, app).await;
        let no_user = || Problem::field("userId", "userId must be 1 to 255 bytes of UTF-8 without NUL");
        let Path(Params { user_id }) = params.map_err(|_| no_user())?;
        if !is_subject(&user_id) {
            return Err(no_user());
        }
        let user = UserKey { issuer, subject: user_id.into() };
        Ok(Self { user, key, scope: PhantomData })
    }
}

/// Whose user is meant. A key that is bound to one issuer learns nothing of others, not even which there are.
fn issuer(key: &ApiKey, query: Option<&str>, app: &App) -> Result<IssuerId, Problem> {
    let name = query::find(query, "issuer")?;
    let issuer = match &name {
        None => Some(IssuerId::BUILT_IN),
        Some(name) => app.identity.issuer_named(name),
    };
    match (key.issuer, issuer) {
        (None, Some(issuer)) => Ok(issuer),
        (None, None) => Err(Problem::field("issuer", "issuer must be the name of a configured issuer")),
        (Some(bound), Some(issuer)) if bound == issuer => Ok(issuer),
        (Some(_), _) => Err(forbidden("The key is bound to another issuer.")),
    }
}

fn forbidden(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}
