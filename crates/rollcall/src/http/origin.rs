//! Which web pages may call: judges the `Origin` header (RFC 6454) and writes the CORS headers (Fetch Standard,
//! section 3.2). Used for `/auth` here and by the gateway for the socket path. Does not know: what is called.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::app::App;
use crate::config::AllowedOrigins;

/// What the `Origin` of a request means for its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Everybody may read the answer, without credentials.
    Anyone,
    /// This page may read it, with credentials.
    Page(HeaderValue),
    /// There is a list and no `Origin`: not a page's request.
    NoPage,
    /// A page that is not on the list: 403.
    Refused,
}

impl Verdict {
    /// Judges the headers of a request.
    pub fn of(allowed: &AllowedOrigins, headers: &HeaderMap) -> Self {
        if *allowed == AllowedOrigins::Any {
            return Self::Anyone;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Self::NoPage,
            (Some(origin), None) if origin.to_str().is_ok_and(|text| allowed.allows(text)) => {
                Self::Page(origin.clone())
            }
            (Some(_), _) => Self::Refused,
        }
    }

    /// Writes what every answer carries, a refusal included: with a list, a cache must not mix up origins.
    pub fn write(&self, headers: &mut HeaderMap) {
        match self {
            Self::Anyone => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::Page(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
            Self::NoPage | Self::Refused => {
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
        }
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }
}

/// Whether this is a browser's question before the request itself.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight of a page that is not refused: 204, `methods` as in `GET, POST`.
pub fn preflight(verdict: &Verdict, methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    verdict.write(headers);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The guard of `/auth`: refuses foreign pages, answers preflights, marks all other answers.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let verdict = Verdict::of(&app.config.http.allowed_origins, request.headers());
    let mut response = match &verdict {
        Verdict::Refused => Problem::origin_forbidden().into_response(),
        Verdict::Anyone | Verdict::Page(_) | Verdict::NoPage
            if is_preflight(request.method(), request.headers()) =>
        {
            return preflight(&verdict, "GET, POST");
        }
        Verdict::Anyone | Verdict::Page(_) | Verdict::NoPage => next.run(request).await,
    };
    verdict.write(response.headers_mut());
    response
}
