//! From file, environment and flags to a [`Config`], every value with the place it came from.
//! Does not know: what any key means.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::secret::read_private_file;
use super::{Config, ConfigError, tables};

/// Everything that a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config FILE`. Without it `ROLLCALL_CONFIG`, without that `rollcall.toml` if it exists.
    pub file: Option<PathBuf>,
    /// Names and values of the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// `--listen ADDRESS`, not parsed yet.
    pub listen: Option<String>,
}

impl Sources {
    /// The environment of this process, and these flags.
    pub fn of_process(file: Option<PathBuf>, listen: Option<String>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), listen }
    }
}

impl Config {
    /// Reads, merges and checks. Nothing else is touched: no folder is made, no port bound.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        for layer in
            [file_layer(sources)?, environment_layer(sources)?, flags_layer(sources)].into_iter().flatten()
        {
            figment = figment.merge(layer.with_secret_files()?.with_table_files()?.checked()?);
        }
        let config: Self = figment.extract().map_err(|error| value_error(&error))?;
        if let Some((key, problem)) = config.contradiction() {
            let source_name =
                figment.find_metadata(key).map_or("default".into(), |origin| origin.name.to_string());
            return Err(ConfigError::Value {
                key: key.to_owned(),
                source_name: place(&source_name, key),
                problem,
            });
        }
        Ok(config)
    }
}

/// The values of one source.
struct Layer {
    /// [`ENVIRONMENT`], or the name of a file or flag.
    name: String,
    values: toml::Table,
}

impl Layer {
    /// Replaces each `NAME_file` of a secret by what the file holds (of a list of secrets: one a line), so that
    /// precedence works as for any other key.
    fn with_secret_files(mut self) -> Result<Self, ConfigError> {
        for (section, key) in SECRETS {
            let Some(table) = self.values.get_mut(section).and_then(toml::Value::as_table_mut) else {
                continue;
            };
            let file_key = format!("{key}_file");
            let Some(file) = table.remove(&file_key) else { continue };
            let key_name = format!("{section}.{file_key}");
            let error = |problem| ConfigError::Value {
                source_name: place(&self.name, &key_name),
                key: key_name.clone(),
                problem,
            };
            if table.contains_key(key) {
                return Err(error(format!("given together with {section}.{key}; allowed: one of the two")));
            }
            let Some(path) = file.as_str() else {
                return Err(error(format!(
                    "given {file}; allowed: the path of a file that holds the secret"
                )));
            };
            let text =
                read_private_file(Path::new(path)).map_err(|problem| error(format!("{path}: {problem}")))?;
            let value = if key == PREVIOUS_SECRETS {
                text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().into()
            } else {
                toml::Value::String(text)
            };
            table.insert(key.to_owned(), value);
        }
        Ok(self)
    }

    /// The same for the files that entries of lists of tables name.
    fn with_table_files(mut self) -> Result<Self, ConfigError> {
        tables::read_files(&mut self.values).map_err(|(key, problem)| ConfigError::Value {
            source_name: place(&self.name, &key),
            key,
            problem,
        })?;
        Ok(self)
    }

    /// Refuses keys that do not exist; here and not while deserializing, so that the error can name the source.
    fn checked(self) -> Result<Self, ConfigError> {
        let known = known_keys();
        let unknown = |key: &str, set: &str, allowed: Vec<&str>| ConfigError::UnknownKey {
            key: key.to_owned(),
            source_name: place(&self.name, set),
            allowed: allowed.join(", "),
        };
        for (section, value) in &self.values {
            let Some(known_section) = known.get(section) else {
                // A variable is named as it was set: with its key.
                let key = value.as_table().and_then(|table| table.keys().next());
                let set = key.map_or_else(|| section.clone(), |key| format!("{section}.{key}"));
                return Err(unknown(section, &set, known.keys().map(String::as_str).collect()));
            };
            let Some(known_section) = known_section.as_object() else { continue };
            let Some(table) = value.as_table() else {
                let problem = format!("given {value}; allowed: a section, [{section}]");
                let source_name = place(&self.name, section);
                return Err(ConfigError::Value { key: section.clone(), source_name, problem });
            };
            if let Some(key) = table.keys().find(|key| !known_section.contains_key(*key)) {
                let allowed = known_section.keys().map(String::as_str).collect();
                let key = format!("{section}.{key}");
                return Err(unknown(&key, &key, allowed));
            }
        }
        Ok(self)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let values = Value::serialize(&self.values)?.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, values)]))
    }
}

