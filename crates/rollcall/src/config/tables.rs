//! Lists of tables, `[[identity.issuers]]` and its like: from the environment they come as JSON, and their entries may
//! name files. Does not know: what an entry means.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::secret::read_private_file;

/// A list of tables.
struct List {
    /// Where it stands: a section and a key, or one of them alone.
    path: &'static [&'static str],
    /// Keys of its entries that may also be given as `NAME_file`, and whether they are secrets.
    files: &'static [(&'static str, bool)],
    /// A key that each entry has.
    example: &'static str,
}

/// Turns the JSON text of each such list into tables. The error is the key and what is wrong with it.
pub(super) fn parse_json(values: &mut Table) -> Result<(), (String, String)> {
    for list in &LISTS {
        let Some(value) = find(values, list.path) else { continue };
        let Some(text) = value.as_str() else { continue };
        let parsed: Result<Vec<Table>, _> = serde_json::from_str(text);
        match parsed {
            Ok(tables) => *value = Value::Array(tables.into_iter().map(Value::Table).collect()),
            Err(problem) => {
                let allowed = format!("[{{\"{}\": …}}, …]", list.example);
                let problem = format!("given no JSON array of objects ({problem}); allowed: {allowed}");
                return Err((list.path.join("."), problem));
            }
        }
    }
    Ok(())
}

/// Replaces each `NAME_file` of an entry by what the file holds. The error is the key and what is wrong with it.
pub(super) fn read_files(values: &mut Table) -> Result<(), (String, String)> {
    for list in &LISTS {
        let Some(Value::Array(entries)) = find(values, list.path) else { continue };
        for (place, entry) in entries.iter_mut().enumerate() {
            let Some(entry) = entry.as_table_mut() else { continue };
            for (key, is_secret) in list.files {
                read_file(entry, key, *is_secret).map_err(|problem| {
                    let name = entry.get("name").and_then(Value::as_str);
                    let name = name.map_or((place + 1).to_string(), |name| format!("{name:?}"));
                    (list.path.join("."), format!("entry {name}: {key}_file: {problem}"))
                })?;
            }
        }
    }
    Ok(())
}

fn find<'v>(values: &'v mut Table, path: &[&str]) -> Option<&'v mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(values.get_mut(*first)?, |value, key| value.get_mut(*key))
}

fn read_file(entry: &mut Table, key: &str, is_secret: bool) -> Result<(), String> {
    let Some(file) = entry.remove(&format!("{key}_file")) else { return Ok(()) };
    if entry.contains_key(key) {
        return Err(format!("given together with {key}; allowed: one of the two"));
    }
    let Some(path) = file.as_str() else {
        let kind = if is_secret { "a file that holds the secret" } else { "a PEM file" };
        return Err(format!("given {file}; allowed: the path of {kind}"));
    };
    let text = if is_secret { read_private_file(Path::new(path)) } else { fs::read_to_string(path) };
    let text = text.map_err(|problem| format!("{path}: {problem}"))?;
    entry.insert(key.to_owned(), Value::String(text));
    Ok(())
}

const LISTS: [List; 2] = [
    List { path: &["identity", "issuers"], files: &[("key", false)], example: "name" },
    List { path: &["webhooks"], files: &[("secret", true), ("previous_secret", true)], example: "url" },
];
