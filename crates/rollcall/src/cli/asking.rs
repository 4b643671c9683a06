//! Questions to a server that runs, by its API and with an API key of scope `read`. Does not know: how an answer is shown.

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
use super::plain::plain;

/// Whom, and where to ask.
pub(super) struct Asked {
    pub(super) user: String,
    pub(super) issuer: String,
    /// Without it the address that this configuration's server listens on.
    pub(super) url: Option<String>,
    /// Without it, that in the file that `ROLLCALL_API_KEY_FILE` names.
    pub(super) api_key: Option<String>,
}

/// A user's sessions, as a server has told them.
pub(super) struct Listed {
    pub(super) sessions: Vec<Value>,
    /// Whether they are those of all nodes.
    pub(super) complete: bool,
}

/// Why there is no list.
pub(super) enum NoList {
    /// No answer, or that of a server that cannot just now: it may work in a moment.
    Away(String),
    /// The question is wrong, or its key.
    Refused(Failure),
}

impl From<NoList> for Failure {
    fn from(why: NoList) -> Self {
        match why {
            NoList::Away(text) => Self::Failed(text),
            NoList::Refused(failure) => failure,
        }
    }
}

/// A server, and what opens it.
pub(super) struct Server {
    outgoing: Outgoing,
    bearer: HeaderValue,
    /// Of the user's list, without a cursor.
    target: String,
}

impl Server {
    pub(super) fn new(config: &Config, asked: &Asked) -> Result<Self, Failure> {
        super::check_user(&asked.user)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", api_key(asked)?));
        let mut bearer = bearer.map_err(|_| {
            Failure::Failed("ROLLCALL_API_KEY: allowed: what `rollcall key new --api` has printed".to_owned())
        })?;
        bearer.set_sensitive(true);
        let base = asked.url.clone().unwrap_or_else(|| own_address(config));
        let (user, issuer) = (encoded(&asked.user), encoded(&asked.issuer));
        let target = format!("{}/api/users/{user}/sessions?issuer={issuer}", base.trim_end_matches('/'));
        Ok(Self { outgoing: Outgoing::new(), bearer, target })
    }

    /// All of the user's sessions, the oldest first.
    pub(super) async fn sessions(&self) -> Result<Listed, NoList> {
        let (mut sessions, mut complete, mut cursor) = (Vec::new(), true, String::new());
        loop {
            let mut page = get(&self.outgoing, &format!("{}{cursor}", self.target), &self.bearer).await?;
            if let Some(more) = page["sessions"].as_array_mut() {
                sessions.append(more);
            }
            complete &= page["complete"] == true;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => return Ok(Listed { sessions, complete }),
            }
        }
    }
}

/// What a session is called: by its user, else by what it says of itself.
pub(super) fn name_of(session: &Value) -> Option<&str> {
    let names = [&session["label"], &session["device"]["browser"], &session["metadata"]["userAgent"]];
    names.into_iter().filter_map(Value::as_str).find(|name| !name.is_empty())
}

/// What a client has said of itself moves no cursor and adds no column; `-` for nothing.
pub(super) fn shown(value: &Value) -> String {
    plain(value.as_str().filter(|text| !text.is_empty()).unwrap_or("-"))
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

async fn get(outgoing: &Outgoing, target: &str, bearer: &HeaderValue) -> Result<Value, NoList> {
    let uri = uri(target, target).map_err(NoList::Refused)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    let away = |why: String| NoList::Away(format!("{target}: {why}"));
    let asked = async {
        let response = outgoing.send(request).await.map_err(|error| away(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        let body = body.map_err(|error| away(explain(&*error)))?.to_bytes();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let why = match (status, json["detail"].as_str()) {
            (StatusCode::OK, _) if json["sessions"].is_array() => return Ok(json),
            (_, Some(detail)) => format!("{status}: {detail}"),
            _ => format!("{status}, and no list of sessions"),
        };
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => Err(away(why)),
            false => Err(NoList::Refused(Failure::Failed(format!("{target}: {why}")))),
        }
    };
    let late = || away(format!("no whole answer in {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Where a server of this configuration is asked: on the listener of operators, if it has one.
pub(super) fn own_address(config: &Config) -> String {
    let mut address = config.ops.listen.unwrap_or(config.http.listen);
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let is_secure = match config.ops.listen {
        Some(_) => config.ops.tls,
        None => config.http.tls_certificate_file.is_some(),
    };
    format!("{}://{address}", if is_secure { "https" } else { "http" })
}

/// Where to ask; when it is nowhere, `given` is what was wrong.
pub(super) fn uri(target: &str, given: &str) -> Result<Uri, Failure> {
    let uri = target.parse().ok().filter(|uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")));
    uri.ok_or_else(|| {
        Failure::Failed(format!("--url: given {given:?}; allowed: an address such as http://127.0.0.1:3000"))
    })
}

/// A thousand sessions of the longest items.
const BODY_MAX: usize = 8 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
