//! The claims of a JWT (RFC 7519 section 4.1), read strictly: a claim that is there and is not what the RFC says makes the
//! token bad, whatever else it says. Does not know: time, keys, signatures, which claims an issuer cares for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::jose::parse_object;

/// The claims that every issuer's tokens share; others by their name.
#[derive(Debug, PartialEq)]
pub(super) struct Claims<'a> {
    /// `sub`: 1 to 255 bytes without NUL.
    pub(super) subject: Option<Box<str>>,
    /// `exp`, required, in seconds since the epoch.
    pub(super) expires_at: u64,
    /// `nbf`.
    pub(super) not_before: Option<u64>,
    /// `iat`.
    pub(super) issued_at: Option<u64>,
    /// `iss`.
    pub(super) issuer: Option<Cow<'a, str>>,
    /// `sid`, as [`Self::subject`].
    pub(super) session: Option<Box<str>>,
    /// `jti`, as [`Self::subject`].
    pub(super) token_id: Option<Box<str>>,
    /// The JSON of `events` (RFC 8417 section 2.2): this is no access token.
    pub(super) events: Option<&'a str>,
    /// Whether there is a `nonce`.
    pub(super) has_nonce: bool,
    /// The JSON of `aud`.
    audience: Option<&'a str>,
    payload: &'a [u8],
}

impl<'a> Claims<'a> {
    /// `None` for anything that is not an object with these claims, each of its type and none twice.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            sub: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            exp: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            nbf: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            iat: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            iss: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            aud: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            sid: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            jti: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            events: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            nonce: Option<&'a RawValue>,
        }
        if is_deep(payload) {
            return None;
        }
        let raw: Raw<'a> = parse_object(payload)?;
        Some(Self {
            subject: match raw.sub {
                Some(sub) => Some(identifier(sub.get())?),
                None => None,
            },
            expires_at: numeric_date(raw.exp?.get())?,
            not_before: match raw.nbf {
                Some(nbf) => Some(numeric_date(nbf.get())?),
                None => None,
            },
            issued_at: match raw.iat {
                Some(iat) => Some(numeric_date(iat.get())?),
                None => None,
            },
            issuer: match raw.iss {
                Some(iss) => Some(text(iss.get())?),
                None => None,
            },
            session: match raw.sid {
                Some(sid) => Some(identifier(sid.get())?),
                None => None,
            },
            token_id: match raw.jti {
                Some(jti) => Some(identifier(jti.get())?),
                None => None,
            },
            events: raw.events.map(RawValue::get),
            has_nonce: raw.nonce.is_some(),
            audience: raw.aud.map(RawValue::get),
            payload,
        })
    }

    /// Whether `aud`, a string or an array of strings, names `audience`.
    pub(super) fn names_audience(&self, audience: &str) -> bool {
        let Some(raw) = self.audience else { return false };
        match text(raw) {
            Some(single) => single == audience,
            None => {
                let several = serde_json::from_str::<Vec<Cow<'_, str>>>(raw);
                several.is_ok_and(|several| several.iter().any(|one| one == audience))
            }
        }
    }

    /// The JSON of the claim with this name, if it is there; `None` when it is there twice.
    pub(super) fn find(&self, name: &str) -> Option<Option<&'a str>> {
        let mut json = serde_json::Deserializer::from_slice(self.payload);
        Member(name).deserialize(&mut json).ok()
    }
}

/// Finds one member of an object.
struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let mut found = None;
        while let Some(Name(name)) = map.next_key()? {
            let json: &RawValue = map.next_value()?;
            if name == self.0 && found.replace(json.get()).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(found)
    }
}

