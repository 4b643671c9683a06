//! One HTTP GET for a set of keys: no redirects, bounded in time and size. Does not know: what becomes of the keys.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::OnceCell;

use crate::config::JwksUrl;
use crate::jose::IgnoredKey;

/// Fetches. One for all issuers; a connection is used once.
pub(in crate::identity) struct Fetcher {
    timeout: Duration,
    plain: Client<HttpConnector, Empty<Bytes>>,
    /// Made when it is needed first: it reads the machine's root certificates.
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>,
}

/// The body of a good answer.
#[derive(Debug)]
pub(in crate::identity) struct Fetched {
    pub(super) body: Bytes,
    /// Seconds.
    pub(super) max_age: Option<u64>,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(in crate::identity) enum FetchError {
    #[error("no whole answer in time")]
    TimedOut,
    #[error("no answer: {0}")]
    Unreachable(String),
    #[error(
        "this machine has no root certificates ({0}); install ca-certificates, or name a file in SSL_CERT_FILE"
    )]
    NoRoots(std::io::Error),
    #[error("answered {0}; redirects are not followed")]
    Status(StatusCode),
    #[error("the answer has more than {BODY_MAX} bytes")]
    TooLarge,
    #[error("the answer is no JSON Web Key set")]
    NoSet,
    #[error("the set holds no key that can be used: {0:?}")]
    NoKey(Vec<IgnoredKey>),
}

impl Fetcher {
    pub(in crate::identity) fn new(timeout: Duration) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        Self { timeout, plain: builder.build(HttpConnector::new()), secure: OnceCell::new() }
    }

    /// One try.
    pub(in crate::identity) async fn fetch(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        tokio::time::timeout(self.timeout, self.get(url)).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn get(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        let response = self.request(url).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let max_age = max_age(response.headers());
        match Limited::new(response.into_body(), BODY_MAX).collect().await {
            Ok(body) => Ok(Fetched { body: body.to_bytes(), max_age }),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
            Err(error) => Err(FetchError::Unreachable(explain(&*error))),
        }
    }

    async fn request(&self, url: &JwksUrl) -> Result<Response<Incoming>, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.uri().clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(
            USER_AGENT,
            http::HeaderValue::from_static(concat!("rollcall/", env!("CARGO_PKG_VERSION"))),
        );
        let answered = match url.uri().scheme_str() {
            Some("http") => self.plain.request(request).await,
            _ => self.secure.get_or_try_init(make_secure).await?.request(request).await,
        };
        answered.map_err(|error| FetchError::Unreachable(explain(&error)))
    }
}

/// The machine's own roots and not a list that is built in: an identity provider inside a company has the company's.
async fn make_secure() -> Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, FetchError> {
    let made = tokio::task::spawn_blocking(|| {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)
    });
    let builder = made.await.map_err(|error| FetchError::NoRoots(std::io::Error::other(error)))?;
    let connector = builder.map_err(FetchError::NoRoots)?.https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1); 0 when it says not to keep it.
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.split_once('=') {
            Some(("max-age", seconds)) => found = found.or(seconds.trim_matches('"').parse().ok()),
            Some(_) => {}
            None if directive == "no-store" || directive == "no-cache" => return Some(0),
            None => {}
        }
    }
    found
}

/// An error with what is behind it: the outer one alone says "client error (Connect)".
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Bytes of a set: a hundred times what large identity providers publish.
const BODY_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read_with_patience() {
        let check = |value: &str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            assert_eq!(max_age(&headers), expected, "{value}");
        };
        check("max-age=300", Some(300));
        check("public, Max-Age=300, must-revalidate", Some(300));
        check("max-age=\"300\"", Some(300));
        check("no-cache, max-age=300", Some(0));
        check("no-store", Some(0));
        check("s-maxage=300", None);
        check("max-age=-1", None);
        check("max-age=99999999999999999999999", None);
        check("", None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
