//! `[[webhooks]]`: who is told of what happens, by HTTP. Each entry is read whole, and what is wrong with it names the
//! entry and the key. Does not know: how anybody is told.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::setting::{Setting, format_duration};
use super::web_address::{self, Wrong};

/// All entries, in order; each has a name of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Webhooks(Vec<WebhookConfig>);

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfig {
    /// What it goes by when its address changes. Default: the address itself.
    pub name: Option<String>,
    /// Where requests go: `https`, or `http` to this machine or where [`Self::allow_http`] says so.
    pub url: WebhookUrl,
    /// Allows `http` elsewhere. Default false: bodies say who is signed in from where.
    pub allow_http: bool,
    /// Signs (`whsec_…`).
    pub secret: WebhookSecret,
    /// Signs besides, while receivers change from it to the other one.
    pub previous_secret: Option<WebhookSecret>,
    /// Which events it gets. Default all.
    pub events: Vec<WebhookEvent>,
    /// How long one try may take. Default 15s, as Standard Webhooks recommends at least.
    pub timeout: Duration,
}

/// An address, shown without its query, where some receivers want a secret.
#[derive(Clone, PartialEq)]
pub struct WebhookUrl(Uri);

/// A secret of Standard Webhooks: 24 to 64 bytes, written as `whsec_` and base64. Shown as `***` only.
#[derive(Clone, PartialEq)]
pub struct WebhookSecret(Vec<u8>);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A login, or all of a user's, was ended: its tokens are refused.
    LoginRevoked,
    /// A login was seen for the first time.
    LoginNew,
    /// A session has begun.
    SessionStarted,
    /// A session has ended.
    SessionEnded,
}

impl WebhookEvent {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::LoginRevoked, Self::LoginNew, Self::SessionStarted, Self::SessionEnded];

    /// The `type` of its body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginRevoked => "login.revoked",
            Self::LoginNew => "login.new",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
        }
    }
}

impl Webhooks {
    /// The entries.
    pub fn as_slice(&self) -> &[WebhookConfig] {
        &self.0
    }

    /// Whether anybody is to be told of this.
    pub fn want(&self, event: WebhookEvent) -> bool {
        self.0.iter().any(|entry| entry.events.contains(&event))
    }

    fn duplicate(&self) -> Option<String> {
        let called = |entry: &WebhookConfig| entry.called();
        let twice = |(place, entry): &(usize, &WebhookConfig)| {
            self.0[..*place].iter().any(|other| called(other) == called(entry))
        };
        let (_, entry) = self.0.iter().enumerate().find(twice)?;
        Some(format!("two entries are {}; allowed: a name of its own for each", entry.shown()))
    }
}

impl WebhookConfig {
    /// What it goes by, with the secrets that an address may hold.
    pub(crate) fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.url.0.to_string())
    }

    /// The same for people.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.url.to_string())
    }

    fn read(table: Map<String, Value>) -> Result<Self, String> {
        let mut keys = Keys(table);
        let allow_http = match keys.0.remove("allow_http") {
            None => false,
            Some(Value::Bool(allowed)) => allowed,
            Some(given) => return Err(format!("allow_http: given {given}; allowed: true or false")),
        };
        let url = match keys.0.remove("url") {
            Some(Value::String(text)) => WebhookUrl::parse(&text, allow_http)?,
            Some(_) => return Err("url: given something else; allowed: an https:// address".to_owned()),
            None => return Err("url: not given; required: an https:// address".to_owned()),
        };
        let entry = Self {
            name: keys.name()?,
            url,
            allow_http,
            secret: keys.secret("secret")?.ok_or_else(|| {
                format!("secret: not given; required: this or secret_file, {}", WebhookSecret::ALLOWED)
            })?,
            previous_secret: keys.secret("previous_secret")?,
            events: keys.events()?,
            timeout: keys.timeout()?,
        };
        match keys.0.keys().next() {
            Some(unknown) => Err(format!("{unknown}: unknown key; allowed: {KEYS}")),
            None => Ok(entry),
        }
    }
}

impl WebhookUrl {
    fn parse(text: &str, allow_http: bool) -> Result<Self, String> {
        let wrong = match web_address::parse(text, allow_http) {
            Ok(uri) => return Ok(Self(uri)),
            Err(wrong) => wrong,
        };
        // What cannot be read may hold a secret anywhere.
        let given = match (wrong, text.split('?').next()) {
            (Wrong::Plain, Some(shown)) => format!("{shown:?}"),
            _ => "something".to_owned(),
        };
        Err(format!(
            "url: given {given} {}",
            match wrong {
                Wrong::NoAddress => "that is no web address; allowed: an https:// address",
                Wrong::WithUser => "with a user or password; allowed: an https:// address without them",
                Wrong::Plain =>
                    "which anybody on the way could read; allowed: https://, or http:// to this machine, or with allow_http = true",
            }
        ))
    }

