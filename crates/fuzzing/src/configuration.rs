//! The configuration: a file and an environment. What is taken is the same when it is printed and read again; what is not
//! is refused by a line that names the key and shows no secret.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStringExt;

use rollcall::config::{Config, ConfigError, Sources};
use tempfile::NamedTempFile;

/// A file; behind a line `---` an environment, a line each: `NAME=value`, of which the name is put behind `ROLLCALL_`.
pub fn configuration(input: &[u8]) {
    let (file, environment) = match input.windows(MARK.len()).position(|bytes| bytes == MARK) {
        Some(at) => (&input[..at], &input[at + MARK.len()..]),
        None => (input, &[][..]),
    };
    // Files of the machine are not the fuzzer's to read.
    if input.windows(5).any(|bytes| bytes.eq_ignore_ascii_case(b"_file")) {
        return;
    }
    let environment = environment.split(|byte| *byte == b'\n').filter_map(variable).collect();
    match load(file, environment) {
        Ok(config) => taken(&config),
        Err(error) => refused(&error),
    }
}

fn variable(line: &[u8]) -> Option<(OsString, OsString)> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let name = [b"ROLLCALL_", &line[..at]].concat();
    Some((OsString::from_vec(name), OsString::from_vec(line[at + 1..].to_vec())))
}

fn load(file: &[u8], environment: Vec<(OsString, OsString)>) -> Result<Config, ConfigError> {
    thread_local!(static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a temporary file")));
    FILE.with_borrow_mut(|named| {
        let written =
            named.as_file().set_len(0).and_then(|()| named.rewind()).and_then(|()| named.write_all(file));
        written.expect("a temporary file can be written");
        Config::load(&Sources { file: Some(named.path().to_owned()), environment, listen: None })
    })
}

fn taken(config: &Config) {
    let shown = config.to_masked_toml().expect("a configuration can be shown");
    assert_eq!(config.warnings(), config.clone().warnings());
    for secret in config.identity.secret.iter().chain(&config.identity.previous_secrets) {
        assert!(!shown.contains(secret.expose()), "a secret is shown");
        assert!(!format!("{config:?}").contains(secret.expose()), "a secret is shown");
    }
    if !shown.contains("***") {
        let again = load(shown.as_bytes(), Vec::new());
        assert_eq!(again.as_ref(), Ok(config), "{shown}");
    }
}

fn refused(error: &ConfigError) {
    let line = error.to_string();
    match error {
        ConfigError::File { problem, .. } => assert!(!problem.is_empty()),
        ConfigError::UnknownKey { allowed, .. } => assert!(!allowed.is_empty(), "{line}"),
        ConfigError::Value { key, problem, .. } => {
            assert!(!key.is_empty() && !problem.is_empty(), "{line}");
        }
    }
    assert!(!line.contains('\n'), "{line:?} is more than a line");
    // What stands elsewhere may be shown: that is how a person finds it.
    if let ConfigError::Value { key, problem, .. } = error {
        let is_secret = SECRETS.iter().any(|secret| key == secret || key.starts_with(&format!("{secret}.")));
        assert!(!is_secret || !problem.contains(CANARY), "a secret is shown: {line}");
        let is_database = key == "database.url";
        assert!(!is_database || !problem.contains(&format!("{CANARY}@")), "a password is shown: {line}");
    }
}

/// What stands between the file and the environment.
const MARK: &[u8] = b"\n---\n";
/// Keys whose values are shown nowhere.
const SECRETS: [&str; 4] =
    ["identity.secret", "identity.previous_secrets", "identity.key", "registry.redis_url"];
/// What the seeds have as their secrets, and nowhere else.
const CANARY: &str = "cAnArY";
