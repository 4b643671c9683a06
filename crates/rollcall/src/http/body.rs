//! The body of a request: small, of its type, in time; or the problem that says which of these it is not. Does not know:
//! which fields an action wants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Problem;
use crate::app::App;
use crate::config::Config;

/// What an action wants to be told: a type whose fields are those of a JSON object.
pub(super) trait Payload: Sized {
    /// Takes and checks its fields; those that nobody asks for are ignored.
    fn parse(fields: &mut Fields) -> Result<Self, Problem>;

    /// Bytes that the body may have.
    fn body_max(_: &Config) -> usize {
        BODY_MAX
    }
}

/// A body that was read and checked.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: Payload> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let bytes = read(request, app, "application/json", T::body_max(&app.config)).await?;
        let fields = serde_json::from_slice(&bytes);
        let mut fields: Fields =
            fields.map_err(|_| unreadable("The body must be a JSON object, each field once."))?;
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
pub(super) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// A text that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Problem> {
        self.optional_text(name)?.ok_or_else(|| Problem::field(name, format!("{name} is required")))
    }

    /// A text that may be missing or null.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(json) = self.json(name) else { return Ok(None) };
        let text = serde_json::from_str(json.get());
        text.map_err(|_| Problem::field(name, format!("{name} must be a string")))
    }

    /// Whatever it is, as it came.
    pub(super) fn json(&mut self, name: &'static str) -> Option<Box<RawValue>> {
        self.0.remove(name)
    }
}

/// A field that is there twice is one thing to one reader and another to the next.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a field is there twice"));
            }
        }
        Ok(Fields(fields))
    }
}

/// The whole body, whose type must be this one.
pub(super) async fn read(
    request: Request,
    app: &App,
    media_type: &'static str,
    max: usize,
) -> Result<Bytes, Problem> {
    check_headers(request.headers(), media_type, max)?;
    let collected = Limited::new(request.into_body(), max).collect();
    match tokio::time::timeout(app.config.http.body_timeout, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Ok(Err(_)) => Err(unreadable("The body could not be read to its end.").closing()),
        Err(_) => {
            let detail = "The body did not arrive in time.";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail).closing())
        }
    }
}

fn check_headers(headers: &HeaderMap, wanted: &'static str, max: usize) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(wanted) || headers.contains_key(CONTENT_ENCODING) {
        let detail = format!("Content-Type must be {wanted}, without a Content-Encoding.");
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
        return Err(problem.closing());
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max as u64) { Err(too_large(max)) } else { Ok(()) }
}

fn unreadable(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "payload_invalid", detail)
}

fn too_large(max: usize) -> Problem {
    let detail = format!("The body may have at most {max} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail).closing()
}

/// The longest address, name and password fit, escaped characters included as long as they are few.
const BODY_MAX: usize = 4096;
