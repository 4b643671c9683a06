//! `rollcall healthcheck`: whether the server of this configuration answers, as an exit status: for containers without a
//! shell or a client of HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use rollcall::config::Config;
use rollcall::outgoing::Outgoing;

use super::Failure;
use super::asking::{own_address, uri};
use super::storing::block_on;

/// Nothing when it does. Without a `url` the server is asked where this configuration listens.
pub(super) fn check(config: &Config, url: Option<String>) -> Result<String, Failure> {
    let base = url.unwrap_or_else(|| own_address(config));
    let target = format!("{}/livez", base.trim_end_matches('/'));
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri(&target, &base)?;
    block_on(async {
        let outgoing = Outgoing::new();
        let asked = tokio::time::timeout(PATIENCE, outgoing.send(request)).await;
        match asked {
            Err(_) => Err(Failure::Failed(format!("{target}: no answer in {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) => Err(Failure::Failed(format!("{target}: {error}"))),
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => Ok(String::new()),
            Ok(Ok(answer)) => Err(Failure::Failed(format!("{target}: {}", answer.status()))),
        }
    })
}

/// Less than what a container's check is given.
const PATIENCE: Duration = Duration::from_secs(3);
