//! The body of a request to `/auth`: small, JSON, in time; or the problem that says which of these it is not.
//! Does not know: which fields an action wants.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::Problem;
use crate::app::App;

/// What an action wants to be told: a type whose fields are those of a JSON object.
pub(super) trait Payload: Sized {
    /// Takes and checks its fields; those that nobody asks for are ignored.
    fn parse(fields: &mut Fields) -> Result<Self, Problem>;
}

/// A body that was read and checked.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: Payload> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let mut fields = Fields::read(request, app).await?;
        T::parse(&mut fields).map(Self)
    }
}

/// A body that may be missing altogether.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: Payload + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, app).await.map(|Body(given)| Self(given))
    }
}

/// The fields of a JSON object, taken out one by one.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// A text that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Problem> {
        self.optional_text(name)?.ok_or_else(|| Problem::field(name, format!("{name} is required")))
    }

    /// A text that may be missing or null.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(Problem::field(name, format!("{name} must be a string")))
            }
        }
    }
}

impl Fields {
    async fn read(request: Request, app: &App) -> Result<Self, Problem> {
        check_headers(request.headers())?;
        let collected = Limited::new(request.into_body(), BODY_MAX).collect();
        let read = tokio::time::timeout(app.config.http.body_timeout, collected).await;
        let bytes = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
            Ok(Err(_)) => {
                let detail = "The body could not be read to its end.";
                return Err(Problem::new(StatusCode::BAD_REQUEST, "payload_invalid", detail).closing());
            }
            Err(_) => {
                let detail = "The body did not arrive in time.";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail).closing());
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) | Err(_) => {
                let detail = "The body must be a JSON object.";
                Err(Problem::new(StatusCode::BAD_REQUEST, "payload_invalid", detail))
            }
        }
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") || headers.contains_key(CONTENT_ENCODING) {
        let detail = "Content-Type must be application/json, without a Content-Encoding.";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
        return Err(problem.closing());
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_MAX as u64) { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Problem {
    let detail = format!("The body may have at most {BODY_MAX} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail).closing()
}

/// The longest address, name and password fit, escaped characters included as long as they are few.
const BODY_MAX: usize = 4096;
