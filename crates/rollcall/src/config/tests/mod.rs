//! What a person who sets something wrong gets to read, and which source wins.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

const SECRET: &str = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u";

fn sources(file: Option<&Path>, environment: &[(&str, &str)]) -> Sources {
    let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    Sources {
        file: file.map(Path::to_owned),
        environment: environment.iter().map(pair).collect(),
        listen: None,
    }
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(&sources(None, environment))
}

fn from_text(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("given.toml");
    fs::write(&file, text).unwrap();
    Config::load(&sources(Some(&file), &[]))
}

/// Each part must stand in the one line of the error.
fn check_error(result: Result<Config, ConfigError>, parts: &[&str]) {
    let error = result.expect_err("the configuration was accepted").to_string();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in {error:?}");
    }
    assert!(!error.contains('\n'), "{error:?}");
}

#[test]
fn the_example_file_is_the_default_and_names_every_key() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rollcall.example.toml");
    assert_eq!(Config::load(&sources(Some(&path), &[])), Ok(Config::default()));

    let example = fs::read_to_string(path).unwrap();
    let serde_json::Value::Object(sections) = serde_json::to_value(Config::default()).unwrap() else {
        panic!()
    };
    for (section, keys) in sections {
        let Some(keys) = keys.as_object() else {
            let there = example.contains(&format!("\n{section} = "))
                || example.contains(&format!("\n# [[{section}]]\n"));
            assert!(there, "{section}");
            continue;
        };
        let start =
            example.find(&format!("\n[{section}]\n")).unwrap_or_else(|| panic!("no section {section}"));
        let body = &example[start + 2..];
        let body = &body[..body.find("\n[").unwrap_or(body.len())];
        for key in keys.keys() {
            let there = body.contains(&format!("\n{key} = "))
                || body.contains(&format!("\n# {key} = "))
                || example.contains(&format!("\n# [[{section}.{key}]]\n"));
            assert!(there, "{section}.{key} is missing in the example");
        }
    }
}

/// As a key of the file or a name of the environment.
#[test]
fn the_page_for_operators_names_every_setting() {
    let page = include_str!("../../../../../docs/operate.md");
    let serde_json::Value::Object(sections) = serde_json::to_value(Config::default()).unwrap() else {
        panic!()
    };
    let entry =
        ["name", "issuer", "audience", "algorithms", "jwks_url", "jwks_allow_http", "key", "user_claim"];
    let entry = entry.into_iter().chain(["session_claim", "client_id", "required_claims"]);
    let mut names: Vec<String> = entry.map(|key| format!("`{key}`")).collect();
    for (section, keys) in &sections {
        match keys.as_object() {
            Some(keys) => names.extend(keys.keys().map(|key| format!("{section}.{key}"))),
            None => names.push(section.clone()),
        }
    }
    assert!(names.len() > 60, "{names:?}");
    let is_there =
        |name: &String| page.contains(name) || page.contains(&name.to_uppercase().replace('.', "__"));
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_entry_of_the_example_file_is_one_that_is_taken() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rollcall.example.toml");
    let example = fs::read_to_string(path).unwrap();
    let (_, entry) = example.split_once("# [[identity.issuers]]\n").unwrap();
    let lines = entry.lines().take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# "));
    let is_setting = |line: &&str| {
        line.split(" = ")
            .next()
            .is_some_and(|key| key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()))
    };
    let settings: Vec<&str> = lines.filter(is_setting).collect();
    for key in [
        "name",
        "issuer",
        "audience",
        "algorithms",
        "jwks_url",
        "jwks_allow_http",
        "key",
        "key_file",
        "user_claim",
        "session_claim",
        "client_id",
        "required_claims",
    ] {
        assert!(settings.iter().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
    }
    let fetched: Vec<&str> = settings.into_iter().filter(|line| !line.starts_with("key")).collect();
    let config = from_text(&format!("[[identity.issuers]]\n{}", fetched.join("\n"))).unwrap();
    assert_eq!(config.identity.issuers.as_slice()[0].name, "shop");
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn a_proxy_list_that_believes_everybody_is_among_the_warnings() {
    let config = from_environment(&[("ROLLCALL_HTTP__TRUSTED_PROXIES", "private,::/0")]).unwrap();
    let [warning] = &config.warnings()[..] else { panic!("one warning") };
    assert!(warning.contains("::/0"), "{warning}");
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "[http]\nlisten = '127.0.0.1:1'\npage = false\n[limits]\nmax_payload = 1500").unwrap();
    let mut sources = sources(
        Some(&file),
        &[
            ("ROLLCALL_HTTP__LISTEN", "127.0.0.1:2"),
            ("ROLLCALL_LIMITS__MAX_PAYLOAD", "2000"),
            ("ROLLCALL_DATA_DIR", "/d"),
        ],
    );
    sources.listen = Some("127.0.0.1:3".to_owned());
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.http.listen.port(), 3);
    assert_eq!(config.limits.max_payload.get(), 2000);
    assert!(!config.http.page);
    assert_eq!(config.data_dir, PathBuf::from("/d"));
    assert_eq!(config.heartbeat, HeartbeatConfig::default());
}