fn file_layer(sources: &Sources) -> Result<Option<Layer>, ConfigError> {
    let from_environment = || {
        let variable = sources.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE);
        variable.map(|(_, value)| PathBuf::from(value))
    };
    let named = sources.file.clone().or_else(from_environment);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let error = |problem: String| ConfigError::File { path: path.display().to_string(), problem };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(problem) if named.is_none() && problem.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(error(problem.to_string())),
    };
    // The parser's own message quotes the line, and a line may hold a secret: only the place and the reason are kept.
    let values = text.parse::<toml::Table>().map_err(|problem| {
        let before = problem.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        error(format!("line {}: {}", before.matches('\n').count() + 1, problem.message()))
    })?;
    Ok(Some(Layer { name: path.display().to_string(), values }))
}

fn environment_layer(sources: &Sources) -> Result<Option<Layer>, ConfigError> {
    let mut values = toml::Table::new();
    for (name, value) in &sources.environment {
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let (section, key) = match name.split_once("__") {
            Some(parts) => parts,
            None if TOP_LEVEL.contains(&name) => ("", name),
            None => continue,
        };
        let key_name =
            if section.is_empty() { key.to_lowercase() } else { format!("{section}.{key}").to_lowercase() };
        let source_name = format!("{PREFIX}{name}");
        if name.contains(|c: char| c.is_ascii_lowercase()) {
            let allowed = name.to_uppercase();
            return Err(ConfigError::UnknownKey {
                key: key_name,
                source_name,
                allowed: format!("{PREFIX}{allowed}"),
            });
        }
        let Some(text) = value.to_str() else {
            let problem = "given bytes that are not UTF-8; allowed: text".to_owned();
            return Err(ConfigError::Value { key: key_name, source_name, problem });
        };
        // Always a string: a secret of digits must not become a number.
        let text = toml::Value::String(text.to_owned());
        if section.is_empty() {
            values.insert(key.to_lowercase(), text);
            continue;
        }
        let table = values.entry(section.to_lowercase()).or_insert_with(|| toml::Table::new().into());
        if let Some(table) = table.as_table_mut() {
            table.insert(key.to_lowercase(), text);
        }
    }
    tables::parse_json(&mut values).map_err(|(key, problem)| ConfigError::Value {
        source_name: place(ENVIRONMENT, &key),
        key,
        problem,
    })?;
    Ok(Some(Layer { name: ENVIRONMENT.to_owned(), values }))
}

fn flags_layer(sources: &Sources) -> Option<Layer> {
    let listen = sources.listen.clone()?;
    let http = toml::Table::from_iter([("listen".to_owned(), toml::Value::String(listen))]);
    Some(Layer {
        name: "--listen".to_owned(),
        values: toml::Table::from_iter([("http".to_owned(), http.into())]),
    })
}

/// Sections and keys that exist, taken from the defaults themselves: a key that has no value there is null.
fn known_keys() -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(Config::default()) {
        Ok(serde_json::Value::Object(keys)) => keys,
        // Only text and numbers are in there, so this does not happen; no key would be known then.
        Ok(_) | Err(_) => serde_json::Map::new(),
    }
}

fn value_error(error: &figment::Error) -> ConfigError {
    let key = error.path.join(".");
    let secret = SECRETS.iter().any(|(section, name)| key.starts_with(&format!("{section}.{name}")));
    let problem = match &error.kind {
        Kind::Message(message) => message.clone(),
        Kind::InvalidType(given, allowed) | Kind::InvalidValue(given, allowed) if !secret => {
            format!("given {given}; allowed: {allowed}")
        }
        Kind::InvalidType(_, allowed) | Kind::InvalidValue(_, allowed) => {
            format!("given something else (not shown); allowed: {allowed}")
        }
        other => other.to_string(),
    };
    let source_name = error.metadata.as_ref().map_or("default".into(), |origin| origin.name.to_string());
    ConfigError::Value { source_name: place(&source_name, &key), key, problem }
}

/// Where a person finds the value: the variable's full name, or the file or flag as it is.
fn place(source_name: &str, key: &str) -> String {
    if source_name == ENVIRONMENT {
        format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
    } else {
        source_name.to_owned()
    }
}

/// Read from the working directory when no other file is named.
pub(super) const DEFAULT_FILE: &str = "rollcall.toml";
const PREFIX: &str = "ROLLCALL_";
const CONFIG_VARIABLE: &str = "ROLLCALL_CONFIG";
/// The keys outside a section.
const TOP_LEVEL: [&str; 2] = ["DATA_DIR", "WEBHOOKS"];
const ENVIRONMENT: &str = "environment";

/// Keys that may also be given as `NAME_file`.
const SECRETS: [(&str, &str); 7] = [
    ("admin", "password"),
    ("database", "url"),
    ("identity", "secret"),
    ("identity", PREVIOUS_SECRETS),
    ("identity", "key"),
    ("identity", "previous_keys"),
    ("registry", "redis_url"),
];
const PREVIOUS_SECRETS: &str = "previous_secrets";
