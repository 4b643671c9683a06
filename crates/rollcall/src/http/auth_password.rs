//! `POST /auth/password {current_password, new_password}`: 204; all other logins of the account end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::Problem;
use super::bearer::AccountHolder;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::unhindered::unhindered;
use crate::accounts::Password;
use crate::app::App;

/// From which to which.
pub(super) struct Change {
    current_password: Password,
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