#[test]
fn the_variable_names_the_file_unless_a_flag_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.toml");
    fs::write(&file, "[http]\npage = false").unwrap();
    let variable = ("ROLLCALL_CONFIG", file.to_str().unwrap());
    assert!(!from_environment(&[variable]).unwrap().http.page);
    check_error(
        from_environment(&[("ROLLCALL_CONFIG", "/nonexistent.toml")]),
        &["/nonexistent.toml", "No such file"],
    );
}

#[test]
fn environment_and_file_take_the_same_values() {
    let by_environment = from_environment(&[
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", "https://a.example, https://b.example"),
        ("ROLLCALL_HTTP__TRUSTED_PROXIES", "private,192.0.2.7"),
        ("ROLLCALL_HTTP__NODE_TAG", "1234"),
        ("ROLLCALL_IDENTITY__SECRET", "51728390465172839046517283904651"),
        ("ROLLCALL_IDENTITY__TOKEN_FROM", "auth,header"),
        ("ROLLCALL_IDENTITY__ACCESS_TTL", "1h"),
        ("ROLLCALL_OPS__LISTEN", "[::1]:9000"),
        ("ROLLCALL_RUNTIME__WORKER_THREADS", "3"),
        ("ROLLCALL_PRIVACY__IP", "truncated"),
        ("ROLLCALL_DATABASE__URL", "sqlite:///var/lib/r.db"),
    ])
    .unwrap();
    let by_file = from_text(
        "http = { allowed_origins = ['https://a.example', 'https://b.example'], trusted_proxies = ['private', '192.0.2.7'], node_tag = 1234 }
         [identity]
         secret = '51728390465172839046517283904651'
         token_from = ['auth', 'header']
         access_ttl = '1h'
         [ops]
         listen = '[::1]:9000'
         [runtime]
         worker_threads = 3
         [privacy]
         ip = 'truncated'
         [database]
         url = 'sqlite:/var/lib/r.db'",
    )
    .unwrap();
    assert_eq!(by_environment, by_file);
    assert_eq!(by_file.identity.access_ttl, Duration::from_secs(3600));
    assert_eq!(by_file.identity.token_from.as_slice(), [TokenPlace::Auth, TokenPlace::Header]);
    assert_eq!(by_file.database.url, Some(DatabaseUrl::Sqlite("/var/lib/r.db".into())));
}

#[test]
fn unknown_keys_are_named_with_their_source_and_the_known_ones() {
    check_error(
        from_environment(&[("ROLLCALL_HTTP__LISTENN", "x")]),
        &["http.listenn", "ROLLCALL_HTTP__LISTENN", "unknown", "listen", "socket_path"],
    );
    check_error(
        from_environment(&[("ROLLCALL_REDIS__URL", "x")]),
        &["(ROLLCALL_REDIS__URL)", "allowed: ", "heartbeat"],
    );
    check_error(
        from_environment(&[("ROLLCALL_http__listen", "x")]),
        &["ROLLCALL_http__listen", "ROLLCALL_HTTP__LISTEN"],
    );
    check_error(
        from_text("[limits]\nmax_payloads = 3"),
        &["limits.max_payloads", "given.toml", "packets_burst"],
    );
    check_error(from_text("[web]\n"), &["web", "given.toml", "unknown key"]);
    check_error(from_text("limits = 3"), &["limits", "given 3", "[limits]"]);
}

#[test]
fn other_names_with_the_prefix_are_ignored() {
    let kubernetes =
        [("ROLLCALL_PORT_3000_TCP", "tcp://10.0.0.1:3000"), ("ROLLCALL_SERVICE_HOST", "10.0.0.1")];
    assert_eq!(from_environment(&kubernetes), Ok(Config::default()));
}

