//! What a person who configures an issuer wrong gets to read.

use super::*;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
const GOOD: &str = "name = 'shop'\nissuer = 'https://id'\naudience = 'api'\njwks_url = 'https://id/jwks'\nsession_claim = 'sid'\n";

fn entry(text: &str) -> Result<Config, ConfigError> {
    from_text(&format!("[[identity.issuers]]\n{text}"))
}

/// The good entry with the line of this key replaced, or taken out.
fn with(key: &str, line: &str) -> String {
    let kept: Vec<&str> = GOOD.lines().filter(|given| !given.starts_with(&format!("{key} ="))).collect();
    format!("{}\n{line}\n", kept.join("\n"))
}

#[test]
fn file_and_environment_take_the_same_entries() {
    let by_file =
        entry(&format!("{GOOD}algorithms = ['RS256', 'ES256']\nrequired_claims = {{ typ = 'Bearer' }}"));
    let json = r#"[{"name":"shop","issuer":"https://id","audience":["api"],"jwks_url":"https://id/jwks",
        "session_claim":"sid","algorithms":"RS256,ES256","required_claims":{"typ":["Bearer"]}}]"#;
    let by_environment = from_environment(&[("ROLLCALL_IDENTITY__ISSUERS", json)]).unwrap();
    assert_eq!(by_file.unwrap(), by_environment);
    let entry = &by_environment.identity.issuers.as_slice()[0];
    assert_eq!((entry.user_claim.as_str(), entry.client_id.as_deref()), ("sub", None));
    // What is printed is what is taken back.
    let printed = by_environment.to_masked_toml().unwrap();
    assert_eq!(from_text(&printed).unwrap(), by_environment, "{printed}");
}

#[test]
fn the_environment_takes_the_place_of_all_entries_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, format!("[[identity.issuers]]\n{GOOD}")).unwrap();
    let none = Config::load(&sources(Some(&file), &[("ROLLCALL_IDENTITY__ISSUERS", "[]")])).unwrap();
    assert!(none.identity.issuers.as_slice().is_empty());
}

