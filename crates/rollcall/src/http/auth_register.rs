//! `POST /auth/register {email, password, name?}`: 201 and a token. Open only with `accounts.registration`.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Problem;
use super::auth_login::TokenBody;
use super::body::Fields;
use crate::accounts::{DisplayName, Email, NewAccount, Password};
use crate::app::App;
use crate::store::Actor;

pub(super) async fn handle(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    // Before the body is read: who may not register need not send it.
    if !app.config.accounts.registration {
        let detail = "Registration is off; ask the operator for an account.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "registration_off", detail).closing());
    }
    let mut fields = Fields::from_request(request, &app).await?;
    let new = NewAccount {
        email: Email::parse(&fields.text("email")?)?,
        password: Password::parse(fields.text("password")?)?,
        name: match fields.optional_text("name")? {
            Some(name) => DisplayName::parse(&name)?,
            None => None,
        },
    };
    let account = app.accounts.register(new, Actor::User).await?;
    tracing::info!(account = account.id, "account registered");
    Ok((StatusCode::CREATED, TokenBody::mint(&app, &account)?).into_response())
}
