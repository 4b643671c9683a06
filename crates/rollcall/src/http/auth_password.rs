//! `POST /auth/password {current_password, new_password}`: 204; all other logins of the account end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use utoipa::ToSchema;

use super::Problem;
use super::bearer::AccountHolder;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::openapi::AUTH;
use super::unhindered::unhindered;
use crate::accounts::Password;
use crate::app::App;

/// From which to which.
#[derive(ToSchema)]
pub(super) struct Change {
    /// The present one.
    #[schema(value_type = String)]
    current_password: Password,
    /// 8 to 1,024 bytes.
    #[schema(value_type = String)]
    new_password: Password,
}

impl Payload for Change {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            current_password: Password::parse_field("current_password", fields.text("current_password")?)?,
            new_password: Password::parse_field("new_password", fields.text("new_password")?)?,
        })
    }
}

/// Changes the password; all other logins of the account end.
#[utoipa::path(
    post, path = "/auth/password", operation_id = "changePassword", tag = AUTH, security(("token" = [])),
    request_body = Change,
    responses(
        (status = 204, description = "It is changed."),
        (status = 403, description = "credentials_invalid"),
        (status = 404, description = "account_not_found"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    LoginCaller(address): LoginCaller,
    AccountHolder { account, login }: AccountHolder,
    State(app): State<Arc<App>>,
    Body(change): Body<Change>,
) -> Result<StatusCode, Problem> {
    unhindered(async move {
        let Change { current_password, new_password } = change;
        let changed =
            app.accounts.change_password(&account.id, current_password, new_password, login, address).await;
        app.carry_out(changed.map_err(Problem::of_own_password)?).await;
        tracing::info!(account = account.id, "password changed");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
