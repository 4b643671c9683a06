//! The compact form of a signed token (RFC 7515 section 7.1), taken apart and nothing believed yet.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Algorithm, parse_object};

/// A token's parts, each decoded from canonical base64url without padding.
#[derive(Debug)]
pub struct Jws<'a> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// `typ`, in small letters, without `application/` (RFC 7515 section 4.1.9).
    pub typ: Option<String>,
    /// `kid`: selects among the keys of an issuer and is good for nothing else.
    pub key_id: Option<String>,
    /// What is signed.
    pub signed: &'a str,
    /// The claims.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// `None` for anything but three parts with a header that is understood whole: a known algorithm, no `crit`.
    /// `jku`, `jwk`, `x5u` and `x5c` are ignored: a token does not bring its key.
    pub fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = parse_object(&header)?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::parse(&header.alg)?,
            typ: header.typ.map(|typ| short_type(&typ)),
            key_id: header.kid.map(Cow::into_owned),
            signed,
            payload: URL_SAFE_NO_PAD.decode(payload).ok()?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// Of each member a wrong type, or standing there twice, makes the whole header bad.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    crit: Option<&'a RawValue>,
}

fn short_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(short) if !short.contains('/') => short.to_owned(),
        Some(_) | None => typ,
    }
}

/// A text; `null` is none, which serde's `Option` would take for absent.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Text::deserialize(deserializer).map(|text| Some(text.0))
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Option<(Algorithm, Option<String>, Option<String>)> {
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        Jws::parse(&token).map(|jws| (jws.algorithm, jws.typ, jws.key_id))
    }

    #[test]
    fn a_header_is_understood_whole_or_not_at_all() {
        let hs256 = |typ: Option<&str>, kid: Option<&str>| {
            Some((Algorithm::Hs256, typ.map(str::to_owned), kid.map(str::to_owned)))
        };
        assert_eq!(parse(r#"{"alg":"HS256"}"#), hs256(None, None));
        assert_eq!(parse(r#"{"typ":"JWT","alg":"HS256"}"#), hs256(Some("jwt"), None));
        assert_eq!(parse(r#"{"alg":"HS256","typ":"application/AT+JWT"}"#), hs256(Some("at+jwt"), None));
        assert_eq!(
            parse(r#"{"alg":"HS256","kid":"../../dev/null","jku":"https://x","jwk":{},"x5c":["AA"]}"#),
            hs256(None, Some("../../dev/null"))
        );
        for header in [
            "",
            "{}",
            "[]",
            "null",
            r#"["HS256"]"#,
            r#" ["HS256","JWT"]"#,
            r#"{"alg":null}"#,
            r#"{"alg":1}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            r#"{"alg":"HS256","typ":1}"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#"{"alg":"HS256","kid":1}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256"} x"#,
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }

    #[test]
    fn three_parts_of_canonical_base64url_or_nothing() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        assert!(Jws::parse(&format!("{header}.e30.AA")).is_some());
        for token in [
            String::new(),
            "..".to_owned(),
            header.clone(),
            format!("{header}.e30"),
            format!("{header}.e30.AA.AA"),
            format!("{header}.AA.AA.e30.AA"), // the five parts of a JWE (RFC 7516 section 7.1)
            format!("{header}.e30.AA="),
            format!("{header}.e30.AB"), // bits behind the end
            format!("{header}.e30.A"),
            format!("{header}.e30.A+"),
            format!("{header}.e30.A\n"),
            format!("{header}.e31.AA"),
            format!(" {header}.e30.AA"),
        ] {
            assert!(Jws::parse(&token).is_none(), "{token}");
        }
    }
}
