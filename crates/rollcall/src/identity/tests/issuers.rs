//! Configured issuers: which token is whose, and what it must say.

use super::*;
use crate::jose::SigningKey;
use crate::jose::tests::{pem, token};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

pub(super) struct Signer {
    pub(super) key: SigningKey,
    pub(super) public: String,
}

impl Signer {
    pub(super) fn new() -> Self {
        Self::with_private_pem().0
    }

    pub(super) fn with_private_pem() -> (Self, String) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public = pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
        let private = pem("PRIVATE KEY", pkcs8.as_ref());
        (Self { key: SigningKey::from_pem(&private).unwrap(), public }, private)
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        token(&self.key, r#"{"alg":"EdDSA"}"#, &claims.to_string())
    }
}

pub(super) const ISS: &str = "https://id.example.org";

/// Entries of these tables; what is not given is filled in.
pub(super) fn with_issuers(entries: &[Value]) -> Identity {
    identity(|config| {
        config.issuers = serde_json::from_value(Value::Array(entries.to_vec())).unwrap();
    })
}

/// `base` with these members, of which `null` takes one out.
pub(super) fn with(base: &Value, more: Value) -> Value {
    let mut claims = base.clone();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[test]
fn the_same_subject_of_two_issuers_is_two_users() {
    let (one, other) = (Signer::new(), Signer::new());
    let identity = with_issuers(&[
        json!({"name": "one", "issuer": ISS, "audience": "a", "key": one.public}),
        json!({"name": "other", "issuer": "https://other.example", "audience": "a", "key": other.public}),
    ]);
    let claims = json!({"iss": ISS, "aud": "a", "sub": "ada", "exp": NOW + 60, "sid": "s"});
    let first = verdict(&identity, &one.sign(&claims), NOW).unwrap();
    let second =
        verdict(&identity, &other.sign(&with(&claims, json!({"iss": "https://other.example"}))), NOW)
            .unwrap();
    let built_in =
        verdict(&identity, &super::token(&with(&claims, json!({"iss": null})).to_string()), NOW).unwrap();
    assert_eq!((first.issuer, second.issuer, built_in.issuer), (IssuerId(1), IssuerId(2), IssuerId(0)));
    assert_eq!((&first.subject, &first.login), (&second.subject, &second.login));
    let tag =
        |principal: &Principal| identity.login_tag(principal.issuer, &principal.subject, &principal.login);
    assert_ne!(tag(&first), tag(&second));
    assert_eq!(identity.issuer_name(IssuerId(2)), Some("other"));
    assert_eq!(identity.issuer_named("other"), Some(IssuerId(2)));
    assert_eq!((identity.issuer_name(IssuerId(3)), identity.issuer_named("third")), (None, None));
}

#[test]
fn the_key_of_one_issuer_verifies_no_token_of_another() {
    let (one, other) = (Signer::new(), Signer::new());
    let identity = with_issuers(&[
        json!({"name": "one", "issuer": ISS, "audience": "a", "key": one.public}),
        json!({"name": "other", "issuer": ISS, "audience": "b", "key": other.public}),
    ]);
    let claims = |audience: &str| json!({"iss": ISS, "aud": audience, "sub": "ada", "exp": NOW + 60});
    assert!(verdict(&identity, &one.sign(&claims("a")), NOW).is_ok());
    assert!(verdict(&identity, &other.sign(&claims("b")), NOW).is_ok());
    let invalid = Err(TokenRefusal::Invalid);
    assert_eq!(verdict(&identity, &one.sign(&claims("b")), NOW), invalid);
    assert_eq!(verdict(&identity, &other.sign(&claims("a")), NOW), invalid);
    // Nor one of the built-in issuer, and its secret none of theirs.
    assert_eq!(verdict(&identity, &one.sign(&with(&claims("a"), json!({"iss": null}))), NOW), invalid);
    assert_eq!(verdict(&identity, &one.sign(&with(&claims("a"), json!({"iss": "rollcall"}))), NOW), invalid);
    assert_eq!(verdict(&identity, &super::token(&claims("a").to_string()), NOW), invalid);
}

#[test]
fn a_token_is_of_the_one_entry_that_its_iss_and_aud_name() {
    let signer = Signer::new();
    let identity = with_issuers(&[
        json!({"name": "a", "issuer": ISS, "audience": ["a", "a2"], "key": signer.public}),
        json!({"name": "b", "issuer": ISS, "audience": "b", "key": signer.public}),
    ]);
    let base = json!({"iss": ISS, "sub": "ada", "exp": NOW + 60});
    let check = |aud: Value, expected: Option<u16>| {
        let claims = with(&base, json!({"aud": aud}));
        let found = verdict(&identity, &signer.sign(&claims), NOW).map(|principal| principal.issuer);
        assert_eq!(found, expected.map(IssuerId).ok_or(TokenRefusal::Invalid), "{claims}");
    };
    check(json!("a"), Some(1));
    check(json!(["x", "a2", "a"]), Some(1));
    check(json!(["b"]), Some(2));
    check(json!(["a", "b"]), None); // two user spaces never meet
    check(json!("A"), None);
    check(json!(["a", 1]), None);
    check(json!({"a": "a"}), None);
    check(json!([]), None);
    check(Value::Null, None); // absent
    let elsewhere = with(&base, json!({"aud": "a", "iss": "https://id.example.org/"}));
    assert_eq!(verdict(&identity, &signer.sign(&elsewhere), NOW), Err(TokenRefusal::Invalid));
}

#[test]
fn user_and_login_come_from_the_claims_that_the_entry_names() {
    let signer = Signer::new();
    let identity = with_issuers(&[json!({
        "name": "a", "issuer": ISS, "audience": "a", "key": signer.public,
        "user_claim": "https://example.org/uid", "session_claim": "session_state"
    })]);
    let base =
        json!({"iss": ISS, "aud": "a", "exp": NOW + 60, "https://example.org/uid": 7, "session_state": "s"});
    let check = |more: Value, expected: Option<(&str, &str)>| {
        let claims = with(&base, more);
        let found = verdict(&identity, &signer.sign(&claims), NOW);
        let found = found.map(|principal| (principal.subject.to_string(), principal.login.to_string()));
        let expected = expected.map(|(user, login)| (user.to_owned(), login.to_owned()));
        assert_eq!(found, expected.ok_or(TokenRefusal::Invalid), "{claims}");
    };
    check(json!({}), Some(("7", "sid:s")));
    check(json!({"sub": "other", "sid": "other", "jti": "other"}), Some(("7", "sid:s")));
    check(json!({"session_state": null, "jti": "j", "sid": "other"}), Some(("7", "jti:j")));
    check(json!({"https://example.org/uid": null, "sub": "ada"}), None);
    check(json!({"https://example.org/uid": ""}), None);
    check(json!({"https://example.org/uid": ["7"]}), None);
    check(json!({"https://example.org/uid": "x".repeat(256)}), None);
    check(json!({"session_state": 1.5}), None);
    check(json!({"session_state": {"id": "s"}}), None);
    let twice = base.to_string().replace("\"aud\"", "\"session_state\":\"t\",\"aud\"");
    let twice = token(&signer.key, r#"{"alg":"EdDSA"}"#, &twice);
    assert_eq!(verdict(&identity, &twice, NOW), Err(TokenRefusal::Invalid));
}

#[test]
fn required_claims_are_there_with_a_value_that_is_wanted() {
    let signer = Signer::new();
    let entry = json!({"name": "a", "issuer": ISS, "key": signer.public});
    let base = json!({"iss": ISS, "sub": "ada", "exp": NOW + 60});
    let check = |required: Value, claims: Value, good: bool| {
        let identity = with_issuers(&[with(&entry, json!({"required_claims": required}))]);
        let claims = with(&base, claims);
        let found = verdict(&identity, &signer.sign(&claims), NOW).err();
        assert_eq!(found, (!good).then_some(TokenRefusal::Invalid), "{required} {claims}");
    };
    check(json!(["scope"]), json!({"scope": ""}), true);
    check(json!(["scope"]), json!({}), false);
    check(json!({"token_use": "access"}), json!({"token_use": "access"}), true);
    check(json!({"token_use": "access"}), json!({"token_use": "id"}), false);
    check(json!({"token_use": "access"}), json!({}), false);
    check(json!({"token_use": "access"}), json!({"token_use": ["id", "access"]}), true);
    check(
        json!({"azp": ["web", "app"], "level": 2, "verified": true}),
        json!({"azp": "app", "level": 2, "verified": true}),
        true,
    );
    check(json!({"azp": ["web", "app"], "level": 2}), json!({"azp": "app", "level": "2"}), false);
    check(json!({"verified": true}), json!({"verified": "true"}), false);
    check(json!({"azp": "app"}), json!({"azp": {"app": "app"}}), false);
    let null = base.to_string().replace("\"exp\"", "\"scope\":null,\"exp\"");
    let identity = with_issuers(&[with(&entry, json!({"required_claims": ["scope"]}))]);
    let null = token(&signer.key, r#"{"alg":"EdDSA"}"#, &null);
    assert_eq!(verdict(&identity, &null, NOW), Err(TokenRefusal::Invalid));
}

#[test]
fn an_algorithm_that_the_entry_does_not_list_is_not_taken() {
    let signer = Signer::new();
    let config: Result<crate::config::Issuers, _> = serde_json::from_value(json!([
        {"name": "a", "issuer": ISS, "audience": "a", "key": signer.public, "algorithms": ["RS256"]}
    ]));
    assert!(config.unwrap_err().to_string().contains("allowed with this key: EdDSA"));
    let identity =
        with_issuers(&[json!({"name": "a", "issuer": ISS, "audience": "a", "key": signer.public})]);
    let claims = json!({"iss": ISS, "aud": "a", "sub": "ada", "exp": NOW + 60}).to_string();
    assert!(verdict(&identity, &token(&signer.key, r#"{"alg":"EdDSA"}"#, &claims), NOW).is_ok());
    for alg in ["none", "HS256", "ES256", "RS256", "eddsa", ""] {
        let token = token(&signer.key, &format!(r#"{{"alg":"{alg}"}}"#), &claims);
        assert_eq!(verdict(&identity, &token, NOW), Err(TokenRefusal::Invalid), "{alg}");
    }
    // The oldest trick: HMAC with the public key's text as its secret.
    let hs256 = sign(&signer.public, r#"{"alg":"HS256"}"#, &claims);
    assert_eq!(verdict(&identity, &hs256, NOW), Err(TokenRefusal::Invalid));
}

#[test]
fn what_a_token_is_for_is_looked_at() {
    let signer = Signer::new();
    let identity =
        with_issuers(&[json!({"name": "a", "issuer": ISS, "audience": "a", "key": signer.public})]);
    let claims = json!({"iss": ISS, "aud": "a", "sub": "ada", "exp": NOW + 60});
    let typed =
        |typ: &str| token(&signer.key, &format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#), &claims.to_string());
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        assert!(verdict(&identity, &typed(typ), NOW).is_ok(), "{typ}");
    }
    for typ in ["logout+jwt", "secevent+jwt", "rt+jwt", "dpop+jwt", "JWE", "", "application/x/at+jwt"] {
        assert_eq!(verdict(&identity, &typed(typ), NOW), Err(TokenRefusal::Invalid), "{typ}");
    }
    let announcement = with(&claims, json!({"events": {}}));
    assert_eq!(verdict(&identity, &signer.sign(&announcement), NOW), Err(TokenRefusal::Invalid));
}
