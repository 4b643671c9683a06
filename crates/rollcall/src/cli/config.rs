//! `rollcall config check|print`.

use rollcall::config::Config;

use super::Failure;

/// The configuration is good, or this command would not have been reached; what is doubtful is said.
pub(super) fn check(config: &Config) -> String {
    let mut text = String::new();
    for warning in config.warnings() {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str("The configuration is good.\n");
    text
}

pub(super) fn print(config: &Config) -> Result<String, Failure> {
    config.to_masked_toml().map_err(Failure::because)
}
