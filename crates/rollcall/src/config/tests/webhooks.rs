//! What a person who configures a webhook wrong gets to read, and never the secret.

use super::*;

const GOOD: &str =
    "url = 'https://app.example/hooks?key=hunter2'\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n";

fn entry(text: &str) -> Result<Config, ConfigError> {
    from_text(&format!("[[webhooks]]\n{text}"))
}

/// The good entry with the line of this key replaced, or taken out.
fn with(key: &str, line: &str) -> String {
    let kept: Vec<&str> = GOOD.lines().filter(|given| !given.starts_with(&format!("{key} ="))).collect();
    format!("{}\n{line}\n", kept.join("\n"))
}

#[test]
fn file_and_environment_take_the_same_entries_and_nothing_secret_is_shown() {
    let by_file = entry(&format!("{GOOD}events = ['login.new']\nname = 'app'\ntimeout = '2s'")).unwrap();
    let json = r#"[{"url":"https://app.example/hooks?key=hunter2","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "events":["login.new"],"name":"app","timeout":"2s"}]"#;
    assert_eq!(from_environment(&[("ROLLCALL_WEBHOOKS", json)]).unwrap(), by_file);
    assert!(
        by_file.webhooks.want(WebhookEvent::LoginNew) && !by_file.webhooks.want(WebhookEvent::SessionEnded)
    );
    let shown = format!("{by_file:?}{}", by_file.to_masked_toml().unwrap());
    assert!(shown.contains("https://app.example/hooks?***") && shown.contains("[[webhooks]]"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("MfKQ"), "{shown}");
    assert_eq!(entry(GOOD).unwrap().webhooks.as_slice()[0].events, WebhookEvent::ALL);
}

#[test]
fn a_secret_may_stand_in_a_file_that_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let line = format!("secret_file = '{}'", file.display());
    assert_eq!(entry(&with("secret", &line)), entry(GOOD));
    check_error(entry(&format!("{GOOD}{line}")), &["webhooks", "entry 1", "secret_file", "one of the two"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_error(entry(&with("secret", &line)), &["entry 1", "secret_file", "chmod 600"]);
}

#[test]
fn errors_name_the_entry_the_key_what_was_given_and_what_is_allowed() {
    for (key, line, parts) in [
        ("url", "", &["url: not given", "https://"][..]),
        ("url", "url = 7", &["url: given something else"]),
        ("url", "url = 'app.example/hunter2'", &["url: given something", "no web address"]),
        ("url", "url = 'https://ada:hunter2@app.example/'", &["with a user or password"]),
        (
            "url",
            "url = 'http://10.0.0.7/hooks?key=hunter2'",
            &["\"http://10.0.0.7/hooks\"", "allow_http = true"],
        ),
        ("secret", "", &["secret: not given", "secret_file", "whsec_"]),
        ("secret", "secret = 'hunter2'", &["secret: given 7 bytes (not shown)", "24 to 64"]),
        ("secret", "secret = 'whsec_aHVudGVyMg=='", &["given 18 bytes (not shown)"]),
        ("previous_secret", "previous_secret = 7", &["previous_secret: given something else"]),
        ("events", "events = []", &["events: given []", "session.ended"]),
        ("events", "events = ['login.newer']", &["\"login.newer\"", "login.new, session.started"]),
        ("name", "name = 'a b'", &["name: given \"a b\"", "letters"]),
        ("timeout", "timeout = '2m'", &["timeout: given \"2m\"", "1s to 1m"]),
        ("timeout", "timeout = 5", &["timeout: given 5"]),
        ("allow_http", "allow_http = 'yes'", &["allow_http: given \"yes\"", "true or false"]),
        ("retries", "retries = 3", &["retries: unknown key", "previous_secret_file"]),
    ] {
        let result = entry(&with(key, line));
        let error = result.as_ref().expect_err(line).to_string();
        assert!(!error.contains("hunter2"), "{error}");
        check_error(result, &[&["webhooks", "given.toml", "entry 1"], parts].concat());
    }
    for line in ["url = 'http://127.0.0.1:8080/'", "url = 'http://10.0.0.7/'\nallow_http = true"] {
        assert!(entry(&with("url", line)).is_ok(), "{line}");
    }
    let twice = format!("[[webhooks]]\n{GOOD}[[webhooks]]\n{GOOD}");
    check_error(from_text(&twice), &["two entries are https://app.example/hooks?***", "a name of its own"]);
    let many = format!("[[webhooks]]\n{GOOD}").repeat(17);
    check_error(from_text(&many), &["17 entries", "16 at most"]);
    check_error(
        from_environment(&[("ROLLCALL_WEBHOOKS", "x")]),
        &["webhooks", "ROLLCALL_WEBHOOKS", "JSON array"],
    );
}

#[test]
fn the_entry_of_the_example_file_names_every_key() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rollcall.example.toml");
    let example = fs::read_to_string(path).unwrap();
    let (_, entry) = example.split_once("# [[webhooks]]\n").unwrap();
    let entry = &entry[..entry.find("\n\n").unwrap()];
    for key in ["name", "url", "allow_http", "secret", "previous_secret", "events", "timeout"] {
        assert!(entry.contains(&format!("\n# {key} = ")), "{key}");
    }
    for file in ["secret_file", "previous_secret_file"] {
        assert!(entry.contains(file), "{file}");
    }
}