#[test]
fn errors_name_the_entry_the_key_what_was_given_and_what_is_allowed() {
    let check = |text: &str, parts: &[&str]| {
        check_error(entry(text), &[&["identity.issuers", "given.toml"], parts].concat());
    };
    for (key, line, parts) in [
        ("name", "", &["entry 1", "name: not given", "letters"][..]),
        ("name", "name = 'a b'", &["\"a b\"", "letters"]),
        ("name", "name = 'built-in'", &["built-in"]),
        ("issuer", "", &["\"shop\"", "issuer: not given"]),
        ("issuer", "issuer = 7", &["issuer: given 7", "1 to 255 bytes"]),
        ("audience", "", &["audience: not given", "required_claims"]),
        ("audience", "audience = []", &["audience: given []"]),
        ("audience", "audience = ['a', '']", &["audience: given \"\""]),
        (
            "algorithms",
            "algorithms = ['HS256']",
            &["algorithms: given \"HS256\"", "RS256, PS256, ES256, ES384, EdDSA"],
        ),
        ("algorithms", "algorithms = ['none']", &["\"none\""]),
        ("jwks_url", "", &["jwks_url: not given", "key_file"]),
        ("jwks_url", "jwks_url = 'http://id/jwks'", &["http://id/jwks", "https://", "jwks_allow_http"]),
        ("jwks_url", "jwks_url = 'id/jwks'", &["id/jwks", "https://"]),
        ("jwks_url", "key = 'x'", &["key: given no PEM block", "PUBLIC KEY"]),
        ("x", "key = 'x'", &["together with key"]),
        ("x", "key_file = '/nonexistent.pem'", &["key_file: /nonexistent.pem", "No such file"]),
        ("x", "user_claim = ''", &["user_claim: given \"\""]),
        ("x", "client_id = 7", &["client_id: given 7"]),
        ("x", "required_claims = 'typ'", &["required_claims: given \"typ\"", "a list of names"]),
        ("x", "required_claims = { typ = {} }", &["required_claims"]),
        ("x", "required_claims = { typ = [] }", &["required_claims"]),
        ("x", "required_claims = { typ = 1.5 }", &["required_claims", "1.5"]),
        ("x", "jwks_allow_http = 'yes'", &["jwks_allow_http: given \"yes\"", "true or false"]),
        ("x", "secret = 'x'", &["secret: unknown key", "allowed: name, issuer"]),
    ] {
        check(&with(key, line), parts);
    }
    check_error(from_text("[identity]\nissuers = 'x'"), &["identity.issuers", "allowed: tables"]);
    check_error(from_text("[identity]\nissuers = [1]"), &["entry 1", "given 1"]);
    let variable = |text| from_environment(&[("ROLLCALL_IDENTITY__ISSUERS", text)]);
    for text in ["", "x", "{}", "[1]", r#"[{"name":null}]"#] {
        check_error(variable(text), &["identity.issuers", "ROLLCALL_IDENTITY__ISSUERS", "JSON array"]);
    }
    check_error(
        variable(r#"[{"name":"shop"}]"#),
        &["ROLLCALL_IDENTITY__ISSUERS", "\"shop\"", "issuer: not given"],
    );
}

#[test]
fn entries_that_one_token_could_mean_both_are_an_error() {
    let two = |second: &str| {
        from_text(&format!("[[identity.issuers]]\n{GOOD}client_id = 'c'\n[[identity.issuers]]\n{second}"))
    };
    let other = with("name", "name = 'other'");
    check_error(two(GOOD), &["two entries are called \"shop\""]);
    check_error(two(&other), &["\"shop\" and \"other\" overlap", "\"https://id\"", "\"api\""]);
    let lists = other.replace("'api'", "['b', 'api']");
    check_error(two(&lists), &["overlap", "\"api\""]);
    let open = other.replace("audience = 'api'", "required_claims = { azp = 'x' }");
    check_error(two(&open), &["overlap", "one has no audience"]);
    let told = other.replace("'api'", "'b'") + "client_id = 'c'";
    check_error(two(&told), &["client_id in common"]);
    assert!(two(&other.replace("'api'", "'b'")).is_ok());
    assert!(two(&other.replace("https://id'", "https://other'")).is_ok());
    check_error(
        entry(&with("issuer", "issuer = 'rollcall'")),
        &["identity.issuers", "\"rollcall\"", "identity.issuer"],
    );
}

#[test]
fn a_key_file_of_an_entry_is_read_and_several_keys_may_stand_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.pem");
    fs::write(&file, format!("# this year's\n{KEY}")).unwrap();
    let line = format!("key_file = '{}'", file.display());
    let config = entry(&with("jwks_url", &line)).unwrap();
    assert!(
        matches!(&config.identity.issuers.as_slice()[0].keys, KeySource::Pem(text) if text.contains(KEY))
    );
    check_error(entry(&with("jwks_url", &format!("{line}\nkey = 'x'"))), &["key_file", "together with key"]);
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let warnings = |text: &str| entry(text).unwrap().warnings();
    assert_eq!(warnings(GOOD), Vec::<String>::new());
    let [session] = &warnings(&with("session_claim", ""))[..] else { panic!("one warning") };
    assert!(session.contains("\"shop\"") && session.contains("session_claim"), "{session}");
    assert!(session.ends_with("ends one token and not the login"), "{session}");
    let [session] = &warnings(&with("session_claim", "client_id = 'rollcall'"))[..] else {
        panic!("one warning")
    };
    assert!(
        session.ends_with("a back-channel logout of any login of a user ends all those tokens of the user"),
        "{session}"
    );
    let [open] = &warnings(&with("audience", "required_claims = ['azp']"))[..] else { panic!("one warning") };
    assert!(open.contains("\"shop\"") && open.contains("audience"), "{open}");
    assert_eq!(warnings(&with("audience", "required_claims = { azp = 'x' }")), Vec::<String>::new());
}

#[test]
fn a_signing_key_is_pkcs8_and_never_shown() {
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, private).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let by_file = from_environment(&[("ROLLCALL_IDENTITY__KEY_FILE", file.to_str().unwrap())]).unwrap();
    let by_value =
        from_environment(&[("ROLLCALL_IDENTITY__KEY", private), ("ROLLCALL_IDENTITY__PREVIOUS_KEYS", KEY)])
            .unwrap();
    assert_eq!(by_file.identity.key, by_value.identity.key);
    assert_eq!(by_value.identity.previous_keys.as_ref().unwrap().keys().len(), 1);
    let shown = format!("{by_value:?}{}", by_value.to_masked_toml().unwrap());
    assert!(!shown.contains("MC4CAQAwBQYDK2VwBCIEIJ1"), "{shown}");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_error(
        from_environment(&[("ROLLCALL_IDENTITY__KEY_FILE", file.to_str().unwrap())]),
        &["identity.key_file", "chmod 600"],
    );
    let damaged = &private.replace("MC4CAQAw", "hunter22");
    for (variable, key, text) in [
        ("ROLLCALL_IDENTITY__KEY", "identity.key", damaged.as_str()),
        ("ROLLCALL_IDENTITY__KEY", "identity.key", KEY),
        ("ROLLCALL_IDENTITY__PREVIOUS_KEYS", "identity.previous_keys", damaged),
        ("ROLLCALL_IDENTITY__PREVIOUS_KEYS", "identity.previous_keys", "hunter22"),
    ] {
        let result = from_environment(&[(variable, text)]);
        assert!(!result.as_ref().unwrap_err().to_string().contains("hunter22"), "{result:?}");
        check_error(result, &[key, "not shown", "PKCS#8"]);
    }
}
