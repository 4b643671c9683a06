//! Logout tokens against the list of OpenID Connect Back-Channel Logout 1.0 section 2.6.

use super::issuers::{ISS, Signer, with, with_issuers};
use super::*;
use crate::jose::tests::token;
use serde_json::{Value, json};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn claims() -> Value {
    json!({
        "iss": ISS, "aud": "client", "iat": NOW, "exp": NOW + 120, "jti": "j", "sub": "ada", "sid": "s",
        "events": {EVENT: {}}
    })
}

fn entry(signer: &Signer) -> Value {
    json!({"name": "a", "issuer": ISS, "audience": "api", "client_id": "client", "key": signer.public})
}

fn judge(identity: &Identity, token: &str) -> Result<Logout, TokenRefusal> {
    identity.judge_logout(token, NOW).map_err(|unproven| unproven.refusal().unwrap())
}

#[test]
fn a_login_ends_by_its_sid_and_a_user_by_its_sub() {
    let signer = Signer::new();
    // Left out, the claim is the specification's own.
    for more in [json!({}), json!({"session_claim": "sid"})] {
        let identity = with_issuers(&[with(&entry(&signer), more)]);
        let until = identity.revoked_until(NOW);
        assert_eq!(until, NOW + 400 * 86_400 + 30);
        let said = |more: Value| {
            judge(&identity, &signer.sign(&with(&claims(), more))).map(|logout| logout.revocations)
        };
        assert_eq!(said(json!({})), Ok(vec![login(Some("ada"), "s", until), nameless("ada", until)]));
        assert_eq!(said(json!({"sub": null})), Ok(vec![login(None, "s", until)]));
        assert_eq!(said(json!({"sid": null})), Ok(vec![user(until)]));
        assert_eq!(said(json!({"sid": null, "sub": null})), Err(TokenRefusal::Invalid));

        let logout = judge(&identity, &signer.sign(&claims())).unwrap();
        assert_eq!((&*logout.token_id, logout.issuer, logout.until), ("j", IssuerId(1), NOW + 150));
    }
}

fn login(subject: Option<&str>, name: &str, until: u64) -> Revocation {
    let (issuer, subject) = (IssuerId(1), subject.map(Box::from));
    Revocation::Login { issuer, subject, login: Login::Session(name.into()), until }
}

fn user(until: u64) -> Revocation {
    Revocation::User { issuer: IssuerId(1), subject: "ada".into(), issued_before: NOW, except: None, until }
}

fn nameless(subject: &str, until: u64) -> Revocation {
    Revocation::Nameless { issuer: IssuerId(1), subject: subject.into(), issued_before: NOW, until }
}

#[test]
fn what_ends_is_what_access_tokens_name() {
    let signer = Signer::new();
    let identity = with_issuers(&[with(
        &entry(&signer),
        json!({"user_claim": "uid", "session_claim": "session_state"}),
    )]);
    let until = identity.revoked_until(NOW);
    let said =
        |more: Value| judge(&identity, &signer.sign(&with(&claims(), more))).map(|logout| logout.revocations);
    assert_eq!(said(json!({})), Ok(vec![login(None, "s", until)]));
    let own_names = json!({"uid": "7", "session_state": "t"});
    assert_eq!(said(own_names), Ok(vec![login(Some("7"), "t", until), nameless("7", until)]));
    assert_eq!(said(json!({"sid": null})), Err(TokenRefusal::Invalid), "sub is not what the user goes by");
}

#[test]
fn each_rule_of_the_specification_is_kept() {
    let signer = Signer::new();
    let identity = with_issuers(&[entry(&signer)]);
    let check = |more: Value, expected: Option<TokenRefusal>| {
        let claims = with(&claims(), more);
        assert_eq!(judge(&identity, &signer.sign(&claims)).err(), expected, "{claims}");
    };
    let invalid = Some(TokenRefusal::Invalid);
    check(json!({"aud": ["client", "other"]}), None);
    check(json!({"aud": "api"}), invalid); // that is what access tokens are for
    check(json!({"aud": null}), invalid);
    check(json!({"iss": "https://elsewhere.example"}), invalid);
    check(json!({"iss": null}), invalid);
    check(json!({"iat": null}), invalid);
    check(json!({"iat": NOW + 31}), invalid);
    check(json!({"exp": null}), invalid);
    check(json!({"exp": NOW - 30}), Some(TokenRefusal::Expired));
    check(json!({"jti": null}), invalid);
    check(json!({"nonce": "n"}), invalid);
    check(json!({"nonce": ""}), invalid);
    for events in [json!({}), json!({EVENT: 1}), json!([EVENT]), json!(EVENT), json!({"http://other": {}})] {
        check(json!({"events": events}), invalid);
    }
    check(json!({"events": null}), invalid);
    check(json!({"events": {EVENT: {}, "http://other": {}}}), None);
}

#[test]
fn a_logout_token_opens_nothing_and_an_access_token_ends_nothing() {
    let signer = Signer::new();
    let entry = with(&entry(&signer), json!({"audience": "client"}));
    let identity = with_issuers(&[entry]);
    for header in
        [r#"{"alg":"EdDSA"}"#, r#"{"alg":"EdDSA","typ":"JWT"}"#, r#"{"alg":"EdDSA","typ":"logout+jwt"}"#]
    {
        let logout = token(&signer.key, header, &claims().to_string());
        assert!(judge(&identity, &logout).is_ok(), "{header}");
        assert_eq!(verdict(&identity, &logout, NOW), Err(TokenRefusal::Invalid), "{header}");
    }
    let access = with(&claims(), json!({"events": null}));
    for header in [r#"{"alg":"EdDSA"}"#, r#"{"alg":"EdDSA","typ":"at+jwt"}"#] {
        let access = token(&signer.key, header, &access.to_string());
        assert!(verdict(&identity, &access, NOW).is_ok(), "{header}");
        assert_eq!(judge(&identity, &access), Err(TokenRefusal::Invalid), "{header}");
    }
    let mixed = token(&signer.key, r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &claims().to_string());
    assert_eq!(judge(&identity, &mixed), Err(TokenRefusal::Invalid));
}

#[test]
fn only_an_entry_with_a_client_id_takes_logout_tokens_and_by_its_own_key() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let without = with_issuers(&[with(&entry(&signer), json!({"client_id": null}))]);
    assert!(!without.takes_logout_tokens());
    assert_eq!(judge(&without, &signer.sign(&claims())), Err(TokenRefusal::Invalid));
    let identity = with_issuers(&[entry(&signer)]);
    assert!(identity.takes_logout_tokens());
    assert_eq!(judge(&identity, &stranger.sign(&claims())), Err(TokenRefusal::Invalid));
    assert_eq!(judge(&identity, &super::token(&claims().to_string())), Err(TokenRefusal::Invalid));
    let unsigned = signer.sign(&claims());
    let unsigned = &unsigned[..unsigned.rfind('.').unwrap() + 1];
    assert_eq!(judge(&identity, unsigned), Err(TokenRefusal::Invalid));
    assert_eq!(judge(&identity, &"x".repeat(TOKEN_MAX + 1)), Err(TokenRefusal::Invalid));
}
