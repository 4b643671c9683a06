//! Lists of tables, `[[identity.issuers]]` and its like: from the environment they come as JSON, and their entries may
//! name files. Does not know: what an entry means.

use std::fs;

use toml::{Table, Value};

/// Turns the JSON text of each such list into tables. The error is the key and what is wrong with it.
pub(super) fn parse_json(values: &mut Table) -> Result<(), (String, String)> {
    for (section, key) in TABLES {
        let Some(value) = values.get_mut(section).and_then(|section| section.get_mut(key)) else { continue };
        let Some(text) = value.as_str() else { continue };
        let parsed: Result<Vec<Table>, _> = serde_json::from_str(text);
        match parsed {
            Ok(tables) => *value = Value::Array(tables.into_iter().map(Value::Table).collect()),
            Err(problem) => {
                let problem =
                    format!("given no JSON array of objects ({problem}); allowed: [{{\"name\": …}}, …]");
                return Err((format!("{section}.{key}"), problem));
            }
        }
    }
    Ok(())
}

/// Replaces each `key_file` of an entry by what the file holds. The error is the key and what is wrong with it.
pub(super) fn read_files(values: &mut Table) -> Result<(), (String, String)> {
    for (section, key) in TABLES {
        let Some(Value::Array(entries)) = values.get_mut(section).and_then(|section| section.get_mut(key))
        else {
            continue;
        };
        for entry in entries.iter_mut().filter_map(Value::as_table_mut) {
            let Some(file) = entry.remove("key_file") else { continue };
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            let error = |problem: String| {
                Err((format!("{section}.{key}"), format!("entry {name:?}: key_file: {problem}")))
            };
            if entry.contains_key("key") {
                return error("given together with key; allowed: one of the two".to_owned());
            }
            let Some(path) = file.as_str() else {
                return error(format!("given {file}; allowed: the path of a PEM file"));
            };
            match fs::read_to_string(path) {
                Ok(text) => drop(entry.insert("key".to_owned(), Value::String(text))),
                Err(problem) => return error(format!("{path}: {problem}")),
            }
        }
    }
    Ok(())
}

const TABLES: [(&str, &str); 1] = [("identity", "issuers")];
