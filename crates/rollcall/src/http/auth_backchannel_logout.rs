//! `POST /auth/backchannel-logout`: an issuer says that a login, or a user, has ended (OpenID Connect Back-Channel Logout
//! 1.0). Does not know: what makes a logout token good, what follows from it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use utoipa::ToSchema;

use super::openapi::AUTH;
use super::unhindered::unhindered;
use super::{Problem, body, caller, query};
use crate::app::App;
use crate::identity::{self, Unproven};

/// What a logout takes: the form, and where it comes from.
pub(super) struct LogoutCall {
    form: LogoutForm,
    address: IpAddr,
}

/// The form, section 2.5.
#[derive(ToSchema)]
pub(super) struct LogoutForm {
    /// A JWT that the issuer has signed.
    logout_token: String,
}

impl FromRequest<Arc<App>> for LogoutCall {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if !app.identity.takes_logout_tokens() {
            return Err(Problem::not_found(
                "No issuer entry has a client_id, so nobody can send logout tokens.",
            ));
        }
        let address = caller::address(request.extensions(), request.headers(), app)?;
        let bytes = body::read(request, app, "application/x-www-form-urlencoded", FORM_MAX).await?;
        let form = std::str::from_utf8(&bytes).ok();
        let logout_token = query::find(form, "logout_token")?;
        let required = || Problem::field("logout_token", "logout_token is required");
        let form = LogoutForm { logout_token: logout_token.ok_or_else(required)?.into_owned() };
        Ok(Self { form, address })
    }
}

/// Ends what the logout token names; nothing there is no error.
#[utoipa::path(
    post, path = "/auth/backchannel-logout", operation_id = "backchannelLogout", tag = AUTH,
    request_body(content = LogoutForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It has ended, or was not there."),
        (status = 400, description = "invalid_request"),
        (status = 404, description = "not_found"),
        (status = 503, description = "unavailable storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    LogoutCall { form, address }: LogoutCall,
) -> Result<StatusCode, Problem> {
    let judge = || app.identity.judge_logout(&form.logout_token, app.clock.unix_seconds());
    let logout = match identity::when_known(judge).await {
        Ok(logout) => logout,
        Err(Unproven::Refused(_)) => return Err(invalid_request("The logout token is not good.")),
        Err(unproven @ (Unproven::Pending(_) | Unproven::Unavailable)) => return Err(unproven.into()),
    };
    unhindered(async move {
        match app.log_out(&logout, app.config.privacy.ip.apply(address)).await? {
            true => Ok(StatusCode::OK),
            false => Err(invalid_request("The logout token was used before.")),
        }
    })
    .await
}

/// The error that section 2.8 wants, by the name of RFC 6749 section 5.2.
fn invalid_request(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
}

/// A token of the greatest length and what surrounds it.
const FORM_MAX: usize = 16 * 1024;