    /// The address itself.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        let query = if self.0.query().is_some() { "?***" } else { "" };
        write!(formatter, "{scheme}://{authority}{}{query}", self.0.path())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl WebhookSecret {
    const ALLOWED: &'static str =
        "whsec_ and the base64 of 24 to 64 random bytes; `echo whsec_$(openssl rand -base64 32)` makes one";

    fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes that sign.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// The keys of an entry that nobody has taken out yet.
struct Keys(Map<String, Value>);

impl Keys {
    fn name(&mut self) -> Result<Option<String>, String> {
        match self.0.remove("name") {
            None => Ok(None),
            Some(Value::String(name)) if is_name(&name) => Ok(Some(name)),
            Some(given) => {
                Err(format!("name: given {given}; allowed: 1 to 64 letters, digits, `-`, `_` and `.`"))
            }
        }
    }

    fn secret(&mut self, key: &str) -> Result<Option<WebhookSecret>, String> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => match WebhookSecret::parse(&text) {
                Some(secret) => Ok(Some(secret)),
                None => Err(format!(
                    "{key}: given {} bytes (not shown); allowed: {}",
                    text.len(),
                    WebhookSecret::ALLOWED
                )),
            },
            Some(_) => {
                Err(format!("{key}: given something else (not shown); allowed: {}", WebhookSecret::ALLOWED))
            }
        }
    }

    fn events(&mut self) -> Result<Vec<WebhookEvent>, String> {
        let given = match self.0.remove("events") {
            None => return Ok(WebhookEvent::ALL.to_vec()),
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(given) => return Err(format!("events: given {given}; allowed: a list of {}", all_events())),
        };
        let read = |value: &Value| {
            let event = WebhookEvent::ALL.into_iter().find(|event| value == event.as_str());
            event.ok_or_else(|| format!("events: given {value}; allowed: {}", all_events()))
        };
        given.iter().map(read).collect()
    }

    fn timeout(&mut self) -> Result<Duration, String> {
        let given = match self.0.remove("timeout") {
            None => return Ok(TIMEOUT),
            Some(given) => given,
        };
        let timeout = given.as_str().and_then(Duration::parse);
        timeout
            .filter(|timeout| (TIMEOUT_MIN..=TIMEOUT_MAX).contains(timeout))
            .ok_or_else(|| format!("timeout: given {given}; allowed: 1s to 1m"))
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn all_events() -> String {
    WebhookEvent::ALL.map(WebhookEvent::as_str).join(", ")
}

impl<'de> Deserialize<'de> for Webhooks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Array(tables) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom(format!("given something else; allowed: {ALLOWED}")));
        };
        if tables.len() > ENTRIES_MAX {
            let count = tables.len();
            return Err(D::Error::custom(format!("given {count} entries; allowed: {ENTRIES_MAX} at most")));
        }
        let mut entries = Vec::new();
        for (place, table) in tables.into_iter().enumerate() {
            let Value::Object(table) = table else {
                let place = place + 1;
                return Err(D::Error::custom(format!("entry {place}: given no table; allowed: {ALLOWED}")));
            };
            let entry = WebhookConfig::read(table)
                .map_err(|problem| D::Error::custom(format!("entry {}: {problem}", place + 1)))?;
            entries.push(entry);
        }
        let webhooks = Self(entries);
        match webhooks.duplicate() {
            Some(problem) => Err(D::Error::custom(problem)),
            None => Ok(webhooks),
        }
    }
}

impl Serialize for Webhooks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// As an entry is written in the file, with what was left out filled in and the secrets masked.
impl Serialize for WebhookConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("url", &self.url.to_string())?;
        map.serialize_entry("allow_http", &self.allow_http)?;
        map.serialize_entry("secret", "***")?;
        if self.previous_secret.is_some() {
            map.serialize_entry("previous_secret", "***")?;
        }
        let events: Vec<&str> = self.events.iter().map(|event| event.as_str()).collect();
        map.serialize_entry("events", &events)?;
        map.serialize_entry("timeout", &format_duration(self.timeout))?;
        map.end()
    }
}

const ALLOWED: &str = "tables, one for each receiver; in the environment a JSON array of objects";
const KEYS: &str =
    "name, url, allow_http, secret, secret_file, previous_secret, previous_secret_file, events, timeout";
const TIMEOUT: Duration = Duration::from_secs(15);
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Each is a task, and each event a row for each.
const ENTRIES_MAX: usize = 16;
