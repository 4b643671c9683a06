//! Public keys as JSON (RFC 7517): a set that somebody publishes, read with care; and our own, written with the
//! thumbprint of RFC 7638 as `kid`.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Algorithm, PublicKey, parse_object};

/// The keys of a set that can be used.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    /// Each with its `kid`. Of two of one type with the same one only the first is here.
    keys: Vec<(Option<Box<str>>, PublicKey)>,
}

/// Why one key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredKey {
    /// Not an object with the members that a key of its type has, or its `kid` is no text of 1 to 255 bytes.
    Malformed,
    /// A symmetric key, or one with its private half: whoever reads the set could sign with it.
    Private,
    /// `use` or `key_ops` say that it is for something else.
    NotForSignatures,
    /// A type, curve or `alg` that is not accepted, or an `alg` of another type.
    Unsupported,
    /// RSA of fewer than 2048 or more than 8192 bits, a point that is not on its curve.
    Weak,
    /// A key of that type with the same `kid` stands before it.
    Duplicate,
    /// There are too many keys before it.
    TooMany,
}

impl JwkSet {
    /// Reads a set (RFC 7517 section 5): what can be used, and why the others cannot. `None` when it is no set at all.
    pub fn parse(json: &[u8]) -> Option<(Self, Vec<IgnoredKey>)> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        let raw: Raw<'_> = parse_object(json)?;
        let (mut set, mut ignored) = (Self::default(), Vec::new());
        for (place, raw) in raw.keys.iter().enumerate() {
            if place >= KEYS_MAX {
                ignored.push(IgnoredKey::TooMany);
                break;
            }
            match parse_key(raw.get()) {
                Ok((id, key)) => match set.has_rival(id.as_deref(), &key) {
                    true => ignored.push(IgnoredKey::Duplicate),
                    false => set.keys.push((id, key)),
                },
                Err(why) => ignored.push(why),
            }
        }
        Some((set, ignored))
    }

    /// The key that a token with this header is to be verified with: the one with its `kid`; without a `kid` the only one
    /// that fits, since trying them all would let a token choose.
    pub fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|(id, key)| {
            key.fits(algorithm) && key_id.is_none_or(|key_id| id.as_deref() == Some(key_id))
        });
        match (fitting.next(), fitting.next()) {
            (Some((_, key)), None) => Some(key),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// Whether a key with this `kid` is there, of whatever type; without a `kid`, whether any key is.
    pub fn knows(&self, key_id: Option<&str>) -> bool {
        self.keys.iter().any(|(id, _)| key_id.is_none_or(|key_id| id.as_deref() == Some(key_id)))
    }

    /// The `kid` of each key.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_deref().unwrap_or("-"))
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none can.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn has_rival(&self, id: Option<&str>, key: &PublicKey) -> bool {
        self.keys.iter().any(|(other_id, other)| {
            id.is_some() && other_id.as_deref() == id && key.algorithms().any(|name| other.fits(name))
        })
    }
}

fn parse_key(json: &str) -> Result<(Option<Box<str>>, PublicKey), IgnoredKey> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        kty: Cow<'a, str>,
        #[serde(borrow)]
        kid: Option<Cow<'a, str>>,
        #[serde(borrow)]
        alg: Option<Cow<'a, str>>,
        #[serde(borrow, rename = "use")]
        usage: Option<Cow<'a, str>>,
        #[serde(borrow)]
        key_ops: Option<Vec<Cow<'a, str>>>,
        #[serde(borrow)]
        crv: Option<Cow<'a, str>>,
        #[serde(borrow)]
        n: Option<Cow<'a, str>>,
        #[serde(borrow)]
        e: Option<Cow<'a, str>>,
        #[serde(borrow)]
        x: Option<Cow<'a, str>>,
        #[serde(borrow)]
        y: Option<Cow<'a, str>>,
        d: Option<&'a RawValue>,
        k: Option<&'a RawValue>,
    }
    let raw: Raw<'_> = parse_object(json.as_bytes()).ok_or(IgnoredKey::Malformed)?;
    if raw.d.is_some() || raw.k.is_some() || raw.kty == "oct" {
        return Err(IgnoredKey::Private);
    }
    let for_signatures = raw.usage.as_deref().is_none_or(|usage| usage == "sig")
        && raw.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !for_signatures {
        return Err(IgnoredKey::NotForSignatures);
    }
    let number = |member: Option<Cow<'_, str>>| {
        member.and_then(|text| URL_SAFE_NO_PAD.decode(text.as_bytes()).ok()).ok_or(IgnoredKey::Malformed)
    };
    let key = match (raw.kty.as_ref(), raw.crv.as_deref()) {
        ("RSA", _) => PublicKey::rsa(&number(raw.n)?, &number(raw.e)?),
        ("EC", Some("P-256")) => PublicKey::p256(&number(raw.x)?, &number(raw.y)?),
        ("EC", Some("P-384")) => PublicKey::p384(&number(raw.x)?, &number(raw.y)?),
        ("OKP", Some("Ed25519")) => PublicKey::ed25519(&number(raw.x)?),
        _ => return Err(IgnoredKey::Unsupported),
    };
    let key = key.ok_or(IgnoredKey::Weak)?;
    let key = match raw.alg {
        Some(name) => {
            Algorithm::parse(&name).and_then(|name| key.only(name)).ok_or(IgnoredKey::Unsupported)?
        }
        None => key,
    };
    match raw.kid {
        Some(id) if !(1..=KEY_ID_MAX).contains(&id.len()) => Err(IgnoredKey::Malformed),
        id => Ok((id.map(Box::from), key)),
    }
}

/// A set of these keys, to be published; and the `kid` of each. Those that have no JSON form here (RSA) are left out:
/// nobody signs with one here.
pub fn encode_set(keys: &[PublicKey]) -> String {
    let members: Vec<String> = keys.iter().filter_map(|key| Published::of(key)?.encode().into()).collect();
    format!("{{\"keys\":[{}]}}", members.join(","))
}

impl PublicKey {
    /// The key's thumbprint (RFC 7638): what its tokens name as `kid`.
    pub fn thumbprint(&self) -> Option<String> {
        let canonical = Published::of(self)?.to_string();
        Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())))
    }
}

/// A key as its required members.
struct Published {
    algorithm: Algorithm,
    x: String,
    y: Option<String>,
}

impl Published {
    fn of(key: &PublicKey) -> Option<Self> {
        let algorithm = key.algorithms().next()?;
        match algorithm {
            Algorithm::EdDsa => {
                let x = URL_SAFE_NO_PAD.encode(key.tail::<32>()?);
                Some(Self { algorithm, x, y: None })
            }
            Algorithm::Es256 => {
                let point = key.tail::<64>()?;
                let (x, y) = point.split_at(32);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), Some(URL_SAFE_NO_PAD.encode(y)));
                Some(Self { algorithm, x, y })
            }
            Algorithm::Hs256 | Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es384 => None,
        }
    }

    fn encode(&self) -> String {
        let canonical = self.to_string();
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let required = canonical.trim_end_matches('}');
        format!("{required},\"kid\":\"{id}\",\"alg\":\"{}\",\"use\":\"sig\"}}", self.algorithm)
    }
}

/// The canonical form that RFC 7638 section 3 hashes: required members, in the order of their names.
impl fmt::Display for Published {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = &self.x;
        match &self.y {
            Some(y) => write!(formatter, r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            None => write!(formatter, r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        }
    }
}

/// Keys of one set that are looked at. Large identity providers publish fewer than ten.
pub const KEYS_MAX: usize = 64;
/// Bytes of a `kid`.
const KEY_ID_MAX: usize = 255;
