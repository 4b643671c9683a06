//! What is wrong with the configuration, in one line that names the key, where it stands, what was given and what is
//! allowed. Does not know: how the value was read.

use std::fmt::{self, Write};

/// A configuration that the server does not start with.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read or is not TOML.
    #[error("configuration file {}: {}", OneLine(path), OneLine(problem))]
    File {
        /// The file as it was named.
        path: String,
        /// What the system or the parser said, with line and column where there is one.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{} ({}): unknown key; allowed: {allowed}", OneLine(key), OneLine(source_name))]
    UnknownKey {
        /// `section.key`.
        key: String,
        /// The file or the variable.
        source_name: String,
        /// The keys that exist at this place.
        allowed: String,
    },
    /// A value that is not allowed, secrets masked.
    #[error("{} ({}): {}", OneLine(key), OneLine(source_name), OneLine(problem))]
    Value {
        /// `section.key`.
        key: String,
        /// The file, the variable or the flag.
        source_name: String,
        /// `given …; allowed: …`.
        problem: String,
    },
}

/// A text that may hold what was given, written so that it stays in its line and moves no cursor.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\u{2028}' | '\u{2029}' => write!(formatter, "{}", character.escape_default()),
            character if character.is_control() => write!(formatter, "{}", character.escape_default()),
            character => formatter.write_char(character),
        })
    }
}
