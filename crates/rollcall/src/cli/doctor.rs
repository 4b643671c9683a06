//! `rollcall doctor`: what was found, for people or programs, and the exit status. Does not know: what is looked at.

use std::fmt::Write as _;

use rollcall::clock::Clock;
use rollcall::config::{Config, ConfigError};
use rollcall::doctor::{self, Finding, State};
use serde_json::json;

use super::Failure;
use super::storing::block_on;

/// The report; a configuration that cannot be loaded is its only finding.
pub(super) fn examine(loaded: Result<Config, ConfigError>, as_json: bool) -> Result<String, Failure> {
    let (findings, status) = match loaded {
        Err(error) => {
            let advice = "put this key right: rollcall.example.toml has them all, each with its meaning";
            (vec![Finding::failed(CONFIGURATION, error.to_string(), advice)], WRONG_CONFIGURATION)
        }
        Ok(config) => {
            let mut findings = block_on(async { Ok(doctor::examine(&config, &Clock::system()).await) })?;
            if findings.iter().all(|finding| finding.check != CONFIGURATION) {
                findings.insert(0, Finding::ok(CONFIGURATION, "can be used"));
            }
            let has_failed = findings.iter().any(|finding| finding.state == State::Failed);
            (findings, u8::from(has_failed))
        }
    };
    let text = match as_json {
        true => {
            let report = json!({ "ok": status == 0, "findings": findings });
            serde_json::to_string_pretty(&report).map_err(Failure::because)? + "\n"
        }
        false => report(&findings),
    };
    if status == 0 { Ok(text) } else { Err(Failure::Found(text, status)) }
}

fn report(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { check, state, found, advice } in findings {
        let word = match state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{word:7}  {check:width$}  {}", tame(found));
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:7}  {:width$}  -> {advice}", "", "");
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, warnings) = (count(State::Failed), count(State::Warning));
    let _ = match (failed, warnings) {
        (0, 0) => writeln!(text, "All is well."),
        (0, warnings) => writeln!(text, "A server would start; warnings: {warnings}."),
        (failed, warnings) => writeln!(text, "Failed: {failed}; warnings: {warnings}."),
    };
    text
}

/// What another machine has said moves no cursor.
fn tame(text: &str) -> String {
    text.chars().fold(String::new(), |mut tame, character| {
        match character {
            '"' | '\'' | '\\' => tame.push(character),
            other => tame.extend(other.escape_debug()),
        }
        tame
    })
}

const CONFIGURATION: &str = "configuration";
/// As of every command.
const WRONG_CONFIGURATION: u8 = 2;
