//! One try to deliver one event: a signed POST, no redirect, bounded in time and in what is read of the answer. Does not
//! know: what comes after it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};

use super::receiver::LONGEST_PAUSE;
use super::signature::signatures;
use crate::clock::{Clock, to_iso8601};
use crate::config::WebhookConfig;
use crate::outgoing::{NoAnswer, Outgoing};
use crate::store::Owed;

/// Sends.
pub(super) struct Sender(Outgoing<Full<Bytes>>);

/// Why a receiver has not taken an event, as far as is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no whole answer in time")]
    TimedOut,
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("answered {0}; wanted: 2xx, redirects are not followed")]
    Refused(StatusCode, Option<Duration>),
    #[error("the id of an event is no header")]
    NoHeader,
}

impl Failure {
    /// As the metric calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::NoAnswer(_) | Self::NoHeader => "unreachable",
            Self::Refused(..) => "refused",
        }
    }

    /// How long the receiver asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(_, retry_after) => *retry_after,
            Self::TimedOut | Self::NoAnswer(_) | Self::NoHeader => None,
        }
    }

    /// The receiver wants nothing any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(StatusCode::GONE, _))
    }
}

impl Sender {
    /// For so many requests at once.
    pub(super) fn new(at_once: usize) -> Self {
        Self(Outgoing::kept(at_once))
    }

    /// One try.
    pub(super) async fn send(
        &self,
        clock: &Clock,
        entry: &WebhookConfig,
        owed: &Owed,
    ) -> Result<(), Failure> {
        let sending = self.post(clock.unix_seconds(), entry, owed);
        tokio::time::timeout(entry.timeout, sending).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn post(&self, now: u64, entry: &WebhookConfig, owed: &Owed) -> Result<(), Failure> {
        // Words, digits and what was written as JSON.
        let (kind, at) = (&owed.event, to_iso8601(owed.at()));
        let body = format!(r#"{{"type":"{kind}","timestamp":"{at}","data":{}}}"#, owed.body);
        let secrets = std::iter::once(&entry.secret).chain(&entry.previous_secret);
        let signature = signatures(secrets, &owed.message, now, body.as_bytes());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = entry.url.uri().clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", &*owed.message),
            ("webhook-signature", &signature),
            ("webhook-timestamp", &now.to_string()),
        ] {
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| Failure::NoHeader)?);
        }
        let response = self.0.send(request).await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // Read to its end, the connection can be used again; what is longer closes it.
        let _ = Limited::new(response.into_body(), BODY_MAX).collect().await;
        match status.is_success() {
            true => Ok(()),
            false => Err(Failure::Refused(status, retry_after)),
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); the date form is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Bytes of an answer that are read: nobody looks at them.
const BODY_MAX: usize = 16 * 1024;