#[test]
fn bad_values_are_named_with_what_is_allowed() {
    for (name, value, key, allowed) in [
        ("ROLLCALL_HTTP__LISTEN", "3000", "http.listen", "127.0.0.1:3000"),
        ("ROLLCALL_HTTP__PAGE", "yes", "http.page", "true or false"),
        ("ROLLCALL_HTTP__SOCKET_PATH", "socket.io", "http.socket_path", "/socket.io/"),
        (
            "ROLLCALL_HTTP__SOCKET_PATH",
            "/auth/",
            "http.socket_path",
            "not one of api, assets, auth, docs, livez, readyz, metrics",
        ),
        ("ROLLCALL_HTTP__ALLOWED_ORIGINS", "*,https://a.example", "http.allowed_origins", "* alone"),
        ("ROLLCALL_HTTP__TRUSTED_PROXIES", "10.0.0.0/40", "http.trusted_proxies", "10.0.0.0/8"),
        ("ROLLCALL_HTTP__TRANSPORTS", "webtransport", "http.transports", "both, polling or websocket"),
        ("ROLLCALL_HTTP__NODE_TAG", "a.b", "http.node_tag", "hyphens"),
        ("ROLLCALL_IDENTITY__LEEWAY", "30", "identity.leeway", "60s"),
        ("ROLLCALL_IDENTITY__LEEWAY", "301s", "identity.leeway", "0s to 5m"),
        ("ROLLCALL_IDENTITY__LEEWAY", "99999d", "identity.leeway", "0s to 5m"),
        ("ROLLCALL_IDENTITY__LEEWAY", "1500ms", "identity.leeway", "whole seconds"),
        ("ROLLCALL_IDENTITY__TOKEN_FROM", "header,cookie", "identity.token_from", "header, auth and query"),
        ("ROLLCALL_IDENTITY__TOKEN_FROM", "header,header", "identity.token_from", "at most once"),
        ("ROLLCALL_IDENTITY__AUDIENCE", "", "identity.audience", "1 to 255"),
        ("ROLLCALL_IDENTITY__ACCESS_TTL", "500d", "identity.access_ttl", "400d"),
        ("ROLLCALL_HEARTBEAT__INTERVAL_MS", "0", "heartbeat.interval_ms", "from 1"),
        ("ROLLCALL_HEARTBEAT__TIMEOUT_MS", "20s", "heartbeat.timeout_ms", "whole number"),
        ("ROLLCALL_LIMITS__PACKETS_BURST", "10", "limits.packets_burst", "packets_per_second"),
        ("ROLLCALL_LIMITS__MAILBOXES_TOTAL", "262143", "limits.mailboxes_total", "limits.mailbox (262144)"),
        (
            "ROLLCALL_LIMITS__INCOMPLETE_TOTAL",
            "199999",
            "limits.incomplete_total",
            "twice limits.max_payload (200000)",
        ),
        ("ROLLCALL_LIMITS__CONNECTIONS_PER_ADDRESS", "0", "limits.connections_per_address", "whole number"),
        ("ROLLCALL_PRIVACY__USER_AGENT", "short", "privacy.user_agent", "full, parsed or none"),
        ("ROLLCALL_LIMITS__SESSIONS_POLICY", "evict", "limits.sessions_policy", "deny or evict_oldest"),
        ("ROLLCALL_LIMITS__SESSIONS_PER_USER", "0", "limits.sessions_per_user", "whole number"),
        ("ROLLCALL_LOG__LEVEL", "verbose", "log.level", "debug"),
        ("ROLLCALL_OPS__LISTEN", "127.0.0.1:3000", "ops.listen", "another address"),
        ("ROLLCALL_DATABASE__URL", "mysql://x", "database.url", "postgres://USER"),
    ] {
        check_error(from_environment(&[(name, value)]), &[name, key, "given", "allowed", allowed]);
    }
    check_error(
        from_text("[http]\nlisten = ['x']"),
        &["http.listen", "given.toml", "given sequence", "allowed"],
    );
    check_error(from_text("[http\n"), &["given.toml", "line 1"]);
}

