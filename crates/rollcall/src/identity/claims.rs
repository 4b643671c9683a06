//! Header and claims of a JWT (RFC 7515 section 4.1, RFC 7519 section 4.1), read strictly: a claim that is there and
//! is not what the RFC says makes the token bad, whatever else it says. Does not know: time, keys, signatures.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The claims that count; all others are ignored.
#[derive(Debug, PartialEq)]
pub(super) struct Claims<'a> {
    /// `sub`, required: 1 to 255 bytes without NUL.
    pub(super) subject: Box<str>,
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
    /// The JSON of `aud`.
    audience: Option<&'a str>,
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
        }
        let raw: Raw<'a> = serde_json::from_slice(payload).ok()?;
        Some(Self {
            subject: identifier(raw.sub?.get())?,
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
            audience: raw.aud.map(RawValue::get),
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
}

/// Whether the header says what a token of ours says: HS256, nothing critical, no type or one of an access token.
/// Everything that names a key (`kid`, `jwk`, `jku`, `x5u`) is ignored: a token does not choose its key.
pub(super) fn header_is_good(header: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        alg: Cow<'a, str>,
        #[serde(borrow, default)]
        typ: Option<Cow<'a, str>>,
        #[serde(borrow, default, deserialize_with = "present")]
        crit: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Raw<'_>>(header).is_ok_and(|header| {
        let typ_is_good = header
            .typ
            .is_none_or(|typ| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt"));
        header.alg == "HS256" && header.crit.is_none() && typ_is_good
    })
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

/// A string of 1 to 255 bytes without NUL (SQL text knows no NUL), or an integer as its decimal text.
fn identifier(json: &str) -> Option<Box<str>> {
    if json.starts_with('"') {
        let text = text(json)?;
        let allowed = (1..=255).contains(&text.len()) && !text.contains('\0');
        return allowed.then(|| text.into());
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
            "{\"exp\":1}",
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
    fn a_header_chooses_neither_algorithm_nor_key() {
        let check =
            |header: &str, good: bool| assert_eq!(header_is_good(header.as_bytes()), good, "{header}");
        check("{\"alg\":\"HS256\"}", true);
        check("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", true);
        check(
            "{\"typ\":\"at+JWT\",\"alg\":\"HS256\",\"kid\":\"../../dev/null\",\"jku\":\"https://x\"}",
            true,
        );
        for alg in ["none", "None", "nOnE", "", "HS384", "hs256", "RS256"] {
            check(&format!("{{\"alg\":\"{alg}\"}}"), false);
        }
        check("{}", false);
        check("{\"alg\":null}", false);
        check("{\"alg\":\"HS256\",\"alg\":\"none\"}", false);
        check("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", false);
        check("{\"alg\":\"HS256\",\"crit\":null}", false);
        check("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", false);
        check("{\"alg\":\"HS256\",\"typ\":1}", false);
    }
}