/// Whether arrays and objects stand in each other deeper than any issuer has reason for. What is not read is skipped
/// without recursion, so this is no danger, but whoever reads the same token elsewhere may not be as careful.
fn is_deep(json: &[u8]) -> bool {
    if json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= DEPTH_MAX {
        return false; // nearly every token
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Keeps `null` apart from absent, which serde's `Option` does not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A NumericDate as whole seconds: no sign, no fraction, no exponent, no quotes, below 2^63.
fn numeric_date(json: &str) -> Option<u64> {
    let digits_only = json.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits_only.then(|| json.parse::<u64>().ok())??;
    (seconds <= i64::MAX.unsigned_abs()).then_some(seconds)
}

/// Whether a text can name a user: 1 to 255 bytes without NUL (SQL text knows no NUL).
pub fn is_subject(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.contains('\0')
}

/// A string that [`is_subject`], or an integer as its decimal text.
pub(super) fn identifier(json: &str) -> Option<Box<str>> {
    if json.starts_with('"') {
        let text = text(json)?;
        return is_subject(&text).then(|| text.into());
    }
    // 20 characters hold every 64-bit integer; "-0" is no integer that anybody counts with.
    let digits = json.strip_prefix('-').unwrap_or(json);
    let integer = json.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) && json != "-0";
    integer.then(|| json.into())
}

fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Levels of a token's JSON.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_seconds_or_the_token_is_bad() {
        let check = |json: &str, expected: Option<u64>| assert_eq!(numeric_date(json), expected, "{json}");
        check("0", Some(0));
        check("1767225600", Some(1_767_225_600));
        check("9223372036854775807", Some(9_223_372_036_854_775_807));
        for json in [
            "9223372036854775808",
            "99999999999999999999",
            "-1",
            "1.5",
            "1e9",
            "1e400",
            "\"9\"",
            "null",
            "[]",
            "[\"u\",1]",
            "{}",
            "true",
        ] {
            check(json, None);
            for claim in ["exp", "nbf", "iat"] {
                let exp = if claim == "exp" { String::new() } else { "\"exp\":1,".to_owned() };
                let payload = format!("{{\"sub\":\"u\",{exp}\"{claim}\":{json}}}");
                assert_eq!(Claims::parse(payload.as_bytes()), None, "{payload}");
            }
        }
    }

    #[test]
    fn a_subject_is_a_short_text_or_an_integer() {
        let check =
            |json: &str, expected: Option<&str>| assert_eq!(identifier(json).as_deref(), expected, "{json}");
        check("\"u-1\"", Some("u-1"));
        check("\"\\u0041\"", Some("A"));
        check("42", Some("42"));
        check("-42", Some("-42"));
        check("18446744073709551615", Some("18446744073709551615"));
        let longest = format!("\"{}\"", "x".repeat(255));
        check(&longest, Some(longest.trim_matches('"')));
        for json in
            ["\"\"", "\"a\\u0000b\"", "\"\\ud800\"", "1.0", "1e3", "-0", "null", "true", "[\"u\"]", "{}"]
        {
            check(json, None);
        }
        check(&format!("\"{}\"", "x".repeat(256)), None);
        check(&"9".repeat(21), None);
    }

    #[test]
    fn required_claims_must_be_there_and_none_twice() {
        for payload in [
            "{}",
            "[]",
            "null",
            "{\"sub\":\"u\"}",
            "{\"sub\":null,\"exp\":1}",
            "{\"sub\":\"u\",\"sub\":\"v\",\"exp\":1}",
            "{\"sub\":\"u\",\"exp\":1,\"exp\":2}",
            "{\"sub\":\"u\",\"exp\":1,\"iss\":null}",
            "{\"sub\":\"u\",\"exp\":1,\"iss\":1}",
            "{\"sub\":\"u\",\"exp\":1,\"sid\":null}",
            "{\"sub\":\"u\",\"exp\":1,\"sid\":\"\"}",
            "{\"sub\":\"u\",\"exp\":1,\"jti\":[]}",
            "{\"sub\":\"u\",\"exp\":1,\"jti\":\"a\",\"jti\":\"b\"}",
            "{\"sub\":\"u\",\"exp\":1} x",
            "{\"sub\":\"u\",\"exp\":1",
        ] {
            assert_eq!(Claims::parse(payload.as_bytes()), None, "{payload}");
        }
        assert!(Claims::parse(b"{\"sub\":\"u\",\"exp\":1,\"extra\":[[{}]]}").is_some());
    }

    #[test]
    fn the_audience_is_a_string_or_an_array_of_strings() {
        let check = |aud: &str, named: bool| {
            let payload = format!("{{\"sub\":\"u\",\"exp\":1{aud}}}");
            assert_eq!(Claims::parse(payload.as_bytes()).unwrap().names_audience("api"), named, "{payload}");
        };
        check(",\"aud\":\"api\"", true);
        check(",\"aud\":[\"web\",\"api\"]", true);
        check(",\"aud\":\"api2\"", false);
        check(",\"aud\":[\"web\"]", false);
        check(",\"aud\":[\"api\",1]", false);
        check(",\"aud\":null", false);
        check("", false);
    }

    #[test]
    fn a_claim_is_found_by_its_name_unless_it_is_there_twice() {
        let payload = br#"{"exp":1,"a":{"b":2},"b":[1, 2],"\u0063":"x","twice":1,"twice":1}"#;
        let claims = Claims::parse(payload).unwrap();
        assert_eq!(claims.find("a"), Some(Some(r#"{"b":2}"#)));
        assert_eq!(claims.find("b"), Some(Some("[1, 2]")));
        assert_eq!(claims.find("c"), Some(Some("\"x\"")));
        assert_eq!(claims.find("d"), Some(None));
        assert_eq!(claims.find("twice"), None);
    }

    #[test]
    fn json_may_be_nested_a_little_and_not_without_end() {
        let nested = |depth: usize| {
            format!("{{\"exp\":1,\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
        };
        assert!(Claims::parse(&nested(63)).is_some());
        assert_eq!(Claims::parse(&nested(64)), None);
        assert_eq!(Claims::parse(&nested(10_000)), None);
        let flat = format!("{{\"exp\":1,\"x\":\"{}\\\"[\",\"y\":[{}0]}}", "[".repeat(100), "[],".repeat(100));
        assert!(Claims::parse(flat.as_bytes()).is_some(), "{flat}");
    }
}
