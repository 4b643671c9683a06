//! One HTTP GET for a set of keys: no redirects, bounded in time and size. Does not know: what becomes of the keys.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, DATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};

use crate::config::JwksUrl;
use crate::jose::{IgnoredKey, JwkSet};
use crate::outgoing::{NoAnswer, Outgoing, explain};

/// Fetches. One for all issuers.
pub(in crate::identity) struct Fetcher {
    timeout: Duration,
    outgoing: Outgoing,
}

/// The body of a good answer.
#[derive(Debug)]
pub(in crate::identity) struct Fetched {
    pub(super) body: Bytes,
    /// What time the issuer says it is, in seconds since the epoch.
    pub(super) date: Option<u64>,
    /// Seconds.
    pub(super) max_age: Option<u64>,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(in crate::identity) enum FetchError {
    #[error("no whole answer in time")]
    TimedOut,
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
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
        Self { timeout, outgoing: Outgoing::new() }
    }

    /// One try.
    pub(in crate::identity) async fn fetch(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        tokio::time::timeout(self.timeout, self.get(url)).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn get(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.uri().clone();
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(ACCEPT, accept);
        let response = self.outgoing.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let (max_age, date) = (max_age(response.headers()), date(response.headers()));
        match Limited::new(response.into_body(), BODY_MAX).collect().await {
            Ok(body) => Ok(Fetched { body: body.to_bytes(), date, max_age }),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
            Err(error) => Err(NoAnswer::Unreachable(explain(&*error)).into()),
        }
    }
}

/// What an operator wants to know of an issuer's set.
#[derive(Debug)]
pub struct FetchedKeys {
    /// Keys that can be used.
    pub keys: usize,
    /// Keys that cannot.
    pub ignored: usize,
    /// What time the issuer says it is, in seconds since the epoch.
    pub date: Option<u64>,
}

/// Fetches a set once, for who wants to know whether it can be had.
///
/// # Errors
/// Why it cannot, in words.
pub async fn fetch_keys(timeout: Duration, url: &JwksUrl) -> Result<FetchedKeys, String> {
    let fetched = Fetcher::new(timeout).fetch(url).await.map_err(|error| error.to_string())?;
    let (keys, ignored) = JwkSet::parse(&fetched.body).ok_or_else(|| FetchError::NoSet.to_string())?;
    match keys.is_empty() {
        true => Err(FetchError::NoKey(ignored).to_string()),
        false => Ok(FetchedKeys { keys: keys.len(), ignored: ignored.len(), date: fetched.date }),
    }
}

/// `Date` (RFC 9110 section 6.6.1).
fn date(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
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