#[test]
fn secrets_and_passwords_stand_in_no_error_and_no_print() {
    let short = from_environment(&[("ROLLCALL_IDENTITY__SECRET", "hunter2")]).unwrap_err().to_string();
    assert!(short.contains("7 bytes") && !short.contains("hunter2"), "{short}");
    let url =
        from_environment(&[("ROLLCALL_DATABASE__URL", "postgres://u:hunter2@db:x")]).unwrap_err().to_string();
    assert!(url.contains("postgres://***") && !url.contains("hunter2"), "{url}");
    let list = from_text("[identity]\nsecret = ['hunter2']").unwrap_err().to_string();
    assert!(!list.contains("hunter2"), "{list}");
    let broken = from_text("[identity]\nsecret = 'hunter2\n").unwrap_err().to_string();
    assert!(broken.contains("line 2") && !broken.contains("hunter2"), "{broken}");

    let config = from_environment(&[
        ("ROLLCALL_IDENTITY__SECRET", SECRET),
        ("ROLLCALL_IDENTITY__PREVIOUS_SECRETS", SECRET),
        ("ROLLCALL_DATABASE__URL", "postgres://u:hunter2@db/x"),
    ]);
    let config = config.unwrap();
    let shown = format!("{config:?}{}", config.to_masked_toml().unwrap());
    assert!(shown.contains("\"postgres://u:***@db/x\""), "{shown}");
    assert!(!shown.contains(SECRET) && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let variable = ("ROLLCALL_IDENTITY__SECRET_FILE", file.to_str().unwrap());
    assert_eq!(from_environment(&[variable]).unwrap().identity.secret.unwrap().expose(), SECRET);
    let url = folder.path().join("url");
    fs::write(&url, "postgres://u:hunter2@db/x\n").unwrap();
    fs::set_permissions(&url, fs::Permissions::from_mode(0o600)).unwrap();
    let by_file = from_environment(&[("ROLLCALL_DATABASE__URL_FILE", url.to_str().unwrap())]).unwrap();
    assert_eq!(by_file.database.url, DatabaseUrl::parse("postgres://u:hunter2@db/x"));

    check_error(
        from_environment(&[variable, ("ROLLCALL_IDENTITY__SECRET", SECRET)]),
        &["identity.secret_file", "ROLLCALL_IDENTITY__SECRET_FILE", "one of the two"],
    );
    check_error(
        from_environment(&[("ROLLCALL_IDENTITY__SECRET_FILE", "/nonexistent")]),
        &["ROLLCALL_IDENTITY__SECRET_FILE", "/nonexistent", "No such file"],
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_error(from_environment(&[variable]), &["ROLLCALL_IDENTITY__SECRET_FILE", "0644", "chmod 600"]);
}

#[test]
fn previous_secrets_in_a_file_stand_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    fs::write(&file, format!("{SECRET}\n{SECRET},x\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let config =
        from_environment(&[("ROLLCALL_IDENTITY__PREVIOUS_SECRETS_FILE", file.to_str().unwrap())]).unwrap();
    let secrets: Vec<&str> = config.identity.previous_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, [SECRET, &format!("{SECRET},x")]);
}

/// Found by the fuzzer of configurations: a key of a file may hold whatever TOML can quote.
#[test]
fn what_is_given_neither_leaves_the_line_of_an_error_nor_moves_a_cursor() {
    let entry = "[[identity.issuers]]\n\"a\\nb\" = 1\nname = \"shop\"\nissuer = \"https://id.example\"\naudience = \"a\"\njwks_url = \"https://id.example/k\"";
    for (text, shown) in [
        ("\"a\\nb\" = 1", r"a\nb ("),
        ("[http]\n\"\\u001b[2J\" = 1", r"http.\u{1b}[2J ("),
        ("http = \"a\\nb\"", "allowed: a section"),
        ("\"\\u2028\" = 1", r"\u{2028} ("),
        (entry, r"a\nb: unknown key"),
    ] {
        let error = from_text(text).expect_err("the configuration was accepted").to_string();
        assert!(error.contains(shown) && !error.contains(char::is_control), "no {shown:?} in {error:?}");
    }
}

#[test]
fn open_registration_with_a_shared_secret_is_worth_a_warning() {
    let both = [("ROLLCALL_IDENTITY__SECRET", SECRET), ("ROLLCALL_ACCOUNTS__REGISTRATION", "true")];
    assert_eq!(from_environment(&both).unwrap().warnings().len(), 1);
    for one in both {
        assert!(from_environment(&[one]).unwrap().warnings().is_empty(), "{one:?}");
    }
}

mod issuers;
mod webhooks;

#[test]
fn the_password_of_admin_is_long_and_shown_nowhere() {
    let given = |text: &str| from_environment(&[("ROLLCALL_ADMIN__PASSWORD", text)]);
    check_error(given("short"), &["ROLLCALL_ADMIN__PASSWORD", "5 characters (not shown)", "12 to 255"]);
    let error = given("elevenchars").unwrap_err().to_string();
    assert!(!error.contains("elevenchars"), "{error}");
    let config = given("correct horse").unwrap();
    assert_eq!(config.admin.username, "admin");
    let shown = config.to_masked_toml().unwrap() + &format!("{config:?}");
    assert!(shown.contains("password = \"***\"") && !shown.contains("correct horse"), "{shown}");
    let [warning] = &config.warnings()[..] else { panic!("one warning") };
    assert!(warning.contains("admin.password") && warning.contains("ops.listen"), "{warning}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "correct horse\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let by_file = from_environment(&[
        ("ROLLCALL_ADMIN__PASSWORD_FILE", file.to_str().unwrap()),
        ("ROLLCALL_OPS__LISTEN", "127.0.0.1:9090"),
    ])
    .unwrap();
    assert_eq!((&by_file.admin, by_file.warnings().len()), (&config.admin, 0));
}
