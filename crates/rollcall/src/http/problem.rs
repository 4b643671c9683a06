//! Every error over HTTP: RFC 9457 problem details with a stable `code`. Does not know: what went wrong.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{AccountError, FieldError, Wait};
use crate::identity::{MintError, TokenRefusal, Unproven};
use crate::store::StorageError;

/// One error on its way out.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    retry_after: Option<u32>,
    authenticate: Option<&'static str>,
    close: bool,
}

impl Problem {
    /// An error with this status, stable code and sentence for a person.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (field, retry_after, authenticate, close) = (None, None, None, false);
        Self { status, code, detail: detail.into(), field, retry_after, authenticate, close }
    }

    /// 400: one field of the request is to blame.
    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(StatusCode::BAD_REQUEST, "payload_invalid", detail) }
    }

    /// 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405.
    pub fn method_not_allowed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 403: a page of another origin asked.
    pub fn origin_forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Pages of this origin may not call this server.")
    }

    /// 500: something of ours is broken; what it was stands in the log only.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on the server.")
    }

    /// Of an action for which a user who is known gives the password once more: the token is good, so a wrong password
    /// is no 401, which would make clients ask for another token.
    pub fn of_own_password(error: AccountError) -> Self {
        match error {
            AccountError::CredentialsInvalid => {
                Self::new(StatusCode::FORBIDDEN, "credentials_invalid", "The password is wrong.")
            }
            AccountError::EmailTaken
            | AccountError::TooMany(_)
            | AccountError::Busy
            | AccountError::Hashing(_)
            | AccountError::Storage(_) => error.into(),
        }
    }

    /// The body was longer than it may be, or did not come in time: nobody knows what it would have said.
    pub(super) fn is_of_size_or_time(&self) -> bool {
        [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT].contains(&self.status)
    }

    /// The field to blame and the sentence, for tests.
    #[cfg(test)]
    pub(super) fn blames(&self) -> (String, String) {
        (self.field.clone().unwrap_or_default().into_owned(), self.detail.clone().into_owned())
    }

    /// The connection ends with the answer: its body was not read to the end.
    pub fn closing(self) -> Self {
        Self { close: true, ..self }
    }
}

/// A problem on the wire.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// RFC 9457 section 4.2.1: `about:blank` says that the status explains itself; `code` is what tells apart.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// As in the status line.
    status: u16,
    /// A sentence for a person.
    detail: &'a str,
    /// A stable word for programs.
    code: &'static str,
    /// The field to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let (detail, code, field) = (self.detail.as_ref(), self.code, self.field.as_deref());
        let body = Json(ProblemBody { r#type: "about:blank", title, status, detail, code, field });
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.authenticate {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::field(error.field, error.to_string())
    }
}

impl From<TokenRefusal> for Problem {
    fn from(refusal: TokenRefusal) -> Self {
        // RFC 6750 section 3.1: no error code when there was no token at all.
        let challenge = match refusal {
            TokenRefusal::Missing => "Bearer",
            TokenRefusal::Invalid | TokenRefusal::Expired | TokenRefusal::Revoked => {
                "Bearer error=\"invalid_token\""
            }
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, refusal.code(), refusal.message());
        Self { authenticate: Some(challenge), ..problem }
    }
}

impl From<Unproven> for Problem {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Refused(refusal) => refusal.into(),
            Unproven::Pending(_) | Unproven::Unavailable => {
                let detail = "The keys of the token's issuer cannot be had just now; try again in a moment.";
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
                Self { retry_after: Some(5), ..problem }
            }
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let unavailable = |code, detail: &'static str, seconds| {
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
            Self { retry_after: Some(seconds), ..problem }
        };
        match error {
            AccountError::EmailTaken => Self {
                field: Some("email".into()),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "email_taken",
                    "An account with this e-mail address exists.",
                )
            },
            AccountError::CredentialsInvalid => Self {
                authenticate: Some("Bearer"),
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    "credentials_invalid",
                    "The e-mail address or the password is wrong.",
                )
            },
            AccountError::TooMany(Wait(wait)) => {
                let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                let detail = "Too many tries; come back when Retry-After says.";
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
                Self { retry_after: Some(seconds.max(1)), ..problem }
            }
            AccountError::Busy => {
                unavailable("overloaded", "Too many logins at once; try again in a moment.", 2)
            }
            AccountError::Hashing(error) => {
                tracing::error!(%error, "a password hash failed");
                unavailable("overloaded", "The password could not be checked; try again in a moment.", 5)
            }
            AccountError::Storage(error) => {
                tracing::warn!(%error, "a request failed because of the database");
                unavailable("storage_unavailable", "The database did not answer; try again in a moment.", 5)
            }
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        AccountError::Storage(error).into()
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        tracing::error!(%error, "a token could not be made");
        Self::internal()
    }
}
