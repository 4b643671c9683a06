//! Tokens: a good one is signed with the right key by that key's algorithm, and says what its principal says. What the
//! claims are is read a second time, by `serde_json` into values.

use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rollcall::config::{IdentityConfig, Secret, Setting};
use rollcall::identity::{Identity, IssuerId, Keys, Principal, TokenRefusal};
use serde_json::{Value, json};

/// The first letter says who signs: `s` the secret, `k` the issuer's key, `c` the secret that the issuer's public key would
/// be as a text (the confusion of RFC 8725, section 2.1), `n` nobody. A header and, behind a line's end, claims follow. `t`:
/// a whole token follows.
pub fn jwt(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some((signer, rest)) = text.split_at_checked(1) else { return };
    if signer == "t" {
        return whole(rest);
    }
    let Some((header, claims)) = rest.split_once('\n') else { return };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = match signer {
        "s" => sign(&Key::new(HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes()).as_ref().to_vec(),
        "k" => PARTIES.issuer.sign(signed.as_bytes()).as_ref().to_vec(),
        "c" => sign(&Key::new(HMAC_SHA256, PARTIES.pem.as_bytes()), signed.as_bytes()).as_ref().to_vec(),
        _ => Vec::new(),
    };
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    match PARTIES.identity.judge(&token, NOW) {
        Ok(principal) => {
            good(signer, header, claims, &principal);
            tampered(&signed, &token);
            assert_eq!(PARTIES.identity.judge_leaving(&token, NOW).ok(), Some(principal));
            assert!(PARTIES.identity.judge_logout(&token, NOW).is_err(), "good for two things: {token}");
        }
        Err(unproven) => match unproven.refusal() {
            Some(TokenRefusal::Expired) => {
                assert!(matches!(signer, "s" | "k"), "the signature comes before the time");
                assert!(PARTIES.identity.judge_leaving(&token, NOW).is_ok());
            }
            refusal => {
                assert_eq!(refusal, Some(TokenRefusal::Invalid));
                assert!(signer != "s" || !is_plain(header, claims), "refused: {claims:?}");
            }
        },
    }
    if let Ok(logout) = PARTIES.identity.judge_logout(&token, NOW) {
        assert_eq!((signer, logout.issuer), ("k", IssuerId(1)));
        assert!(!logout.revocations.is_empty() && !logout.token_id.is_empty());
    }
}

/// A token as it came: its signature is the secret's, or it is none.
fn whole(token: &str) {
    let Ok(principal) = PARTIES.identity.judge(token, NOW) else { return };
    assert_eq!(principal.issuer, IssuerId::BUILT_IN, "nobody can draw the issuer's signatures");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let expected = sign(&Key::new(HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(expected));
    tampered(signed, token);
}

/// What a good token must say, and that the principal is who it says.
fn good(signer: &str, header: &str, claims: &str, principal: &Principal) {
    // A claim that nobody reads may be a number that no double holds, or a key that `serde_json` has for itself.
    let (Ok(header), Ok(claims)) =
        (serde_json::from_str::<Value>(header), serde_json::from_str::<Value>(claims))
    else {
        return;
    };
    assert!(header.is_object() && claims.is_object() && header.get("crit").is_none());
    let typ = header.get("typ").map_or("jwt".to_owned(), |typ| typ.to_string().to_lowercase());
    assert!(["jwt", "at+jwt"].contains(&typ.trim_matches('"').trim_start_matches("application/")), "{typ}");
    assert!(claims.get("events").is_none());

    let date = |name: &str| claims.get(name).map(|date| date.as_u64().expect("a date is whole seconds"));
    let expires_at = date("exp").expect("exp is required");
    assert_eq!((principal.expires_at, principal.issued_at), (expires_at, date("iat")));
    assert!(expires_at + LEEWAY > NOW && expires_at <= NOW + MAX_TTL, "exp {expires_at}");
    assert!(date("nbf").is_none_or(|begin| begin <= NOW + LEEWAY));
    assert!(date("iat").is_none_or(|issued| issued <= NOW + LEEWAY));

    let subject = claims.get("sub").expect("sub is required");
    match subject {
        Value::String(subject) => assert_eq!(*subject, *principal.subject),
        Value::Number(_) => {
            assert!(principal.subject.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()))
        }
        other => panic!("sub {other}"),
    }
    assert!((1..=255).contains(&principal.subject.len()) && !principal.subject.contains('\0'));

    match (signer, header.get("alg").and_then(Value::as_str)) {
        ("s", Some("HS256")) => {
            assert_eq!(principal.issuer, IssuerId::BUILT_IN);
            assert!(claims.get("iss").is_none_or(|issuer| issuer == "rollcall"));
        }
        ("k", Some("EdDSA")) => {
            assert_eq!(principal.issuer, IssuerId(1));
            assert_eq!(claims.get("iss"), Some(&json!(ISSUER)));
            let named = |audience: &Value| audience == AUDIENCE;
            let audience = claims.get("aud").expect("aud is required");
            assert!(named(audience) || audience.as_array().is_some_and(|several| several.iter().any(named)));
        }
        other => panic!("signed by {other:?}"),
    }
}

/// No other signature is good, and no other text is of this one.
fn tampered(signed: &str, token: &str) {
    let signature = &token[signed.len() + 1..];
    let place = token.len() % signature.len();
    let other = if signature.as_bytes()[place] == b'A' { "B" } else { "A" };
    let changed = format!("{signed}.{}{other}{}", &signature[..place], &signature[place + 1..]);
    let longer = format!("{signed}A.{signature}");
    let shorter = &token[..token.len() - 1];
    for bad in [&*changed, &*longer, shorter, &format!("{token}="), &format!("{token}.")] {
        let refusal = PARTIES.identity.judge(bad, NOW).err().and_then(|unproven| unproven.refusal());
        assert_eq!(refusal, Some(TokenRefusal::Invalid), "{bad}");
    }
}

/// Whether nothing can be wrong with it, when the secret has signed it: the least that a token has to say, written in the
/// one way that there is.
fn is_plain(header: &str, claims: &str) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_str(claims) else { return false };
    let (Some(subject), Some(expires_at)) = (
        members.get("sub").and_then(Value::as_str).filter(|text| text.len() <= 255 && !text.contains('\0')),
        members.get("exp").and_then(Value::as_u64),
    ) else {
        return false;
    };
    let canonical = Value::Object(members.clone()).to_string();
    let is_canonical = members.len() == 2 && claims == canonical;
    let in_time = expires_at + LEEWAY > NOW && expires_at <= NOW + MAX_TTL;
    header == r#"{"alg":"HS256"}"# && is_canonical && in_time && !subject.is_empty()
}

struct Parties {
    identity: Identity,
    issuer: Ed25519KeyPair,
    /// The issuer's public key as the configuration has it.
    pem: String,
}

/// Keys that are always the same, so that an input is the same token in every run.
static PARTIES: LazyLock<Parties> = LazyLock::new(|| {
    let issuer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any 32 bytes are a seed");
    let der = issuer.public_key().as_der().expect("a public key has its encoding");
    let der = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    let entry = json!([{"name": "fuzz", "issuer": ISSUER, "audience": AUDIENCE, "client_id": "rollcall", "key": pem}]);
    let config = IdentityConfig {
        secret: Secret::parse(SECRET),
        issuers: serde_json::from_value(entry).expect("the entry is good"),
        ..IdentityConfig::default()
    };
    let keys = Keys::open(&config, Path::new("/nowhere")).expect("a secret is configured");
    Parties { identity: Identity::new(&config, keys), issuer, pem }
});

const SECRET: &str = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u";
const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "api";
/// Seconds since the epoch.
const NOW: u64 = 1_800_000_000;
/// As the defaults are.
const LEEWAY: u64 = 30;
const MAX_TTL: u64 = 400 * 24 * 3600;
