//! HTTP requests that this program makes itself, over TLS with the machine's own root certificates: no redirects. Does
//! not know: what is asked for, and how long an answer may take.

use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::OnceCell;

/// Asks, with bodies of this kind.
#[derive(Debug)]
pub struct Outgoing<B = Empty<Bytes>> {
    plain: Client<HttpConnector, B>,
    /// Made when it is needed first: it reads the machine's root certificates.
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, B>>,
    builder: Builder,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The connection failed, with all that is known of why.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// `https` cannot be checked.
    #[error(
        "this machine has no root certificates ({0}); install ca-certificates, or name a file in SSL_CERT_FILE"
    )]
    NoRoots(std::io::Error),
}

impl Outgoing {
    /// Nothing is connected yet, and a connection is used once.
    pub fn new() -> Self {
        Self::kept(0)
    }
}

impl<B> Outgoing<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// So many connections to one place are kept for a few seconds, for the next request.
    pub fn kept(idle: usize) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(idle).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        Self { plain: builder.build(HttpConnector::new()), secure: OnceCell::new(), builder }
    }

    /// Sends a request whose target is a whole `http` or `https` address; gives the answer's head, its body still to be
    /// read.
    ///
    /// # Errors
    /// There is none.
    pub async fn send(&self, mut request: Request<B>) -> Result<Response<Incoming>, NoAnswer> {
        let name = HeaderValue::from_static(concat!("rollcall/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, name);
        let answered = match request.uri().scheme_str() {
            Some("http") => self.plain.request(request).await,
            _ => {
                let make = async || Ok(self.builder.build(secure_connector().await?));
                self.secure.get_or_try_init(make).await?.request(request).await
            }
        };
        answered.map_err(|error| NoAnswer::Unreachable(explain(&error)))
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

/// The machine's own roots and not a list that is built in: an identity provider inside a company has the company's.
async fn secure_connector() -> Result<HttpsConnector<HttpConnector>, NoAnswer> {
    let made = tokio::task::spawn_blocking(|| {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)
    });
    let builder = made.await.map_err(|error| NoAnswer::NoRoots(std::io::Error::other(error)))?;
    Ok(builder.map_err(NoAnswer::NoRoots)?.https_only().enable_http1().build())
}

/// An error with what is behind it: the outer one alone says "client error (Connect)".
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Shorter than what usual servers keep a connection that says nothing.
const IDLE: Duration = Duration::from_secs(3);
