//! `rollcall sessions list`: a user's live sessions, as a server that runs gives them for an API key of scope `read`.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use rollcall::config::Config;
use rollcall::outgoing::{Outgoing, explain};
use serde_json::Value;

use super::Failure;
use super::storing::block_on;

/// Whom, and where to ask.
pub(super) struct Asked {
    pub(super) user: String,
    pub(super) issuer: String,
    /// Without it the address that this configuration's server listens on.
    pub(super) url: Option<String>,
    /// Without it, that in the file that `ROLLCALL_API_KEY_FILE` names.
    pub(super) api_key: Option<String>,
}

/// A line for each session, the oldest first: id, when, from where, what it is called.
pub(super) fn list(config: &Config, asked: &Asked) -> Result<String, Failure> {
    super::start_logs(config)?;
    super::check_user(&asked.user)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", api_key(asked)?));
    let mut bearer = bearer.map_err(|_| {
        Failure::Failed("ROLLCALL_API_KEY: allowed: what `rollcall key new --api` has printed".to_owned())
    })?;
    bearer.set_sensitive(true);
    let base = asked.url.clone().unwrap_or_else(|| own_address(config));
    block_on(async {
        let outgoing = Outgoing::new();
        let (mut text, mut cursor) = (String::new(), String::new());
        loop {
            let (user, issuer) = (encoded(&asked.user), encoded(&asked.issuer));
            let target =
                format!("{}/api/users/{user}/sessions?issuer={issuer}{cursor}", base.trim_end_matches('/'));
            let page = get(&outgoing, &target, &bearer).await?;
            for session in page["sessions"].as_array().into_iter().flatten() {
                write_line(&mut text, session).map_err(Failure::because)?;
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => return Ok(text),
            }
        }
    })
}

fn api_key(asked: &Asked) -> Result<String, Failure> {
    if let Some(key) = &asked.api_key {
        return Ok(key.clone());
    }
    let Some(file) = std::env::var_os("ROLLCALL_API_KEY_FILE") else {
        let allowed =
            "a key of scope read, there, in the file that ROLLCALL_API_KEY_FILE names, or as --api-key";
        return Err(Failure::Failed(format!("ROLLCALL_API_KEY: not set; allowed: {allowed}")));
    };
    let read = std::fs::read_to_string(file);
    let key = read.map_err(|error| Failure::Failed(format!("ROLLCALL_API_KEY_FILE: {error}")))?;
    Ok(key.trim().to_owned())
}

/// As one segment of a path, or one value of a query (RFC 3986 section 2.1).
fn encoded(part: &str) -> String {
    part.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => text.push(byte.into()),
            // Writing into a string cannot fail.
            byte => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

async fn get(outgoing: &Outgoing, target: &str, bearer: &HeaderValue) -> Result<Value, Failure> {
    let uri: Uri = target.parse().map_err(|_| bad_url(target))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(bad_url(target));
    }
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    let asked = async {
        let response =
            outgoing.send(request).await.map_err(|error| Failure::Failed(format!("{target}: {error}")))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        let body =
            body.map_err(|error| Failure::Failed(format!("{target}: {}", explain(&*error))))?.to_bytes();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        match (status, json["detail"].as_str()) {
            (StatusCode::OK, _) if json["sessions"].is_array() => Ok(json),
            (_, Some(detail)) => Err(Failure::Failed(format!("{target}: {status}: {detail}"))),
            _ => Err(Failure::Failed(format!("{target}: {status}, and no list of sessions"))),
        }
    };
    let late = || Failure::Failed(format!("{target}: no whole answer in {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
}

fn write_line(text: &mut String, session: &Value) -> std::fmt::Result {
    // What a client has said of itself moves no cursor and adds no column.
    let of = |value: &Value| value.as_str().unwrap_or("-").escape_debug().to_string();
    let device = &session["device"];
    let name = [&session["label"], &device["browser"], &session["metadata"]["userAgent"]];
    let name = name.into_iter().find(|name| name.as_str().is_some_and(|name| !name.is_empty()));
    writeln!(
        text,
        "{}\t{}\t{}\t{}\t{}",
        of(&session["socketId"]),
        of(&session["connectedAt"]),
        of(&session["metadata"]["ip"]),
        of(&session["login"]),
        name.map_or_else(|| "-".to_owned(), of),
    )
}

fn own_address(config: &Config) -> String {
    let mut address = config.ops.listen.unwrap_or(config.http.listen);
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

fn bad_url(target: &str) -> Failure {
    Failure::Failed(format!("--url: given {target:?}; allowed: an address such as http://127.0.0.1:3000"))
}

/// A thousand sessions of the longest items.
const BODY_MAX: usize = 8 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
