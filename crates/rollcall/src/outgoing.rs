//! HTTP requests that this program makes itself, over TLS with the machine's own root certificates: no redirects, and a
//! connection is used once. Does not know: what is asked for, and how long an answer may take.

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::OnceCell;

/// Asks.
#[derive(Debug)]
pub struct Outgoing {
    plain: Client<HttpConnector, Empty<Bytes>>,
    /// Made when it is needed first: it reads the machine's root certificates.
    secure: OnceCell<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>,
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
    /// Nothing is connected yet.
    pub fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        Self { plain: builder.build(HttpConnector::new()), secure: OnceCell::new() }
    }

    /// Sends a request whose target is a whole `http` or `https` address; gives the answer's head, its body still to be
    /// read.
    ///
    /// # Errors
    /// There is none.
    pub async fn send(&self, mut request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, NoAnswer> {
        let name = HeaderValue::from_static(concat!("rollcall/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, name);
        let answered = match request.uri().scheme_str() {
            Some("http") => self.plain.request(request).await,
            _ => self.secure.get_or_try_init(make_secure).await?.request(request).await,
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
async fn make_secure() -> Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, NoAnswer> {
    let made = tokio::task::spawn_blocking(|| {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)
    });
    let builder = made.await.map_err(|error| NoAnswer::NoRoots(std::io::Error::other(error)))?;
    let connector = builder.map_err(NoAnswer::NoRoots)?.https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
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
