//! `rollcall config check|print`.

use rollcall::config::Config;

use super::Failure;

/// The configuration is good, or this command would not have been reached; what is doubtful is said.
pub(super) fn check(config: &Config) -> String {
    let mut text = String::new();
    for warning in config.warnings() {
        text.push_str(&format!("warning: {warning}\n"));
    }
    if let Some(note) = missing_page(config) {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push_str("The configuration is good.\n");
    text
}

/// What is to be said when `/` is to answer with the devices page and this program was built without it.
pub(super) fn missing_page(config: &Config) -> Option<&'static str> {
    (config.http.page && !rollcall::http::has_devices_page()).then_some(
        "the devices page is not in this program, / says how to connect; build it with scripts/page",
    )
}

pub(super) fn print(config: &Config) -> Result<String, Failure> {
    config.to_masked_toml().map_err(Failure::because)
}
