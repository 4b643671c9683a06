//! `POST /auth/register {email, password, name?}`: 201 and a token pair. Open only with `accounts.registration`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use utoipa::ToSchema;

use super::Problem;
use super::body::{Body, Fields, Payload};
use super::caller::RegisterCaller;
use super::openapi::AUTH;
use super::token_pair::TokenPair;
use super::unhindered::unhindered;
use crate::accounts::{DisplayName, Email, NewAccount, Password};
use crate::app::App;
use crate::store::Actor;

impl Payload for NewAccount {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            email: Email::parse(&fields.text("email")?)?,
            password: Password::parse(fields.text("password")?)?,
            name: match fields.optional_text("name")? {
                Some(name) => DisplayName::parse(&name)?,
                None => None,
            },
        })
    }
}

/// The fields of [`NewAccount`].
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is read above")]
struct Registration {
    /// Compared without regard to case; at most 254 bytes.
    #[schema(format = Email)]
    email: String,
    /// 8 to 1,024 bytes.
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// At most 256 characters.
    name: Option<String>,
}

/// Looked at before the body is read: who may not register need not send it.
pub(super) struct Open;

impl FromRequestParts<Arc<App>> for Open {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if app.config.accounts.registration {
            return Ok(Self);
        }
        let detail = "Registration is off; ask the operator for an account.";
        Err(Problem::new(StatusCode::FORBIDDEN, "registration_off", detail).closing())
    }
}

/// Makes an account and its first login.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = AUTH, request_body = Registration,
    responses(
        (status = 201, description = "The first login.", body = TokenPair),
        (status = 403, description = "registration_off"),
        (status = 409, description = "email_taken"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    _: Open,
    RegisterCaller(address): RegisterCaller,
    State(app): State<Arc<App>>,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, Json<TokenPair>), Problem> {
    unhindered(async move {
        let by = Actor::User.at(app.config.privacy.ip.apply(address));
        let account = app.accounts.register(new, by).await?;
        tracing::info!(account = account.id, "account registered");
        let pair = app.accounts.first_login(&account, address).await?;
        Ok((StatusCode::CREATED, Json(TokenPair::mint(&app, &pair)?)))
    })
    .await
}
