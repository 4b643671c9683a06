//! Section `log`: what the log looks like. It goes to standard error.

use serde::{Deserialize, Serialize};

use super::setting;

/// Form and amount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Default `text`, for people; `json`, one object a line, for machines.
    #[serde(with = "setting")]
    pub format: LogFormat,
    /// Default `info`.
    #[serde(with = "setting")]
    pub level: LogLevel,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

setting::word_setting!(LogFormat, "text or json", { "text" => LogFormat::Text, "json" => LogFormat::Json });

/// What is written at all: this and everything graver.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something needs a look.
    Warn,
    /// Start, stop, refusals.
    #[default]
    Info,
    /// Each step of a connection.
    Debug,
    /// Each packet's kind.
    Trace,
}

setting::word_setting!(LogLevel, "error, warn, info, debug or trace", {
    "error" => LogLevel::Error,
    "warn" => LogLevel::Warn,
    "info" => LogLevel::Info,
    "debug" => LogLevel::Debug,
    "trace" => LogLevel::Trace,
});
