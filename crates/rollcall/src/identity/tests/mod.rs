//! Tokens of every kind against [`Identity::judge`], at a time that the test says.

mod issuers;
mod logout;

use super::*;
use crate::config::{Secret, Setting, SigningKeyPem, VerifyingKeysPem};
use crate::jose::Algorithm;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u";
const EARLIER: &str = "Pm3wX8nVb5Kq0RtZs7Yc2Lh9Dg6Fj1Ea";
const FOREIGN: &str = "Vw4eRt6Yu8Io0Pa2Sd5Fg7Hj9Kl1Zx3C";

fn identity(change: impl FnOnce(&mut IdentityConfig)) -> Identity {
    let mut config = IdentityConfig { secret: Secret::parse(SECRET), ..IdentityConfig::default() };
    config.previous_secrets = vec![Secret::parse(EARLIER).unwrap()];
    change(&mut config);
    let keys = Keys::open(&config, std::path::Path::new("/nonexistent")).unwrap();
    Identity::new(&config, keys)
}

fn sign(secret: &str, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

fn token(claims: &str) -> String {
    sign(SECRET, "{\"alg\":\"HS256\"}", claims)
}

fn judge(identity: &Identity, claims: &str) -> Result<Principal, TokenRefusal> {
    verdict(identity, &token(claims), NOW)
}

fn verdict(identity: &Identity, token: &str, now: u64) -> Result<Principal, TokenRefusal> {
    identity.judge(token, now).map_err(|unproven| unproven.refusal().expect("known at once"))
}

#[test]
fn a_minted_token_is_good_until_its_end_plus_the_leeway() {
    let identity = identity(|_| {});
    let token = identity.mint("acc_1", None, NOW, Duration::from_secs(900)).unwrap();
    let principal = verdict(&identity, &token, NOW).unwrap();
    assert_eq!((&*principal.subject, principal.issuer), ("acc_1", IssuerId::BUILT_IN));
    assert_eq!((principal.expires_at, principal.issued_at), (NOW + 900, Some(NOW)));
    assert_eq!(verdict(&identity, &token, NOW + 929), Ok(principal));
    assert_eq!(verdict(&identity, &token, NOW + 930), Err(TokenRefusal::Expired));
    assert_ne!(identity.mint("acc_1", None, NOW, Duration::from_secs(900)).unwrap(), token, "jti repeats");
}

#[test]
fn a_token_minted_elsewhere_needs_only_sub_and_exp() {
    let identity = identity(|_| {});
    let principal = judge(&identity, &format!("{{\"sub\":7,\"exp\":{}}}", NOW + 1)).unwrap();
    assert_eq!((&*principal.subject, principal.expires_at, principal.issued_at), ("7", NOW + 1, None));
}

#[test]
fn an_earlier_secret_verifies_and_a_foreign_one_does_not() {
    let identity = identity(|_| {});
    let claims = format!("{{\"sub\":\"u\",\"exp\":{}}}", NOW + 60);
    let header = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    assert!(verdict(&identity, &sign(EARLIER, header, &claims), NOW).is_ok());
    assert_eq!(verdict(&identity, &sign(FOREIGN, header, &claims), NOW), Err(TokenRefusal::Invalid));
    let minted = identity.mint("u", None, NOW, Duration::from_secs(60)).unwrap();
    let earlier_only = self::identity(|config| config.secret = Secret::parse(EARLIER));
    assert_eq!(verdict(&earlier_only, &minted, NOW), Err(TokenRefusal::Invalid));
}

#[test]
fn times_have_a_leeway_and_an_end() {
    let identity = identity(|_| {});
    let check = |more: &str, expected: Option<TokenRefusal>| {
        let claims = format!("{{\"sub\":\"u\",{more}}}");
        assert_eq!(judge(&identity, &claims).err(), expected, "{claims}");
    };
    let good = format!("\"exp\":{}", NOW + 60);
    check(&good, None);
    check(&format!("\"exp\":{}", NOW - 29), None);
    check(&format!("\"exp\":{}", NOW - 30), Some(TokenRefusal::Expired));
    check("\"exp\":0", Some(TokenRefusal::Expired));
    check(&format!("{good},\"nbf\":{}", NOW + 30), None);
    check(&format!("{good},\"nbf\":{}", NOW + 31), Some(TokenRefusal::Invalid));
    check(&format!("{good},\"iat\":{}", NOW + 30), None);
    check(&format!("{good},\"iat\":{}", NOW + 31), Some(TokenRefusal::Invalid));
    check(&format!("\"exp\":{}", NOW + 400 * 86_400), None);
    check(&format!("\"exp\":{}", NOW + 400 * 86_400 + 1), Some(TokenRefusal::Invalid));
    check("\"exp\":9223372036854775807", Some(TokenRefusal::Invalid));
}

#[test]
fn the_leeway_is_what_it_was_set_to() {
    for leeway in [0, 60] {
        let identity = identity(|config| config.leeway = Duration::from_secs(leeway));
        let check = |more: String, expected: Option<TokenRefusal>| {
            let claims = format!("{{\"sub\":\"u\",{more}}}");
            assert_eq!(judge(&identity, &claims).err(), expected, "{claims} with {leeway} s");
        };
        check(format!("\"exp\":{}", NOW + 1 - leeway), None);
        check(format!("\"exp\":{}", NOW - leeway), Some(TokenRefusal::Expired));
        check(format!("\"exp\":{},\"nbf\":{}", NOW + 100, NOW + leeway), None);
        check(format!("\"exp\":{},\"nbf\":{}", NOW + 100, NOW + leeway + 1), Some(TokenRefusal::Invalid));
        // A token that is made in the second of a revocation is dated to the next one.
        let latest = NOW + leeway.max(1);
        check(format!("\"exp\":{},\"iat\":{latest}", NOW + 100), None);
        check(format!("\"exp\":{},\"iat\":{}", NOW + 100, latest + 1), Some(TokenRefusal::Invalid));
    }
}

#[test]
fn issuer_and_audience_must_be_ours() {
    let open = identity(|_| {});
    let strict = identity(|config| config.audience = Some("api".to_owned()));
    let check = |identity: &Identity, more: &str, good: bool| {
        let claims = format!("{{\"sub\":\"u\",\"exp\":{}{more}}}", NOW + 60);
        assert_eq!(judge(identity, &claims).err(), (!good).then_some(TokenRefusal::Invalid), "{claims}");
    };
    check(&open, ",\"iss\":\"rollcall\"", true);
    check(&open, ",\"iss\":\"https://elsewhere.example\"", false);
    check(&open, ",\"aud\":\"whatever\"", true);
    check(&strict, ",\"aud\":[\"api\"]", true);
    check(&strict, "", false);
    check(&strict, ",\"aud\":\"web\"", false);
    assert!(strict.judge(&strict.mint("u", None, NOW, Duration::from_secs(1)).unwrap(), NOW).is_ok());
}

#[test]
fn whatever_is_not_our_jws_is_invalid() {
    let identity = identity(|_| {});
    let claims = format!("{{\"sub\":\"u\",\"exp\":{}}}", NOW + 60);
    let good = token(&claims);
    assert!(identity.judge(&good, NOW).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let unsigned = sign(SECRET, "{\"alg\":\"none\"}", &claims);
    let expired_unsigned = format!("{}.x", sign(SECRET, "{\"alg\":\"HS256\"}", "{\"sub\":\"u\",\"exp\":1}"));
    let flipped = format!("{signed}.{}A", &signature[..signature.len() - 1]);
    for bad in [
        "".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{}", &signature[1..]),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}AA"),
        format!("{good}.x"),
        format!("{good}.x.y"),
        format!(" {good}"),
        good.replace('.', " ."),
        unsigned.rsplit_once('.').unwrap().0.to_owned() + ".",
        unsigned,
        expired_unsigned,
        flipped,
        "x".repeat(TOKEN_MAX + 1),
    ] {
        assert_eq!(verdict(&identity, &bad, NOW), Err(TokenRefusal::Invalid), "{bad}");
    }
}

#[test]
fn a_token_of_more_than_8_kb_is_refused_even_with_a_good_signature() {
    let identity = identity(|_| {});
    let claims =
        |padding: usize| format!("{{\"sub\":\"u\",\"exp\":{},\"x\":\"{}\"}}", NOW + 60, "x".repeat(padding));
    assert!(judge(&identity, &claims(5_000)).is_ok());
    assert_eq!(judge(&identity, &claims(8_000)), Err(TokenRefusal::Invalid));
}

#[test]
fn a_token_belongs_to_its_session_else_to_its_id_else_to_itself() {
    let identity = identity(|_| {});
    let login = |more: &str| {
        judge(&identity, &format!("{{\"sub\":\"u\",\"exp\":{}{more}}}", NOW + 60)).unwrap().login.to_string()
    };
    assert_eq!(login(",\"sid\":\"s\",\"jti\":\"j\""), "sid:s");
    assert_eq!(login(",\"jti\":\"j\""), "jti:j");
    assert_eq!(login(",\"jti\":7"), "jti:7");
    let digest = login("");
    assert!(digest.starts_with("sha256:") && digest == login("") && digest != login(",\"x\":1"), "{digest}");
    let minted = identity.mint("u", Some("family"), NOW, Duration::from_secs(60)).unwrap();
    assert_eq!(verdict(&identity, &minted, NOW).unwrap().login, Login::Session("family".into()));
}

#[test]
fn a_revoked_token_is_refused_as_such_only_while_it_would_be_good_otherwise() {
    let identity = identity(|_| {});
    let token = identity.mint("ada", Some("family"), NOW, Duration::from_secs(60)).unwrap();
    let refreshed = identity.mint("ada", Some("family"), NOW + 1, Duration::from_secs(60)).unwrap();
    let other = identity.mint("ada", Some("other"), NOW, Duration::from_secs(60)).unwrap();
    identity.revocations().insert(Revocation::Login {
        issuer: IssuerId::BUILT_IN,
        subject: Some("ada".into()),
        login: Login::Session("family".into()),
        until: NOW + 1000,
    });
    assert_eq!(verdict(&identity, &token, NOW), Err(TokenRefusal::Revoked));
    assert_eq!(verdict(&identity, &refreshed, NOW + 1), Err(TokenRefusal::Revoked));
    assert_eq!(verdict(&identity, &token, NOW + 90), Err(TokenRefusal::Expired));
    assert_eq!(verdict(&identity, &format!("{token}x"), NOW), Err(TokenRefusal::Invalid));
    assert!(verdict(&identity, &other, NOW).is_ok());
}

#[test]
fn public_tags_tell_users_and_logins_apart_and_follow_the_secret() {
    let (one, other) = (identity(|_| {}), identity(|config| config.secret = Secret::parse(EARLIER)));
    let login = Login::Session("s".into());
    let tag = one.login_tag(IssuerId::BUILT_IN, "ada", &login);
    assert_eq!(tag, one.login_tag(IssuerId::BUILT_IN, "ada", &login));
    assert_ne!(tag, one.login_tag(IssuerId::BUILT_IN, "bob", &login));
    assert_ne!(tag, one.login_tag(IssuerId::BUILT_IN, "ada", &Login::TokenId("s".into())));
    assert_ne!(tag, other.login_tag(IssuerId::BUILT_IN, "ada", &login));
    assert_eq!(one.device_tag(IssuerId::BUILT_IN, "ada", "phone").to_string().len(), 16);
}

#[test]
fn a_private_key_signs_instead_of_the_secret_which_still_verifies() {
    let signer = issuers::Signer::new();
    let (next, pem) = issuers::Signer::with_private_pem();
    let by_secret = identity(|_| {}).mint("ada", None, NOW, Duration::from_secs(60)).unwrap();
    let identity = identity(|config| {
        config.key = SigningKeyPem::parse(&pem);
        config.previous_keys = VerifyingKeysPem::parse(&signer.public);
    });
    let minted = identity.mint("ada", None, NOW, Duration::from_secs(60)).unwrap();
    let jws = Jws::parse(&minted).unwrap();
    let thumbprint = next.key.public().unwrap().thumbprint().unwrap();
    assert_eq!((jws.algorithm, jws.key_id.as_deref()), (Algorithm::EdDsa, Some(&*thumbprint)));
    assert!(verdict(&identity, &minted, NOW).is_ok());
    assert!(verdict(&identity, &by_secret, NOW).is_ok());

    let claims = format!("{{\"sub\":\"u\",\"exp\":{}}}", NOW + 60);
    let with_header =
        |signer: &issuers::Signer, header: &str| crate::jose::tests::token(&signer.key, header, &claims);
    let earlier = signer.key.public().unwrap().thumbprint().unwrap();
    assert!(
        verdict(&identity, &with_header(&signer, &format!(r#"{{"alg":"EdDSA","kid":"{earlier}"}}"#)), NOW)
            .is_ok()
    );
    assert!(verdict(&identity, &with_header(&signer, r#"{"alg":"EdDSA"}"#), NOW).is_ok());
    for bad in [
        with_header(&signer, &format!(r#"{{"alg":"EdDSA","kid":"{thumbprint}"}}"#)), // the other one's
        with_header(&signer, r#"{"alg":"EdDSA","kid":"?"}"#),
        with_header(&signer, r#"{"alg":"ES256"}"#),
        with_header(&signer, r#"{"alg":"HS256"}"#),
        with_header(&issuers::Signer::new(), r#"{"alg":"EdDSA"}"#),
        sign(&signer.public, r#"{"alg":"HS256"}"#, &claims),
    ] {
        assert_eq!(verdict(&identity, &bad, NOW), Err(TokenRefusal::Invalid), "{bad}");
    }
    let published: serde_json::Value = serde_json::from_str(identity.published_keys()).unwrap();
    let ids: Vec<_> =
        published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*thumbprint, &*earlier]);
    assert!(!identity.published_keys().contains(SECRET) && !identity.published_keys().contains("\"d\""));
}

#[test]
fn a_key_without_a_secret_makes_no_secret() {
    let (_, pem) = issuers::Signer::with_private_pem();
    let config = IdentityConfig { key: SigningKeyPem::parse(&pem), ..IdentityConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::new(&config, Keys::open(&config, folder.path()).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let claims = format!("{{\"sub\":\"u\",\"exp\":{}}}", NOW + 60);
    for secret in ["", " ", &pem] {
        let forged = sign(secret, r#"{"alg":"HS256"}"#, &claims);
        assert_eq!(verdict(&identity, &forged, NOW), Err(TokenRefusal::Invalid), "{secret:?}");
    }
}
