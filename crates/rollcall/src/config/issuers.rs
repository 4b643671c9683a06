//! `[[identity.issuers]]`: whose tokens are good besides those that are made here. Each entry is read whole, and what is
//! wrong with it names the entry and the key. Does not know: where an entry stood, how a token is judged.

use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::jwks_url::JwksUrl;
use super::setting::Setting;
use crate::jose::{Algorithm, PublicKey};

/// All entries, in order. No token can belong to two of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuers(Vec<IssuerConfig>);

/// One entry: a user space of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerConfig {
    /// What the entry is called in SQL, in HTTP and in the log; it names the users, so it must not change.
    pub name: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` must name one of these. Empty: not looked at, which takes [`Self::required_claims`].
    pub audience: Vec<String>,
    /// What its tokens may be signed with. Default: every algorithm with a public key.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The claim that says who the user is. Default `sub`.
    pub user_claim: String,
    /// The claim that says which login a token belongs to. Without it `sid` is looked for.
    pub session_claim: Option<String>,
    /// What Rollcall is called there: `aud` of its logout tokens. Without it none is taken.
    pub client_id: Option<String>,
    /// Claims that a token must have. Default none.
    pub required_claims: RequiredClaims,
}

/// Where the keys of an entry come from.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySource {
    /// PEM text of one or several public keys (`key`, `key_file`).
    Pem(String),
    /// `jwks_url`: a set that is fetched.
    Jwks(JwksUrl),
}

/// Claims that must be there.
#[derive(Clone, Debug, PartialEq)]
pub enum RequiredClaims {
    /// With any value.
    Names(Vec<String>),
    /// With one of these values, or an array that has one of them.
    Values(Vec<(String, Vec<Value>)>),
}

impl Issuers {
    /// The entries.
    pub fn as_slice(&self) -> &[IssuerConfig] {
        &self.0
    }

    /// What is allowed but probably not meant.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|entry| {
            let session = entry.session_claim.is_none().then(|| {
                let logout = match &entry.client_id {
                    Some(_) => ", and a back-channel logout of any login of a user ends all those tokens of the user",
                    None => "",
                };
                format!(
                    "identity.issuers: entry {:?} has no session_claim: unless its tokens have \"sid\", a revocation \
                     ends one token and not the login{logout}",
                    entry.name
                )
            });
            let open = entry.audience.is_empty() && matches!(entry.required_claims, RequiredClaims::Names(_));
            let audience = open.then(|| {
                format!(
                    "identity.issuers: entry {:?} has no audience and required_claims without values: tokens that \
                     its issuer made for somebody else may be good here",
                    entry.name
                )
            });
            session.into_iter().chain(audience)
        })
    }

    /// Entries that could both be meant by one token.
    fn overlap(&self) -> Option<String> {
        for (place, entry) in self.0.iter().enumerate() {
            for other in &self.0[..place] {
                let (name, before) = (&entry.name, &other.name);
                if name == before {
                    return Some(format!(
                        "two entries are called {name:?}; allowed: a name of its own for each"
                    ));
                }
                if entry.issuer != other.issuer {
                    continue;
                }
                if entry.audience.is_empty() || other.audience.is_empty() {
                    return Some(format!(
                        "entries {before:?} and {name:?} overlap: both have issuer {:?} and one has no audience; \
                         allowed: an audience of its own for each",
                        entry.issuer
                    ));
                }
                if let Some(audience) = entry.audience.iter().find(|one| other.audience.contains(one)) {
                    return Some(format!(
                        "entries {before:?} and {name:?} overlap: both have issuer {:?} and audience {audience:?}; \
                         allowed: an audience of its own for each",
                        entry.issuer
                    ));
                }
                if entry.client_id.is_some() && entry.client_id == other.client_id {
                    return Some(format!(
                        "entries {before:?} and {name:?} have issuer {:?} and client_id in common; allowed: a \
                         client_id of its own for each",
                        entry.issuer
                    ));
                }
            }
        }
        None
    }
}

impl RequiredClaims {
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Names(names) => names.is_empty(),
            Self::Values(values) => values.is_empty(),
        }
    }
}

impl<'de> Deserialize<'de> for Issuers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        let Value::Array(tables) = given else {
            return Err(D::Error::custom(format!("given {given}; allowed: {ALLOWED}")));
        };
        let mut entries = Vec::new();
        for (place, table) in tables.into_iter().enumerate() {
            let Value::Object(table) = table else {
                return Err(D::Error::custom(format!(
                    "entry {}: given {table}; allowed: {ALLOWED}",
                    place + 1
                )));
            };
            let name = table.get("name").and_then(Value::as_str).map(|name| format!("{name:?}"));
            let entry = IssuerConfig::read(table).map_err(|problem| {
                D::Error::custom(format!("entry {}: {problem}", name.unwrap_or((place + 1).to_string())))
            })?;
            entries.push(entry);
        }
        if entries.len() > ENTRIES_MAX {
            let count = entries.len();
            return Err(D::Error::custom(format!("given {count} entries; allowed: {ENTRIES_MAX} at most")));
        }
        let issuers = Self(entries);
        match issuers.overlap() {
            Some(problem) => Err(D::Error::custom(problem)),
            None => Ok(issuers),
        }
    }
}

impl IssuerConfig {
    fn read(table: Map<String, Value>) -> Result<Self, String> {
        let mut keys = Keys(table);
        let allow_http = match keys.0.remove("jwks_allow_http") {
            None => false,
            Some(Value::Bool(allowed)) => allowed,
            Some(given) => return Err(format!("jwks_allow_http: given {given}; allowed: true or false")),
        };
        let entry = Self {
            name: keys.required("name", NAME, is_name)?,
            issuer: keys.required("issuer", TEXT, is_text)?,
            audience: keys.texts("audience")?,
            algorithms: keys.algorithms()?,
            keys: keys.source(allow_http)?,
            user_claim: keys.text("user_claim", TEXT, is_text)?.unwrap_or_else(|| "sub".to_owned()),
            session_claim: keys.text("session_claim", TEXT, is_text)?,
            client_id: keys.text("client_id", TEXT, is_text)?,
            required_claims: keys.required_claims()?,
        };
        if let Some(unknown) = keys.0.keys().next() {
            return Err(format!("{unknown}: unknown key; allowed: {KEYS}"));
        }
        if let KeySource::Pem(text) = &entry.keys {
            // It was read before: there are keys.
            for key in PublicKey::all_from_pem(text).unwrap_or_default() {
                if !entry.algorithms.iter().any(|algorithm| key.fits(*algorithm)) {
                    let fits = join(key.algorithms());
                    return Err(format!(
                        "algorithms: given {}; allowed with this key: {fits}",
                        join(entry.algorithms.iter().copied())
                    ));
                }
            }
        }
        if entry.audience.is_empty() && entry.required_claims.is_empty() {
            return Err("audience: not given; allowed to be left out only with required_claims".to_owned());
        }
        Ok(entry)
    }
}

/// The keys of an entry that nobody has taken out yet.
struct Keys(Map<String, Value>);

impl Keys {
    fn text(
        &mut self,
        key: &str,
        allowed: &str,
        is_allowed: fn(&str) -> bool,
    ) -> Result<Option<String>, String> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) if is_allowed(&text) => Ok(Some(text)),
            Some(given) => Err(format!("{key}: given {given}; allowed: {allowed}")),
        }
    }

    fn required(&mut self, key: &str, allowed: &str, is_allowed: fn(&str) -> bool) -> Result<String, String> {
        self.text(key, allowed, is_allowed)?.ok_or_else(|| format!("{key}: not given; required: {allowed}"))
    }

    /// A text or a list of them; empty when not given.
    fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let given = match self.0.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(given) => vec![given],
        };
        let read = |value: Value| match value {
            Value::String(text) if is_text(&text) => Ok(text),
            given => Err(format!("{key}: given {given}; allowed: {TEXT}, or a list of them")),
        };
        given.into_iter().map(read).collect()
    }

    fn algorithms(&mut self) -> Result<Vec<Algorithm>, String> {
        let names = self.texts("algorithms")?;
        if names.is_empty() {
            return Ok(Algorithm::PUBLIC.to_vec());
        }
        let names = names.iter().flat_map(|names| names.split(',')).map(str::trim);
        let public = |name: &str| Algorithm::parse(name).filter(|name| Algorithm::PUBLIC.contains(name));
        names
            .map(|name| {
                let allowed = join(Algorithm::PUBLIC);
                public(name)
                    .ok_or_else(|| format!("algorithms: given {name:?}; allowed: a list of {allowed}"))
            })
            .collect()
    }

    fn source(&mut self, allow_http: bool) -> Result<KeySource, String> {
        match (self.0.remove("jwks_url"), self.0.remove("key")) {
            (Some(Value::String(url)), None) => match JwksUrl::parse(&url, allow_http) {
                Ok(url) => Ok(KeySource::Jwks(url)),
                Err(problem) => Err(format!("jwks_url: given {url:?}, {problem}")),
            },
            (Some(given), None) => Err(format!("jwks_url: given {given}; allowed: an https:// address")),
            (None, Some(Value::String(pem))) => match PublicKey::all_from_pem(&pem) {
                Ok(_) => Ok(KeySource::Pem(pem)),
                Err(problem) => Err(format!("key: given {problem}; allowed: {PEM}")),
            },
            (None, Some(_)) => Err(format!("key: given something else; allowed: {PEM}")),
            (Some(_), Some(_)) => {
                Err("jwks_url: given together with key; allowed: one of the two".to_owned())
            }
            (None, None) => Err("jwks_url: not given; required: this, key or key_file".to_owned()),
        }
    }

    fn required_claims(&mut self) -> Result<RequiredClaims, String> {
        let wrong = |given: &Value| format!("required_claims: given {given}; allowed: {REQUIRED}");
        match self.0.remove("required_claims") {
            None => Ok(RequiredClaims::Names(Vec::new())),
            Some(Value::Array(names)) => {
                let read = |name: &Value| {
                    name.as_str().filter(|name| is_text(name)).map(str::to_owned).ok_or_else(|| wrong(name))
                };
                names.iter().map(read).collect::<Result<_, _>>().map(RequiredClaims::Names)
            }
            Some(Value::Object(table)) => {
                let mut claims = Vec::new();
                for (name, given) in table {
                    let values = match given {
                        Value::Array(values) => values,
                        value => vec![value],
                    };
                    let scalar = |value: &Value| {
                        value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64()
                    };
                    if values.is_empty() || !is_text(&name) || !values.iter().all(scalar) {
                        return Err(wrong(&Value::Array(values)));
                    }
                    claims.push((name, values));
                }
                Ok(RequiredClaims::Values(claims))
            }
            Some(given) => Err(wrong(&given)),
        }
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && text != BUILT_IN_NAME
}

fn is_text(text: &str) -> bool {
    String::parse(text).is_some()
}

fn join(algorithms: impl IntoIterator<Item = Algorithm>) -> String {
    algorithms.into_iter().map(Algorithm::name).collect::<Vec<_>>().join(", ")
}

impl Serialize for Issuers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// As an entry is written in the file, with what was left out filled in.
impl Serialize for IssuerConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("issuer", &self.issuer)?;
        if !self.audience.is_empty() {
            map.serialize_entry("audience", &self.audience)?;
        }
        let algorithms: Vec<&str> = self.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        map.serialize_entry("algorithms", &algorithms)?;
        match &self.keys {
            KeySource::Pem(text) => map.serialize_entry("key", text)?,
            KeySource::Jwks(url) => {
                map.serialize_entry("jwks_url", url.as_str())?;
                map.serialize_entry("jwks_allow_http", &url.allows_http())?;
            }
        }
        map.serialize_entry("user_claim", &self.user_claim)?;
        for (key, value) in [("session_claim", &self.session_claim), ("client_id", &self.client_id)] {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        match &self.required_claims {
            RequiredClaims::Names(names) => map.serialize_entry("required_claims", names)?,
            RequiredClaims::Values(values) => {
                let table: Map<String, Value> =
                    values.iter().map(|(name, values)| (name.clone(), values.clone().into())).collect();
                map.serialize_entry("required_claims", &table)?;
            }
        }
        map.end()
    }
}

/// The name of the entry that needs no configuration.
pub const BUILT_IN_NAME: &str = "built-in";

const ALLOWED: &str = "tables, one for each issuer; in the environment a JSON array of objects";
const KEYS: &str = "name, issuer, audience, algorithms, jwks_url, jwks_allow_http, key, key_file, user_claim, session_claim, client_id, required_claims";
const NAME: &str = "a name of 1 to 64 letters, digits, -, _ and ., which is not \"built-in\"";
const TEXT: &str = <String as Setting>::ALLOWED;
const PEM: &str = "PEM blocks PUBLIC KEY, of RSA from 2048 bits on, P-256, P-384 or Ed25519";
const REQUIRED: &str = "a list of names, or a table of names with the value, or a list of values, that each must have; values are texts, whole numbers, true and false";
/// Nobody trusts more, and a mistake in a script is found.
const ENTRIES_MAX: usize = 100;
