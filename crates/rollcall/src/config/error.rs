//! What is wrong with the configuration, in one line that names the key, where it stands, what was given and what is
//! allowed. Does not know: how the value was read.

/// A configuration that the server does not start with.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read or is not TOML.
    #[error("configuration file {path}: {problem}")]
    File {
        /// The file as it was named.
        path: String,
        /// What the system or the parser said, with line and column where there is one.
        problem: String,
    },
    /// A key that does not exist.
    #[error("{key} ({source_name}): unknown key; allowed: {allowed}")]
    UnknownKey {
        /// `section.key`.
        key: String,
        /// The file or the variable.
        source_name: String,
        /// The keys that exist at this place.
        allowed: String,
    },
    /// A value that is not allowed, secrets masked.
    #[error("{key} ({source_name}): {problem}")]
    Value {
        /// `section.key`.
        key: String,
        /// The file, the variable or the flag.
        source_name: String,
        /// `given …; allowed: …`.
        problem: String,
    },
}
