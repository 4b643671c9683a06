//! A call of another server: its API key, the user that it is about, and no parameter that it does not have. Does not
//! know: what is to be done.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

use super::{Problem, bearer, caller, query};
use crate::app::App;
use crate::identity::{IssuerId, TokenRefusal, is_subject};
use crate::registry::UserKey;
use crate::store::{Actor, ApiKey, Asker, KeyScope};

/// A call of one kind, with a key that is for it.
pub(super) struct ServerCall<K> {
    /// Who it is about.
    pub(super) user: UserKey,
    /// Who calls.
    pub(super) key: Arc<ApiKey>,
    /// From where, as far as it may be kept.
    address: Option<IpAddr>,
    kind: PhantomData<K>,
}

/// What a key must be for, and what may stand in the query.
pub(super) trait Kind {
    const SCOPE: KeyScope;
    const PARAMETERS: &'static [&'static str];
}

/// A user's sessions are listed.
pub(super) struct Read;

impl Kind for Read {
    const SCOPE: KeyScope = KeyScope::Read;
    const PARAMETERS: &'static [&'static str] = &[ISSUER, "limit", "cursor"];
}

/// Logins or connections are ended.
pub(super) struct End;

impl Kind for End {
    const SCOPE: KeyScope = KeyScope::Revoke;
    const PARAMETERS: &'static [&'static str] = &[ISSUER, "tokens"];
}

/// A user is forgotten.
pub(super) struct Erase;

impl Kind for Erase {
    const SCOPE: KeyScope = KeyScope::Revoke;
    const PARAMETERS: &'static [&'static str] = &[ISSUER];
}

/// A message is sent.
pub(super) struct Send;

impl Kind for Send {
    const SCOPE: KeyScope = KeyScope::Send;
    const PARAMETERS: &'static [&'static str] = &[ISSUER];
}

/// `userId` and `issuer`, which every such route has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserParams {
    user_id: String,
}

impl IntoParams for UserParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let user_id = ParameterBuilder::new()
            .name(USER_ID)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The percent-encoded subject."))
            .schema(Some(text().min_length(Some(1)).max_length(Some(255))));
        let issuer = ParameterBuilder::new()
            .name(ISSUER)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some("Name of the issuer entry; `built-in` without it."))
            .schema(Some(text()));
        vec![user_id.build(), issuer.build()]
    }
}

impl<K> ServerCall<K> {
    /// For the audit.
    pub(super) fn asker(&self) -> Asker<'_> {
        Actor::ApiKey(&self.key.name).at(self.address)
    }
}

impl<K: Kind> FromRequestParts<Arc<App>> for ServerCall<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let given = bearer::token(&parts.headers)?;
        let key = app.store.api_key(&given).ok_or(TokenRefusal::Invalid)?;
        if !key.scopes.contain(K::SCOPE) {
            return Err(forbidden(format!("The key has no scope {}.", K::SCOPE.as_str())));
        }
        query::only(parts.uri.query(), K::PARAMETERS)?;
        let issuer = issuer(&key, parts.uri.query(), app)?;
        if !parts.uri.path().split('/').nth(USER_ID_PLACE).is_some_and(is_percent_encoded) {
            let detail = "userId must be percent-encoded: a % is followed by two hexadecimal digits, itself written as %25";
            return Err(Problem::field(USER_ID, detail));
        }
        let params: Result<Path<UserParams>, PathRejection> = Path::from_request_parts(parts, app).await;
        let no_user =
            || Problem::field(USER_ID, "userId must be 1 to 255 bytes of UTF-8 without NUL, percent-encoded");
        let Path(UserParams { user_id }) = params.map_err(|_| no_user())?;
        if !is_subject(&user_id) {
            return Err(no_user());
        }
        let user = UserKey { issuer, subject: user_id.into() };
        let address = caller::address(&parts.extensions, &parts.headers, app)?;
        let address = app.config.privacy.ip.apply(address);
        Ok(Self { user, key, address, kind: PhantomData })
    }
}

/// Whether each `%` begins an escape. The router leaves another one as it is, and so would make two spellings of one user.
fn is_percent_encoded(segment: &str) -> bool {
    segment.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whose user is meant. A key that is bound to one issuer learns nothing of others, not even which there are.
fn issuer(key: &ApiKey, query: Option<&str>, app: &App) -> Result<IssuerId, Problem> {
    let name = query::find(query, ISSUER)?;
    let issuer = match &name {
        None => Some(IssuerId::BUILT_IN),
        Some(name) => app.identity.issuer_named(name),
    };
    match (key.issuer, issuer) {
        (None, Some(issuer)) => Ok(issuer),
        (None, None) => Err(Problem::field(ISSUER, "issuer must be the name of a configured issuer")),
        (Some(bound), Some(issuer)) if bound == issuer => Ok(issuer),
        (Some(_), _) => Err(forbidden("The key is bound to another issuer.")),
    }
}

fn forbidden(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

const USER_ID: &str = "userId";
const ISSUER: &str = "issuer";
/// Where it stands in `/api/users/{userId}/…`.
const USER_ID_PLACE: usize = 3;
